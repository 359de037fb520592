"""Streams: any URL that FFmpeg reads, decoded as they come, with as little delay as it allows."""

import re
from collections.abc import Iterator
from fractions import Fraction
from typing import Final
from urllib.parse import parse_qsl

import av

from livedream.capture.live import Opened
from livedream.core.addresses import stream_url
from livedream.core.errors import SourceError
from livedream.core.frame import Picture
from livedream.core.redact import redact
from livedream.media.colour import tags_of, to_rgb

_OPEN_S: Final = 4.0  # a stream that begins has its first keyframe within this
_SILENT_S: Final = 1.0  # then it is gone, and opened anew
_FALLBACK_RATE: Final = Fraction(25)
_MOST_RATE: Final = 240
_LOW_DELAY: Final = {
    "fflags": "nobuffer",
    "flags": "low_delay",
    # Heuristic: enough to find the streams of MPEG-TS, not a second of waiting.
    "analyzeduration": "300000",
    "probesize": "500000",
}
_SCHEMES: Final = (
    "rtsp", "rtsps", "rtmp", "rtmps", "http", "https", "udp", "rtp", "tcp", "srt", "hls",
)  # fmt: skip


def is_url(text: str) -> bool:
    """Whether `text` names a stream rather than a file or a camera."""
    scheme, separator, _ = text.partition("://")
    return bool(separator) and scheme.lower() in _SCHEMES


class StreamInput:
    """url: as FFmpeg writes it, such as udp://127.0.0.1:9000 or rtsp://camera/stream.

    `{env:NAME}` and `{file:PATH}` stand for a user, password or key that is kept there.
    Late frames are not caught up with: the slot behind keeps the newest only.
    """

    def __init__(self, url: str) -> None:
        # Scheme, host and port: what comes before and after may be secret.
        scheme, _, rest = redact(url).partition("://")
        self.name = f"{scheme}://{re.split('[/?#]', rest.rpartition('@')[2])[0]}"
        self._url = _with_options(stream_url(url))
        self._container: av.container.InputContainer | None = None
        self._pictures: Iterator[Picture] | None = None

    def open(self) -> Opened:
        self.close()
        options = dict(_LOW_DELAY)
        if self._url.startswith("rtsp"):
            options["rtsp_transport"] = "tcp"
        try:
            self._container = av.open(self._url, options=options, timeout=(_OPEN_S, _SILENT_S))
        except (av.FFmpegError, OSError, ValueError) as error:
            raise SourceError(f"{self.name}: nothing received ({_why(error)})") from error
        if not self._container.streams.video:
            raise SourceError(f"{self.name}: no video in this stream")
        stream = self._container.streams.video[0]
        stream.thread_type = "SLICE"  # frame threads would hold frames back
        rate = stream.average_rate or stream.guessed_rate or _FALLBACK_RATE
        rate = rate if 0 < rate <= _MOST_RATE else _FALLBACK_RATE
        context = stream.codec_context
        self._pictures = self._decoded(self._container, stream)
        detail = f"{context.name} {context.width}x{context.height}, {float(rate):g} fps"
        return Opened(context.width or 640, context.height or 360, Fraction(rate), detail)

    def read(self) -> Picture | None:
        if self._pictures is None:
            raise SourceError(f"{self.name}: not open")
        try:
            return next(self._pictures)
        except StopIteration as error:
            raise SourceError(f"{self.name}: the stream ended") from error
        except (av.FFmpegError, OSError) as error:
            raise SourceError(f"{self.name}: the stream was lost ({_why(error)})") from error

    def close(self) -> None:
        self._pictures = None
        container, self._container = self._container, None
        if container is not None:
            container.close()

    def _decoded(
        self, container: av.container.InputContainer, stream: av.VideoStream
    ) -> Iterator[Picture]:
        for packet in container.demux(stream):
            try:
                frames = packet.decode()
            except av.InvalidDataError:  # damaged on its way: the next one may be whole
                continue
            for frame in frames:
                yield to_rgb(frame, tags_of(frame), (frame.width, frame.height))


def _with_options(url: str) -> str:
    """UDP: a buffer that survives a keyframe, and no end when it overflows once."""
    if not url.startswith("udp:"):
        return url
    given = dict(parse_qsl(url.partition("?")[2]))
    more = {"overrun_nonfatal": "1", "fifo_size": "50000", "buffer_size": "2000000"}
    added = "&".join(f"{key}={value}" for key, value in more.items() if key not in given)
    return url + ("&" if "?" in url else "?") + added


def _why(error: BaseException) -> str:
    text = getattr(error, "strerror", None) or str(error)
    return "no answer in time" if "Immediate exit" in text else text.strip().rstrip(".")
