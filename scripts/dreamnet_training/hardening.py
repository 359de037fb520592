"""Hardening: a dreamnet that goes on saying the same about pictures that an adversary has moved.

A network that is there already is fine-tuned: of a moved picture (`robust.moved`) it has to say
what labels and teachers say of the picture, and its layers what they said before it was moved. Its
layers keep their names and, about, their motifs, and lose what only the adversary can see. A
network between the two has most of what either has: their weights are near enough to be averaged
(Wortsman et al., "Robust fine-tuning of zero-shot models", 2022).

Convention
    Pictures are ``(N, 3, S, S)``, uint8 or float RGB in [0, 1]; targets ``(N, C)``, of each class
    its probability.
"""

from __future__ import annotations

import copy
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from livedream.dream.networks.dreamnet import CLASS_MAP, DreamNet, LayerConfig

from .optimizer import Optimizer
from .recipes import IMAGENET_MEAN, IMAGENET_STD
from .robust import Progress, augmented, mixed, moved, orders
from .teachers import LOGITS, Teacher

TEACHER_PX: Final = 160  # larger than most pictures are, and quick
# Stage and block from which on layers show animals (dreamnet's eyes): only those are attacked, and
# they are kept with weight 1. All three are heuristic.
_DEEP: Final = (3, 2)
_LAST_STAGE_WEIGHT: Final = 0.5  # of that stage's layers before, such as mosaic
_SHALLOW_WEIGHT: Final = 0.3  # of the layers of other stages: painters' strokes stay theirs
_HELD_OUT_TRIES: Final = 4
_CHUNK: Final = 100  # pictures at once: a teacher's first layers take megabytes of each
_TOLD_EVERY: Final = 50


@dataclass(frozen=True)
class HardeningSettings:
    """One run; the schedule follows the clock.

    minutes: its length.  batch, samples: pictures per step, of the first and of the second set.
    size_px: their side.  cut, sample_cut: side of the smallest and of the largest cut of a picture
    of either set, as fractions of its side.  mixed: share of the batches in which each picture gets
    a piece of another.  distance: how far an adversary may move a picture of ``size_px``; a quarter
    of it at first, all after ``rise`` of the run.  tries: its steps.  learning_rate: at the
    beginning, after ``warm_up_steps``; final_rate: what is left of it at the end, as a fraction.
    average: decay of the exponential average of the weights, which is kept.
    """

    minutes: float
    batch: int = 192
    samples: int = 32
    size_px: int = 96
    cut: tuple[float, float] = (0.55, 1.05)
    sample_cut: tuple[float, float] = (0.4, 1.0)
    mixed: float = 0.5
    distance: float = 1.5
    rise: float = 0.15
    tries: int = 2
    learning_rate: float = 1.5e-3
    final_rate: float = 0.15
    weight_decay: float = 0.05
    warm_up_steps: int = 100
    average: float = 0.998


@dataclass(frozen=True)
class Lessons:
    """Square pictures, (N, 3, S, S) uint8, and what is to be said of each, (N, C) fp16."""

    pictures: Tensor
    targets: Tensor

    def __len__(self) -> int:
        return len(self.targets)

    def only(self, indices: Tensor) -> Lessons:
        """Those of them."""
        return Lessons(self.pictures[indices], self.targets[indices])


@torch.no_grad()
def soft_labels(
    pictures: Tensor,
    classes: Tensor,
    teachers: Sequence[Teacher],
    count: int,
    size: int = TEACHER_PX,
) -> Tensor:
    """Half the class of each picture, half the teachers' mean verdict; (N, count) fp16.

    Without teachers the class alone. pictures: uint8; the teachers see them at ``size`` px.
    """
    found = torch.empty(len(classes), count, dtype=torch.float16)
    for first in range(0, len(classes), _CHUNK):
        chunk = slice(first, first + _CHUNK)
        said = functional.one_hot(classes[chunk], count).float()
        if teachers:
            shown = functional.interpolate(
                pictures[chunk].float() / 255, (size, size), mode="bilinear",
                align_corners=False, antialias=True,
            )  # fmt: skip
            with torch.autocast("cpu", torch.bfloat16):
                logits = [one(shown)[LOGITS] for one in teachers]
            verdicts = [one.float().mean((2, 3)).softmax(1) for one in logits]
            said = (said + sum(verdicts) / len(verdicts)) / 2
        found[chunk] = said.half()
    return found


