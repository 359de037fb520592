"""H.264 for a stream: no frame is held back, and a receiver may join at any moment.

No B-frames, no lookahead, threads within a frame; the rate is limited over half a second, so that
a keyframe is no burst that a receiver's buffer cannot take.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, Final, cast

import av
import cv2
import numpy as np

from livedream.core.addresses import Address
from livedream.core.errors import SinkError
from livedream.core.frame import Picture
from livedream.media.colour import BT709, tag

CLOCK: Final = Fraction(1, 90_000)  # MPEG-TS's own
ENCODERS: Final = ("h264_nvenc", "libx264")


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


def add_video(container: Any, options: StreamOptions) -> Any:
    """A stream of `container` whose encoder has opened; the first of the candidates that does.

    Raises SinkError with each candidate's reason when none opens.
    """
    names = ENCODERS if options.encoder == "auto" else (options.encoder,)
    reasons = []
    for name in names:
        try:
            probe = av.CodecContext.create(name, "w")
            _configure(probe, name, options)
            probe.open(strict=False)
        except (av.FFmpegError, ValueError) as error:
            reasons.append(f"{name}: {getattr(error, 'strerror', None) or error}")
            continue
        stream = container.add_stream(name, rate=options.rate)
        _configure(stream.codec_context, name, options)
        stream.time_base = CLOCK
        return stream
    raise SinkError("no H.264 encoder opens: " + "; ".join(reasons))


def _configure(context: Any, name: str, options: StreamOptions) -> None:
    context.width, context.height, context.pix_fmt = options.width, options.height, "yuv420p"
    context.framerate = options.rate
    context.time_base = CLOCK
    context.bit_rate = options.bitrate
    context.gop_size = max(1, round(options.keyframe_s * float(options.rate)))
    context.max_b_frames = 0
    context.thread_type = "SLICE"
    limits = {"maxrate": str(options.bitrate), "bufsize": str(options.bitrate // 2)}
    context.options = {**encoder_options(name, options), **limits}
    tag(context, BT709)


def even(length: int) -> int:
    """The nearest length below that halved chroma allows."""
    return max(2, length - length % 2)


def stream_frame(rgb: Picture, options: StreamOptions) -> av.VideoFrame:
    """A picture (H, W, 3) uint8 as BT.709 yuv420p of the stream's size, in a hurry."""
    width, height = options.width, options.height
    if rgb.shape[:2] != (height, width):
        if abs(rgb.shape[0] - height) < 2 and abs(rgb.shape[1] - width) < 2:
            rgb = rgb[:height, :width]
        if rgb.shape[:2] != (height, width):
            rgb = cast(Picture, cv2.resize(rgb, (width, height), interpolation=cv2.INTER_AREA))
    frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(rgb), format="rgb24")
    frame.colorspace = BT709.space
    return frame.reformat(format="yuv420p", src_color_range=2, dst_color_range=1)


class StreamClock:
    """Capture times as pts of CLOCK, later ones always larger; counts from the first frame."""

    def __init__(self) -> None:
        self._begin_s: float | None = None
        self._last = -1

    def pts(self, captured_s: float) -> int:
        if self._begin_s is None:
            self._begin_s = captured_s
        ticks = round((captured_s - self._begin_s) / float(CLOCK))
        self._last = max(self._last + 1, ticks)
        return self._last
