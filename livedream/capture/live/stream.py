"""Streams: any URL that FFmpeg reads.

A camera's pictures are shown as they come, with as little delay as FFmpeg allows. What comes in
pieces (HLS) or has an end (a film) is shown at its own pace instead, and a film is looped.
"""

import contextlib
import logging
import math
import re
import time
from collections import deque
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, Final
from urllib.parse import parse_qsl

import av
import cv2
from av.codec.context import Flags as CodecFlags
from av.stream import Discard, Disposition

from livedream.capture.deinterlacing import Deinterlacer
from livedream.capture.live import Opened, stated_rate
from livedream.capture.live.ffmpeg_relay import BY_FFMPEG, FfmpegRelay
from livedream.capture.live.heard import StreamSound
from livedream.capture.live.paced import AGAIN_FPS, LONGEST_WAIT_S, SLOW_S, Pace, Seam
from livedream.capture.live.packets import PacketReader
from livedream.core.addresses import stream_url
from livedream.core.errors import SourceError, os_reason
from livedream.core.frame import Picture
from livedream.core.live_sound import ArrivalClock, LiveSound
from livedream.core.redact import MASK, redact
from livedream.core.shrink import fitted
from livedream.media.filters import kind_of
from livedream.media.orientation import StreamOrientation
from livedream.media.viewing import View, squared

_log = logging.getLogger(__name__)

# Datagrams: nobody says that nobody sends. A show begins without them meanwhile.
_NOBODY_S: Final = 1.5
_FIRST_S: Final = 1.0  # for the first picture of a stream that says its size by itself...
_MOST_FIRST_S: Final = 6.0  # ...and of one that does not
_KEYFRAME_S: Final = 10.0  # heuristic: who sends none for so long sends none at all
_GARBAGE_S: Final = 1.5  # heuristic: what gives no picture for so long...
_FRUITLESS: Final = 20  # ...and so many packets is in another codec
_JUMP_S: Final = 10.0  # heuristic: a clock that steps further ahead is another one
_BACK_S: Final = 1.0  # heuristic: further back, too
_READ_S: Final = 0.5  # so that a stop is noticed
_LATE_S: Final = 1.0  # heuristic: networks stand still for less, and go on where they were
_CHANGES_S: Final = 10.0  # between two lines about changes
_STILL_S: Final = 1.0  # between two looks at a picture that stands alone
_HD_PX: Final = 1920 * 1080
# Enough to find the streams of MPEG-TS, not a second of waiting; then, where that was too little,
# what FFmpeg's own tools take.
_LOOK: Final = {"analyzeduration": "300000", "probesize": "500000"}
_LONG_LOOK: Final = {"analyzeduration": "5000000", "probesize": "5000000"}
_SCHEMES: Final = (
    "rtsp", "rtsps", "rtmp", "rtmps", "http", "https", "udp", "rtp", "tcp", *BY_FFMPEG,
)  # fmt: skip


def is_url(text: str) -> bool:
    """Whether `text` names a stream rather than a file or a camera."""
    scheme, separator, _ = text.partition("://")
    return bool(separator) and scheme.lower() in _SCHEMES


@dataclass(frozen=True, slots=True)
class _Kind:
    """silent_s: without a packet for so long it is gone.  ahead_s, most: what is read ahead.

    lead_s: how much of it may come at once, inf for all of it.
    """

    words: str = ""
    lead_s: float = math.inf
    looped: bool = False
    silent_s: float = 3.0
    ahead_s: float = 1.0
    most: int = 8


_CAMERA: Final = _Kind()
# From a web server: a camera, or a film that says neither its length nor its size.
_UNSURE: Final = _Kind(lead_s=5.0)
_DATAGRAMS: Final = _Kind(silent_s=1.0)
# A playlist grows by a piece of some seconds. RFC 8216, 6.3.3: begin three pieces before its end,
# as FFmpeg does; so there is always something to read ahead.
_PLAYLIST: Final = _Kind(", live", lead_s=0.0, silent_s=20.0, ahead_s=4.0, most=1000)
_FILM: Final = _Kind(", looped", lead_s=0.0, looped=True, silent_s=10.0, ahead_s=4.0, most=1000)


