"""Dragging the four corners of the picture onto the surface it is projected on."""

from dataclasses import replace
from typing import Final

import numpy as np

from livedream.present.live.placement import Placement, Quad, convex, outline

CORNER_NAMES: Final = ("top left", "top right", "bottom right", "bottom left")
_GRIP: Final = 0.08  # of the window's height: how near a corner is taken


class CornerPin:
    """The corners while they are being moved; `placement` has what came of it.

    chosen: index of the corner that the keys move, in the order of a quad.
    """

    def __init__(self, placement: Placement, picture: tuple[int, int]) -> None:
        self.placement = placement
        self.chosen = 0
        self._picture = picture
        self._held = False

    def quad(self, window: tuple[int, int]) -> Quad:
        return outline(self.placement, self._picture, window)

    def take(self, x: float, y: float, window: tuple[int, int]) -> bool:
        """Take hold of the corner at (x, y) px, the nearest one; False where none is near."""
        away = np.hypot(*(self.quad(window) - (x, y)).T)
        nearest = int(away.argmin())
        self._held = bool(away[nearest] <= _GRIP * window[1])
        if self._held:
            self.chosen = nearest
        return self._held

    def drag(self, x: float, y: float, window: tuple[int, int]) -> None:
        """Bring the corner that is held to (x, y) px."""
        if self._held:
            self._move_to(x, y, window)

    def release(self) -> None:
        self._held = False

    def nudge(self, dx: float, dy: float, window: tuple[int, int]) -> None:
        """Move the chosen corner by (dx, dy) px."""
        x, y = self.quad(window)[self.chosen]
        self._move_to(x + dx, y + dy, window)

    def next(self) -> None:
        self.chosen = (self.chosen + 1) % 4

    def reset(self) -> None:
        self.placement = replace(self.placement, pin=None)

    def _move_to(self, x: float, y: float, window: tuple[int, int]) -> None:
        """Corners may leave the window by half of it; a move that would fold the picture stays."""
        size = np.array(window, np.float64)
        fractions = self.quad(window) / size
        fractions[self.chosen] = np.clip(np.array([x, y]) / size, -0.5, 1.5)
        if convex(fractions):
            pin = tuple((float(u), float(v)) for u, v in fractions)
            self.placement = replace(self.placement, pin=pin)
