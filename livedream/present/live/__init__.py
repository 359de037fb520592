"""Present, live: everything that goes out while a dream runs.

An `Output` is one route out; an `OutputWorker` gives it a thread of its own, so that a slow or
vanished receiver costs the loop and the other outputs nothing. `open_output` finds the one a text
means; the window, which owns the main thread, stands apart (`livedream.present.live.window`).
"""

import importlib.util
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from typing import Protocol

from livedream.core.errors import SettingsError
from livedream.core.frame import Picture
from livedream.present.live.address import Address, parse_address

__all__ = ["OUTPUTS", "LiveFrame", "MemoryOutput", "Output", "open_output"]


@dataclass(frozen=True, slots=True)
class LiveFrame:
    """What every output gets.

    rgb: (H, W, 3) uint8, never written to afterwards.  captured_s: monotonic time at which the
    camera gave the picture.  index: counts from 0, with gaps where frames were dropped.
    camera: the picture before it was dreamed on, where a recording wants it.
    """

    rgb: Picture
    captured_s: float
    index: int
    camera: Picture | None = None


class Output(Protocol):
    """One route out. Used from one thread only; opened again after an error.

    name: for people and for `/health`.  delay_ms: from `write` to being seen at the other end,
    as it was measured (docs/obs.md), 0 where it was not: a microphone is delayed by that much
    more than the picture's own latency.
    """

    name: str
    delay_ms: float

    def open(self) -> None:
        """Reach the receiver; may take a while. Raises SinkError when it cannot be reached."""

    def write(self, frame: LiveFrame) -> None:
        """Hand a frame over; may take a while. SinkError or OSError when the receiver is gone."""

    def close(self) -> None:
        """Let go; never raises, and may be called at any time, opened or not."""


class MemoryOutput:
    """Keeps what it is given in `frames`: for tests and for programs that go on themselves."""

    delay_ms = 0.0

    def __init__(self, name: str = "memory") -> None:
        self.name = name
        self.frames: list[LiveFrame] = []

    def open(self) -> None:
        """Nothing to reach."""

    def write(self, frame: LiveFrame) -> None:
        self.frames.append(frame)

    def close(self) -> None:
        """The frames stay."""


@dataclass(frozen=True, slots=True)
class Shape:
    """Of the frames to come: px, px, frames per second."""

    width: int
    height: int
    rate: Fraction


def _udp(address: Address, shape: Shape) -> Output:
    from livedream.present.live.udp import UdpOutput

    return UdpOutput(address, shape.width, shape.height, shape.rate)


def _relay(address: Address, shape: Shape) -> Output:
    from livedream.present.live.relay import RelayOutput

    return RelayOutput(address, shape.width, shape.height, shape.rate)


def _browser(address: Address, shape: Shape) -> Output:
    from livedream.present.live.browser import BrowserOutput

    return BrowserOutput(address)


def _record(address: Address, shape: Shape) -> Output:
    from livedream.present.live.recording import RecordingOutput

    return RecordingOutput(address, shape.width, shape.height, shape.rate)


def _camera(address: Address, shape: Shape) -> Output:
    from livedream.present.live.virtual_camera import VirtualCameraOutput

    return VirtualCameraOutput(address, shape.width, shape.height, shape.rate)


def _ndi(address: Address, shape: Shape) -> Output:
    from livedream.present.live.ndi import NdiOutput

    return NdiOutput(address, shape.width, shape.height, shape.rate)


def _spout(address: Address, shape: Shape) -> Output:
    from livedream.present.live.spout import SpoutOutput

    return SpoutOutput(address, shape.width, shape.height)


def _syphon(address: Address, shape: Shape) -> Output:
    from livedream.present.live.syphon import SyphonOutput

    return SyphonOutput(address, shape.width, shape.height)


@dataclass(frozen=True, slots=True)
class Route:
    """A way out: how it is written, what it is, what it needs.

    package: the module that must be importable, from the extra of that name; "" for none.
    """

    wanted: str
    help: str
    make: Callable[[Address, Shape], Output]
    package: str = ""
    extra: str = ""


OUTPUTS: dict[str, Route] = {
    "udp": Route("udp://HOST:PORT", "MPEG-TS, for OBS's Media Source", _udp),
    "rtmp": Route("rtmp://HOST/APP/KEY", "a streaming service, or OBS listening", _relay),
    "rtmps": Route("rtmps://HOST/APP/KEY", "the same, encrypted", _relay),
    "srt": Route("srt://HOST:PORT", "SRT, by an ffmpeg that has it", _relay),
    "browser": Route("browser[:HOST:PORT]", "a page for OBS's Browser Source", _browser),
    "record": Route("record:FOLDER", "files, of dream, camera or both", _record),
    "camera": Route("camera[:NAME]", "a virtual camera", _camera, "pyvirtualcam", "obs"),
    "ndi": Route("ndi[:NAME]", "NDI, for projection software", _ndi, "cyndilib", "ndi"),
    "spout": Route("spout[:NAME]", "Spout, on Windows", _spout, "SpoutGL", "spout"),
    "syphon": Route("syphon[:NAME]", "Syphon, on macOS", _syphon, "syphon", "syphon"),
}


def open_output(text: str, *, width: int, height: int, rate: Fraction) -> Output:
    """The output that `text` names, not yet opened.

    `udp://127.0.0.1:9000`, `rtmp://...`, `srt://...`, `browser:127.0.0.1:8766`, `camera`,
    `camera:NAME`, `ndi:NAME`, `spout:NAME`, `syphon:NAME`, `record:FOLDER?of=both&budget=50GB`.
    width, height: of the frames to come, px; rate: about how many come per second.
    Raises SettingsError for what is not known, and for an extra that is not installed.
    """
    address = parse_address(text)
    route = OUTPUTS.get(address.scheme)
    if route is None:
        known = ", ".join(["window", *(r.wanted for r in OUTPUTS.values())])
        raise SettingsError(f"output {text!r} is not known: there are {known}")
    if route.package and importlib.util.find_spec(route.package) is None:
        raise SettingsError(
            f"{address.scheme} needs the package {route.package}, which is not installed: "
            f'pip install "livedream[{route.extra}]"'
        )
    return route.make(address, Shape(width, height, rate))
