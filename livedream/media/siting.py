"""Where the chroma samples of subsampled video lie between the luma samples.

Frames carry FFmpeg's chroma_location, and libswscale follows it; where there is none, it takes the
middle. Players take the left one of two columns, where Rec. ITU-R BT.601, BT.709 and BT.2020 put
chroma: so does `Siting`, but for the few codecs whose own place is the middle. PyAV shows no
chroma_location, so a small ramp with the frame's tags tells what libswscale makes of it.
"""

import av
import numpy as np

from livedream.media.filters import FrameFilter

# Decoders that always say where 4:2:0 chroma lies: what they say is right.
_SAY = ("h264", "hevc", "mpeg1video", "mpeg2video", "mpeg4", "mjpeg", "vc1", "theora", "dvvideo")
# JFIF, ISO/IEC 11172-2, ITU-T H.263 and Theora put chroma in the middle.
_MIDDLE = ("mjpeg", "mjpegb", "mpeg1video", "theora", "h263", "h263p", "flv1")
_RAMP = 8  # between neighbouring samples of the trial


class Siting:
    """Frames of one stream, tagged with the place of their chroma where they are not.

    codec: FFmpeg's name of the decoder.  first: the stream's first frame.
    """

    def __init__(self, first: av.VideoFrame, codec: str) -> None:
        across, down = _subsampling(first)
        say = _SAY if (across, down) == (2, 2) else ()
        unknown = across > 1 and codec not in (*say, *_MIDDLE) and _is_middle(first, across, down)
        self._tagged = left_sited() if unknown else None

    def __call__(self, frame: av.VideoFrame) -> av.VideoFrame:
        return frame if self._tagged is None else self._tagged(frame)


def left_sited() -> FrameFilter:
    """Tags frames: their chroma, or that of what is made of them, is in the left column."""
    return FrameFilter(("setparams", "chroma_location=left"))


def _subsampling(frame: av.VideoFrame) -> tuple[int, int]:
    """How many luma samples share a chroma sample, across and down."""
    form = frame.format
    if form.is_rgb or form.has_palette or len(form.components) < 3:
        return 1, 1
    return 4 // form.chroma_width(4), 4 // form.chroma_height(4)


def _is_middle(frame: av.VideoFrame, across: int, down: int) -> bool:
    """Whether libswscale looks for this frame's chroma in the middle."""
    planar = {(2, 2): "yuv420p", (2, 1): "yuv422p", (4, 1): "yuv411p", (4, 4): "yuv410p"}
    width = 64 if frame.width == 32 else 32  # another size: never the decoder's own memory
    trial = frame.reformat(width, 8, format=planar.get((across, down), "yuv422p"))
    chroma = trial.planes[1]
    row = np.full(chroma.line_size, 128, np.uint8)
    row[: chroma.width] = _RAMP * np.arange(chroma.width) % 256
    chroma.update(np.tile(row, (chroma.height, 1)).tobytes())
    whole = trial.reformat(format="yuv444p")
    at = chroma.width // 2
    found = np.frombuffer(whole.planes[1], np.uint8)[at * across]  # type: ignore[call-overload]
    return bool(found < _RAMP * at)
