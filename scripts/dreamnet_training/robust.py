"""Adversarial training: a classifier whose classes can be seen in its dreams.

A network that learns plain photographs is convinced by changes that nobody sees, and dreaming
finds just those. Here every picture is first moved, within a small distance, to where the network
is most wrong about it (Madry et al., "Towards Deep Learning Models Resistant to Adversarial
Attacks", 2018); what then still moves a class's score is its shape and colours (Santurkar et al.,
"Image Synthesis with a Single (Robust) Classifier", 2019).

Convention
    Pictures are ``(N, 3, S, S)`` float RGB in [0, 1]. A distance is the Euclidean norm over a whole
    picture in these units.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import PurePosixPath
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from livedream.dream.networks.dreamnet import CLASS_MAP, DreamNet

from .optimizer import Optimizer
from .pictures import Bytes, PictureSet
from .recipes import IMAGENET_MEAN, IMAGENET_STD

HOLD_OUT_SEED = 5
_TOLD_EVERY = 100


@dataclass(frozen=True)
class RobustSettings:
    """One run; the schedule follows the clock.

    minutes: its length.  batch: pictures per step.  size_px: side of the pictures; for the first
    ``small_share`` of the run ``small_px``, of which more are learned in a minute.  least_cut: side
    of the smallest cut of a picture, as a fraction.  mixed: share of the batches in which each
    picture gets a piece of another.  distance: how far an adversary may move a picture of
    ``size_px``; it begins with a fifth of it and has all after ``rise`` of the run.  tries: its
    steps.  learning_rate: at the beginning, after ``warm_up_steps``; final_rate: what is left of it
    at the end, as a fraction.  smoothing: of the labels.  layer_weight: of each dreamable layer's
    own verdict beside the class map's.  average: decay of the exponential average of the weights,
    which is what is kept.
    """

    minutes: float
    batch: int = 256
    size_px: int = 64
    small_px: int = 48
    small_share: float = 0.4
    least_cut: float = 0.65
    mixed: float = 0.0
    distance: float = 1.0
    rise: float = 0.1
    tries: int = 1
    learning_rate: float = 4e-3
    final_rate: float = 0.0
    weight_decay: float = 0.1
    warm_up_steps: int = 300
    smoothing: float = 0.1
    layer_weight: float = 0.25
    average: float = 0.998


@dataclass(frozen=True)
class Labelled:
    """Square pictures, (N, 3, S, S) uint8, and the class of each, (N,) int64."""

    pictures: Tensor
    classes: Tensor

    def __len__(self) -> int:
        return len(self.classes)

    def only(self, indices: Tensor) -> Labelled:
        """Those of them."""
        return Labelled(self.pictures[indices], self.classes[indices])


def class_folders(sets: Sequence[PictureSet]) -> tuple[str, ...]:
    """The folders that pictures lie in, each of them a class, by name."""
    return tuple(sorted({_folder(name) for pictures in sets for name in pictures.names}))


def labelled(sets: Sequence[PictureSet], folders: Sequence[str], size: int) -> Labelled:
    """The pictures of all sets in the given folders, their middle square at ``size`` px."""
    number = {folder: index for index, folder in enumerate(folders)}
    squares, classes = [], []
    for pictures in sets:
        for index, name in enumerate(pictures.names):
            if _folder(name) in number:
                squares.append(square(pictures.picture(index), size))
                classes.append(number[_folder(name)])
    if not squares:
        raise ValueError(f"no picture lies in a folder of its class, such as {folders[0]}/1.jpg")
    return Labelled(torch.stack(squares), torch.tensor(classes))


def _folder(name: str) -> str:
    """The folder that a picture lies in, also if that holds it in a folder named ``images``."""
    parents = [part for part in PurePosixPath(name).parts[:-1] if part != "images"]
    return parents[-1] if parents else ""


def square(picture: Bytes, size: int) -> Tensor:
    """A picture's middle square at ``size`` px, (3, S, S) uint8."""
    height, width = picture.shape[:2]
    side = min(height, width)
    top, left = (height - side) // 2, (width - side) // 2
    square = torch.from_numpy(picture[top : top + side, left : left + side].copy()).permute(2, 0, 1)
    if side == size:
        return square.contiguous()
    scaled = functional.interpolate(square[None].float(), (size, size), mode="bilinear",
                                    align_corners=False, antialias=True)  # fmt: skip
    return scaled[0].round().clamp(0, 255).to(torch.uint8)


