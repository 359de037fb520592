"""A wall: which displays, or parts of displays, and what share of the picture each shows."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

from livedream.core.parameters import refused
from livedream.present.live.placement import Four

_DISPLAY: Final = re.compile(r"(\d{1,2})(?::(\d{1,5})x(\d{1,5})\+(\d{1,5})\+(\d{1,5}))?")
_MOST: Final = 16


@dataclass(frozen=True, slots=True)
class Area:
    """A display, or a part of one: several projectors are often one wide display to the system.

    number: of the display, from 0.  part: width, height, left, top in its px, None for all of it.
    """

    number: int = 0
    part: tuple[int, int, int, int] | None = None

    def key(self, size: tuple[int, int]) -> str:
        """What it is kept under.  size: of the whole display, px."""
        if self.part is None:
            return f"{self.number}:{size[0]}x{size[1]}"
        width, height, left, top = self.part
        return f"{self.number}:{width}x{height}+{left}+{top}"


def read_areas(text: str) -> tuple[Area, ...]:
    """`1`, `0,1` or `0:1920x1080+0+0,0:1920x1080+1920+0`.  Raises SettingsError."""
    areas = []
    for one in text.split(","):
        match = _DISPLAY.fullmatch(one.strip())
        part = (
            None if match is None or match[2] is None else tuple(map(int, match.group(2, 3, 4, 5)))
        )
        if match is None or (part is not None and not part[0] * part[1]):
            raise refused("display", "a number, 0,1 or 0:1920x1080+0+0,...", repr(text))
        area = Area(int(match[1]), part)  # type: ignore[arg-type]
        if area in areas:
            raise refused("display", "each a different one", repr(text))
        areas.append(area)
    if len(areas) > _MOST:
        raise refused("display", f"at most {_MOST}", len(areas))
    return tuple(areas)


def shares(
    displays: Sequence[tuple[int, int]], overlap: float, picture: tuple[int, int]
) -> list[tuple[Four, Four]]:
    """Crop and soft edges of displays that stand side by side and are equally high on the wall.

    displays: (w, h) px of each, from the left.  overlap: of the narrower of two neighbours, what
    both show.  The picture fills the wall; where it is higher or wider, that is its middle.
    """
    widths = [width / height for width, height in displays]
    shared = [overlap * min(pair) for pair in pairwise(widths)]
    wall = sum(widths) - sum(shared)
    shape = picture[0] / picture[1]
    across, down = min(1.0, wall / shape), min(1.0, shape / wall)
    left, top = (1 - across) / 2, (1 - down) / 2
    found, at = list[tuple[Four, Four]](), 0.0
    for width, before, after in zip(widths, [0.0, *shared], [*shared, 0.0], strict=True):
        at -= before
        crop = left + across * at / wall, top, across * width / wall, down
        found.append((crop, (before / width, 0.0, after / width, 0.0)))
        at += width
    return found
