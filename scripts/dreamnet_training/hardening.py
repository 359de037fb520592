"""Hardening: a dreamnet that goes on saying the same about pictures that an adversary has moved.

A network that is there already is fine-tuned: of a moved picture (`robust.moved`) it has to say
what labels and teachers say of the picture, and its layers what they said before it was moved. Its
layers keep their names and, about, their motifs, and lose what only the adversary can see.

Convention
    Pictures are ``(N, 3, S, S)``, uint8 or float RGB in [0, 1]; targets ``(N, C)``, of each class
    its probability.
"""

from __future__ import annotations

import copy
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from livedream.dream.networks.dreamnet import CLASS_MAP, DreamNet

from .optimizer import Optimizer
from .recipes import IMAGENET_MEAN, IMAGENET_STD
from .robust import Progress, augmented, mixed, moved
from .teachers import LOGITS, Teacher

TEACHER_PX: Final = 160  # larger than most pictures are, and quick
_DEEP_STAGE: Final = 3  # whose layers the adversary attacks
_SHALLOW_WEIGHT: Final = 0.3  # of the other layers in the loss: painters' strokes stay theirs
_CHUNK: Final = 250
_TOLD_EVERY: Final = 50


@dataclass(frozen=True)
class HardeningSettings:
    """One run; the schedule follows the clock.

    minutes: its length.  batch, samples: pictures per step, of the first and of the second set.
    size_px: their side.  cut, sample_cut: the smallest and the largest cut of a picture, as
    fractions of its side.  mixed: share of the batches in which each picture gets a piece of
    another.  distance: how far an adversary may move a picture; a quarter of it at first, all after
    ``rise`` of the run.  tries: its steps.  final_rate: what is left of the learning rate at the
    end, as a fraction.  average: decay of the exponential average of the weights, which is kept.
    """

    minutes: float
    batch: int = 192
    samples: int = 32
    size_px: int = 96
    cut: float = 0.55
    sample_cut: float = 0.4
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
    """Pictures, uint8, and what is to be said of each, (N, C) fp16."""

    pictures: Tensor
    targets: Tensor


@torch.no_grad()
def soft_labels(
    pictures: Tensor, classes: Tensor, teachers: Sequence[Teacher], count: int
) -> Tensor:
    """Half the class of each picture, half the teachers' mean verdict; (N, count) fp16."""
    found = torch.empty(len(classes), count, dtype=torch.float16)
    for first in range(0, len(classes), _CHUNK):
        chunk = slice(first, first + _CHUNK)
        said = functional.one_hot(classes[chunk], count).float()
        if teachers:
            shown = functional.interpolate(
                pictures[chunk].float() / 255, (TEACHER_PX, TEACHER_PX), mode="bilinear",
                align_corners=False, antialias=True,
            )  # fmt: skip
            verdicts = [one(shown)[LOGITS].float().mean((2, 3)).softmax(1) for one in teachers]
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
        self.weights = {
            layer.name: 1.0 if layer.stage >= _DEEP_STAGE else _SHALLOW_WEIGHT
            for layer in net.config.layers
        }
        self.deep = [layer.name for layer in net.config.layers if layer.stage >= _DEEP_STAGE]
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

    def step(
        self, pictures: Tensor, targets: Tensor, *, distance: float, learning_rate: float
    ) -> float:
        """One update; returns its loss."""
        wanted = self.wanted(pictures)
        hard = moved(
            lambda shown: self.wrong(shown, targets, wanted, self.deep),
            pictures,
            distance,
            self.settings.tries,
        )
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

    def averaged(self) -> DreamNet:
        """The network that the averaged weights make, in evaluation mode."""
        net = DreamNet(self.net.config)
        net.load_state_dict(self.average)
        return net.eval()

    def run(
        self,
        lessons: Lessons,
        samples: Lessons | None,
        random: np.random.Generator,
        seen: Callable[[Progress], None],
    ) -> None:
        """Trains for as long as the settings say; ``seen`` is told every fifty steps."""
        asked, begun_s, losses = self.settings, time.monotonic(), 0.0
        while (gone := (time.monotonic() - begun_s) / 60 / asked.minutes) < 1:
            pictures, targets = _drawn(lessons, asked.batch, asked.size_px, asked.cut, random)
            if samples is not None:
                more = _drawn(samples, asked.samples, asked.size_px, asked.sample_cut, random)
                pictures, targets = torch.cat([pictures, more[0]]), torch.cat([targets, more[1]])
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
    lessons: Lessons, count: int, size: int, least: float, random: np.random.Generator
) -> tuple[Tensor, Tensor]:
    some = torch.from_numpy(random.integers(0, len(lessons.targets), count))
    pictures = augmented(lessons.pictures[some], size, random, least)
    return pictures, lessons.targets[some].float()
