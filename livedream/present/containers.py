"""Which containers there are, by file suffix, and what the file looks like while it grows."""

import io
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import av

from livedream.errors import SinkError


@dataclass(frozen=True, slots=True)
class Container:
    """A container for video.

    name: FFmpeg's muxer for the finished file.  growing: the muxer while frames arrive.
    codec: the default.  options: of the finished file's muxer.  constant_rate: frames have
    numbers there, not times.  wants_start_codes: H.264 and HEVC go in as Annex B byte streams,
    and FFmpeg's muxer does not turn them into it.  carries: the kinds of other streams to try;
    some muxers take what no player finds again.  has_metadata: titles, comments and the like.
    """

    name: str
    growing: str
    codec: str = "h264"
    options: Mapping[str, str] = field(default_factory=dict)
    constant_rate: bool = False
    wants_start_codes: bool = False
    carries: tuple[str, ...] = ("audio", "subtitle", "attachment", "data", "video")
    has_metadata: bool = True


_FRONT = {"movflags": "+faststart"}
# Matroska's muxer would move every frame by the sound's priming (21 ms for AAC) to begin at 0.
_UNMOVED = {"avoid_negative_ts": "disabled"}

CONTAINERS: dict[str, Container] = {
    ".mp4": Container("mp4", "mp4", options=_FRONT),
    ".m4v": Container("mp4", "mp4", options=_FRONT),
    ".mov": Container("mov", "mov", options=_FRONT),
    ".mkv": Container("matroska", "matroska", options=_UNMOVED),
    ".webm": Container(
        "webm", "webm", codec="vp9", options=_UNMOVED, carries=("audio", "subtitle")
    ),
    ".avi": Container(
        "avi", "matroska", constant_rate=True, wants_start_codes=True, carries=("audio",)
    ),
    ".ts": Container("mpegts", "mp4", carries=("audio",), has_metadata=False),
}


def container_for(path: Path) -> Container:
    """The container that the suffix of `path` means; SinkError names those there are."""
    suffix = path.suffix.lower()
    if suffix not in CONTAINERS:
        found = f"{suffix!r} is no container for video" if suffix else f"{path} has no suffix"
        raise SinkError(f"{found}: there are {', '.join(CONTAINERS)}")
    return CONTAINERS[suffix]


def check_holds(container: Container, suffix: str, encoder: str, codec: str) -> None:
    """Raise SinkError when the container cannot hold what the encoder makes."""
    with av.open(io.BytesIO(), "w", format=container.name) as trial:
        try:
            trial.add_stream(encoder)
        except ValueError as error:
            raise SinkError(
                f"{suffix} cannot hold {codec}: take {container.codec}, or an .mkv file"
            ) from error


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
