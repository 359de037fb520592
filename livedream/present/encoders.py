"""Which encoder writes which codec, without ever holding a frame back.

Every encoder here returns a frame's packet before `encode` returns: no B-frames, no lookahead,
threads within a frame only (each measured with PyAV 18.1). That is what lets the file on disk
keep up with the frames handed in, whatever their rate; it costs about a quarter of size.

`quality` is one number, 0 (small) to 100 (best), the same scale for all codecs that lose
anything: a step of 10 is 4.25 of x264's crf, and 80 is crf 17, where a dream's texture looks
like its source. ProRes and FFV1 have one quality each and ignore it.
"""

import contextlib
import os
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
from av.video.codeccontext import VideoCodecContext

from livedream.core.errors import SinkError, os_reason

DEFAULT_QUALITY = 80.0
_MOST_PX = {"h264": (16384, 16384), "av1": (16384, 8704)}  # x264's and SVT-AV1's own limits
_ANOTHER_SIZE = "give another size (render: --picture-size, zoom: --size)"
KEYFRAME_S = 2  # between keyframes, in seconds of film: seeking stays quick


@dataclass(frozen=True, slots=True)
class Encoder:
    """One of FFmpeg's encoders and how it is to be set.

    name: FFmpeg's.  pixels: the pixel format it is given.  options: quality to FFmpeg's options.
    whole_pixels: the format that keeps odd sizes, where `pixels` halves its chroma.
    tag: the four letters that players of MP4 and MOV look for, where FFmpeg's own choice is not.
    limited_only: nothing in the codec says that a film is full range, so it must not be.
    """

    name: str
    pixels: str
    options: Callable[[float], Mapping[str, str]]
    whole_pixels: str | None = None
    tag: str | None = None
    hardware: bool = False
    intra_only: bool = False
    limited_only: bool = False


def _crf(quality: float) -> float:
    return 51 - 0.425 * quality


def _x264(quality: float) -> Mapping[str, str]:
    immediate = "bframes=0:rc-lookahead=0:sync-lookahead=0:mbtree=0:force-cfr=1:sliced-threads=1"
    return {
        "preset": "veryfast",
        "crf": f"{_crf(quality):.2f}",
        "x264-params": f"{immediate}:stitchable=1",  # stitchable: a resumed part fits the first
    }


def _x265(quality: float) -> Mapping[str, str]:
    immediate = "bframes=0:rc-lookahead=0:lookahead-slices=0:frame-threads=1"
    crf = min(51, _crf(quality) + 3)  # x265's crf 20 looks like x264's 17 (heuristic)
    return {
        "preset": "veryfast",
        "crf": f"{crf:.2f}",
        "x265-params": f"{immediate}:log-level=none",
    }


def _svt(quality: float) -> Mapping[str, str]:
    crf = round(min(63, max(1, 1.45 * _crf(quality))))  # 0..63; 25 looks like x264's 17
    return {
        "preset": "8",
        "crf": str(crf),
        "svtav1-params": "pred-struct=1:lookahead=0:scd=0",
    }


def _vp9(quality: float) -> Mapping[str, str]:
    crf = round(min(63, max(0, 1.4 * _crf(quality))))  # 0..63 (heuristic)
    return {
        "deadline": "good",
        "cpu-used": "5",
        "lag-in-frames": "0",
        "row-mt": "1",
        "crf": str(crf),
        "b": "0",
    }


def _nvenc(quality: float) -> Mapping[str, str]:
    return {
        "preset": "p5",
        "tune": "hq",
        "rc": "constqp",
        "qp": str(round(min(51, _crf(quality) + 2))),  # constqp lacks crf's savings (heuristic)
        "delay": "0",
        "zerolatency": "1",
        "bf": "0",
        "rc-lookahead": "0",
    }


def _always(**options: str) -> Callable[[float], Mapping[str, str]]:
    return lambda quality: options


# 422 HQ, under the vendor id that editors expect.
_PRORES = _always(profile="3", vendor="apl0")
# With 16 bits of alpha, which the codec keeps without loss.
_PRORES_4444 = _always(profile="4", vendor="apl0", alpha_bits="16")
_FFV1 = _always(level="3", slices="16", slicecrc="1")
_FFV1_TINY = _always(level="3", slices="1", slicecrc="1")  # too small to be cut into sixteen


CODECS: dict[str, tuple[Encoder, ...]] = {
    "h264": (
        Encoder("h264_nvenc", "yuv420p", _nvenc, hardware=True),
        Encoder("libx264", "yuv420p", _x264, "yuv444p"),
    ),
    "hevc": (
        Encoder("hevc_nvenc", "yuv420p", _nvenc, tag="hvc1", hardware=True),
        Encoder("libx265", "yuv420p", _x265, "yuv444p", tag="hvc1"),
    ),
    "av1": (Encoder("libsvtav1", "yuv420p", _svt),),
    "vp9": (Encoder("libvpx-vp9", "yuv420p", _vp9, "yuv444p"),),
    "prores": (
        Encoder(
            "prores_ks", "yuv422p10le", _PRORES, "yuv444p10le", intra_only=True, limited_only=True
        ),
    ),
    "ffv1": (
        Encoder("ffv1", "bgr0", _FFV1, "bgr0", intra_only=True),
        Encoder("ffv1", "bgr0", _FFV1_TINY, "bgr0", intra_only=True),
    ),
}

