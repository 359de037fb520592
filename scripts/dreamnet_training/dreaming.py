"""Dreams during training: gradient ascent by the student, and a pool in which dreams go on.

Convention
    Pictures are ``(N, 3, H, W)`` float RGB in [0, 1]. One step adds ``step_size`` times the
    gradient divided by its mean absolute value. The objective is half the sum of the squared
    activations; its gradient is seeded with the activation itself.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

Maps = Callable[[Tensor], dict[str, Tensor]]
CLASS_MAP = "class_map"


def ascend(
    pictures: Tensor, seeds: Callable[[Tensor], tuple[list[Tensor], list[Tensor]]]
) -> Tensor:
    """The gradient of each picture, divided by its own mean absolute value.

    ``seeds`` gives the maps to climb and the gradients to start from, for pictures that it is
    handed with ``requires_grad``.
    """
    x = pictures.detach().requires_grad_(True)
    outputs, starts = seeds(x)
    (gradient,) = torch.autograd.grad(outputs, x, starts)
    gradient = gradient.float()
    return gradient / (gradient.abs().mean(dim=(1, 2, 3), keepdim=True) + 1e-12)


def random_objective(
    maps: dict[str, Tensor], layers: list[str], class_share: float, generator: np.random.Generator
) -> tuple[list[Tensor], list[Tensor]]:
    """For each picture of a batch one layer at random, whole or a tenth of its channels, or (with
    probability ``class_share``) one class at random."""
    count = next(iter(maps.values())).shape[0]
    by_class = generator.random(count) < class_share
    choice = generator.integers(0, len(layers), count)
    outputs, starts = [], []
    for index, layer in enumerate(layers):
        rows = (choice == index) & ~by_class
        if not rows.any():
            continue
        value = maps[layer]
        weight = torch.from_numpy(rows.astype(np.float32))[:, None, None, None]
        keep = np.ones((count, value.shape[1]), dtype=np.float32)
        some = generator.random(count) < 0.4
        keep[some] = generator.random((int(some.sum()), value.shape[1])) < 0.1
        mask = weight * torch.from_numpy(keep)[:, :, None, None]
        outputs.append(value)
        starts.append((value.detach() * mask).to(value.dtype))
    if by_class.any():
        value = maps[CLASS_MAP]
        target = generator.integers(0, value.shape[1], count)
        start = torch.zeros_like(value)
        for row in np.flatnonzero(by_class):
            start[row, int(target[row])] = 1.0
        outputs.append(value)
        starts.append(start)
    return outputs, starts


def shifted(pictures: Tensor, generator: np.random.Generator, reach_px: int = 8) -> Tensor:
    """The batch rolled by a random offset, so that no layer meets one fixed grid."""
    dy, dx = (int(v) for v in generator.integers(-reach_px, reach_px + 1, 2))
    return torch.roll(pictures, (dy, dx), (2, 3))


class DreamPool:
    """Dreams that last over many training steps, as in a video: each visit adds a few steps.

    A visit takes pictures out, dreams on, holds the residual at a root mean square of 6 to 30 of
    255, and puts them back; each picture starts afresh with probability ``renewal``. So the student
    meets its dreams after 1, 10 and 100 steps at the price of one or two (the replay buffer of
    Du & Mordatch, "Implicit Generation and Modeling with Energy-Based Models", 2019).
    """

    def __init__(
        self, pictures: Tensor, generator: np.random.Generator, renewal: float = 0.08
    ) -> None:
        self._base = pictures.clone()
        self._residual = torch.zeros_like(pictures)
        self._limit = generator.uniform(6, 30, len(pictures)).astype(np.float32) / 255
        self._generator = generator
        self._renewal = renewal

    def take(
        self, count: int, fresh: Tensor
    ) -> tuple[np.ndarray[tuple[int], np.dtype[np.int64]], Tensor]:
        """Indices and pictures; ``fresh`` (at least ``count`` pictures) replaces the old ones."""
        rng = self._generator
        chosen = rng.choice(len(self._base), count, replace=False)
        for position, index in enumerate(chosen):
            if rng.random() < self._renewal:
                self._base[index] = fresh[position]
                self._residual[index] = 0
                self._limit[index] = rng.uniform(6, 30) / 255
        rows = torch.from_numpy(chosen)
        return chosen, (self._base[rows] + self._residual[rows]).clamp(0, 1)

    def put(self, chosen: np.ndarray[tuple[int], np.dtype[np.int64]], pictures: Tensor) -> Tensor:
        """Keeps the pictures, with their residuals held at their limit, and returns them so."""
        rows = torch.from_numpy(chosen)
        residual = pictures - self._base[rows]
        rms = residual.square().mean(dim=(1, 2, 3), keepdim=True).sqrt()
        limit = torch.from_numpy(self._limit[chosen])[:, None, None, None]
        self._residual[rows] = residual * (limit / (rms + 1e-8)).clamp(max=1.0)
        return (self._base[rows] + self._residual[rows]).clamp(0, 1)
