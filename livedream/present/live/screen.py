"""The window itself: SDL through pygame, drawing by the graphics card where there is one.

On a card the picture is uploaded as it is and scaled, turned and laid by four corners there, in
step with the display. Where the mesh bends, and where a "card" is a program (measured: Mesa's
software renderer takes 20 to 80 ms for 1280x720), OpenCV lays the picture out and SDL only copies
it (docs/decisions/wall.md).
"""

import io
import time
from collections.abc import Mapping as ReadMapping
from dataclasses import dataclass, field
from importlib.resources import files
from pathlib import Path
from typing import Any, Final

import cv2
import numpy as np

from livedream.core.addresses import parse_address
from livedream.core.errors import SettingsError
from livedream.core.frame import Picture
from livedream.present.live.desktop import desktop_sizes
from livedream.present.live.hud_paint import Overlay, import_pygame
from livedream.present.live.mapping import Mapping
from livedream.present.live.placement import FITS, Placement, tone_table
from livedream.present.live.wall import Area, read_areas

_CENTERED: Final = 0x2FFF0000  # SDL_WINDOWPOS_CENTERED_MASK; the display's number is added
_BLEND, _MULTIPLY = 1, 4  # SDL_BLENDMODE_BLEND, SDL_BLENDMODE_MOD
_SLOW_S: Final = 0.008  # heuristic: a card takes less than a millisecond
_USUAL_SHARE: Final = 0.75  # of the display that a window takes at most
_RENDERERS: Final = ("auto", "gpu", "cpu")


@dataclass(frozen=True, slots=True)
class WindowOptions:
    """What the windows are to be: `window?fullscreen=1&display=1&mirror=1&turn=90&gamma=1.2`.

    displays: one window for each, in order from the left of a wall.  overlap: of a wall, see
    `wall.shares`.  card: the test card from the start.
    hud: stats from the start; None: in a window yes, in fullscreen as
    they were left on that display, which is off at first.  width, height: px of the window when
    it is not fullscreen, 0 for a size that fits picture and display.
    placing: parts of a `Placement` that count instead of what was kept for the display.
    renderer: "auto" lets the graphics card scale where there is one.
    settings_folder: where placements are kept, None for the user's.
    """

    fullscreen: bool = False
    displays: tuple[Area, ...] = (Area(),)
    overlap: float = 0.0
    card: bool = False
    hud: bool | None = None
    width: int = 0
    height: int = 0
    title: str = "livedream"
    placing: ReadMapping[str, Any] = field(default_factory=dict)
    renderer: str = "auto"
    settings_folder: Path | None = None


def window_options(
    text: str, *, fullscreen: bool = False, display: str = "0", overlap: float = 0.0
) -> WindowOptions:
    """The options in `window` or `window?...`; the other arguments where it does not say.

    Raises SettingsError for an option that is not known or makes no sense.
    """
    address = parse_address(text)
    if address.scheme != "window" or address.rest:
        raise SettingsError(f"window: must be window or window?option=value (got {text!r})")
    size = address.word("size", "")
    width, cross, height = size.partition("x")
    if size and not (cross and width.isdigit() and height.isdigit() and int(width) * int(height)):
        raise address.wrong("size", "WIDTHxHEIGHT")
    placing: dict[str, Any] = {
        "fit": address.word("fit", "contain", FITS),
        "turn": int(address.word("turn", "0", ("0", "90", "180", "270"))),
        "mirror": address.flag("mirror", False),
        "gamma": address.number("gamma", 1.0, 0.2, 5.0),
        "brightness": address.number("brightness", 1.0, 0.2, 5.0),
        "crop": _four(address.word("crop", "")),
        "edges": _four(address.word("edges", "")),
        "edge_gamma": address.number("edge_gamma", 2.2, 0.2, 5.0),
        "mask": address.word("mask", ""),
    }
    placing = {name: value for name, value in placing.items() if name in address.options}
    Placement(**placing)  # to be refused now
    options = WindowOptions(
        fullscreen=address.flag("fullscreen", fullscreen),
        # In an address a plus is a space.
        displays=read_areas(address.word("display", display).replace(" ", "+")),
        overlap=address.number("overlap", overlap, 0.0, 0.5),
        card=address.flag("card", False),
        hud=address.flag("hud", True) if "hud" in address.options else None,
        width=int(width or 0),
        height=int(height or 0),
        placing=placing,
        renderer=address.word("renderer", "auto", _RENDERERS),
    )
    address.finish()
    return options


