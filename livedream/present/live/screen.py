"""The window itself: SDL through pygame, drawing by the graphics card where there is one.

On a card the picture is uploaded as it is and scaled, turned and pinned there, in step with the
display. Where a "card" is a program (measured: Mesa's software renderer takes 20 to 80 ms for
1280x720), OpenCV lays the picture out and SDL only copies it.
"""

import os
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import cv2
import numpy as np
from numpy.typing import NDArray

from livedream.core.addresses import parse_address
from livedream.core.errors import SettingsError, SinkError
from livedream.core.frame import Picture
from livedream.present.live.hud_paint import Overlay, import_pygame
from livedream.present.live.placement import FITS, Placement, Quad, homography, painted, through

_CENTERED: Final = 0x2FFF0000  # SDL_WINDOWPOS_CENTERED_MASK; the display's number is added
_MESH: Final = 16  # cells across: within each, perspective is a parallelogram to a tenth of a px
_SLOW_S: Final = 0.008  # heuristic: a card takes less than a millisecond
_USUAL_SHARE: Final = 0.75  # of the display that a window takes at most
_UNSEEN: Final = ("offscreen", "dummy", "evdev")  # SDL's drivers without a picture
_RENDERERS: Final = ("auto", "gpu", "cpu")
_PLACING: Final = ("fit", "turn", "mirror", "gamma", "brightness")


@dataclass(frozen=True, slots=True)
class WindowOptions:
    """What a window is to be: `window?fullscreen=1&display=1&mirror=1&turn=90&gamma=1.2`.

    display: counts from 0.  hud: figures from the start; None: in a window yes, in fullscreen as
    they were left on that display, which is off at first.  width, height: px of the window when
    it is not fullscreen, 0 for a size that fits picture and display.
    placement: None takes what was kept for the display.  renderer: "auto" lets the graphics card
    scale where there is one.  settings_folder: where placements are kept, None for the user's.
    """

    fullscreen: bool = False
    display: int = 0
    hud: bool | None = None
    width: int = 0
    height: int = 0
    title: str = "livedream"
    placement: Placement | None = None
    renderer: str = "auto"
    settings_folder: Path | None = None


def window_options(text: str, *, fullscreen: bool = False, display: int = 0) -> WindowOptions:
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
    given = any(name in address.options for name in _PLACING)
    placement = Placement(
        fit=address.word("fit", "contain", FITS),
        turn=int(address.word("turn", "0", ("0", "90", "180", "270"))),
        mirror=address.flag("mirror", False),
        gamma=address.number("gamma", 1.0, 0.2, 5.0),
        brightness=address.number("brightness", 1.0, 0.2, 5.0),
    )
    options = WindowOptions(
        fullscreen=address.flag("fullscreen", fullscreen),
        display=int(address.number("display", display, 0, 63)),
        hud=address.flag("hud", True) if "hud" in address.options else None,
        width=int(width or 0),
        height=int(height or 0),
        placement=placement if given else None,
        renderer=address.word("renderer", "auto", _RENDERERS),
    )
    address.finish()
    return options


