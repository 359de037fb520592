"""H.264 for a live stream, muxed in memory.

No frame is held back, and a receiver may join at any moment: no B-frames, no lookahead, threads
within a frame; the rate is limited over half a second, so that a keyframe is no burst that a
receiver's buffer cannot take.
"""

import contextlib
from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, Final

import av
import numpy as np
from av.video.frame import PictureType

from livedream.core.addresses import Address
from livedream.core.errors import SinkError, os_reason
from livedream.core.frame import Picture
from livedream.core.live_sound import KEPT_S, LiveSound
from livedream.core.shrink import fitted
from livedream.media.colour import BT709, ONE_THREAD, tag
from livedream.present.fragmented import ByteSink
from livedream.present.live import LiveFrame
from livedream.present.live.aac import AAC_PIECE_S, AacTrack

CLOCK: Final = Fraction(1, 90_000)  # MPEG-TS's own
ENCODERS: Final = ("h264_nvenc", "libx264")
# A muxer holds a picture back until a later piece of sound has come, or another picture: stay two
# pieces ahead where they are there.
_SOUND_LEAD_S: Final = 2 * AAC_PIECE_S
_MUXING: Final = {"flush_packets": "1", "max_interleave_delta": "1"}


@dataclass(frozen=True, slots=True)
class StreamOptions:
    """What a stream is to be.

    width, height: px, even.  rate: frames per second.  bitrate: bits per second, at most.
    keyframe_s: between keyframes.  encoder: "auto" or one of ENCODERS.
    """

    width: int
    height: int
    rate: Fraction
    bitrate: int
    keyframe_s: float
    encoder: str = "auto"


def read_options(
    address: Address, width: int, height: int, rate: Fraction, keyframe_s: float
) -> StreamOptions:
    """The options `bitrate`, `keyframe` and `encoder` of an address."""
    # A dream is all texture: 0.18 bit a pixel looks like its source (heuristic).
    usual = max(1.5e6, 0.18 * width * height * float(rate))
    return StreamOptions(
        width=even(width),
        height=even(height),
        rate=rate.limit_denominator(100_000),
        bitrate=round(address.number("bitrate", usual, 1e5, 2e8)),
        keyframe_s=address.number("keyframe", keyframe_s, 0.1, 10.0),
        encoder=address.word("encoder", "auto", ("auto", *ENCODERS)),
    )


def encoder_options(name: str, options: StreamOptions) -> Mapping[str, str]:
    """FFmpeg's options for an encoder that answers each frame with its packet."""
    if name == "h264_nvenc":
        return {
            "preset": "p3",
            "tune": "ull",
            "rc": "cbr",
            "delay": "0",
            "zerolatency": "1",
            "bf": "0",
            "forced-idr": "1",
        }
    return {
        "preset": "superfast",
        "tune": "zerolatency",
        "x264-params": "scenecut=0:repeat-headers=1",
    }


def open_encoder(options: StreamOptions, **more: str) -> Any:
    """An encoder that has opened; the first of the candidates that does.

    more: FFmpeg's options for it.  Raises SinkError with each candidate's reason when none opens.
    """
    names = ENCODERS if options.encoder == "auto" else (options.encoder,)
    reasons = []
    for name in names:
        try:
            context = av.CodecContext.create(name, "w")
            _configure(context, name, options, more)
            context.open(strict=False)
        except (av.FFmpegError, ValueError) as error:
            reasons.append(f"{name}: {os_reason(error)}")
            continue
        return context
    raise SinkError("no H.264 encoder opens: " + "; ".join(reasons))


def add_video(container: Any, options: StreamOptions) -> Any:
    """A stream of `container` whose encoder opens. Raises SinkError as `open_encoder`."""
    name = open_encoder(options).name
    stream = container.add_stream(name, rate=options.rate)
    _configure(stream.codec_context, name, options, {})
    stream.time_base = CLOCK
    return stream