class StreamInput:
    """url: as FFmpeg writes it, such as udp://127.0.0.1:9000 or rtsp://camera/stream.

    `{env:NAME}` and `{file:PATH}` stand for a user, password or key that is kept there.
    Late frames of a camera are not caught up with: the slot behind keeps the newest only.
    sound: where its sound goes, None: nowhere.
    Raises SettingsError for an address that can never be read here.
    """

    def __init__(self, url: str, sound: LiveSound | None = None) -> None:
        # Scheme, host and port: what comes before and after may be secret.
        scheme, _, rest = redact(url).partition("://")
        self.name = f"{scheme}://{re.split('[/?#]', rest.rpartition('@')[2])[0]}"
        self._scheme = scheme.lower()
        if self._scheme.startswith("rtmp"):  # else `redact` takes what follows for the key
            self.name += f"/{MASK}"
        by_ffmpeg = self._scheme in BY_FFMPEG
        self._relay = FfmpegRelay(url, _LOOK, sound=sound is not None) if by_ffmpeg else None
        self._sound, self._clock = sound, ArrivalClock(_LATE_S)
        self._heard: StreamSound | None = None
        self.taken_s: float | None = None
        self._url = _with_options(stream_url(url))
        self._look = _LOOK
        self._tried = False
        self._by_marks = False
        self._reader: PacketReader | None = None
        self._frames: deque[av.VideoFrame] = deque()
        self._view: View | None = None
        self._viewed: object = None
        self._upright = StreamOrientation()
        self._last: Picture | None = None
        self._still: Picture | None = None  # a film of one picture

    def open(self) -> Opened:
        self.close()
        self._size: tuple[int, int] | None = None
        self._time_s = self._said_s = self._look_s = 0.0
        self._begin()
        self._pace = Pace(float(1 / self._rate), _JUMP_S, self._kind.lead_s)
        self._seam = Seam(float(1 / self._rate))
        context = self._context
        width, height = context.width, context.height
        if not self._comes(_FIRST_S if width and height else _MOST_FIRST_S) and not width:
            self._look = _LONG_LOOK
            raise SourceError(f"{self.name}: no picture came in {_MOST_FIRST_S:g} s")
        self._look = _LOOK
        if self._frames:
            height, width = self._picture(self._frames[0]).shape[:2]
        else:
            width, height = squared(width, height, self._aspect() or Fraction(1))
        detail = f"{context.name} {width}x{height}, {float(self._rate):g} fps{self._kind.words}"
        return Opened(width, height, self._shown_rate, detail, self._heard is not None)

    def _begin(self) -> None:
        """Connect, and start to read."""
        container = self._connect()
        stream = _video_of(container)
        if stream is None:
            sound = ", only sound" if container.streams.audio else ""
            container.close()
            self._look = _LONG_LOOK  # the picture may be late
            raise SourceError(f"{self.name}: no video in this stream{sound}")
        self._clock.restart()
        self._heard = None
        if self._sound is not None and container.streams.audio:
            self._heard = StreamSound(container.streams.audio[0], self._sound, self._clock)
        wanted = [stream] if self._heard is None else [stream, self._heard.stream]
        for other in container.streams:
            if other not in wanted:
                other.discard = Discard.all  # of a playlist it is not even fetched
        self._kind = kind = self._kind_of(container)
        stream.thread_type = (
            "AUTO" if not kind.lead_s else "SLICE"
        )  # frame threads hold frames back
        self._rate = stated_rate(stream.average_rate or stream.guessed_rate)
        slow = not kind.lead_s and 1 / self._rate > SLOW_S
        self._shown_rate = AGAIN_FPS if slow else self._rate
        self._stated_aspect = stream.sample_aspect_ratio
        self._context = stream.codec_context
        self._deinterlacer = Deinterlacer("auto", stream.time_base or Fraction(1, 90_000))
        self._count = self._fruitless = 0
        self._ended = False
        self._packet_s = self._good_s = time.monotonic()
        self._reader = PacketReader(container, wanted, ahead_s=kind.ahead_s, most=kind.most)

    def _connect(self) -> av.container.InputContainer:
        options: dict[str, str] = dict(self._look)
        if self._scheme.startswith("rtsp"):
            options["rtsp_flags"] = "prefer_tcp"  # UDP where a camera refuses it
        web = self._scheme.startswith("http")
        if web:  # of a file the rest, where a connection breaks
            options |= {"reconnect": "1", "reconnect_delay_max": "4"}
        timeout = (8.0, _PLAYLIST.silent_s) if web or self._look is _LONG_LOOK else (4.0, 4.0)
        if self._scheme in ("udp", "rtp"):
            # A reader that outlasted the silence would keep its port from the next one.
            timeout = (timeout[0] if self._tried else _NOBODY_S, _DATAGRAMS.silent_s)
        self._tried = True
        try:
            if self._relay is not None:
                return self._relay.open(options)
            try:
                if not self._by_marks:
                    return av.open(self._url, options=options, timeout=timeout)
            except av.InvalidDataError:
                if not web:
                    raise
            self._by_marks = False
            return self._connect_pictures(options, timeout)
        except (av.FFmpegError, OSError, ValueError) as error:
            raise SourceError(f"{self.name}: nothing received ({self._why(error)})") from error

    def _connect_pictures(
        self, options: dict[str, str], timeout: tuple[float, float]
    ) -> av.container.InputContainer:
        """JPEG pictures by their own marks, whatever stands between them: for cameras whose
        multipart FFmpeg takes for none (another boundary, image/jpg)."""
        container = av.open(self._url, format="mjpeg", options=options, timeout=timeout)
        if container.streams.video and container.streams.video[0].codec_context.width:
            return container
        container.close()
        raise av.InvalidDataError(0, "neither a video nor a camera's pictures")

    def _kind_of(self, container: av.container.InputContainer) -> _Kind:
        name = container.format.name.partition(",")[0]
        self._is_multipart = name == "mpjpeg"
        if name in ("mpjpeg", "mjpeg"):
            return _CAMERA
        if self._scheme in ("udp", "rtp"):
            return _DATAGRAMS
        if (container.duration or 0) > 0:
            return _FILM
        if name in ("hls", "dash"):
            return _PLAYLIST
        if not self._scheme.startswith(("http", "tcp")):
            return _CAMERA
        return _FILM if container.size > 0 else _UNSURE

    def read(self) -> Picture | None:
        if self._reader is None:
            raise SourceError(f"{self.name}: not open")
        self.taken_s = None
        if self._still is not None and time.monotonic() < self._look_s:
            time.sleep(float(1 / self._shown_rate))
            return self._still
        if not self._comes(_READ_S):
            return self._still
        frame = self._frames[0]
        time_s = self._time_s + float(1 / self._rate)
        if frame.pts is not None:
            time_s = float(frame.pts * self._deinterlacer.time_base)
        if self._kind.lead_s < math.inf:
            # A film's picture that stays for long comes again meanwhile, as one from a file.
            slow = not self._kind.lead_s and (
                1 / self._rate > SLOW_S or time_s - self._time_s > SLOW_S
            )
            if self._pace.waits_for(time_s, float(1 / AGAIN_FPS) if slow else LONGEST_WAIT_S):
                return self._last if slow else None
        self._frames.popleft()
        self.taken_s = self._clock.ours(time_s, time.monotonic())
        if self._heard is not None:
            self._heard.play()
        if self._relay is not None:
            self._relay.trim()
        rgb = self._picture(frame)
        self._say_changes(time_s, rgb)
        self._count += 1
        self._last = self._seam.joined(rgb) if self._kind.looped else rgb
        return self._last

    def _picture(self, frame: av.VideoFrame) -> Picture:
        """As a player shows it; a stream may change into another at any frame."""
        turned = self._upright(frame, self._context.name, first=not self._count)
        kind = (kind_of(frame), frame.color_trc, frame.color_primaries, turned)
        if self._view is None or kind != self._viewed:
            self._view = View(frame, self._context.name, orientation=turned)
            self._viewed = kind
        view = self._view
        aspect = view.aspect(self._aspect())
        return fitted(view(frame), *squared(view.width, view.height, aspect), cv2.INTER_LINEAR)

    def _aspect(self) -> Fraction | None:
        """Of the stored pixels: the decoder's newest, else what the container says."""
        found: Fraction | None = self._context.sample_aspect_ratio or self._stated_aspect
        return found

    def _say_changes(self, time_s: float, rgb: Picture) -> None:
        """A line in the log for a picture of another size, or a clock that jumped."""
        said = []
        passed_s, self._time_s = time_s - self._time_s, time_s
        size = (rgb.shape[1], rgb.shape[0])
        if self._size not in (None, size):
            said.append(f"the picture is now {size[0]}x{size[1]}")
        self._size = size
        if self._count and not -_BACK_S <= passed_s <= _JUMP_S:
            said.append(f"its clock jumped by {passed_s:+.1f} s")
        now_s = time.monotonic()
        if said and now_s - self._said_s > _CHANGES_S:
            self._said_s = now_s
            _log.info("%s: %s", self.name, ", ".join(said))

    def _comes(self, timeout_s: float) -> bool:
        """Decode until there is a frame; False where none came in time.

        Raises SourceError where none will come.
        """
        until_s = time.monotonic() + timeout_s
        while not self._frames:
            if self._ended:
                self._again()
            left_s = until_s - time.monotonic()
            if left_s <= 0:
                return False
            self._decode(left_s)
        return True

    def _decode(self, timeout_s: float) -> None:
        assert self._reader is not None
        try:
            packet = self._reader.get(min(timeout_s, _READ_S))
        except EOFError:
            packet, self._ended = None, True
        except (av.FFmpegError, OSError, IndexError) as error:
            # Parts that FFmpeg does not take for a camera's pictures: opened by their own marks.
            self._by_marks = self._is_multipart and isinstance(error, av.InvalidDataError)
            raise SourceError(f"{self.name}: the stream was lost ({self._why(error)})") from error
        now_s, heard = time.monotonic(), self._heard
        is_sound = heard is not None and packet is not None and packet.stream is heard.stream
        if heard is not None and is_sound:
            heard.decode(packet)
        if is_sound or (packet is None and not self._ended):
            if now_s - self._packet_s > self._kind.silent_s:
                raise SourceError(f"{self.name}: the stream was lost (nothing arrives)")
            return
        self._packet_s = now_s
        with contextlib.suppress(av.FFmpegError):  # damaged on its way: the next may be whole
            for frame in self._context.decode(packet):
                self._frames.extend(self._deinterlacer.push(frame))
        self._fruitless = 0 if self._frames else self._fruitless + 1
        if self._frames:
            self._good_s = now_s
        elif self._fruitless > _FRUITLESS:
            self._give_up(now_s - self._good_s)

    def _give_up(self, passed_s: float) -> None:
        """What comes and gives no picture: another codec, or a stream without keyframes."""
        if self._count and passed_s > _GARBAGE_S:
            raise SourceError(f"{self.name}: the stream can no longer be decoded")
        flag = int(CodecFlags.output_corrupt)
        if not self._count and passed_s > _KEYFRAME_S and not self._context.flags & flag:
            _log.info("%s: no keyframe in %g s: shown as it is", self.name, _KEYFRAME_S)
            self._context.flags |= flag

    def _again(self) -> None:
        """The film from its beginning; a picture that stands alone may be a newer one each time."""
        if not self._kind.looped or not self._count:
            raise SourceError(f"{self.name}: the stream ended")
        self._still = self._last if self._count == 1 else None
        self._look_s = time.monotonic() + _STILL_S
        assert self._reader is not None
        self._reader.close()
        self._begin()
        self._pace.joint()
        self._seam.again()

    def _why(self, error: BaseException) -> str:
        if self._relay is not None and (said := self._relay.last_words()):
            return said
        text = os_reason(error)
        return "no answer in time" if "Immediate exit" in text else text.strip().rstrip(".")

    def close(self) -> None:
        self._frames.clear()
        self._still = self._last = None
        reader, self._reader = self._reader, None
        if self._relay is not None:
            self._relay.end()
        if reader is not None:
            reader.close()
        if self._relay is not None:
            if reader is not None:
                reader.join(1.0)  # it reads to the end of what has ended
            self._relay.close()


def _video_of(container: av.container.InputContainer) -> Any:
    """The stream to show: of a playlist's qualities the largest up to full HD, else the first.

    None where there is only a cover picture, or nothing.
    """
    streams = [s for s in container.streams.video if not s.disposition & Disposition.attached_pic]
    if container.format.name.startswith(("hls", "dash")):
        sizes = [s.codec_context.width * s.codec_context.height for s in streams]
        return max(zip(sizes, streams, strict=True), default=(0, None),
                   key=lambda one: one[0] if one[0] <= _HD_PX else -one[0])[1]  # fmt: skip
    return next(iter(streams), None)


def _with_options(url: str) -> str:
    """UDP: a buffer that survives a keyframe, and no end when it overflows once."""
    if not url.startswith("udp:"):
        return url
    given = dict(parse_qsl(url.partition("?")[2]))
    more = {"overrun_nonfatal": "1", "fifo_size": "50000", "buffer_size": "2000000"}
    added = "&".join(f"{key}={value}" for key, value in more.items() if key not in given)
    return url + ("&" if "?" in url else "?") + added
