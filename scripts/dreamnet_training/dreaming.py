"""Dreams during training: gradient ascent by the student, and a pool in which dreams go on.

Convention
    Pictures are ``(N, 3, H, W)`` float RGB in [0, 1]. One step adds ``step_size`` times the
    gradient divided by its mean absolute value. The objective is half the mean of the squared
    activations, whose gradient is seeded with the activation itself, or a class's log probability.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from livedream.dream.objectives.terms import QUIET, TINY
from livedream.learn.album import clouds

from .losses import Target

CLASS_MAP = "class_map"
CHANNEL_SHARE = 0.1
SMOOTHNESS = 1.3

Rows = npt.NDArray[np.int64]


def ascend(
    pictures: Tensor, objective: Callable[[Tensor], tuple[list[Tensor], list[Tensor]]]
) -> Tensor:
    """The gradient of each picture, divided by its own mean absolute value.

    ``objective`` gives the maps to ascend and the gradients to start from, for pictures that it is
    handed with ``requires_grad``.
    """
    x = pictures.detach().requires_grad_(True)
    outputs, grad_outputs = objective(x)
    (gradient,) = torch.autograd.grad(outputs, x, grad_outputs)
    gradient = gradient.float()
    return gradient / (gradient.abs().mean(dim=(1, 2, 3), keepdim=True) + 1e-12)


def smoothed(gradient: Tensor, exponent: float = SMOOTHNESS) -> Tensor:
    """The gradient, (N, 3, H, W), with its spectrum divided by the frequency to this power.

    It paints what holds at every scale, where the plain one adds noise that only its own network
    understands (exponent: heuristic, found by eye)."""
    height, width = gradient.shape[2:]
    fy = torch.fft.fftfreq(height, device=gradient.device)[:, None]
    fx = torch.fft.rfftfreq(width, device=gradient.device)[None]
    weight = (fx.square() + fy.square()).sqrt().add(1 / 64) ** -exponent
    found: Tensor = torch.fft.irfft2(torch.fft.rfft2(gradient) * weight, s=(height, width))
    return found


def varied(value: Tensor, variety: npt.NDArray[np.float64]) -> Tensor:
    """What each channel of a layer counts in a dream with ``variety``, (N, C, 1, 1), as the library
    reckons it (`livedream.dream.objectives.binding`), such that the layer pulls as hard as without.

    value: (N, C, h, w). variety: (N,).
    """
    energies = value.float().square().sum(dim=(2, 3), keepdim=True)
    shares = energies / energies.mean(dim=1, keepdim=True).clamp_min(TINY) + QUIET
    exponents = torch.from_numpy(variety).to(shares)[:, None, None, None]
    channel_weight = (shares.log() * -exponents).exp()
    total = energies.sum(dim=1, keepdim=True)
    weighted = (channel_weight * energies).sum(dim=1, keepdim=True)
    return channel_weight * total / weighted.clamp_min(TINY)


@dataclass(frozen=True)
class Goals:
    """What each of N pictures climbs, over L layers.

    layers: (N, L), whether a layer takes part; masks: (N,) seeds of the random tenth of the
    channels that takes part, -1 for all of them; variety: (N,), as in the library; classes: (N,),
    -1 for a picture that climbs layers; taught: (N,), whether the teacher's gradient is followed
    instead of the student's, so that the student meets classes it cannot reach by itself.
    """

    layers: npt.NDArray[np.bool_]
    masks: Rows
    variety: npt.NDArray[np.float64]
    classes: Rows
    taught: npt.NDArray[np.bool_]

    def __len__(self) -> int:
        return len(self.classes)

    def of(self, rows: Rows) -> Goals:
        """Those of some of the pictures."""
        return Goals(
            self.layers[rows], self.masks[rows], self.variety[rows], self.classes[rows],
            self.taught[rows],
        )  # fmt: skip

    def put(self, rows: Rows, other: Goals) -> None:
        """Gives these pictures the goals of ``other``, in its order."""
        self.layers[rows], self.masks[rows] = other.layers, other.masks
        self.variety[rows] = other.variety
        self.classes[rows], self.taught[rows] = other.classes, other.taught

    def channels(self, index: int, channels: int) -> Tensor:
        """The channels of layer ``index`` that take part, (N, C, 1, 1) of zeros and ones."""
        mask = np.repeat(self.layers[:, index, None].astype(np.float32), channels, axis=1)
        for row in np.flatnonzero(self.layers[:, index] & (self.masks >= 0)):
            chosen = np.random.default_rng(int(self.masks[row])).random(channels)
            mask[row] = chosen < CHANNEL_SHARE
        return torch.from_numpy(mask)[:, :, None, None]


def draw_goals(
    count: int,
    targets: Sequence[Target],
    classes: int,
    class_share: float,
    generator: np.random.Generator,
    *,
    taught_share: float = 0.5,
) -> Goals:
    """One layer, whole or a tenth of its channels, or all layers of one teacher (one in five), or
    (with probability ``class_share``) one class, some of those by the teacher's gradient."""
    teachers = np.array([target.teacher for target in targets])
    layers = np.eye(len(targets), dtype=bool)[generator.integers(0, len(targets), count)]
    some = generator.random(count) < 0.4
    together = generator.random(count) < 0.2
    layers[together] = teachers == generator.choice(teachers, count)[together, None]
    by_class = generator.random(count) < class_share
    layers[by_class] = False
    return Goals(
        layers,
        np.where(some & ~together, generator.integers(0, 2**31, count), -1),
        np.where(generator.random(count) < 0.5, generator.random(count), 0),
        np.where(by_class, generator.integers(0, classes, count), -1),
        by_class & (generator.random(count) < taught_share),
    )