def _four(text: str) -> tuple[float, ...] | None:
    if not text:
        return None
    try:
        a, b, c, d = (float(part) for part in text.split(","))
    except ValueError as error:
        raise SettingsError(f"window: crop and edges must be four numbers (got {text})") from error
    return a, b, c, d


class Screen:
    """A window on a display, between `start_video` and `stop_video`, in the main thread only.

    area: one that `Desktop` has found.  paced: whether `present` waits for the display.
    """

    def __init__(
        self, options: WindowOptions, picture: tuple[int, int], area: Area, *, paced: bool = True
    ) -> None:
        self._pygame = import_pygame()
        from pygame._sdl2 import video

        self._video: Any = video
        self._area, self._paced = area, paced
        sizes = desktop_sizes()
        self.display = area.number
        at = _CENTERED + area.number
        room = sizes[area.number] if area.part is None else area.part[:2]
        size = _usual_size(options, picture, room)
        # Hidden until it is as it is to be: nobody sees a frame that grows over a projection.
        self._window = self._pygame.Window(
            options.title, size, position=(at, at), resizable=True, allow_high_dpi=True, hidden=True
        )
        self._window.set_icon(self._icon())
        self._place = at, at
        if area.part is not None:
            centred = zip(self._window.position, sizes[area.number], size, strict=True)
            x, y = (place - (whole - own) // 2 for place, whole, own in centred)
            self._place = self._window.position = x + area.part[2], y + area.part[3]
        self.on_card = options.renderer == "gpu" or (
            options.renderer == "auto" and self._card_is_quick()
        )
        self._renderer = self._new_renderer(card=self.on_card)
        self._texture: Any = None
        self._plane: tuple[Any, Any] = (None, None)  # and its texture
        self._mapping: Mapping | None = None
        self._overlays: list[tuple[Any, Any]] = []  # surfaces and their textures
        self.fullscreen = False
        self._windowed_size = self._window.size
        if options.fullscreen:
            self.set_fullscreen(True)
        self._renderer.draw_color = (0, 0, 0, 255)
        self._renderer.clear()
        self._window.show()
        self._renderer.present()

    def _icon(self) -> Any:
        """SDL's own is a snake."""
        drawn = (files("livedream.core") / "icon.svg").read_bytes()
        return self._pygame.image.load(io.BytesIO(drawn), "icon.svg")

    def _new_renderer(self, *, card: bool) -> Any:
        drivers = [d.name for d in self._video.get_drivers()]
        index = -1 if card else drivers.index("software")
        try:
            return self._video.Renderer(self._window, index=index, vsync=card and self._paced)
        except self._pygame.error:
            return self._video.Renderer(self._window)

    def _card_is_quick(self) -> bool:
        """Draw a picture a few times and look at the clock."""
        if [d.name for d in self._video.get_drivers()] == ["software"]:
            return False
        try:
            renderer = self._video.Renderer(self._window, index=-1, vsync=False)
        except self._pygame.error:
            return False
        texture = self._video.Texture(renderer, (640, 360), depth=32)
        times = []
        for _ in range(4):
            begin = time.perf_counter()
            texture.draw(dstrect=(0, 0, 1280, 720))
            renderer.to_surface(area=(0, 0, 1, 1))  # waits until it is drawn
            times.append(time.perf_counter() - begin)
        return min(times) < _SLOW_S

    @property
    def size(self) -> tuple[int, int]:
        """(w, h) px."""
        area = self._renderer.get_viewport()
        return max(1, area.width), max(1, area.height)

    @property
    def display_key(self) -> str:
        """What the display is kept under: its number and size."""
        sizes = desktop_sizes()
        return self._area.key(sizes[min(self.display, len(sizes) - 1)])

    @property
    def name(self) -> str:
        """For people."""
        part = self._area.part
        return f"display {self.display}" + (f" +{part[2]}+{part[3]}" if part else "")

    def is_window(self, window: Any) -> bool:
        """Whether an event of this window is meant; one without a window is for all."""
        return window is None or window is self._window

    def to_px(self, x: float, y: float) -> tuple[float, float]:
        """A place of the mouse, which counts in points on some systems."""
        width, height = self._window.size
        return x * self.size[0] / width, y * self.size[1] / height

    def set_fullscreen(self, on: bool) -> None:
        """The whole display or its part, or the window as it was."""
        if on and not self.fullscreen:
            # SDL asks the window manager; where there is none (a kiosk), this is what counts.
            self._windowed_size = self._window.size
            self._window.borderless = True
            whole = desktop_sizes()[self.display]
            self._window.size = self._area.part[:2] if self._area.part else whole
            self._window.position = self._place
            if self._area.part is None:
                self._window.set_fullscreen(True)
        elif self.fullscreen and not on:
            self._window.set_windowed()
            self._window.borderless = False
            self._window.size = self._windowed_size
            self._window.position = self._place
        self.fullscreen = on

    def move_to_display(self, number: int) -> None:
        """Raises nothing: a number past the last display starts from the first again."""
        self.display = number % len(desktop_sizes())
        self._area = Area(self.display)
        was, self._place = self.fullscreen, (_CENTERED + self.display, _CENTERED + self.display)
        if was:
            self.set_fullscreen(False)
        self._window.position = self._place
        if was:
            self.set_fullscreen(True)

    def show_cursor(self, on: bool) -> None:
        self._pygame.mouse.set_visible(on)

    def draw(self, rgb: Picture, placement: Placement, overlays: list[Overlay]) -> None:
        """Draw the picture as it is to lie, and what lies over it; seen with `present`."""
        made_for = placement, (rgb.shape[1], rgb.shape[0]), self.size
        if self._mapping is None or self._mapping.made_for != made_for:
            self._mapping = Mapping(*made_for)
        mapping, table = self._mapping, tone_table(placement)
        if table is not None:
            rgb = cv2.LUT(rgb, table).astype(np.uint8, copy=False)
        self._renderer.draw_color = (0, 0, 0, 255)
        self._renderer.clear()
        if self.on_card and mapping.quads:
            self._upload(rgb)
            for quad in mapping.quads:
                self._texture.draw_quad(*quad)
            self._multiply(mapping.plane)
        else:
            self._upload(mapping.paint(rgb))
            self._texture.draw()
        kept = []
        for overlay in overlays:
            texture = next((t for s, t in self._overlays if s is overlay.surface), None)
            if texture is None:
                texture = self._video.Texture.from_surface(self._renderer, overlay.surface)
                texture.blend_mode = _BLEND
            kept.append((overlay.surface, texture))
            width, height = overlay.surface.get_size()
            texture.draw(dstrect=(overlay.x, overlay.y, width, height))
        self._overlays = kept

    def finish(self) -> None:
        """Have what was drawn ready, which would wait for `present` and keep it."""
        self._renderer.to_surface(area=(0, 0, 1, 1))

    def present(self) -> None:
        """Show what was drawn."""
        self._renderer.present()

    def _multiply(self, plane: Picture | None) -> None:
        if plane is None:
            return
        if self._plane[0] is not plane:
            size = plane.shape[1], plane.shape[0]
            surface = self._pygame.image.frombuffer(plane, size, "RGB")
            texture = self._video.Texture.from_surface(self._renderer, surface)
            texture.blend_mode = _MULTIPLY
            self._plane = plane, texture
        self._plane[1].draw()

    def _upload(self, rgb: Picture) -> None:
        size = (rgb.shape[1], rgb.shape[0])
        if self._texture is None or (self._texture.width, self._texture.height) != size:
            self._texture = self._video.Texture(
                self._renderer, size, depth=32, streaming=True,
                scale_quality=self._video.SCALEQUALITY_LINEAR,
            )  # fmt: skip
        surface = self._pygame.image.frombuffer(np.ascontiguousarray(rgb), size, "RGB")
        self._texture.update(surface)

    def picture(self) -> Picture:
        """What the window shows at this moment, as far as its renderer can say."""
        surface = self._renderer.to_surface()
        found = self._pygame.surfarray.array3d(surface)
        return np.ascontiguousarray(found.transpose(1, 0, 2))

    def close(self) -> None:
        self._overlays, self._texture, self._plane = [], None, (None, None)
        self._window.destroy()


def _usual_size(
    options: WindowOptions, picture: tuple[int, int], display: tuple[int, int]
) -> tuple[int, int]:
    if options.width and options.height:
        return options.width, options.height
    room = _USUAL_SHARE * min(display[0] / picture[0], display[1] / picture[1])
    scale = max(1, int(room)) if room >= 1 else room
    return max(160, round(picture[0] * scale)), max(90, round(picture[1] * scale))
