"""Which containers there are, by file suffix, and what the file looks like while it grows."""

import errno
import io
import os
import re
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import av
from av.container.input import InputContainer
from av.stream import Disposition

from livedream.core.errors import UNREACHABLE, LostSourceError, SinkError


@dataclass(frozen=True, slots=True)
class Container:
    """A container for video.

    name: FFmpeg's muxer for the finished file.  growing: the muxer while frames arrive.
    codecs: those that players find in it, the default first.  alpha: those of them with which it
    holds alpha; what loses nothing first, then what editors take.  options: of the finished file's
    muxer.  constant_rate: frames have numbers there, not times, and
    sound begins with the picture.  wants_start_codes: H.264 and
    HEVC go in as Annex B byte streams, and FFmpeg's muxer does not turn them into it.
    carries: the kinds of other streams to try; some muxers take what no player finds again.
    sound: the codecs of sound that players find in it, None where that is what its muxer takes.
    sound_encoder, text_encoder: FFmpeg's, for sound and subtitles that it cannot hold as they are.
    covers: how it holds cover pictures: as a "track", as an "attachment", not at all.
    edits: it can say that what lies before 0 is not shown.
    has_metadata: titles, comments and the like.  has_chapters.
    """

    name: str
    growing: str
    codecs: tuple[str, ...]
    options: Mapping[str, str] = field(default_factory=dict)
    alpha: tuple[str, ...] = ()
    constant_rate: bool = False
    wants_start_codes: bool = False
    carries: tuple[str, ...] = ("audio", "subtitle", "attachment", "data", "video")
    sound: tuple[str, ...] | None = None
    sound_encoder: str = "aac"
    text_encoder: str | None = None
    covers: str | None = None
    edits: bool = False
    has_metadata: bool = True
    has_chapters: bool = True

    @property
    def grows_again(self) -> bool:
        """Whether the finished file's packets can be those of a growing one, to be resumed."""
        return self.name == self.growing


_FRONT = {"movflags": "+faststart"}
# Matroska's muxer would move every frame by the sound's priming (21 ms for AAC) to begin at 0.
_UNMOVED = {"avoid_negative_ts": "disabled"}

_EVERY = ("h264", "hevc", "av1", "vp9", "prores", "ffv1")
# PCM in MP4 (ISO/IEC 23003-5) is too young for most players, Vorbis there is FFmpeg's own.
_MP4_SOUND = ("aac", "mp1", "mp2", "mp3", "ac3", "eac3", "alac", "opus", "flac", "dts", "mp4als")
# ETSI EN 300 468, ATSC A/53 and SMPTE 302M; FFmpeg writes others as private data.
_TS_SOUND = (
    "aac",
    "aac_latm",
    "mp1",
    "mp2",
    "mp3",
    "ac3",
    "eac3",
    "dts",
    "truehd",
    "opus",
    "s302m",
)
# Not Vorbis, whose packets' lengths AVI does not tell; its reader guesses.
_AVI_SOUND = (
    "pcm_u8", "pcm_s16le", "pcm_s24le", "pcm_s32le", "pcm_f32le", "pcm_f64le", "pcm_alaw",
    "pcm_mulaw", "adpcm_ms", "adpcm_ima_wav", "mp2", "mp3", "ac3", "eac3", "aac", "dts", "flac",
    "wmav1", "wmav2",
)  # fmt: skip
_MP4 = Container(
    "mp4",
    "mp4",
    ("h264", "hevc", "av1", "vp9"),
    options=_FRONT,
    sound=_MP4_SOUND,
    text_encoder="mov_text",
    covers="track",
    edits=True,
)

CONTAINERS: dict[str, Container] = {
    ".mp4": _MP4,
    ".m4v": _MP4,
    ".mov": Container(
        "mov",
        "mov",
        ("h264", "hevc", "prores"),
        alpha=("prores",),
        options=_FRONT,
        text_encoder="mov_text",
        edits=True,
    ),
    ".mkv": Container(
        "matroska",
        "matroska",
        _EVERY,
        alpha=("ffv1", "prores", "vp9"),
        options=_UNMOVED,
        sound_encoder="flac",
        text_encoder="subrip",
        covers="attachment",
    ),
    ".webm": Container(
        "webm",
        "webm",
        ("vp9", "av1"),
        alpha=("vp9",),
        options=_UNMOVED,
        carries=("audio", "subtitle"),
        sound_encoder="libopus",
        text_encoder="webvtt",
    ),
    ".avi": Container(
        "avi",
        "matroska",
        ("h264", "ffv1"),
        alpha=("ffv1",),
        constant_rate=True,
        wants_start_codes=True,
        carries=("audio",),
        sound=_AVI_SOUND,
        sound_encoder="pcm_s16le",
        has_chapters=False,
    ),
    ".ts": Container(
        "mpegts",
        "mp4",
        ("h264", "hevc"),
        carries=("audio", "subtitle", "data", "video"),
        sound=_TS_SOUND,
        has_metadata=False,
        has_chapters=False,
    ),
}