class Hardening:
    """The network, what it was before, its optimizer, and the average of its weights."""

    def __init__(self, net: DreamNet, settings: HardeningSettings) -> None:
        self.settings = settings
        self.before = copy.deepcopy(net).to(memory_format=torch.channels_last).eval()
        self.before.requires_grad_(False)
        self.net: DreamNet = net.to(memory_format=torch.channels_last).requires_grad_(True).train()
        self.weights = {layer.name: _weight(layer) for layer in net.config.layers}
        self.deep = [layer.name for layer in net.config.layers if _is_deep(layer)]
        self.optimizer = Optimizer(list(net.parameters()), settings.weight_decay)
        self.average = {key: value.clone() for key, value in net.state_dict().items()}
        self.steps = 0
        self._mean, self._std = (
            torch.tensor(values)[:, None, None] for values in (IMAGENET_MEAN, IMAGENET_STD)
        )

    def _maps(
        self, net: DreamNet, pictures: Tensor, only: Sequence[str] | None = None
    ) -> dict[str, Tensor]:
        with torch.autocast("cpu", torch.bfloat16):
            return net.maps((pictures - self._mean) / self._std, only)

    @torch.no_grad()
    def wanted(self, pictures: Tensor) -> dict[str, Tensor]:
        """What the layers of the network before say of pictures."""
        return self._maps(self.before, pictures, list(self.weights))

    def wrong(
        self, pictures: Tensor, targets: Tensor, wanted: Mapping[str, Tensor],
        layers: Sequence[str] | None = None,
    ) -> Tensor:  # fmt: skip
        """How far the network is from the targets and, in ``layers`` (None: all), from what was
        wanted: squares, as fractions of the layer's own mean square."""
        maps = self._maps(self.net, pictures, layers)
        said = maps.pop(CLASS_MAP).float().mean((2, 3)).log_softmax(1)
        loss = -(targets * said).sum(1).mean()
        whole = sum(self.weights[name] for name in maps)
        for name, found in maps.items():
            away = (found - wanted[name]).square().float().mean()
            energy = wanted[name].float().square().mean().clamp_min(1e-6)
            loss = loss + self.weights[name] / whole * away / energy
        return loss

    def moved(
        self, pictures: Tensor, targets: Tensor, wanted: Mapping[str, Tensor], distance: float,
        tries: int,
    ) -> Tensor:  # fmt: skip
        """Pictures as the adversary moves them: it attacks what is said and the deep layers."""
        return moved(
            lambda shown: self.wrong(shown, targets, wanted, self.deep), pictures, distance, tries
        )

    @torch.no_grad()
    def score(self, pictures: Tensor) -> Tensor:
        """The class map's mean, (N, C) logits."""
        return self._maps(self.net, pictures, ())[CLASS_MAP].float().mean((2, 3))

    def step(
        self, pictures: Tensor, targets: Tensor, *, distance: float, learning_rate: float
    ) -> float:
        """One update; returns its loss."""
        wanted = self.wanted(pictures)
        hard = self.moved(pictures, targets, wanted, distance, self.settings.tries)
        loss = self.wrong(hard, targets, wanted)
        self.optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        self.optimizer.step(learning_rate)
        self.steps += 1
        kept = min(self.settings.average, (10 + self.steps) / (20 + self.steps))
        with torch.no_grad():
            for key, value in self.net.state_dict().items():
                self.average[key].lerp_(value, 1 - kept)
        return float(loss.detach())

    def state_dict(self) -> dict[str, Any]:
        """The averaged weights, and after how many steps."""
        return {"net": self.average, "steps": self.steps}

    def averaged(self, share: float = 1.0) -> DreamNet:
        """The network that the averaged weights make, or one between it and the network before:
        ``share`` of the way, 0 to 1. In evaluation mode."""
        net, before = DreamNet(self.net.config), self.before.state_dict()
        net.load_state_dict(
            {key: before[key].lerp(value, share) for key, value in self.average.items()}
        )
        return net.eval()

    def run(
        self,
        lessons: Lessons,
        samples: Lessons | None,
        random: np.random.Generator,
        seen: Callable[[Progress], None],
    ) -> None:
        """Trains for as long as the settings say; ``seen`` is told every fifty steps."""
        asked, losses = self.settings, 0.0
        drawn = [self._drawn(lessons, asked.batch, asked.cut, random)]
        if samples is not None:
            drawn.append(self._drawn(samples, asked.samples, asked.sample_cut, random))
        begun_s = time.monotonic()
        while (gone := (time.monotonic() - begun_s) / 60 / asked.minutes) < 1:
            parts = [next(some) for some in drawn]
            pictures, targets = (torch.cat(each) for each in zip(*parts, strict=True))
            if random.random() < asked.mixed:
                batch = mixed(pictures, torch.arange(len(pictures)), random)
                pictures = batch.pictures
                targets = batch.share * targets + (1 - batch.share) * targets[batch.others]
            risen = min(1, 0.25 + gone / asked.rise) if asked.rise else 1
            warm = min(1, (self.steps + 1) / asked.warm_up_steps)
            losses += self.step(
                pictures.contiguous(memory_format=torch.channels_last),
                targets,
                distance=asked.distance * risen,
                learning_rate=asked.learning_rate * warm * (1 - (1 - asked.final_rate) * gone),
            )
            if self.steps % _TOLD_EVERY == 0:
                seen(Progress(gone, self.steps, losses / _TOLD_EVERY))
                losses = 0.0

    def _drawn(
        self, lessons: Lessons, count: int, cut: tuple[float, float], random: np.random.Generator
    ) -> Iterator[tuple[Tensor, Tensor]]:
        """Augmented pictures and their targets, ``count`` at a time without end."""
        for order in orders(len(lessons), count, random):
            some = lessons.only(order)
            yield (
                augmented(some.pictures, self.settings.size_px, random, *cut),
                some.targets.float(),
            )