def goal_objective(
    maps: dict[str, Tensor], goals: Goals, masks: dict[str, Tensor]
) -> tuple[list[Tensor], list[Tensor]]:
    """The maps that take part and the gradients to start from; ``masks`` by layer, as of
    ``Goals.channels``, of those layers that take part."""
    outputs = [maps[layer] for layer in masks]
    grad_outputs = []
    for value, mask in zip(outputs, masks.values(), strict=True):
        chosen = value.detach() * mask
        channel_weight = varied(chosen, goals.variety) * (1e4 / value[0].numel())
        grad_outputs.append((chosen * channel_weight).to(value.dtype))
    rows = np.flatnonzero(goals.classes >= 0)
    if len(rows):
        value = maps[CLASS_MAP]
        grad_output = -value.detach().float().mean(dim=(2, 3)).softmax(dim=1)
        grad_output[rows, goals.classes[rows]] += 1
        grad_output[np.flatnonzero(goals.classes < 0)] = 0
        outputs.append(value)
        grad_outputs.append(grad_output[:, :, None, None].expand_as(value).to(value.dtype))
    return outputs, grad_outputs


def shifted(pictures: Tensor, generator: np.random.Generator, reach_px: int = 8) -> Tensor:
    """The batch rolled by a random offset, so that no layer meets one fixed grid."""
    dy, dx = (int(v) for v in generator.integers(-reach_px, reach_px + 1, 2))
    return torch.roll(pictures, (dy, dx), (2, 3))


def grounds(count: int, size_px: int, generator: np.random.Generator) -> Tensor:
    """Clouds and, as many, plain noise: what a class is dreamed from when nothing is there."""
    noise = generator.normal(0.5, 0.08, (count, 3, size_px, size_px)).clip(0, 1)
    found = torch.from_numpy(noise).float()
    half = count // 2
    if half:
        found[:half] = clouds(half, size_px, size_px, generator)
    return found[torch.from_numpy(generator.permutation(count))]


class DreamPool:
    """Dreams that last over many training steps, as in a video: each visit adds a few steps.

    A visit takes pictures out, dreams on towards the picture's goal, holds the residual at a root
    mean square of 6 to 30 of 255, and puts them back; each picture starts afresh, with a new goal,
    with probability ``renewal``. So the student meets its dreams after 1, 10 and 100 steps at the
    price of one or two (the replay buffer of Du & Mordatch, "Implicit Generation and Modeling with
    Energy-Based Models", 2019).
    """

    def __init__(
        self,
        pictures: Tensor,
        draw: Callable[[int], Goals],
        generator: np.random.Generator,
        renewal: float = 0.08,
        painted: Callable[[Rows], Tensor] | None = None,
    ) -> None:
        self._base = pictures.clone()
        self._residual = torch.zeros_like(pictures)
        self._goals = draw(len(pictures))
        self._limit = generator.uniform(6, 30, len(pictures)).astype(np.float32) / 255
        self._draw = draw
        self._generator = generator
        self._renewal = renewal
        self._painted = painted

    def take(self, count: int, fresh: Tensor) -> tuple[Rows, Tensor, Goals]:
        """Indices, pictures and goals; ``fresh`` pictures replace old ones, as many as start afresh
        and at most all of them. Clouds or noise replace half of those that climb a class; half are
        mixed, in any share, with what a teacher painted of the class, if it did."""
        rng = self._generator
        chosen: Rows = rng.choice(len(self._base), count, replace=False)
        new = np.flatnonzero(rng.random(count) < self._renewal)[: len(fresh)]
        if len(new):
            rows, goals = chosen[new], self._draw(len(new))
            base = fresh[: len(new)].clone()
            bare = torch.from_numpy((goals.classes >= 0) & (rng.random(len(new)) < 0.5))
            if bare.any():
                base[bare] = grounds(int(bare.sum()), base.shape[2], rng).to(base.device)
            if self._painted is not None:
                shown = np.flatnonzero((goals.classes >= 0) & (rng.random(len(new)) < 0.5))
                if len(shown):
                    picture = self._painted(goals.classes[shown]).to(base.device)
                    share = torch.from_numpy(rng.random((len(shown), 1, 1, 1))).to(base)
                    base[shown] = torch.lerp(base[shown], picture, share)
            self._base[torch.from_numpy(rows)] = base
            self._residual[torch.from_numpy(rows)] = 0
            self._limit[rows] = rng.uniform(6, 30, len(new)) / 255
            self._goals.put(rows, goals)
        rows_ = torch.from_numpy(chosen)
        pictures = (self._base[rows_] + self._residual[rows_]).clamp(0, 1)
        return chosen, pictures, self._goals.of(chosen)

    def put(self, chosen: Rows, pictures: Tensor) -> Tensor:
        """Keeps the pictures, with their residuals held at their limit, and returns them so."""
        rows = torch.from_numpy(chosen)
        residual = pictures - self._base[rows]
        rms = residual.square().mean(dim=(1, 2, 3), keepdim=True).sqrt()
        limit = torch.from_numpy(self._limit[chosen])[:, None, None, None].to(residual)
        self._residual[rows] = residual * (limit / (rms + 1e-8)).clamp(max=1.0)
        return (self._base[rows] + self._residual[rows]).clamp(0, 1)
