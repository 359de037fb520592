"""What lies over the picture in a window, painted: figures, help, handles, a line of words.

Dark translucent panels, one typeface.

B612 Mono was drawn for the displays of aircraft cockpits: legible when small, from the side, in
the dark. Everything is measured in `unit`, the height of a line of text. What is painted is a
pygame surface with alpha.
"""

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from importlib import resources
from typing import Any, Final

import numpy as np

from livedream.core.health import Status
from livedream.present.live.hud import Bar, Figure, Hud, Lamp, hud_of
from livedream.present.live.mesh_editor import MeshEditor

FIGURES_S: Final = 0.25  # between two readings of the figures: slow enough to be read

_PANEL: Final = (10, 12, 16, 205)
_EDGE: Final = (255, 255, 255, 26)
_BRIGHT: Final = (240, 243, 246)
_PLAIN: Final = (190, 197, 205)
_DIM: Final = (140, 148, 158)
_TRACK: Final = (255, 255, 255, 30)
_ACCENT: Final = (94, 200, 190)
_ALARM: Final = (255, 176, 84)
_LAMPS: Final = {
    "ok": (104, 211, 145),
    "starting": (150, 158, 168),
    "lost": (255, 176, 84),
    "failed": (245, 101, 101),
}
_FINE: Final = 4  # shapes are drawn so many times larger and brought down: smooth edges
_LEAST_UNIT: Final = 8
_FEW: Final = 3  # points a side: marks of more are smaller, not to cover the picture
_MOST_PANELS: Final = 8  # kept, by size


@dataclass(frozen=True, slots=True)
class Overlay:
    """Something laid over the picture: a pygame surface with alpha, its top left corner in px."""

    surface: Any
    x: int
    y: int


def import_pygame() -> Any:
    """pygame, which would print a line of advertisement otherwise."""
    os.environ.setdefault("PYGAME_HIDE_SUPPORT_PROMPT", "1")
    # Else Windows says that a display with scaling is smaller, and blows up what is drawn for it.
    os.environ.setdefault("SDL_WINDOWS_DPI_AWARENESS", "permonitorv2")
    import pygame

    return pygame


def unit_for(window_height: int) -> int:
    """A 32nd of the window, within what is legible (heuristic)."""
    return max(14, min(40, round(window_height / 32)))