# What writes pictures with alpha.
ALPHA_CODECS: dict[str, tuple[Encoder, ...]] = {
    "vp9": (Encoder("libvpx-vp9", "yuva420p", _vp9),),
    "prores": (
        Encoder("prores_ks", "yuva444p10le", _PRORES_4444, intra_only=True, limited_only=True),
    ),
    "ffv1": (
        Encoder("ffv1", "bgra", _FFV1, intra_only=True),
        Encoder("ffv1", "bgra", _FFV1_TINY, intra_only=True),
    ),
}


@dataclass(frozen=True, slots=True)
class Chosen:
    """An encoder that was opened once with this size, and the pixel format to feed it."""

    encoder: Encoder
    pixels: str
    notes: tuple[str, ...] = ()


def choose(codec: str, size: tuple[int, int], quality: float, *, alpha: bool = False) -> Chosen:
    """The first encoder of `codec` that opens for (width, height).

    alpha: one that holds it; `containers.codec_for` says which codecs do.
    Raises SinkError for an unknown codec, for a size that it cannot have, or with each encoder's
    reason when none opens.
    """
    if codec not in CODECS:
        raise SinkError(f"unknown codec {codec!r}: use one of {', '.join(CODECS)}")
    if codec in _MOST_PX:
        check_size(codec, size, _MOST_PX[codec])
    width, height = size
    odd = width % 2 == 1 or height % 2 == 1
    reasons = []
    for encoder in (ALPHA_CODECS if alpha else CODECS)[codec]:
        if odd and encoder.hardware:
            continue
        pixels = (encoder.whole_pixels or encoder.pixels) if odd else encoder.pixels
        reason = _cannot_open(encoder, pixels, size, quality)
        if reason is None:
            note = f"{width}x{height} is odd: written as {pixels}, which some players cannot play"
            return Chosen(encoder, pixels, () if pixels == encoder.pixels else (note,))
        reasons.append(f"{encoder.name}: {reason}")
    raise SinkError(
        f"no {codec} encoder works for {width}x{height} ({'; '.join(reasons)}): {_ANOTHER_SIZE}"
    )


def check_size(kind: str, size: tuple[int, int], most: tuple[int, int]) -> None:
    """Raise SinkError where (width, height) is more than what is written can have.

    kind: its codec or suffix.
    """
    if size[0] > most[0] or size[1] > most[1]:
        found, limit = (f"{width}x{height}" for width, height in (size, most))
        raise SinkError(
            f"{found} is too large for {kind}, at most {limit}: crop the picture, or "
            f"{_ANOTHER_SIZE}"
        )


def trials(size: tuple[int, int] = (640, 360)) -> Iterator[tuple[str, Encoder, str | None]]:
    """Every encoder, opened once: its codec, itself, and why it does not open or None."""
    for codec, encoders in CODECS.items():
        for encoder in dict.fromkeys(encoders):
            yield codec, encoder, _cannot_open(encoder, encoder.pixels, size, DEFAULT_QUALITY)


def _cannot_open(
    encoder: Encoder, pixels: str, size: tuple[int, int], quality: float
) -> str | None:
    """Why the encoder does not open, None when it does: listed is not usable."""
    try:
        context = av.CodecContext.create(encoder.name, "w")
        assert isinstance(context, VideoCodecContext)
        context.width, context.height = size
        context.time_base = Fraction(1, 25)
        configure(context, encoder, pixels, Fraction(25), quality)
        context.open()
    except (av.FFmpegError, ValueError) as error:
        return os_reason(error)
    finally:
        leave_real_time()
    return None


def configure(
    context: VideoCodecContext, encoder: Encoder, pixels: str, rate: Fraction, quality: float
) -> None:
    """Set everything about the encoding but size, time and colour."""
    # SVT-AV1 greets on the terminal unless told otherwise, through this variable only.
    os.environ.setdefault("SVT_LOG", "1")
    context.pix_fmt = pixels
    context.options = dict(encoder.options(quality))
    context.options |= {"field_order": "progressive"}
    if "444" not in pixels and pixels.startswith("yuv"):  # where `from_rgb` puts it
        context.options |= {"chroma_sample_location": "left"}
    context.gop_size = 1 if encoder.intra_only else min(300, max(1, round(rate * KEYFRAME_S)))


def leave_real_time() -> None:
    """Make every real-time thread of this process an ordinary one; Linux only.

    SVT-AV1 makes its threads, and the one that opens it, real-time threads of the highest priority
    whenever it may (as root): nothing else on the machine is served then, the dream included.
    """
    if sys.platform != "linux":
        return
    for task in Path("/proc/self/task").iterdir():
        thread = int(task.name)
        with contextlib.suppress(OSError):  # it has ended meanwhile
            if os.sched_getscheduler(thread) in (os.SCHED_FIFO, os.SCHED_RR):
                os.sched_setscheduler(thread, os.SCHED_OTHER, os.sched_param(0))
