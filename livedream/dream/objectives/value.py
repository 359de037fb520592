"""What a dream aims at, as a small value that adds and scales.

    0.2 * channels("inception4c", 12, 87) + 0.8 * layer("inception4d") - 0.1 * layer("conv2")
    image_class("goldfish") + guide("inception4c", "starfish.jpg")
    layer("creatures") + 2 * classes(*range(398))
    layer("faces").at("moving") + layer("fur").at("still")

`str(objective)` is the same thing as text, which `livedream.dream.objectives.text` reads back.
What the parts mean and how they are weighed stands in `livedream.dream.objectives.binding`.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, replace
from itertools import groupby
from os import PathLike, fspath
from pathlib import PurePath
from typing import Final

import numpy as np
from numpy.typing import NDArray

from livedream.core.errors import ObjectiveError
from livedream.region.text import parse_region
from livedream.region.value import PLAIN_PATH, Both, Region

MOST_WEIGHT: Final = 1e12  # heuristic: its square, of many channels, is still a float32
LAYER_NAME = re.compile(r"[A-Za-z0-9_](?:[\w./-]*[\w])?", re.ASCII)
NEVER_PLAIN = re.compile(r"(?!)")
PLAIN_LABEL = re.compile(r"[^\W_](?:[\w'.-]*\w)?")


@dataclass(frozen=True, slots=True)
class LayerTarget:
    """A layer's activations, of all channels or of those named (sorted, each once)."""

    layer: str
    channels: tuple[int, ...] = ()

    def __str__(self) -> str:
        return f"{self.layer}:{_ranges(self.channels)}" if self.channels else self.layer


@dataclass(frozen=True, slots=True)
class ClassTarget:
    """A class the network was trained on: its name, a synonym of it, or its number as text."""

    label: str

    def __str__(self) -> str:
        return f"class:{_quoted(self.label, PLAIN_LABEL)}"


@dataclass(frozen=True, slots=True)
class ClassesTarget:
    """Many classes, of all or of those named (sorted, each once): here one, there another, and
    others after a while."""

    numbers: tuple[int, ...] = ()

    def __str__(self) -> str:
        return f"classes:{_ranges(self.numbers)}" if self.numbers else "classes"


@dataclass(frozen=True, slots=True)
class KindTarget:
    """All classes that a word names or that are of its kind: at each place the nearest of them."""

    word: str

    def __str__(self) -> str:
        return f"kind:{_quoted(self.word, PLAIN_LABEL)}"


@dataclass(frozen=True, slots=True)
class TextTarget:
    """What a network that reads sentences makes of one."""

    sentence: str

    def __str__(self) -> str:
        return f"text({_quoted(self.sentence, NEVER_PLAIN)})"


@dataclass(frozen=True, slots=True)
class GuidePicture:
    """Pixels as an immutable value: rgb holds height x width x 3 bytes."""

    height: int
    width: int
    rgb: bytes

    def array(self) -> NDArray[np.uint8]:
        return np.frombuffer(self.rgb, np.uint8).reshape(self.height, self.width, 3)


@dataclass(frozen=True, slots=True)
class GuideTarget:
    """A layer's features drawn towards those of a picture: a path as text, or pixels."""

    layer: str
    picture: str | GuidePicture

    def __str__(self) -> str:
        if isinstance(self.picture, str):
            return f"guide({self.layer}, {_quoted(self.picture, PLAIN_PATH)})"
        return f"guide({self.layer}, <{self.picture.width}x{self.picture.height} pixels>)"


Target = LayerTarget | ClassTarget | ClassesTarget | KindTarget | TextTarget | GuideTarget


@dataclass(frozen=True, slots=True)
class Term:
    """One target and how much it counts; below zero the dream is driven away from it.

    region: where in the picture; None: everywhere.
    """

    weight: float
    target: Target
    region: Region | None = None


@dataclass(frozen=True, slots=True)
class Objective:
    """A sum of weighted targets; made by `layer`, `channels`, `image_class`, `classes`,
    `kind`, `sentence`, `guide` and sums."""

    terms: tuple[Term, ...]

    def __post_init__(self) -> None:
        for term in self.terms:
            if math.isnan(term.weight) or abs(term.weight) > MOST_WEIGHT:
                raise _invalid(f"weights are numbers up to {MOST_WEIGHT:g}", str(term.weight))

    def __add__(self, other: Objective) -> Objective:
        return Objective(self.terms + other.terms)

    def __sub__(self, other: Objective) -> Objective:
        return self + -other

    def __neg__(self) -> Objective:
        return -1.0 * self

    def __mul__(self, factor: float) -> Objective:
        factor = float(factor)  # NumPy's numbers are written with their type
        return Objective(tuple(replace(t, weight=t.weight * factor) for t in self.terms))

    __rmul__ = __mul__

    def __truediv__(self, divisor: float) -> Objective:
        return self * (1 / divisor)

    def at(self, region: Region | str) -> Objective:
        """The same in a region only, and within that of each term that has one already."""
        where = parse_region(region) if isinstance(region, str) else region
        return Objective(tuple(
            replace(t, region=where if t.region is None else Both((t.region, where)))
            for t in self.terms
        ))  # fmt: skip

    def __str__(self) -> str:
        return self.located()[0]

    def located(self) -> tuple[str, tuple[int, ...]]:
        """The objective as text, and where in it each term's target begins."""
        text, places = "", []
        for index, term in enumerate(self.terms):
            below = math.copysign(1, term.weight) < 0
            sign = (" - " if below else " + ") if index else ("-" if below else "")
            size = abs(term.weight)
            text += sign if size == 1 else f"{sign}{_number(size)}*"
            places.append(len(text))
            text += str(term.target) + ("" if term.region is None else f"@{term.region}")
        return text, tuple(places)


