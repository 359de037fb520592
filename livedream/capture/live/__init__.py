"""Live sources: cameras, streams, looped files, the screen, at the pace of the world.

An input is opened, read and closed by one thread (`Capture`), which puts the newest frame into a
slot, stamped with the monotonic clock, and opens a lost input again by itself.
"""

import os
import re
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Final, Protocol, TypeVar, runtime_checkable

from livedream.core.errors import SourceError, missing
from livedream.core.frame import Picture
from livedream.core.live_sound import LiveSound
from livedream.core.redact import one_line

T = TypeVar("T")

_RATES: Final = (0.1, 240.0)  # frames per second; who says less or more does not know
_LONGEST_NAME: Final = 200  # characters
# Of a file: .mp4, .3gp, .webm. A camera may be a "USB2.0 HD UVC WebCam".
_SUFFIX: Final = re.compile(r"\.(?=[0-9]*[A-Za-z])[A-Za-z0-9]{2,5}")


@dataclass(frozen=True, slots=True)
class Captured:
    """A live frame. rgb: (H, W, 3) uint8.  captured_s: monotonic.  index: counts every frame."""

    rgb: Picture
    captured_s: float
    index: int


@dataclass(frozen=True, slots=True)
class Opened:
    """What an input really gives, read back after opening; width and height in px.

    rate: frames per second.  detail: in words, such as what was asked for and not granted.
    sound: whether it is heard, where somebody listens.
    """

    width: int
    height: int
    rate: Fraction
    detail: str = ""
    sound: bool = False


class LiveInput(Protocol):
    """The door for live sources; used from one thread.

    open: may take seconds; SourceError when there is nothing.  read: waits for the next frame;
    None when there is none yet (at most about a second); SourceError when the input is gone.
    close: may be called at any time after open, more than once.
    """

    name: str

    def open(self) -> Opened: ...

    def read(self) -> Picture | None: ...

    def close(self) -> None: ...


@runtime_checkable
class Timed(Protocol):
    """A live input whose pictures have times of their own, so that its sound fits to them.

    taken_s: that of the picture that was read last, in monotonic seconds; None for the moment at
    which it came.
    """

    taken_s: float | None


@runtime_checkable
class Listening(Protocol):
    """A live input that others send to: it goes on listening when it is closed, until `end`."""

    def end(self) -> None: ...


class MemoryInput:
    """Pictures from memory, handed out as they are put: for tests and for programs.

    A picture that is None is "none yet"; an exception is raised at its place.
    """

    def __init__(self, opened: Opened, name: str = "memory") -> None:
        self.name = name
        self._opened = opened
        self.pending: list[Picture | Exception | None] = []

    def open(self) -> Opened:
        return self._opened

    def read(self) -> Picture | None:
        if not self.pending:
            time.sleep(0.002)
            return None
        item = self.pending.pop(0)
        if isinstance(item, Exception):
            raise item
        return item

    def close(self) -> None:
        """Nothing to give back."""


def stated_rate(rate: float | Fraction | None, otherwise: float = 25.0) -> Fraction:
    """Frames per second as a source states them.  otherwise: where that cannot be."""
    believed = rate is not None and _RATES[0] <= rate <= _RATES[1]
    return Fraction(rate if believed and rate else otherwise).limit_denominator(1001)


def shown_name(name: object) -> str:
    """What a sender, a device or a window calls itself, fit to show and to be typed."""
    return one_line(str(name).strip(), _LONGEST_NAME)


def named(wanted: str, there: Sequence[T], name: Callable[[T], str] = shown_name) -> list[T]:
    """Those of that very name, else those that have it in theirs, in any case."""
    wanted = wanted.strip().lower()
    names = [name(one).lower() for one in there]
    exact = [one for one, said in zip(there, names, strict=True) if said == wanted]
    return exact or [one for one, said in zip(there, names, strict=True) if wanted in said]


def nothing_yet(opened: Opened) -> Captured:
    """A dim sky to dream on until a stream comes."""
    from livedream.capture.synthetic import open_synthetic

    sky = open_synthetic(f"synthetic:clouds?size={opened.width}x{opened.height}")
    return Captured((next(iter(sky)).rgb // 2).astype("uint8"), time.monotonic(), 0)


def is_camera(text: str) -> bool:
    """Whether this names a camera and can name nothing else."""
    return text.isdecimal() or text.startswith(("camera:", "/dev/video"))


def open_live(
    text: str = "", *, size: tuple[int, int] | None = None, fps: float | None = None,
    sound: LiveSound | None = None,
) -> LiveInput:  # fmt: skip
    """The input that `text` names; it is opened by its thread, not here.

    "" is the first camera; 0, /dev/video0, camera:NAME or part of a camera's name; a file, a folder
    or a synthetic source, looped; a URL; screen, screen:2, screen:1:640x360+0+0; window:TITLE; ndi,
    ndi:NAME, and likewise spout and syphon; whip, whip:HOST:PORT, to which others send.
    size, fps: asked of a camera; fps of the screen and of windows, too.  sound: what is heard with
    a file, stream, NDI or WHIP goes there.
    Raises SourceError for what can never become one.
    """
    from livedream.capture.live.ndi import NdiInput, is_ndi
    from livedream.capture.live.paced import PacedInput
    from livedream.capture.live.screen import ScreenInput, is_screen
    from livedream.capture.live.stream import StreamInput, is_url
    from livedream.capture.live.textures import SpoutInput, SyphonInput, is_texture
    from livedream.capture.live.whip import WhipInput
    from livedream.capture.live.window_capture import WindowInput, is_window
    from livedream.capture.synthetic import is_synthetic, open_synthetic
    from livedream.media.webrtc import is_whip

    if is_screen(text) or is_window(text):
        return (ScreenInput if is_screen(text) else WindowInput)(text, fps)
    if is_ndi(text) or is_whip(text) or is_url(text):
        kind = NdiInput if is_ndi(text) else WhipInput if is_whip(text) else StreamInput
        return kind(text, sound)
    if is_texture(text):
        return (SpoutInput if text.startswith("spout") else SyphonInput)(text)
    if "://" in text:
        raise SourceError(f"{text!r}: not an address that can be read; try rtsp, http or udp")
    if is_synthetic(text):
        open_synthetic(text)
        return PacedInput(text)
    if text and not is_camera(text):
        if Path(text).exists() or "%" in text:
            return PacedInput(text, sound)
        # On Windows a camera's own path has backslashes, too: \\?\usb#vid_046d...
        is_path = "/" in text or (os.sep in text and not text.startswith("\\\\?\\"))
        if is_path or _SUFFIX.fullmatch(Path(text).suffix):
            raise SourceError(missing(text))
    from livedream.capture.live.camera import CameraInput

    return CameraInput(text.removeprefix("camera:"), size=size, fps=fps)
