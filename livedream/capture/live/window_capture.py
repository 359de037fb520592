"""A window of another program as a source, by a part of its title.

FFmpeg grabs it (x11grab, gdigrab), through PyAV's own wheel.  What lies over the window is seen
with it where there is no compositor.
"""

import os
import sys
import time
from fractions import Fraction
from typing import Any, Final, NamedTuple

import numpy as np

from livedream.capture.live import Opened
from livedream.core.errors import SourceError
from livedream.core.frame import Picture

_RATE: Final = 30  # frames per second, where none is given
_LOOK_S: Final = 0.25  # how often its size is looked at
_GONE_S: Final = 2.0  # who cannot be read for so long is gone
_LEAST: Final = 16  # px: what is smaller is no picture


class FoundWindow(NamedTuple):
    """A window. number: X11's or Windows' own.  size: (w, h) px."""

    title: str
    number: int
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


class WindowInput:
    """`window:TITLE`, any part of the title in any case; found again when it is opened anew, and
    followed when its size changes."""

    def __init__(self, text: str, fps: float | None = None) -> None:
        self.name = text
        self._wanted = text.partition(":")[2].strip()
        if not self._wanted:
            raise SourceError("source: must be window:TITLE, a part of a window's title")
        self._rate = Fraction(fps or _RATE).limit_denominator(1001)
        self._window: FoundWindow | None = None
        self._grabber: Any = None
        self._frames: Any = None
        self._look_s = self._read_s = 0.0

    def open(self) -> Opened:
        self.close()
        there = list_windows()
        found = [one for one in there if self._wanted.lower() in one.title.lower()]
        if not found:
            titles = ", ".join(sorted({one.title for one in there})) or "none"
            raise SourceError(f"{self.name}: no such window; there are {titles}")
        # Of several the largest: a program's main window, not its palette.
        self._window = max(found, key=lambda one: one.size[0] * one.size[1])
        self._grab(self._window)
        self._read_s = time.monotonic()
        width, height = self._window.size
        detail = f"{self._window.title}, {width}x{height}"
        return Opened(width, height, self._rate, detail)

    def read(self) -> Picture | None:
        import av

        now_s = time.monotonic()
        if self._frames is None or now_s - self._look_s > _LOOK_S:
            self._look_s = now_s
            if not self._look():
                time.sleep(_LOOK_S)
                return None
        try:
            frame = next(self._frames)
        except (av.FFmpegError, StopIteration):  # it is changing its size, or closed
            self.close()
            return None
        self._read_s = now_s
        return np.asarray(frame.to_ndarray(format="rgb24"), np.uint8)

    def _look(self) -> bool:
        """Whether the window is there and can be read; begins anew where its size has changed."""
        was = self._window
        assert was is not None, "open it first"
        now = next((one for one in list_windows() if one.number == was.number), None)
        if now is None:
            raise SourceError(f"{self.name}: the window was closed or hidden")
        if self._frames is None or now.size != was.size:
            try:
                self._grab(now)
            except SourceError:
                if time.monotonic() - self._read_s > _GONE_S:
                    raise
        return self._frames is not None

    def close(self) -> None:
        grabber, self._grabber, self._frames = self._grabber, None, None
        if grabber is not None:
            grabber.close()

    def _grab(self, window: FoundWindow) -> None:
        """Begin to read this window, at the size that it has now."""
        import av

        self.close()
        options = {"framerate": str(self._rate), "draw_mouse": "0"}
        if sys.platform == "win32":
            where, kind = f"title={window.title}", "gdigrab"
        else:
            where, kind = os.environ["DISPLAY"], "x11grab"
            options |= {
                "window_id": str(window.number),
                "video_size": "{}x{}".format(*window.size),
            }
        try:
            self._grabber = av.open(where, format=kind, options=options)
            self._frames = self._grabber.decode(video=0)
        except (av.FFmpegError, ValueError) as error:
            raise SourceError(f"{self.name}: the window cannot be read ({error})") from error
        self._window = window


def _windows_of_x11() -> list[FoundWindow]:
    """Those that a window manager knows, else those right on the screen."""
    try:
        from Xlib import X, display, error
    except ImportError as missing:
        raise SourceError(
            "window: python-xlib is not installed; pip install 'livedream[window]'"
        ) from missing
    try:
        server = display.Display()
    except (error.DisplayError, error.ConnectionClosedError, OSError) as wrong:
        raise SourceError(f"no window can be captured here ({wrong})") from wrong
    try:
        root = server.screen().root
        named = root.get_full_property(server.intern_atom("_NET_CLIENT_LIST"), X.AnyPropertyType)
        numbers = list(named.value) if named else [one.id for one in root.query_tree().children]
        utf8 = server.intern_atom("_NET_WM_NAME")
        found = []
        for number in numbers:
            window = server.create_resource_object("window", number)
            try:
                if window.get_attributes().map_state != X.IsViewable:
                    continue
                title = window.get_full_property(utf8, X.AnyPropertyType)
                said = title.value if title else window.get_wm_name() or ""
                at = window.get_geometry()
            except error.XError:  # it was closed meanwhile
                continue
            text = said.decode(errors="replace") if isinstance(said, bytes) else said
            if text and min(at.width, at.height) >= _LEAST:
                found.append(FoundWindow(text, int(number), (at.width, at.height)))
        return found
    finally:
        server.close()


def _windows_of_windows() -> list[FoundWindow]:
    """Written without a Windows machine."""
    import ctypes
    from ctypes import wintypes

    user32 = ctypes.windll.user32  # type: ignore[attr-defined]
    found: list[FoundWindow] = []

    @ctypes.WINFUNCTYPE(wintypes.BOOL, wintypes.HWND, wintypes.LPARAM)  # type: ignore[attr-defined, untyped-decorator]
    def look(window: int, _: int) -> bool:
        title = ctypes.create_unicode_buffer(512)
        area = wintypes.RECT()
        user32.GetWindowTextW(window, title, len(title))
        user32.GetClientRect(window, ctypes.byref(area))
        if (
            title.value
            and user32.IsWindowVisible(window)
            and min(area.right, area.bottom) >= _LEAST
        ):
            found.append(FoundWindow(title.value, int(window), (area.right, area.bottom)))
        return True

    user32.EnumWindows(look, 0)
    return found
