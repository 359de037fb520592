"""What lies over the picture in a window: figures, help, handles, a line of words.

Panels are painted anew only when what they show has changed.
"""

from collections.abc import Callable, Sequence
from typing import Any, Final

import numpy as np

from livedream.core.health import Status
from livedream.present.live.corner_pin import CornerPin
from livedream.present.live.hud import hud_of
from livedream.present.live.hud_paint import Painter, unit_for
from livedream.present.live.screen import Overlay

FIGURES_S: Final = 0.25  # between two readings of the figures: slow enough to be read


class Panels:
    """Collects the overlays of one picture: `fit_window`, any of the others, `taken`."""

    def __init__(self) -> None:
        self._painter = Painter(unit_for(0))
        self._size = (0, 0)
        self._kept: dict[str, tuple[object, Any]] = {}  # panels and what they were made for
        self._overlays: list[Overlay] = []

    def fit_window(self, size: tuple[int, int]) -> None:
        """size: (w, h) px."""
        if size == self._size:
            return
        if unit_for(size[1]) != self._painter.unit:
            self._painter = Painter(unit_for(size[1]))
        self._kept = {}
        self._size = size

    def hud(self, status: Status, strength: float, now_s: float) -> None:
        """The figures, in the top left corner.  strength: what is asked for."""
        reading = int(now_s / FIGURES_S)
        surface = self._made(
            "hud", reading, lambda: self._painter.hud(hud_of(status, strength, now_s))
        )
        margin = self._painter.unit
        self._overlays.append(Overlay(surface, margin, margin))

    def help(self, rows: Sequence[tuple[str, str]]) -> None:
        """In the middle, as large as there is room for."""
        surface = self._made("help", tuple(rows), lambda: self._fitting_help(rows))
        width, height = surface.get_size()
        x, y = (self._size[0] - width) // 2, (self._size[1] - height) // 2
        self._overlays.append(Overlay(surface, x, y))

    def _fitting_help(self, rows: Sequence[tuple[str, str]]) -> Any:
        surface = self._painter.help(rows)
        room = min(self._size[0] / surface.get_width(), self._size[1] / surface.get_height())
        if room >= 1:
            return surface
        return Painter(int(self._painter.unit * room)).help(rows)

    def handles(self, pin: CornerPin) -> None:
        for number, place in enumerate(pin.quad(self._size)):
            chosen = number == pin.chosen
            surface = self._made(f"handle {chosen}", None, self._handle(chosen))
            x, y = np.clip(place, 0, self._size) - surface.get_width() / 2
            self._overlays.append(Overlay(surface, round(float(x)), round(float(y))))

    def _handle(self, chosen: bool) -> Callable[[], Any]:
        return lambda: self._painter.handle(chosen)

    def line(self, text: str) -> None:
        """At the bottom, in the middle."""
        surface = self._made("line", text, lambda: self._painter.line(text))
        x = (self._size[0] - surface.get_width()) // 2
        y = self._size[1] - surface.get_height() - self._painter.unit
        self._overlays.append(Overlay(surface, x, y))

    def taken(self) -> list[Overlay]:
        """The overlays since the last call."""
        found, self._overlays = self._overlays, []
        return found

    def _made(self, name: str, key: object, make: Callable[[], Any]) -> Any:
        if name not in self._kept or self._kept[name][0] != key:
            self._kept[name] = key, make()
        return self._kept[name][1]
