"""What a network's dreams are worth: agreement with teachers, creatures, variety, classes.

Convention
    Pictures are ``(N, 3, S, S)`` float RGB in [0, 1]. A dream's residual is held at a root mean
    square of RMS. The response of a network is the mean over its layers of the mean square of
    each layer divided by its per-channel root mean square on the untouched pictures; its rise is
    the response after, over the response before, minus one.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from .objectives import DreamNetObjectives
from .pictures import PictureSet
from .sheets import BatchObjective, SheetSettings, dream
from .teachers import LOGITS, Teacher

RMS = 12 / 255
STEP_SIZE = 2 / 255
"""With it 12 steps of a teacher or a student leave 10 to 12 of 255 by themselves (measured)."""
BATCH = 20

BIRDS = frozenset([*range(7, 25), *range(80, 101), *range(127, 147)])
"""ImageNet's classes of birds: cock to great grey owl, grouse to macaw and lorikeet to swan,
storks to albatross."""
ARTHROPODS = frozenset([*range(69, 80), *range(118, 127), *range(300, 327)])
"""ImageNet's arthropods: trilobite to centipede, crabs to isopod, beetles to butterflies."""
ANIMALS = frozenset(range(398))
"""ImageNet's animals, tench to puffer."""

SEEN = 0.5
"""Probability above which a class counts as seen in a cell of the class map."""


def centre_crops(pictures: PictureSet, indices: Sequence[int], size: int) -> Tensor:
    """The largest central square of each picture, resized."""
    resized = partial(functional.interpolate, mode="bilinear", align_corners=False, antialias=True)
    crops = []
    for index in indices:
        picture = torch.from_numpy(pictures.picture(index).copy()).permute(2, 0, 1)[None].float()
        height, width = picture.shape[2:]
        side = min(height, width)
        top, left = (height - side) // 2, (width - side) // 2
        cut = picture[:, :, top : top + side, left : left + side] / 255
        crops.append(resized(cut, (size, size)))
    return torch.cat(crops)


def batched(pictures: Tensor) -> Iterator[Tensor]:
    """The pictures, BATCH at a time."""
    for start in range(0, len(pictures), BATCH):
        yield pictures[start : start + BATCH]


