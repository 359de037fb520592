"""Live sources: cameras, streams, looped files, the screen, at the pace of the world.

An input is opened, read and closed by one thread (`Capture`), which puts the newest frame into a
slot, stamped with the monotonic clock, and opens a lost input again by itself.
"""

from pathlib import Path

from livedream.capture.live.base import Captured, LiveInput, MemoryInput, Opened
from livedream.core.errors import SourceError

__all__ = ["Captured", "LiveInput", "MemoryInput", "Opened", "open_live"]


def open_live(
    text: str = "", *, size: tuple[int, int] | None = None, fps: float | None = None
) -> LiveInput:
    """The input that `text` names; it is opened by its thread, not here.

    "" is the first camera; 0, /dev/video0, camera:NAME or part of a camera's name; a file, a folder
    or a synthetic source, looped; a URL; screen, screen:2, screen:1:640x360+0+0.
    size, fps: asked of a camera; fps of the screen, too.
    Raises SourceError for what can never become one.
    """
    from livedream.capture.live.screen import ScreenInput, is_screen
    from livedream.capture.live.stream import StreamInput, is_url
    from livedream.capture.synthetic import is_synthetic, open_synthetic

    if is_screen(text):
        return ScreenInput(text, fps)
    if is_url(text):
        return StreamInput(text)
    if "://" in text:
        raise SourceError(f"{text!r}: not an address that can be read; try rtsp, http or udp")
    if is_synthetic(text):
        from livedream.capture.live.paced import PacedInput

        open_synthetic(text)
        return PacedInput(text)
    if not _is_camera(text):
        from livedream.capture.live.paced import PacedInput

        if Path(text).exists() or "%" in text:
            return PacedInput(text)
        if "/" in text or Path(text).suffix:
            raise SourceError(f"{text} does not exist: check the path")
    from livedream.capture.live.camera import CameraInput, CameraRequest

    return CameraInput(text.removeprefix("camera:"), CameraRequest(size, fps))


def _is_camera(text: str) -> bool:
    return not text or text.isdecimal() or text.startswith(("camera:", "/dev/video"))