def layer(name: str) -> Objective:
    """Everything a layer responds to: the mean square of its activations (DeepDream's L2)."""
    return Objective((Term(1.0, LayerTarget(_layer_name(name))),))


def channels(name: str, *numbers: int) -> Objective:
    """What some channels of a layer respond to.  Raises ObjectiveError without a channel."""
    if not numbers or min(numbers) < 0:
        raise _invalid("channel numbers must be 0 or more", f"{name}:{numbers}")
    return Objective((Term(1.0, LayerTarget(_layer_name(name), tuple(sorted(set(numbers))))),))


def image_class(label: str | int) -> Objective:
    """A class of the network by name, synonym or number; drives the log of its probability."""
    text = str(label).strip()
    if not text or "\n" in text:
        raise _invalid("must be a class name or number", f"class:{text}")
    return Objective((Term(1.0, ClassTarget(text)),))


def classes(*numbers: int) -> Objective:
    """Classes of the network by number, all without one: each region of the picture is drawn to
    another, and to others as time passes (`DreamSettings.wander`)."""
    if numbers and min(numbers) < 0:
        raise _invalid("class numbers must be 0 or more", f"classes:{numbers}")
    return Objective((Term(1.0, ClassesTarget(tuple(sorted(set(numbers))))),))


def kind(word: str) -> Objective:
    """All classes of the network that a word names or that are of its kind: ``dog`` is every breed.
    Each place of the picture is drawn to the one that it is nearest to (a soft maximum)."""
    text = word.strip()
    if not text or "\n" in text:
        raise _invalid("must be a word", f"kind:{text}")
    return Objective((Term(1.0, KindTarget(text)),))


def sentence(text: str) -> Objective:
    """A sentence, for a network that reads them (CLIP): the whole picture is drawn to it."""
    if not text.strip() or "\n" in text:
        raise _invalid("must be a sentence", f"text({text})")
    return Objective((Term(1.0, TextTarget(text.strip())),))


def guide(name: str, picture: str | PathLike[str] | NDArray[np.uint8]) -> Objective:
    """A layer's features drawn towards a picture's: a path, or (H, W, 3) uint8 RGB.

    Source: the guided dream of Google's DeepDream notebook (Mordvintsev, Olah, Tyka, 2015).
    """
    if isinstance(picture, np.ndarray):
        if picture.dtype != np.uint8 or picture.ndim != 3 or picture.shape[2] != 3:
            found = f"{picture.shape} {picture.dtype}"
            raise _invalid(f"guide: must be (H, W, 3) uint8 (got {found})", name)
        height, width = picture.shape[:2]
        value: str | GuidePicture = GuidePicture(height, width, picture.tobytes())
    else:
        value = str(PurePath(picture)) if isinstance(picture, PurePath) else fspath(picture)
        if not value.strip() or "\n" in value:
            raise _invalid("must be the path of a picture", f"guide({name}, {value})")
    return Objective((Term(1.0, GuideTarget(_layer_name(name), value)),))


def _layer_name(name: str) -> str:
    if not LAYER_NAME.fullmatch(name):
        raise _invalid("a layer's name has letters, digits and _ . / - only", name)
    return name


def _invalid(message: str, text: str) -> ObjectiveError:
    return ObjectiveError(message, text=text, position=0)


def _number(value: float) -> str:
    return repr(int(value)) if value.is_integer() and value < 1e15 else repr(value)


def _quoted(text: str, plain: re.Pattern[str]) -> str:
    """The text itself where it is plain, else in quotes, a quote inside written twice."""
    return text if plain.fullmatch(text) else '"' + text.replace('"', '""') + '"'


def _ranges(numbers: tuple[int, ...]) -> str:
    """``3,5-9``: runs of three and more as ranges."""
    parts: list[str] = []
    for _, run in groupby(enumerate(numbers), lambda at: at[1] - at[0]):
        found = [str(number) for _, number in run]
        parts += found if len(found) < 3 else [f"{found[0]}-{found[-1]}"]
    return ",".join(parts)