def squares(maps: Mapping[str, Tensor], scales: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Mean square of each layer over its scale, per picture."""
    return {
        name: (maps[name].float() / scale).square().mean(dim=(1, 2, 3))
        for name, scale in scales.items()
    }


@torch.no_grad()
def layer_scales(teacher: Teacher, pictures: Tensor) -> dict[str, Tensor]:
    """Per-channel root mean square of each layer, at least a tenth of the layer's median."""
    sums: dict[str, list[Tensor]] = {}
    for batch in batched(pictures):
        for name, value in teacher(batch).items():
            if name != LOGITS:
                sums.setdefault(name, []).append(value.float().square().mean(dim=(0, 2, 3)))
    scales = {}
    for name, found in sums.items():
        rms = torch.stack(found).mean(dim=0).sqrt()
        scales[name] = rms.clamp(min=float(rms.median()) * 0.1)[None, :, None, None]
    return scales


def teacher_objective(teacher: Teacher, scales: Mapping[str, Tensor]) -> BatchObjective:
    """The teacher's own dream: all its layers, each divided by its scale, equally weighted."""

    def objective(x: Tensor) -> tuple[list[Tensor], list[Tensor]]:
        maps = teacher(x)
        values = [maps[name] for name in scales]
        grad_outputs = [
            value.detach() / (scales[name].to(value.dtype) ** 2 * value[0].numel()) * 1e5
            for name, value in zip(scales, values, strict=True)
        ]
        return values, grad_outputs

    return objective


def dreams(objective: BatchObjective, pictures: Tensor, iterations: int, seed: int) -> Tensor:
    """Dreams of 2 octaves, residual held at RMS, clipped to [0, 1]."""
    generator = np.random.default_rng(seed)
    settings = SheetSettings(octaves=2, iterations=iterations, step_size=STEP_SIZE, strength=RMS)
    return torch.cat(
        [
            (batch + dream(objective, batch, settings, generator)).clamp(0, 1)
            for batch in batched(pictures)
        ]
    )


def same_spectrum(pictures: Tensor, dreamed: Tensor, seed: int) -> Tensor:
    """The pictures with noise that has each residual's spectrum and root mean square."""
    torch.manual_seed(seed)
    residual = dreamed - pictures
    noise = torch.randn(residual.shape[0], 1, *residual.shape[2:])
    phase = torch.fft.rfft2(noise)
    spectrum = torch.fft.rfft2(residual) * phase / (phase.abs() + 1e-8)
    noisy: Tensor = pictures + torch.fft.irfft2(spectrum, s=residual.shape[2:])
    return noisy.clamp(0, 1)


@torch.no_grad()
def rises(
    teacher: Teacher, scales: Mapping[str, Tensor], before: Tensor, after: Tensor
) -> dict[str, float]:
    """Rise of the teacher's response, of all layers together ("all") and of each by itself."""
    first: dict[str, list[Tensor]] = {}
    last: dict[str, list[Tensor]] = {}
    for x, y in zip(batched(before), batched(after), strict=True):
        for sums, pictures in ((first, x), (last, y)):
            for name, value in squares(teacher(pictures), scales).items():
                sums.setdefault(name, []).append(value)
    start = {name: float(torch.cat(v).mean()) for name, v in first.items()}
    end = {name: float(torch.cat(v).mean()) for name, v in last.items()}
    result = {name: end[name] / start[name] - 1 for name in scales}
    result["all"] = sum(end.values()) / sum(start.values()) - 1
    return result


@dataclass(frozen=True)
class Sightings:
    """What a judge sees: for each picture the classes above SEEN somewhere in its class map."""

    classes: tuple[frozenset[int], ...]

    def share(self, kind: frozenset[int], among: Sequence[int] | None = None) -> float:
        """Share of the pictures (all, or these) in which a class of this kind is seen."""
        rows = range(len(self.classes)) if among is None else among
        return sum(bool(self.classes[row] & kind) for row in rows) / max(1, len(rows))

    def without(self, kind: frozenset[int]) -> list[int]:
        """Pictures in which no class of this kind is seen."""
        return [row for row, seen in enumerate(self.classes) if not seen & kind]

    def distinct(self, kind: frozenset[int]) -> int:
        """How many classes of this kind are seen in all the pictures together."""
        return len(frozenset().union(*self.classes) & kind)


@torch.no_grad()
def look(judge: Teacher, pictures: Tensor) -> Sightings:
    """The judge's sightings; pictures are shown at 224 px or their own size if that is more."""
    found: list[frozenset[int]] = []
    size = max(224, pictures.shape[2])
    for batch in batched(pictures):
        shown = functional.interpolate(batch, (size, size), mode="bilinear", align_corners=False)
        best = judge(shown)[LOGITS].float().softmax(dim=1).amax(dim=(2, 3))
        found += [frozenset(int(i) for i in torch.nonzero(row > SEEN)) for row in best]
    return Sightings(tuple(found))


@dataclass(frozen=True)
class ClassDreams:
    """What a teacher says, whole picture or best cell, of N dreams of S steps, one class each.

    wanted: (N, S), the probability of the dreamed class after every step; others: (N, S), that of
    the class that the next picture dreams, which nothing in this one asked for."""

    wanted: Tensor
    others: Tensor


def class_dreams(
    objectives: DreamNetObjectives,
    teacher: Teacher,
    classes: Sequence[int],
    start: Tensor,
    iterations: int,
) -> ClassDreams:
    """Dreams of 2 octaves of ``iterations`` steps on each class from the starting pictures, one per
    class, watched by the teacher."""
    generator = np.random.default_rng(11)
    settings = SheetSettings(octaves=2, iterations=iterations, step_size=3 / 255)
    everyone = torch.tensor(classes)
    wanted: list[Tensor] = []
    others: list[Tensor] = []
    for rows in batched(torch.arange(len(classes))):
        pictures, mine, next_ = start[rows], everyone[rows], everyone[(rows + 1) % len(classes)]
        steps: list[Tensor] = []

        @torch.no_grad()
        def watch(residual: Tensor, pictures: Tensor = pictures, to: list[Tensor] = steps) -> None:
            logits = teacher((pictures + residual).clamp(0, 1))[LOGITS].float()
            cells = logits.softmax(dim=1).amax(dim=(2, 3))
            whole = logits.mean(dim=(2, 3)).softmax(dim=1)
            to.append(torch.maximum(cells, whole))

        dream(objectives.of_classes(mine.tolist()), pictures, settings, generator, watch=watch)
        likely = torch.stack(steps, dim=1)
        wanted.append(likely[torch.arange(len(rows)), :, mine])
        others.append(likely[torch.arange(len(rows)), :, next_])
    return ClassDreams(torch.cat(wanted), torch.cat(others))


def nyquist_share(objective: BatchObjective, pictures: Tensor) -> float:
    """Share of the input gradient's energy whose frequency is above 0.4 cycles per pixel along
    either axis (Nyquist is 0.5): what a checkerboard is made of."""
    x = pictures.detach().requires_grad_(True)
    maps, grad_outputs = objective(x)
    (gradient,) = torch.autograd.grad(maps, x, grad_outputs)
    energy = torch.fft.fft2(gradient.float()).abs().square().mean(dim=(0, 1))
    fy = torch.fft.fftfreq(energy.shape[0]).abs()[:, None]
    fx = torch.fft.fftfreq(energy.shape[1]).abs()[None]
    high = torch.maximum(fy.expand_as(energy), fx.expand_as(energy)) > 0.4
    return float(energy[high].sum() / energy.sum())
