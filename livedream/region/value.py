"""A region of the picture, as a small value: a name, or several joined by &, | and !.

`str(region)` is its text, which `livedream.region.text` reads back.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

PLAIN_PATH: Final = re.compile(r"[^\s\"(),][^\"(),]*(?<!\s)")

# Regions that are the rest of another.
OPPOSITES: Final = {"still": "moving", "smooth": "edges", "background": "person"}
MOTION: Final = ("moving", "still")
# What each name is followed by in brackets; nothing where it is not here.
RECTANGLES: Final = {
    "left": (0.0, 0.0, 0.5, 1.0), "right": (0.5, 0.0, 0.5, 1.0),
    "top": (0.0, 0.0, 1.0, 0.5), "bottom": (0.0, 0.5, 1.0, 0.5),
}  # fmt: skip
# Of the 21 classes that torchvision's network tells apart; the first is none of them.
CLASSES: Final = (
    "aeroplane", "bicycle", "bird", "boat", "bottle", "bus", "car", "cat", "chair", "cow",
    "diningtable", "dog", "horse", "motorbike", "person", "pottedplant", "sheep", "sofa", "train",
    "tvmonitor",
)  # fmt: skip
PLAIN: Final = (
    *RECTANGLES, "moving", "still", "dark", "bright", "edges", "smooth", "visitors", "person",
    "background", "painted", *(name for name in CLASSES if name != "person"),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Leaf:
    """A named region.

    values: x, y, width, height of `rect`, in parts of the picture's sides; the colour of `key`,
    `#rrggbb`; the path of `mask` and `network`; of `visitors`, if any, how long they may stand
    still, s.
    """

    name: str
    values: tuple[float | str, ...] = ()

    def __str__(self) -> str:
        if not self.values:
            return self.name
        return f"{self.name}({', '.join(map(_written, self.values))})"

    @property
    def path(self) -> str:
        """Of the file that it is read from."""
        return str(self.values[0])

    @property
    def rectangle(self) -> tuple[float, float, float, float] | None:
        """x, y, width, height where it is one, in parts of the picture's sides."""
        if self.name != "rect":
            return RECTANGLES.get(self.name)
        x, y, width, height = map(float, self.values)
        return x, y, width, height


@dataclass(frozen=True, slots=True)
class Not:
    """Everywhere else."""

    of: Region

    def __str__(self) -> str:
        return f"!{_bracketed(self.of, Both, Either)}"


@dataclass(frozen=True, slots=True)
class Both:
    """Where all parts are: the least of their planes."""

    parts: tuple[Region, ...]

    def __str__(self) -> str:
        return " & ".join(_bracketed(part, Both, Either) for part in self.parts)


@dataclass(frozen=True, slots=True)
class Either:
    """Where any part is: the greatest of their planes."""

    parts: tuple[Region, ...]

    def __str__(self) -> str:
        return " | ".join(_bracketed(part, Either) for part in self.parts)


Region = Leaf | Not | Both | Either


def leaves(region: Region) -> Iterator[Leaf]:
    """All that is named in it."""
    if isinstance(region, Leaf):
        yield region
        return
    for part in (region.of,) if isinstance(region, Not) else region.parts:
        yield from leaves(part)


@lru_cache(maxsize=8)
def either(regions: tuple[Region, ...]) -> Region:
    """Where any of them is."""
    return regions[0] if len(regions) == 1 else Either(regions)


def cover_all(regions: Iterable[Region]) -> bool:
    """Whether one of them is the rest of another, so that together they are everywhere."""
    plain = {_plain(region) for region in regions}
    return any(isinstance(one, Not) and one.of in plain for one in plain)


def _plain(region: Region, *, inverted: bool = False) -> Region:
    """Without names for the rest of something, and without a ! before another."""
    if isinstance(region, Not):
        return _plain(region.of, inverted=not inverted)
    if isinstance(region, Leaf) and region.name in OPPOSITES:
        return _plain(Leaf(OPPOSITES[region.name]), inverted=not inverted)
    return Not(region) if inverted else region


def _bracketed(region: Region, *loose: type) -> str:
    return f"({region})" if isinstance(region, loose) else str(region)


def _written(value: float | str) -> str:
    if isinstance(value, float):
        return f"{value:.10g}"
    plain = PLAIN_PATH.fullmatch(value)
    return value if plain else '"' + value.replace('"', '""') + '"'