def held_out(labelled: Labelled, count: int) -> tuple[Labelled, Labelled]:
    """What is learned from, and ``count`` pictures that are not, a tenth of all at most; always the
    same."""
    count = min(count, len(labelled) // 10)
    order = torch.from_numpy(np.random.default_rng(HOLD_OUT_SEED).permutation(len(labelled)))
    return labelled.only(order[count:]), labelled.only(order[:count])


@dataclass(frozen=True)
class Batch:
    """Pictures of one class each, or of two: ``share`` of ``classes``, the rest of ``others``."""

    pictures: Tensor
    classes: Tensor
    others: Tensor
    share: float = 1.0

    def wrong(self, scores: Tensor, smoothing: float = 0.0) -> Tensor:
        """The mean cross-entropy of (N, C) logits."""
        first, second = (
            functional.cross_entropy(scores, classes, label_smoothing=smoothing)
            for classes in (self.classes, self.others)
        )
        return self.share * first + (1 - self.share) * second


def augmented(
    pictures: Tensor,
    size: int,
    random: np.random.Generator,
    least: float = 0.65,
    most: float = 1.05,
) -> Tensor:
    """uint8 pictures as float ones of ``size`` px: cut, mirrored half of the time, recoloured.

    least, most: side of a cut, as a fraction of the picture's; above 1 its border is reflected.
    Colours move little: a word has its own.
    """
    count = len(pictures)

    def draw(low: float, high: float, *shape: int) -> Tensor:
        return torch.from_numpy(random.uniform(low, high, (count, *shape))).float()

    scale, aspect = draw(least, most), draw(-0.15, 0.15).exp()
    mirror = torch.from_numpy(random.choice([-1.0, 1.0], count)).float()
    placing = torch.zeros(count, 2, 3)
    placing[:, 0, 0] = scale * mirror * aspect.clamp_max(1)
    placing[:, 1, 1] = scale / aspect.clamp_min(1)
    placing[:, :, 2] = draw(-1, 1, 2) * (1 - scale).clamp_min(0)[:, None]
    grid = functional.affine_grid(placing, [count, 3, size, size], align_corners=False)
    cut = functional.grid_sample(
        pictures.float() / 255, grid, padding_mode="reflection", align_corners=False
    )
    mean = cut.mean((1, 2, 3), keepdim=True)
    cut = mean + (cut - mean) * draw(0.7, 1.3, 1, 1, 1) + draw(-0.1, 0.1, 1, 1, 1)
    grey = cut.mean(1, keepdim=True)
    cut = grey + (cut - grey) * draw(0.6, 1.3, 1, 1, 1)
    return cut.clamp(0, 1).contiguous(memory_format=torch.channels_last)


def mixed(pictures: Tensor, classes: Tensor, random: np.random.Generator) -> Batch:
    """Each picture with a square of another laid into it (Yun et al., "CutMix", 2019)."""
    order = torch.from_numpy(random.permutation(len(pictures)))
    size = pictures.shape[-1]
    side = round(size * float(np.sqrt(random.uniform(0, 0.6))))
    top, left = (int(place) for place in random.integers(0, size - side + 1, 2))
    square = (..., slice(top, top + side), slice(left, left + side))
    laid = pictures.clone(memory_format=torch.channels_last)
    laid[square] = pictures[order][square]
    return Batch(laid, classes, classes[order], 1 - (side / size) ** 2)


def moved(
    wrong: Callable[[Tensor], Tensor], pictures: Tensor, distance: float, tries: int
) -> Tensor:
    """Pictures, each moved by at most ``distance`` to where ``wrong``, the loss of them all, is
    highest, as far as ``tries`` steps from a random place find that."""
    away = torch.randn_like(pictures)
    away *= distance * torch.rand(len(pictures), 1, 1, 1) / _norm(away)
    # Together the steps reach beyond the ball's edge, and are brought back.
    step = distance * (1 if tries == 1 else max(1.5, min(2.5, tries / 2)) / tries)
    for _ in range(tries):
        away.requires_grad_()
        (slope,) = torch.autograd.grad(wrong(pictures + away), away)
        with torch.no_grad():
            away = away + slope * (step / _norm(slope).clamp_min(1e-12))
            away *= (distance / _norm(away)).clamp_max(1)
            away = (pictures + away).clamp(0, 1) - pictures
    return (pictures + away).detach()


def _norm(pictures: Tensor) -> Tensor:
    found: Tensor = torch.linalg.vector_norm(pictures, dim=(1, 2, 3), keepdim=True)
    return found


@dataclass(frozen=True)
class Progress:
    """gone: share of the run.  steps: so far.  loss: the mean since it was told last."""

    gone: float
    steps: int
    loss: float

    def as_json(self) -> str:
        """A line for the log."""
        found = {"gone": round(self.gone, 4), "steps": self.steps, "loss": round(self.loss, 4)}
        return json.dumps(found)


class RobustTraining:
    """The network, its optimizer, and the average of its weights; ``run`` trains it.

    Every dreamable layer has a verdict of its own on the classes, read linearly from its mean over
    the picture: so that its channels are of use, too.
    """

    def __init__(self, net: DreamNet, settings: RobustSettings) -> None:
        self.net: DreamNet = net.to(memory_format=torch.channels_last).train()
        self.verdicts = nn.ModuleDict(
            {
                layer.name: nn.Linear(layer.channels, net.config.num_classes)
                for layer in net.config.layers
            }
        )
        self.settings = settings
        self.optimizer = Optimizer(
            [*net.parameters(), *self.verdicts.parameters()], settings.weight_decay
        )
        self.average = {key: value.clone() for key, value in net.state_dict().items()}
        self.steps = 0
        self._mean, self._std = (
            torch.tensor(values)[:, None, None] for values in (IMAGENET_MEAN, IMAGENET_STD)
        )

    def score(self, pictures: Tensor) -> Tensor:
        """The class map's mean, (N, C) logits; the layers that are dreamed are passed over."""
        with torch.autocast("cpu", torch.bfloat16):
            class_map = self.net.maps((pictures - self._mean) / self._std, only=())[CLASS_MAP]
        return class_map.float().mean((2, 3))

    def _loss(self, batch: Batch) -> Tensor:
        with torch.autocast("cpu", torch.bfloat16):
            maps = self.net.maps((batch.pictures - self._mean) / self._std)
        pooled = {name: values.float().mean((2, 3)) for name, values in maps.items()}
        loss = batch.wrong(pooled[CLASS_MAP], self.settings.smoothing)
        for name, verdict in self.verdicts.items():
            wrong = batch.wrong(verdict(pooled[name]), self.settings.smoothing)
            loss = loss + self.settings.layer_weight * wrong
        return loss

    def step(self, batch: Batch, *, distance: float, learning_rate: float) -> float:
        """One update; returns its loss."""
        hard = moved(
            lambda pictures: batch.wrong(self.score(pictures)),
            batch.pictures,
            distance,
            self.settings.tries,
        )
        loss = self._loss(replace(batch, pictures=hard))
        self.optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        self.optimizer.step(learning_rate)
        self.steps += 1
        kept = min(self.settings.average, (1 + self.steps) / (10 + self.steps))
        with torch.no_grad():
            for key, value in self.net.state_dict().items():
                if value.dtype.is_floating_point:
                    self.average[key].lerp_(value, 1 - kept)
                else:
                    self.average[key].copy_(value)
        return float(loss.detach())

    def state_dict(self) -> dict[str, Any]:
        """What another run can begin from."""
        verdicts = self.verdicts.state_dict()
        return {"net": self.average, "verdicts": verdicts, "steps": self.steps}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Begins from a ``state_dict``."""
        self.net.load_state_dict(state["net"])
        self.verdicts.load_state_dict(state["verdicts"])
        self.average = {key: value.clone() for key, value in state["net"].items()}
        self.steps = state["steps"]

    def averaged(self) -> DreamNet:
        """The network that the averaged weights make, in evaluation mode."""
        net = DreamNet(self.net.config)
        net.load_state_dict(self.average)
        return net.eval()

    def run(
        self, lessons: Labelled, random: np.random.Generator, seen: Callable[[Progress], None]
    ) -> None:
        """Trains for as long as the settings say; ``seen`` is told every hundred steps."""
        order = orders(len(lessons), self.settings.batch, random)
        asked, begun_s, losses = self.settings, time.monotonic(), 0.0
        while (gone := (time.monotonic() - begun_s) / 60 / asked.minutes) < 1:
            size = asked.small_px if gone < asked.small_share else asked.size_px
            some = lessons.only(next(order))
            pictures = augmented(some.pictures, size, random, asked.least_cut)
            batch = Batch(pictures, some.classes, some.classes)
            if random.random() < asked.mixed:
                batch = mixed(pictures, some.classes, random)
            risen = min(1, 0.2 + gone / asked.rise) if asked.rise else 1
            warm = min(1, (self.steps + 1) / asked.warm_up_steps)
            losses += self.step(
                batch,
                distance=asked.distance * size / asked.size_px * risen,
                learning_rate=asked.learning_rate * warm * (1 - (1 - asked.final_rate) * gone),
            )
            if self.steps % _TOLD_EVERY == 0:
                seen(Progress(gone, self.steps, losses / _TOLD_EVERY))
                losses = 0.0


def accuracy(training: RobustTraining, asked: Labelled) -> tuple[float, float]:
    """Shares of pictures whose class is recognised: as they are, and moved in five tries."""
    net = training.net
    training.net = training.averaged()
    right = torch.zeros(2)
    try:
        for first in range(0, len(asked), 200):
            some = asked.only(torch.arange(first, min(first + 200, len(asked))))
            pictures = (some.pictures.float() / 255).contiguous(memory_format=torch.channels_last)
            batch = Batch(pictures, some.classes, some.classes)
            hard = moved(
                lambda shown, batch=batch: batch.wrong(training.score(shown)),  # type: ignore[misc]
                pictures,
                training.settings.distance,
                5,
            )
            with torch.no_grad():
                for row, shown in enumerate((pictures, hard)):
                    right[row] += (training.score(shown).argmax(1) == some.classes).sum()
    finally:
        training.net = net
    plain, attacked = (right / max(1, len(asked))).tolist()
    return plain, attacked


def orders(count: int, batch: int, random: np.random.Generator) -> Iterator[Tensor]:
    """Indices in batches without end, each picture once before any comes again."""
    waiting = np.empty(0, np.int64)
    while True:
        while len(waiting) < batch:
            waiting = np.concatenate([waiting, random.permutation(count)])
        yield torch.from_numpy(waiting[:batch])
        waiting = waiting[batch:]