class Painter:
    """Paints panels.  unit: px of a line of text."""

    def __init__(self, unit: int) -> None:
        self._pygame = import_pygame()
        self._pygame.font.init()
        self.unit = max(_LEAST_UNIT, unit)
        self._fonts: dict[tuple[float, bool], Any] = {}
        self._panels: dict[tuple[int, int], Any] = {}

    def hud(self, hud: Hud) -> Any:
        u = self.unit
        width = 25 * u
        rows = len(hud.stages) + len(hud.lamps)
        said = self._lines(hud.governor, width - 2 * u)
        height = round((10.4 + 1.2 * len(said) + 1.15 * rows) * u)
        surface = self._panel(width, height)
        left, right = u, width - u
        self._text(
            surface, self._short(hud.title, width - 7 * u, 0.8), left, 0.7 * u, _DIM, size=0.8
        )
        self._text(surface, hud.clock, right, 0.7 * u, _DIM, size=0.8, right=True)
        for number, figure in enumerate(hud.figures):
            self._figure(surface, figure, left + number * (width - 2 * u) / 4, 2.0 * u)
        y = 5.5 * u
        self._bar(surface, hud.strength, left, right, y=y, colour=_ACCENT)
        y += 1.6 * u
        for line in said:
            self._text(surface, line, left, y, _BRIGHT)
            y += 1.2 * u
        y += 0.3 * u
        self._text(surface, self._short(hud.dream, width - 2 * u), left, y, _DIM, size=0.85)
        y += 1.7 * u
        for bar in hud.stages:
            self._bar(surface, bar, left, right, y=y, colour=_PLAIN, unit=" ms")
            y += 1.15 * u
        y += 0.4 * u
        for lamp in hud.lamps:
            self._lamp(surface, lamp, left, right, y)
            y += 1.15 * u
        return surface

    def help(self, rows: Sequence[tuple[str, str]]) -> Any:
        """rows: (key, what it does); ("", heading) begins a group."""
        u = self.unit
        keys = max(self._width(key) for key, _ in rows) + 1.2 * u
        words = max(self._width(text) for _, text in rows)
        height = round((1.6 + sum(1.3 if key else 2.0 for key, _ in rows)) * u)
        surface = self._panel(round(keys + words + 2.4 * u), height)
        y = 0.4 * u
        for key, text in rows:
            if key:
                self._text(surface, key, 1.2 * u, y, _ACCENT)
                self._text(surface, text, 1.2 * u + keys, y, _BRIGHT)
                y += 1.3 * u
            else:
                y += 0.6 * u
                self._text(surface, text, 1.2 * u, y, _DIM, size=0.85)
                y += 1.4 * u
        return surface

    def line(self, text: str, most: int) -> Any:
        """A single line on a panel of its own, made smaller where it is wider than `most` px."""
        u = self.unit
        surface = self._panel(round(self._width(text) + 2 * u), 2 * u)
        self._text(surface, text, u, 0.4 * u, _BRIGHT)
        width, height = surface.get_size()
        if width > most:
            surface = self._pygame.transform.smoothscale(surface, (most, height * most // width))
        return surface

    def handle(self, chosen: bool, side: int) -> Any:
        """The mark on a point that can be dragged.  side: px."""
        big = self._pygame.Surface((_FINE * side, _FINE * side), self._pygame.SRCALPHA)
        middle = (_FINE * side // 2, _FINE * side // 2)
        colour = _ACCENT if chosen else _BRIGHT
        radius = _FINE * side // 2 - 2 * _FINE
        self._pygame.draw.circle(big, (*_PANEL[:3], 150), middle, radius)
        self._pygame.draw.circle(big, colour, middle, radius, round(_FINE * self.unit / 7))
        self._pygame.draw.circle(big, colour, middle, round(_FINE * self.unit / 6))
        return self._pygame.transform.smoothscale(big, (side, side))

    def _panel(self, width: int, height: int) -> Any:
        pygame = self._pygame
        if (width, height) not in self._panels:
            big = pygame.Surface((width * _FINE, height * _FINE), pygame.SRCALPHA)
            radius = round(0.5 * self.unit * _FINE)
            pygame.draw.rect(big, _PANEL, big.get_rect(), border_radius=radius)
            pygame.draw.rect(big, _EDGE, big.get_rect(), width=_FINE, border_radius=radius)
            if len(self._panels) >= _MOST_PANELS:
                self._panels.clear()
            self._panels[width, height] = pygame.transform.smoothscale(big, (width, height))
        return self._panels[width, height].copy()

    def _lines(self, text: str, room: float) -> list[str]:
        """Words, on as few lines as they fit on."""
        lines: list[str] = []
        for part in text.split():
            longer = f"{lines[-1]} {part}" if lines else part
            if lines and self._width(longer) <= room:
                lines[-1] = longer
            else:
                lines.append(self._short(part, room))
        return lines

    def _figure(self, surface: Any, figure: Figure, x: float, y: float) -> None:
        u, colour = self.unit, _ALARM if figure.alarm else _BRIGHT
        self._text(surface, figure.name, x, y, _DIM, size=0.75)
        self._text(surface, figure.value, x, y + 0.8 * u, colour, size=1.55, bold=True)
        self._text(surface, figure.unit, x, y + 2.4 * u, _DIM, size=0.75)

    def _bar(
        self, surface: Any, bar: Bar, left: float, right: float, *, y: float, colour: Any,
        unit: str = "",
    ) -> None:  # fmt: skip
        u = self.unit
        self._text(surface, self._short(bar.name, 7 * u), left, y, _PLAIN, size=0.85)
        self._text(surface, bar.value + unit, right, y, _PLAIN, size=0.85, right=True)
        begin, end, middle = left + 7.4 * u, right - 6.4 * u, y + 0.47 * u
        self._stroke(surface, begin, end, y=middle, colour=_TRACK)
        reached = begin + (end - begin) * max(0.0, min(1.0, bar.length))
        if reached - begin > 0.36 * u:
            self._stroke(surface, begin, reached, y=middle, colour=colour)
        if bar.mark is not None:
            x = begin + (end - begin) * bar.mark
            self._pygame.draw.line(
                surface, _BRIGHT, (x, middle - 0.42 * u), (x, middle + 0.42 * u), max(2, u // 9)
            )

    def _lamp(self, surface: Any, lamp: Lamp, left: float, right: float, y: float) -> None:
        u = self.unit
        side = round(0.62 * u)
        big = self._pygame.Surface((side * _FINE, side * _FINE), self._pygame.SRCALPHA)
        self._pygame.draw.circle(
            big, _LAMPS[lamp.state], (side * _FINE // 2, side * _FINE // 2), side * _FINE // 2
        )
        dot = self._pygame.transform.smoothscale(big, (side, side))
        surface.blit(dot, (round(left), round(y + 0.17 * u)))
        colour = _PLAIN if lamp.state in ("ok", "starting") else _LAMPS[lamp.state]
        room = right - left - 1.4 * u - self._width(lamp.detail, 0.85) - 0.5 * u
        self._text(surface, self._short(lamp.name, room), left + 1.2 * u, y, _PLAIN, size=0.85)
        self._text(surface, lamp.detail, right, y, colour, size=0.85, right=True)

    def _stroke(self, surface: Any, left: float, right: float, *, y: float, colour: Any) -> None:
        """A horizontal bar with round ends."""
        pygame, thick = self._pygame, 0.36 * self.unit
        size = max(1, round(right - left)), max(2, round(thick))
        big = pygame.Surface((size[0] * _FINE, size[1] * _FINE), pygame.SRCALPHA)
        pygame.draw.rect(big, colour, big.get_rect(), border_radius=size[1] * _FINE // 2)
        small = pygame.transform.smoothscale(big, size)
        surface.blit(small, (round(left), round(y - thick / 2)))

    def _text(
        self, surface: Any, text: str, x: float, y: float, colour: Any, *,
        size: float = 1.0, bold: bool = False, right: bool = False,
    ) -> None:  # fmt: skip
        drawn = self._font(size, bold).render(text, True, colour)
        surface.blit(drawn, (round(x - drawn.get_width() if right else x), round(y)))

    def _width(self, text: str, size: float = 1.0) -> float:
        return float(self._font(size, False).size(text)[0])

    def _short(self, text: str, room: float, size: float = 0.92) -> str:
        """`text`, cut with an ellipsis where it is wider than `room` px."""
        most = max(1, int(room / max(1.0, self._width("0", size))))
        return text if len(text) <= most else text[: most - 1] + "…"

    def _font(self, size: float, bold: bool) -> Any:
        """size: in units, of a line of text."""
        key = size, bold
        if key not in self._fonts:
            name = "B612Mono-Bold.otf" if bold else "B612Mono-Regular.otf"
            folder = resources.files("livedream.present.live") / "fonts"
            with resources.as_file(folder / name) as path:
                points = max(9, round(0.78 * size * self.unit))
                self._fonts[key] = self._pygame.font.Font(str(path), points)
        return self._fonts[key]


class Panels:
    """Collects the overlays of one picture: `fit_window`, any of the others, `overlays`.

    Each is painted anew only when what it shows has changed.
    """

    def __init__(self) -> None:
        self._painter = Painter(unit_for(0))
        self._size = (0, 0)
        self._made: dict[str, tuple[object, Any]] = {}  # panels and what they were made for
        self._overlays: list[Overlay] = []

    def fit_window(self, size: tuple[int, int]) -> None:
        """size: (w, h) px."""
        if size == self._size:
            return
        if unit_for(size[1]) != self._painter.unit:
            self._painter = Painter(unit_for(size[1]))
        self._made = {}
        self._size = size

    def hud(self, status: Status, strength: float, now_s: float, title: str) -> None:
        """The figures, in the top left corner.  strength: what is asked for."""
        reading = int(now_s / FIGURES_S), title
        surface = self._paint(
            "hud", reading, lambda: self._painter.hud(hud_of(status, strength, now_s, title))
        )
        margin = self._painter.unit
        self._overlays.append(Overlay(surface, margin, margin))

    def help(self, rows: Sequence[tuple[str, str]]) -> None:
        """In the middle, as large as there is room for."""
        surface = self._paint("help", tuple(rows), lambda: self._fitting_help(rows))
        width, height = surface.get_size()
        x, y = (self._size[0] - width) // 2, (self._size[1] - height) // 2
        self._overlays.append(Overlay(surface, x, y))

    def _fitting_help(self, rows: Sequence[tuple[str, str]]) -> Any:
        surface = self._painter.help(rows)
        room = min(  # with a margin
            (self._size[0] - 2 * self._painter.unit) / surface.get_width(),
            (self._size[1] - 2 * self._painter.unit) / surface.get_height(),
        )
        if room >= 1:
            return surface
        return Painter(int(self._painter.unit * room)).help(rows)

    def handles(self, editor: MeshEditor) -> None:
        points = editor.points(self._size)
        side = (3 if editor.side <= _FEW else 1.5) * self._painter.unit
        for row, column in np.ndindex(points.shape[:2]):
            chosen = (row, column) == editor.chosen
            paint = partial(self._painter.handle, chosen, round(side))
            surface = self._paint(f"handle {chosen}", side, paint)
            x, y = np.clip(points[row, column], 0, self._size) - surface.get_width() / 2
            self._overlays.append(Overlay(surface, round(float(x)), round(float(y))))

    def line(self, text: str) -> None:
        """At the bottom, in the middle."""
        most = self._size[0]
        surface = self._paint("line", (text, most), lambda: self._painter.line(text, most))
        x = (self._size[0] - surface.get_width()) // 2
        y = self._size[1] - surface.get_height() - self._painter.unit
        self._overlays.append(Overlay(surface, x, y))

    def overlays(self) -> list[Overlay]:
        """The overlays since the last call."""
        found, self._overlays = self._overlays, []
        return found

    def _paint(self, name: str, key: object, make: Callable[[], Any]) -> Any:
        if name not in self._made or self._made[name][0] != key:
            self._made[name] = key, make()
        return self._made[name][1]