def recognised(training: Hardening, asked: Lessons, share: float = 1.0) -> tuple[float, float]:
    """Shares of pictures of which the network says what is most to be said: as they are, and moved
    in four tries. ``share``: which network, see `Hardening.averaged`."""
    net, settings = training.net, training.settings
    training.net = training.averaged(share)
    right = torch.zeros(2)
    try:
        for first in range(0, len(asked), _CHUNK):
            some = asked.only(torch.arange(first, min(first + _CHUNK, len(asked))))
            pictures = functional.interpolate(
                some.pictures.float() / 255, (settings.size_px, settings.size_px), mode="bilinear",
                align_corners=False, antialias=True,
            ).contiguous(memory_format=torch.channels_last)  # fmt: skip
            targets, wanted = some.targets.float(), training.wanted(pictures)
            hard = training.moved(pictures, targets, wanted, settings.distance, _HELD_OUT_TRIES)
            for row, shown in enumerate((pictures, hard)):
                said = training.score(shown).argmax(1)
                right[row] += (said == targets.argmax(1)).sum()
    finally:
        training.net = net
    plain, attacked = (right / max(1, len(asked))).tolist()
    return plain, attacked


def _is_deep(layer: LayerConfig) -> bool:
    return (layer.stage, layer.block) >= _DEEP


def _weight(layer: LayerConfig) -> float:
    """Of a layer in the loss."""
    if _is_deep(layer):
        return 1.0
    return _LAST_STAGE_WEIGHT if layer.stage == _DEEP[0] else _SHALLOW_WEIGHT
