"""The mesh while it is being moved: which point, where to, more and fewer of them."""

from contextlib import suppress
from dataclasses import replace
from typing import Final

import numpy as np

from livedream.core.errors import SettingsError
from livedream.present.live.mesh import SIDES, Points, with_side
from livedream.present.live.placement import Placement, seen_points

_GRIP: Final = 0.08  # of the window's height: how near a point is taken
_CORNERS: Final = ("top left", "top right", "bottom right", "bottom left")


class MeshEditor:
    """The points while they are being moved; `placement` has what came of it.

    chosen: (row, column) of the point that the keys move.
    picture: (w, h) px of what is shown of the picture.
    """

    def __init__(self, placement: Placement, picture: tuple[float, float]) -> None:
        self.placement = placement
        self.chosen = (0, 0)
        self._picture = picture
        self._dragged = False

    def points(self, window: tuple[int, int]) -> Points:
        """In px of the window, (w, h) px."""
        return seen_points(self.placement, self._picture, window)

    @property
    def side(self) -> int:
        """Points a side."""
        return len(self.placement.mesh) if self.placement.mesh else SIDES[0]

    def name(self) -> str:
        """The chosen point, in words."""
        if self.side == SIDES[0]:
            return _CORNERS[_around(2).index(self.chosen)]
        return f"row {self.chosen[0] + 1}, column {self.chosen[1] + 1} of {self.side}"

    def grab(self, x: float, y: float, window: tuple[int, int]) -> bool:
        """Grab the point nearest to (x, y) px; False where none is near."""
        away = np.hypot(*np.moveaxis(self.points(window) - (x, y), -1, 0))
        row, column = np.unravel_index(away.argmin(), away.shape)
        self._dragged = bool(away.min() <= _GRIP * window[1])
        if self._dragged:
            self.chosen = int(row), int(column)
        return self._dragged

    def drag(self, x: float, y: float, window: tuple[int, int]) -> None:
        """Bring the grabbed point to (x, y) px."""
        if self._dragged:
            self._move_to(x, y, window)

    def release(self) -> None:
        self._dragged = False

    def nudge(self, dx: float, dy: float, window: tuple[int, int]) -> None:
        """Move the chosen point by (dx, dy) px."""
        x, y = self.points(window)[self.chosen]
        self._move_to(x + dx, y + dy, window)

    def next(self, step: int = 1) -> None:
        """Choose the next point: of four clockwise, of more row by row."""
        order = _around(self.side)
        self.chosen = order[(order.index(self.chosen) + step) % len(order)]

    def resize(self, step: int, window: tuple[int, int]) -> None:
        """More points, 1, or fewer, -1."""
        number = SIDES.index(self.side) + step
        if 0 <= number < len(SIDES):
            self.set_side(SIDES[number], window)

    def set_side(self, side: int, window: tuple[int, int]) -> None:
        """So many points a side; the picture stays as it is as far as they can hold it."""
        if side != self.side:
            points = with_side(self.points(window), side)
            nearer = (side - 1) / (self.side - 1)
            self.chosen = round(self.chosen[0] * nearer), round(self.chosen[1] * nearer)
            self._lay(points / np.array(window, np.float64))

    def lay(self, placement: Placement) -> None:
        """Go on from another placement; the point that is chosen may not be in it."""
        self.placement = placement
        self.chosen = min(self.chosen[0], self.side - 1), min(self.chosen[1], self.side - 1)

    def _move_to(self, x: float, y: float, window: tuple[int, int]) -> None:
        """Points may leave the window by half of it; one that would fold it does nothing."""
        size = np.array(window, np.float64)
        fractions = self.points(window) / size
        fractions[self.chosen] = np.clip(np.array([x, y]) / size, -0.5, 1.5)
        self._lay(fractions)

    def _lay(self, fractions: Points) -> None:
        mesh = tuple(tuple((float(u), float(v)) for u, v in row) for row in fractions)
        with suppress(SettingsError):
            self.placement = replace(self.placement, mesh=mesh)


def _around(side: int) -> list[tuple[int, int]]:
    if side == SIDES[0]:
        return [(0, 0), (0, 1), (1, 1), (1, 0)]
    return [(row, column) for row in range(side) for column in range(side)]