def _configure(context: Any, name: str, options: StreamOptions, more: Mapping[str, str]) -> None:
    context.width, context.height, context.pix_fmt = options.width, options.height, "yuv420p"
    context.framerate = options.rate
    context.time_base = CLOCK
    context.bit_rate = options.bitrate
    # In frames, for those that come at the full rate; for all others `TimedKeyframes`.
    context.gop_size = max(1, round(options.keyframe_s * float(options.rate)))
    context.max_b_frames = 0
    context.thread_type = "SLICE"
    limits = {"maxrate": str(options.bitrate), "bufsize": str(options.bitrate // 2)}
    context.options = {**encoder_options(name, options), **limits, **more}
    tag(context, BT709)


def even(length: int) -> int:
    """The nearest length below that halved chroma allows."""
    return max(2, length - length % 2)


def stream_frame(rgb: Picture, options: StreamOptions) -> av.VideoFrame:
    """A picture (H, W, 3) uint8 as BT.709 yuv420p of the stream's size, in a hurry."""
    width, height = options.width, options.height
    if abs(rgb.shape[0] - height) < 2 and abs(rgb.shape[1] - width) < 2:
        rgb = rgb[:height, :width]
    rgb = np.ascontiguousarray(fitted(rgb, width, height))
    frame = av.VideoFrame.from_ndarray(rgb, format="rgb24")
    frame.colorspace = BT709.space
    return frame.reformat(
        format="yuv420p", src_color_range=2, dst_color_range=1, threads=ONE_THREAD
    )


class TimedKeyframes:
    """Encodes pictures, and asks for a keyframe once the last one is `keyframe_s` old.

    An encoder alone counts frames of the rate that it was told. A camera in the dark or a busy
    machine gives half as many, and whoever joins would wait twice as long.
    """

    def __init__(self, options: StreamOptions) -> None:
        self._every = round(options.keyframe_s / float(CLOCK))
        self._last = 0  # pts of the last one; an encoder's first picture is one

    def encode(self, encoder: Any, picture: av.VideoFrame, pts: int) -> list[Any]:
        """The picture's packets.  pts: in CLOCK, from 0.  Raises SinkError."""
        picture.pts, picture.time_base = pts, CLOCK
        if pts - self._last >= self._every:
            picture.pict_type = PictureType.I
        try:
            packets: list[Any] = encoder.encode(picture)
        except av.FFmpegError as error:
            raise SinkError(f"the encoder failed ({error})") from error
        if any(packet.is_keyframe for packet in packets):
            self._last = pts
        return packets


class StreamMuxer:
    """Pictures go in, the bytes of a live stream come out.

    container: FFmpeg's name of it, and its options.  sound: what is heard beside.  silence: an AAC
    track even where nothing is, for services that expect one.
    Raises SinkError when no encoder opens.
    """

    def __init__(
        self, options: StreamOptions, container: str, sound: LiveSound | None = None, *,
        silence: bool = False, **muxing: str,
    ) -> None:  # fmt: skip
        self._options, self._bytes = options, ByteSink()
        self._container: Any = av.open(
            self._bytes, "w", format=container, container_options={**_MUXING, **muxing}
        )
        self._sound = AacTrack(sound) if silence or sound is not None else None
        try:
            self._video = add_video(self._container, options)
            if self._sound is not None:
                self._sound.add_to(self._container)
            self._container.start_encoding()
        except BaseException:  # its encoders' threads would stay until Python collects garbage
            self.close()
            raise
        self._keyframes = TimedKeyframes(options)
        self._begin_s: float | None = None
        self._last = -1

    def encode(self, frame: LiveFrame) -> bytes:
        """The bytes of one picture. Capture times become pts, later ones always larger.

        Raises SinkError after a long gap, too: when a computer has slept, a stream begins anew
        instead of sending hours of silence first.
        """
        if self._begin_s is None:
            self._begin_s = frame.captured_s
            if self._sound is not None:
                self._sound.begin(frame.captured_s)
        seconds = frame.captured_s - self._begin_s
        gap_s = seconds - float(self._last * CLOCK)
        if gap_s > KEPT_S:
            raise SinkError(f"no picture came for {gap_s:.0f} s")
        self._last = max(self._last + 1, round(seconds / float(CLOCK)))
        picture = stream_frame(frame.rgb, self._options)
        packets = self._keyframes.encode(self._video, picture, self._last)
        try:
            for packet in [*self._heard(self._last * CLOCK + _SOUND_LEAD_S), *packets]:
                self._container.mux_one(packet)
        except av.FFmpegError as error:
            raise SinkError(f"the encoder failed ({error})") from error
        return self._bytes.take()

    def _heard(self, end: Fraction) -> list[Any]:
        return [] if self._sound is None else [packet for _, packet in self._sound.until(end)]

    def close(self) -> None:
        with contextlib.suppress(av.FFmpegError, ValueError):
            self._container.close()