# A GIF's delay of 10 ms or none, and what is around it: browsers take them for 100 ms, as what made
# the file expected.
_HURRIED: Final = re.compile(rb"(!\xf9\x04.)[\0\1]\0(.\0[,!])", re.DOTALL)

# Opens what is read in place of a path, for a file that lies on another machine.
Opener = Callable[[], io.FileIO | io.RawIOBase]


def open_container(path: Path, file: Opener | None = None) -> InputContainer:
    """A file to be read. Raises av.FFmpegError or ValueError where FFmpeg does not know it."""
    source: Any = url_of(path) if file is None else file()
    if path.suffix.lower() == ".gif":
        with suppress(OSError), io.FileIO(path) if file is None else source as gif:
            source = io.BytesIO(_HURRIED.sub(rb"\1\n\0\2", gif.readall()))
    opened: InputContainer = av.open(source, "r", metadata_errors="replace")
    return opened


_LAST: Final = 1 << 24  # bytes; more than the system holds from reading an index there (heuristic)


def check_reachable(path: Path, error: Exception) -> None:
    """Raise LostSourceError where `error` came of the disk or share that `path` lies on, and not of
    what is in the file."""
    code = getattr(error, "errno", None)
    if code not in UNREACHABLE:
        return
    if code == errno.EIO:  # some demuxers say so of a file that is cut short
        with suppress(OSError), path.open("rb") as file:
            file.seek(max(0, file.seek(0, os.SEEK_END) - _LAST))
            file.read()
            return
    raise LostSourceError(
        f"{path} cannot be read any further ({os.strerror(code)}): see to its disk or share"
    ) from error


def url_of(path: Path) -> str:
    """How FFmpeg is given a file: a colon in a relative name is no protocol then."""
    return os.path.join(os.curdir, path)  # noqa: PTH118 (a Path drops the `./` that matters)


GROWING: dict[str, Container] = {c.name: c for c in CONTAINERS.values()}


def container_for(path: Path) -> Container:
    """The container that the suffix of `path` means; SinkError names those there are."""
    suffix = path.suffix.lower()
    if suffix not in CONTAINERS:
        found = f"{suffix!r} is not a video container" if suffix else f"{path} has no suffix"
        raise SinkError(f"{found}: use {', '.join(CONTAINERS)}")
    return CONTAINERS[suffix]


def codec_for(path: Path, codec: str | None, *, alpha: bool = False) -> str:
    """The codec to use in a container, its own where `codec` is None.

    alpha: it is to hold that.
    Raises SinkError, with the alternatives, when the container cannot hold it.
    """
    container = container_for(path)
    if alpha and not container.alpha:
        raise no_alpha(path.suffix.lower())
    if codec is None:
        return (container.alpha if alpha else container.codecs)[0]
    if codec in _EVERY and codec not in container.codecs:
        held = ", ".join(container.codecs)
        raise SinkError(f"{path.suffix.lower()} cannot hold {codec}, only {held}: use .mkv")
    if alpha and codec in _EVERY and codec not in container.alpha:
        raise no_alpha(f"{codec} in {path.suffix.lower()}")
    return codec


def no_alpha(what: str) -> SinkError:
    """What holds no alpha, and what does."""
    return SinkError(
        f"{what} cannot hold alpha: use .mov (ProRes 4444), .webm (VP9), .mkv or .avi (FFV1), "
        "or pictures, .png, .tif or .webp"
    )


def films(container: InputContainer) -> list[Any]:
    """The video streams that are no cover pictures."""
    streams = container.streams.video
    return [s for s in streams if not s.disposition & Disposition.attached_pic]


def main_video(container: InputContainer, index: int | None = None) -> Any:
    """The stream whose frames are dreamed: that of an index, or the first that is no cover.

    Raises StopIteration where there is none.
    """
    return next(s for s in films(container) if index in (None, s.index))


def frames_in(path: Path) -> int:
    """How many frames of video a file holds, undecoded; 0 where it cannot be read."""
    try:
        with open_container(path) as container:
            packets = container.demux(main_video(container))
            return sum(1 for packet in packets if packet.size)
    except (av.FFmpegError, ValueError, StopIteration):
        return 0
