"""The displays of this machine: which there are, and whether they stay the same."""

import ctypes
import os
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from importlib import import_module
from typing import Any, Final

from livedream.capture.live.screen import open_mss
from livedream.core.errors import SinkError
from livedream.present.live.hud_paint import import_pygame
from livedream.present.live.wall import Area

_UNSEEN: Final = ("offscreen", "dummy", "evdev")  # SDL's drivers without a picture
_LOOK_S: Final = 2.0  # between two looks whether the displays are the same


def display_sizes() -> list[tuple[int, int]]:
    """(width, height) px of each display that a window can be on; none where there is none."""
    pygame = import_pygame()
    try:
        pygame.display.init()
        seen = pygame.display.get_driver() not in _UNSEEN
        return list(pygame.display.get_desktop_sizes()) if seen else []
    except pygame.error:
        return []
    finally:
        pygame.display.quit()


def start_video() -> None:
    """Raises SinkError where there is no display."""
    # Mesa's drivers bring an LLVM along and so does Triton, which torchvision and our kernels
    # import when they are first needed: if Triton's is loaded second, it crashes the process.
    with suppress(ImportError):
        import_module("triton._C.libtriton")
    pygame = import_pygame()
    try:
        pygame.display.init()
        # Where there is no display SDL takes a driver that draws for nobody, unasked.
        if pygame.display.get_driver() in _UNSEEN and "SDL_VIDEODRIVER" not in os.environ:
            pygame.display.quit()
            raise pygame.error("there is no display")
    except pygame.error as error:
        raise SinkError(
            f"no window can be opened ({error}): start livedream in a graphical session, "
            "or choose another output, such as --sink udp://127.0.0.1:9000"
        ) from error
    pygame.display.set_allow_screensaver(False)


_kept: list[Any] = []  # what Xlib calls must not be collected


def when_x_server_goes(end: Callable[[], None]) -> None:
    """Have `end` called when the X server goes away; it must end the process.

    Xlib calls it from within whatever call was under way, in that call's thread, and would end the
    process itself if it returned. Nothing happens where there is no X11.
    """
    if not sys.platform.startswith("linux"):
        return
    try:
        xlib = ctypes.CDLL("libX11.so.6")
    except OSError:
        return

    def gone(display: int) -> int:
        end()
        return 0

    _kept[:] = [ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p)(gone)]
    xlib.XSetIOErrorHandler(_kept[0])


def stop_video() -> None:
    """When all screens are closed."""
    import_pygame().display.quit()


def desktop_sizes() -> tuple[tuple[int, int], ...]:
    """(width, height) px of each display, between `start_video` and `stop_video`."""
    return tuple(import_pygame().display.get_desktop_sizes())


class Desktop:
    """The displays, as they are when it is made.

    there: of the areas those that there are.  numbered: these, each with its number among all of
    them.  missing: why the others are not, for people.
    Raises SinkError where there is none of them.
    """

    def __init__(self, areas: Sequence[Area]) -> None:
        self._sizes, self._seen, self._looked_s = desktop_sizes(), _monitors(), time.monotonic()
        found = {area: self._fault(area) for area in areas}
        self.numbered = tuple((n, area) for n, area in enumerate(areas) if not found[area])
        self.there = tuple(area for _, area in self.numbered)
        self.missing = tuple(fault for fault in found.values() if fault)
        if not self.there:
            raise SinkError(self.missing[0])

    def _fault(self, area: Area) -> str:
        if area.number >= len(self._sizes):
            return f"display: must be 0 to {len(self._sizes) - 1} (got {area.number})"
        (w, h), (width, height, left, top) = self._sizes[area.number], area.part or (0, 0, 0, 0)
        if left + width > w or top + height > h:
            return f"display: must be inside {w}x{h} (got {width}x{height}+{left}+{top})"
        return ""

    def check(self) -> None:
        """Raise SinkError when the displays have become others: the system may have moved the
        windows, and moves none of them back."""
        if time.monotonic() - self._looked_s > _LOOK_S:
            self._looked_s = time.monotonic()
            if (now := _monitors()) != self._seen:
                shown = ", ".join(f"{w}x{h}+{x}+{y}" for x, y, w, h in now)
                raise SinkError(f"the displays have changed ({shown or 'none'})")


def _monitors() -> tuple[tuple[int, int, int, int], ...]:
    """Left, top, width, height px of each display now."""
    if import_pygame().display.get_driver() != "x11":
        return tuple((0, 0, width, height) for width, height in desktop_sizes())
    with open_mss() as shot:  # there SDL has those of its beginning
        each = shot.monitors[1:]  # the first is all of them
        return tuple((one["left"], one["top"], one["width"], one["height"]) for one in each)
