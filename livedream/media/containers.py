"""Which containers there are, by file suffix, and what the file looks like while it grows."""

import io
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import av
from av.container.input import InputContainer
from av.stream import Disposition

from livedream.core.errors import SinkError


@dataclass(frozen=True, slots=True)
class Container:
    """A container for video.

    name: FFmpeg's muxer for the finished file.  growing: the muxer while frames arrive.
    codecs: those that players find in it, the default first.  options: of the finished file's
    muxer.  constant_rate: frames have numbers there, not times.  wants_start_codes: H.264 and
    HEVC go in as Annex B byte streams, and FFmpeg's muxer does not turn them into it.
    carries: the kinds of other streams to try; some muxers take what no player finds again.
    has_metadata: titles, comments and the like.
    """

    name: str
    growing: str
    codecs: tuple[str, ...]
    options: Mapping[str, str] = field(default_factory=dict)
    constant_rate: bool = False
    wants_start_codes: bool = False
    carries: tuple[str, ...] = ("audio", "subtitle", "attachment", "data", "video")
    has_metadata: bool = True


_FRONT = {"movflags": "+faststart"}
# Matroska's muxer would move every frame by the sound's priming (21 ms for AAC) to begin at 0.
_UNMOVED = {"avoid_negative_ts": "disabled"}

_EVERY = ("h264", "hevc", "av1", "vp9", "prores", "ffv1")
_MP4 = Container("mp4", "mp4", ("h264", "hevc", "av1", "vp9"), options=_FRONT)

CONTAINERS: dict[str, Container] = {
    ".mp4": _MP4,
    ".m4v": _MP4,
    ".mov": Container("mov", "mov", ("h264", "hevc", "prores"), options=_FRONT),
    ".mkv": Container("matroska", "matroska", _EVERY, options=_UNMOVED),
    ".webm": Container(
        "webm", "webm", ("vp9", "av1"), options=_UNMOVED, carries=("audio", "subtitle")
    ),
    ".avi": Container(
        "avi",
        "matroska",
        ("h264", "ffv1"),
        constant_rate=True,
        wants_start_codes=True,
        carries=("audio",),
    ),
    ".ts": Container("mpegts", "mp4", ("h264", "hevc"), carries=("audio",), has_metadata=False),
}


def url_of(path: Path) -> str:
    """How FFmpeg is given a file: a colon in a relative name is no protocol then."""
    return os.path.join(os.curdir, path)  # noqa: PTH118 (a Path drops the `./` that matters)


def container_for(path: Path) -> Container:
    """The container that the suffix of `path` means; SinkError names those there are."""
    suffix = path.suffix.lower()
    if suffix not in CONTAINERS:
        found = f"{suffix!r} is not a video container" if suffix else f"{path} has no suffix"
        raise SinkError(f"{found}: use {', '.join(CONTAINERS)}")
    return CONTAINERS[suffix]


def codec_for(path: Path, codec: str | None) -> str:
    """The codec to use in a container, its own where `codec` is None.

    Raises SinkError, with the alternatives, when the container cannot hold it.
    """
    container = container_for(path)
    if codec is None:
        return container.codecs[0]
    if codec in _EVERY and codec not in container.codecs:
        held = ", ".join(container.codecs)
        raise SinkError(f"{path.suffix.lower()} cannot hold {codec}, only {held}: use .mkv")
    return codec


def holds_stream(container: Container, stream: Any) -> bool:
    """Whether a muxer of this container begins a file with a copy of such a stream."""
    if stream.type not in container.carries:
        return False
    try:
        trial = av.open(io.BytesIO(), "w", format=container.name)
        trial.add_stream_from_template(stream, opaque=True)
        trial.start_encoding()
        trial.close()
    except (av.FFmpegError, ValueError):
        return False
    return True


def films(container: InputContainer) -> list[Any]:
    """The video streams that are no cover pictures."""
    streams = container.streams.video
    return [s for s in streams if not s.disposition & Disposition.attached_pic]


def main_video(container: InputContainer, index: int | None = None) -> Any:
    """The stream whose frames are dreamed: that of an index, or the first that is no cover.

    Raises StopIteration where there is none.
    """
    return next(s for s in films(container) if index in (None, s.index))
