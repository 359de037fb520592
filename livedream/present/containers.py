"""Which containers there are, by file suffix, and what the file looks like while it grows."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from livedream.errors import SinkError


@dataclass(frozen=True, slots=True)
class Container:
    """A container for video.

    name: FFmpeg's muxer for the finished file.  growing: the muxer while frames arrive.
    codec: the default.  options: of the finished file's muxer.
    """

    name: str
    growing: str
    codec: str = "h264"
    options: Mapping[str, str] = field(default_factory=dict)


_FRONT = {"movflags": "+faststart"}
# Matroska's muxer would move every frame by the sound's priming (21 ms for AAC) to begin at 0.
_UNMOVED = {"avoid_negative_ts": "disabled"}

CONTAINERS: dict[str, Container] = {
    ".mp4": Container("mp4", "mp4", options=_FRONT),
    ".m4v": Container("mp4", "mp4", options=_FRONT),
    ".mov": Container("mov", "mov", options=_FRONT),
    ".mkv": Container("matroska", "matroska", options=_UNMOVED),
    ".webm": Container("webm", "webm", codec="vp9", options=_UNMOVED),
    ".avi": Container("avi", "matroska"),
    ".ts": Container("mpegts", "mp4"),
}


def container_for(path: Path) -> Container:
    """The container that the suffix of `path` means; SinkError names those there are."""
    suffix = path.suffix.lower()
    if suffix not in CONTAINERS:
        found = f"{suffix!r} is no container for video" if suffix else f"{path} has no suffix"
        raise SinkError(f"{found}: there are {', '.join(CONTAINERS)}")
    return CONTAINERS[suffix]
