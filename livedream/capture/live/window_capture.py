"""A window of another program as a source, by a part of its title.

It is the part of the screen where the window lies, followed when that is moved or changes its size;
what lies over the window is seen with it.  (FFmpeg's x11grab reads windows too, but not beside SDL:
PyAV's wheel brings an X library of its own, and two in one process crash.)
"""

import os
import sys
import time
from contextlib import closing
from typing import Any, Final, NamedTuple

from livedream.capture.live import Opened, named, shown_name
from livedream.capture.live.screen import ScreenInput
from livedream.core.errors import SourceError
from livedream.core.frame import Picture

_LOOK_S: Final = 0.25  # how often the window is looked for
_LEAST: Final = 16  # px: what is smaller is no picture
_MOST: Final = 500  # windows that are asked for their titles


class FoundWindow(NamedTuple):
    """A window. number: X11's or Windows' own.  left, top: px of the screen.  size: (w, h) px."""

    title: str
    number: int
    left: int
    top: int
    size: tuple[int, int]


def is_window(text: str) -> bool:
    return text.startswith("window:")


def list_windows() -> list[FoundWindow]:
    """Those with a title and a picture, in no order.  Raises SourceError where none can be seen."""
    if sys.platform == "win32":
        return _windows_of_windows()
    if sys.platform == "darwin":
        raise SourceError(
            "a window cannot be captured on macOS: have its program send it by Syphon or NDI, or "
            "capture it with OBS"
        )
    if not os.environ.get("DISPLAY"):
        raise SourceError("a window cannot be captured here: there is no X display")
    return _windows_of_x11()


class WindowInput(ScreenInput):
    """`window:TITLE`, any part of the title in any case; found again when it is opened anew."""

    def __init__(self, text: str, fps: float | None = None) -> None:
        super().__init__("screen", fps)
        self.name = text
        self._wanted = text.partition(":")[2].strip()
        if not self._wanted:
            raise SourceError("source: must be window:TITLE, a part of a window's title")
        self._window = 0
        self._look_s = 0.0

    def open(self) -> Opened:
        opened = super().open()
        there = list_windows()
        found = named(self._wanted, there, lambda one: one.title)
        if not found:
            titles = ", ".join(sorted({one.title for one in there})) or "none"
            raise SourceError(f"{self.name}: no such window; there are {titles}")
        # Of several the largest: a program's main window, not its palette.
        window = max(found, key=lambda one: one.size[0] * one.size[1])
        self._window = window.number
        width, height = self._follow(window)
        return Opened(width, height, opened.rate, f"{window.title}, {width}x{height}")

    def read(self) -> Picture | None:
        now_s = time.monotonic()
        if now_s - self._look_s > _LOOK_S:
            self._look_s = now_s
            window = next((one for one in list_windows() if one.number == self._window), None)
            if window is None:
                raise SourceError(f"{self.name}: the window was closed or hidden")
            self._follow(window)
        return super().read()

    def _follow(self, window: FoundWindow) -> tuple[int, int]:
        """From now on read where it lies, as far as that is on the screen; (w, h) px."""
        whole = self._shot.monitors[0]
        left, top = max(window.left, whole["left"]), max(window.top, whole["top"])
        right = min(window.left + window.size[0], whole["left"] + whole["width"])
        bottom = min(window.top + window.size[1], whole["top"] + whole["height"])
        width, height = right - left, bottom - top
        if min(width, height) < _LEAST:
            raise SourceError(f"{self.name}: the window is not on the screen")
        self._area = {"left": left, "top": top, "width": width, "height": height}
        return width, height


def _windows_of_x11() -> list[FoundWindow]:
    """Those that a window manager knows, else those right on the screen."""
    try:
        from Xlib import display, error
    except ImportError as missing:
        raise SourceError(
            'window: python-xlib is not installed; pip install "livedream[window]"'
        ) from missing
    lost = error.DisplayError, error.ConnectionClosedError, OSError
    try:
        server = display.Display()
    except lost as wrong:
        raise SourceError(f"no window can be captured here ({wrong})") from wrong
    try:
        with closing(server):
            return _seen(server)
    except (*lost, error.XError) as wrong:
        raise SourceError(f"the X server went away ({wrong})") from wrong


def _seen(server: Any) -> list[FoundWindow]:
    """On an X display; what goes away meanwhile is left out."""
    from Xlib import X, error

    root = server.screen().root
    named = root.get_full_property(server.intern_atom("_NET_CLIENT_LIST"), X.AnyPropertyType)
    numbers = list(named.value) if named else [one.id for one in root.query_tree().children]
    utf8 = server.intern_atom("_NET_WM_NAME")
    found = []
    for number in numbers[:_MOST]:
        window = server.create_resource_object("window", number)
        try:
            if window.get_attributes().map_state != X.IsViewable:
                continue
            title = window.get_full_property(utf8, X.AnyPropertyType)
            said = title.value if title else window.get_wm_name() or ""
            area, at = window.get_geometry(), root.translate_coords(window, 0, 0)
        except error.XError:  # it was closed meanwhile
            continue
        text = shown_name(said.decode(errors="replace") if isinstance(said, bytes) else said)
        if text and min(area.width, area.height) >= _LEAST:
            size = area.width, area.height
            found.append(FoundWindow(text, int(number), at.x, at.y, size))
    return found


def _windows_of_windows() -> list[FoundWindow]:
    """Written without a Windows machine."""
    import ctypes
    from ctypes import wintypes

    user32 = ctypes.windll.user32  # type: ignore[attr-defined]
    found: list[FoundWindow] = []

    @ctypes.WINFUNCTYPE(wintypes.BOOL, wintypes.HWND, wintypes.LPARAM)  # type: ignore[attr-defined, untyped-decorator]
    def look(window: int, _: int) -> bool:
        title = ctypes.create_unicode_buffer(512)
        area, at = wintypes.RECT(), wintypes.POINT(0, 0)
        user32.GetWindowTextW(window, title, len(title))
        user32.GetClientRect(window, ctypes.byref(area))
        user32.ClientToScreen(window, ctypes.byref(at))
        size = area.right, area.bottom
        text = shown_name(title.value)
        if text and user32.IsWindowVisible(window) and min(size) >= _LEAST:
            found.append(FoundWindow(text, int(window), at.x, at.y, size))
        return True

    user32.EnumWindows(look, 0)
    return found
