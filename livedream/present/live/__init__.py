"""Present, live: everything that goes out while a dream runs.

An `Output` is one route out; an `OutputWorker` gives it a thread of its own, so that a slow or
vanished receiver costs the loop and the other outputs nothing. `open_output` finds the one a text
means; the window, which owns the main thread, stands apart (`livedream.present.live.window`).
"""

import importlib.util
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from importlib import import_module
from typing import Final, Protocol

import numpy as np
from numpy.typing import NDArray

from livedream.core.addresses import Address, parse_address
from livedream.core.errors import SettingsError
from livedream.core.frame import Picture
from livedream.core.live_sound import LiveSound
from livedream.core.parameters import refused


@dataclass(frozen=True, slots=True)
class LiveFrame:
    """What every output gets.

    rgb: (H, W, 3) uint8, never written to afterwards.  captured_s: monotonic time at which the
    camera gave the picture.  index: counts from 0, with gaps where frames were dropped.
    camera: the picture before it was dreamed on, of the same size.  region: where the
    dream grows in `rgb`, (h, w) in [0, 1] of any size, None: everywhere.  mirrored: `rgb` is, left
    to right, and `camera` is not.
    """

    rgb: Picture
    captured_s: float
    index: int
    camera: Picture | None = None
    region: NDArray[np.float32] | None = None
    mirrored: bool = False


class Output(Protocol):
    """One route out. Used from one thread only; opened again after an error.

    name: for people and for `/health`.  delay_ms: from `write` to being seen at the other end,
    as it was measured (docs/obs.md), 0 where it was not: a microphone is delayed by that much
    more than the picture's own latency.
    """

    name: str
    delay_ms: float

    @property
    def reached(self) -> bool:
        """Whether the receiver takes what is sent, where that shows after the first frames only;
        elsewhere always true."""

    def open(self) -> None:
        """Reach the receiver; may take a while. Raises SinkError when it cannot be reached."""

    def write(self, frame: LiveFrame) -> None:
        """Send a frame; may take a while. SinkError or OSError when the receiver is gone."""

    def close(self) -> None:
        """Let go; never raises, and may be called at any time, opened or not."""


class MemoryOutput:
    """Keeps what it is given in `frames`: for tests and for programs that go on themselves."""

    delay_ms = 0.0
    reached = True

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
class Route:
    """A way out: what it is, what it needs.

    output: module and class.  package: what must be importable, from the extra of that name; ""
    for none.  sound: whether it takes sound along.  alpha: whether it can carry a layer.
    """

    help: str
    output: str
    package: str = ""
    extra: str = ""
    sound: bool = False
    alpha: bool = False


OUTPUTS: dict[str, Route] = {
    "udp": Route("MPEG-TS, for OBS's Media Source", "udp.UdpOutput", sound=True),
    "rtmp": Route("a streaming service, or OBS listening", "relay.RelayOutput", sound=True),
    "rtmps": Route("the same, encrypted", "relay.RelayOutput", sound=True),
    "srt": Route("SRT, through an ffmpeg that supports it", "relay.RelayOutput", sound=True),
    "whip": Route("WHIP: a WebRTC service", "whip.WhipOutput", "aiortc", "whip", True),
    "browser": Route("a page for OBS's Browser Source", "browser.BrowserOutput", alpha=True),
    "record": Route("files, of dream, camera or both", "recording.RecordingOutput", sound=True),
    "camera": Route("a virtual camera", "sharing.VirtualCameraOutput", "pyvirtualcam", "obs"),
    "ndi": Route(
        "NDI, for projection software", "sharing.NdiOutput", "cyndilib", "ndi", True, True
    ),
    "spout": Route("Spout, on Windows", "sharing.SpoutOutput", "SpoutGL", "spout", alpha=True),
    "syphon": Route("Syphon, on macOS", "sharing.SyphonOutput", "syphon", "syphon", alpha=True),
}

_WITH_ALPHA: Final = "ndi:NAME, browser, spout:NAME or syphon:NAME"


def open_output(
    text: str, *, width: int, height: int, rate: Fraction, sound: LiveSound | None = None
) -> Output:
    """The output that `text` names, not yet opened.

    `udp://127.0.0.1:9000`, `rtmp://...`, `srt://...`, `whip:https://...`, `browser`, `camera`,
    `camera:NAME`, `ndi:NAME?of=layer`, `spout:NAME`, `syphon:NAME`,
    `record:FOLDER?of=both&budget=50GB`.
    `{env:NAME}` and `{file:PATH}` stand for a key or password that is kept there.
    width, height: of the frames to come, px; rate: about how many come per second.  sound: what is
    heard beside them, None for nothing.
    Raises SettingsError for what is not known, and for an extra that is not installed.
    """
    address, route = find_route(text)
    module, _, name = route.output.partition(".")
    heard = {"sound": sound} if route.sound else {}
    made: Output = getattr(import_module(f"{__name__}.{module}"), name)(
        address, width, height, rate, **heard
    )
    return made


def as_layers(sinks: Sequence[str]) -> tuple[str, ...]:
    """The sinks, those that carry alpha with `of=layer` where they do not say what they send.

    The others go on showing the dream.  Raises SettingsError where none of them carries alpha.
    """
    able = [_carries_alpha(sink) for sink in sinks]
    if not any(able):
        shown = ", ".join(parse_address(sink).shown for sink in sinks)
        raise SettingsError(f"layer: no sink carries alpha (got {shown}); add {_WITH_ALPHA}")
    return tuple(
        _sending(sink, "layer") if can and "of" not in parse_address(sink).options else sink
        for sink, can in zip(sinks, able, strict=True)
    )


def as_matte(sink: str) -> str:
    """The sink with `of=matte`. Raises SettingsError for one that only shows the dream."""
    if not _carries_alpha(sink):
        raise refused("matte", _WITH_ALPHA, repr(parse_address(sink).shown))
    return _sending(sink, "matte")


def as_recording(folder: str, *, both: bool) -> str:
    """The sink that records there; both: dream and camera, unless its options say what."""
    sink = f"record:{folder}"
    return _sending(sink, "both") if both and "of" not in parse_address(sink).options else sink


def _carries_alpha(sink: str) -> bool:
    route = OUTPUTS.get(parse_address(sink).scheme)
    return route is not None and route.alpha


def _sending(sink: str, picture: str) -> str:
    return f"{sink}{'&' if '?' in sink else '?'}of={picture}"


def find_route(text: str) -> tuple[Address, Route]:
    """What `text` names, found without opening anything. Raises SettingsError as `open_output`."""
    address = parse_address(text)
    route = OUTPUTS.get(address.scheme)
    if route is None:
        raise refused("sink", f"one of window, {', '.join(OUTPUTS)}", repr(address.shown))
    if route.package and importlib.util.find_spec(route.package) is None:
        raise SettingsError(
            f"{address.scheme} needs the package {route.package}, which is not installed: "
            f'pip install "livedream[{route.extra}]"'
        )
    return address, route