class Screen:
    """A window on a display. To be used from the main thread only.

    Raises SinkError when there is no display, or not one of that number.
    """

    def __init__(self, options: WindowOptions, picture: tuple[int, int]) -> None:
        self._pygame = import_pygame()
        from pygame._sdl2 import video

        self._video: Any = video
        try:
            self._pygame.display.init()
            # Where there is no display SDL takes a driver that draws for nobody, unasked.
            driver = self._pygame.display.get_driver()
            if driver in _UNSEEN and "SDL_VIDEODRIVER" not in os.environ:
                self._pygame.display.quit()
                raise self._pygame.error("there is no display")
        except self._pygame.error as error:
            raise SinkError(
                f"no window can be opened ({error}): start livedream in a graphical session, "
                "or choose another output, such as --sink udp://127.0.0.1:9000"
            ) from error
        self._pygame.display.set_allow_screensaver(False)
        sizes = self._pygame.display.get_desktop_sizes()
        if options.display >= len(sizes):
            last = len(sizes) - 1
            raise SinkError(f"display: must be 0 to {last} (got {options.display})")
        self.display = options.display
        at = _CENTERED + options.display
        self._window = self._pygame.Window(
            options.title,
            _usual_size(options, picture, sizes[options.display]),
            position=(at, at),
            resizable=True,
            allow_high_dpi=True,
        )
        self.on_card = options.renderer == "gpu" or (
            options.renderer == "auto" and self._card_is_quick()
        )
        self._renderer = self._new_renderer(card=self.on_card)
        self._texture: Any = None
        self._overlays: list[tuple[Any, Any]] = []  # surfaces and their textures
        self.fullscreen = False
        self._windowed_size = self._window.size
        if options.fullscreen:
            self.set_fullscreen(True)

    def _new_renderer(self, *, card: bool) -> Any:
        drivers = [d.name for d in self._video.get_drivers()]
        index = -1 if card else drivers.index("software")
        try:
            return self._video.Renderer(self._window, index=index, vsync=card)
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
        sizes = self._pygame.display.get_desktop_sizes()
        width, height = sizes[min(self.display, len(sizes) - 1)]
        return f"{self.display}:{width}x{height}"

    def to_px(self, x: float, y: float) -> tuple[float, float]:
        """A place of the mouse, which counts in points on some systems."""
        width, height = self._window.size
        return x * self.size[0] / width, y * self.size[1] / height

    def set_fullscreen(self, on: bool) -> None:
        """The whole display, or the window as it was."""
        if on and not self.fullscreen:
            # SDL asks the window manager; where there is none (a kiosk), this is what counts.
            self._windowed_size = self._window.size
            self._window.borderless = True
            self._window.size = self._pygame.display.get_desktop_sizes()[self.display]
            self._window.position = (_CENTERED + self.display, _CENTERED + self.display)
            self._window.set_fullscreen(True)
        elif self.fullscreen and not on:
            self._window.set_windowed()
            self._window.borderless = False
            self._window.size = self._windowed_size
            self._window.position = (_CENTERED + self.display, _CENTERED + self.display)
        self.fullscreen = on

    def move_to_display(self, number: int) -> None:
        """Raises nothing: a number past the last display starts from the first again."""
        self.display = number % len(self._pygame.display.get_desktop_sizes())
        was, at = self.fullscreen, _CENTERED + self.display
        if was:
            self.set_fullscreen(False)
        self._window.position = (at, at)
        if was:
            self.set_fullscreen(True)

    def show_cursor(self, on: bool) -> None:
        self._pygame.mouse.set_visible(on)

    def show(
        self, rgb: Picture, quad: Quad, table: NDArray[np.uint8] | None, overlays: list[Overlay]
    ) -> None:
        """Draw the picture with its corners at `quad` (px), and what lies over it.

        table: (256,) codes to codes, None for none.
        """
        if table is not None:
            rgb = cv2.LUT(rgb, table).astype(np.uint8, copy=False)
        self._renderer.draw_color = (0, 0, 0, 255)
        self._renderer.clear()
        if self.on_card:
            self._upload(rgb)
            self._draw_mesh(quad)
        else:
            self._upload(painted(rgb, quad, self.size))
            self._texture.draw()
        kept = []
        for overlay in overlays:
            texture = next((t for s, t in self._overlays if s is overlay.surface), None)
            if texture is None:
                texture = self._video.Texture.from_surface(self._renderer, overlay.surface)
                texture.blend_mode = 1  # SDL_BLENDMODE_BLEND
            kept.append((overlay.surface, texture))
            width, height = overlay.surface.get_size()
            texture.draw(dstrect=(overlay.x, overlay.y, width, height))
        self._overlays = kept
        self._renderer.present()

    def _upload(self, rgb: Picture) -> None:
        size = (rgb.shape[1], rgb.shape[0])
        if self._texture is None or (self._texture.width, self._texture.height) != size:
            self._texture = self._video.Texture(
                self._renderer, size, depth=32, streaming=True,
                scale_quality=self._video.SCALEQUALITY_LINEAR,
            )  # fmt: skip
        surface = self._pygame.image.frombuffer(np.ascontiguousarray(rgb), size, "RGB")
        self._texture.update(surface)

    def _draw_mesh(self, quad: Quad) -> None:
        upright = np.allclose(quad[[0, 2]], quad[[0, 2]].round()) and np.allclose(
            quad, [quad[0], (quad[2, 0], quad[0, 1]), quad[2], (quad[0, 0], quad[2, 1])]
        )
        cells = 1 if upright else _MESH
        steps = np.linspace(0, 1, cells + 1)
        places = np.stack(np.meshgrid(steps, steps), axis=-1).reshape(-1, 2)
        if upright:
            points = quad[0] + places * (quad[2] - quad[0])
        else:
            points = through(homography(quad), places)
        grid = points.reshape(cells + 1, cells + 1, 2).tolist()
        uv = places.reshape(cells + 1, cells + 1, 2).tolist()
        for j in range(cells):
            for i in range(cells):
                around = ((j, i), (j, i + 1), (j + 1, i + 1), (j + 1, i))
                self._texture.draw_quad(
                    *(grid[a][b] for a, b in around), *(uv[a][b] for a, b in around)
                )

    def picture(self) -> Picture:
        """What the window shows at this moment, as far as its renderer can say."""
        surface = self._renderer.to_surface()
        found = self._pygame.surfarray.array3d(surface)
        return np.ascontiguousarray(found.transpose(1, 0, 2))

    def close(self) -> None:
        self._overlays, self._texture = [], None
        self._window.destroy()
        self._pygame.display.quit()


def _usual_size(
    options: WindowOptions, picture: tuple[int, int], display: tuple[int, int]
) -> tuple[int, int]:
    if options.width and options.height:
        return options.width, options.height
    room = _USUAL_SHARE * min(display[0] / picture[0], display[1] / picture[1])
    scale = max(1, int(room)) if room >= 1 else room
    return max(160, round(picture[0] * scale)), max(90, round(picture[1] * scale))
