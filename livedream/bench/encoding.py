"""x264 at its fastest, into nothing: what an encoder beside the dream costs."""

import os
from fractions import Fraction

import av

from livedream.frame import Frame

__all__ = ["Discarded"]


class Discarded:
    """A sink that encodes and keeps nothing.  size: width, height, both even."""

    def __init__(self, size: tuple[int, int], rate: Fraction) -> None:
        self._container = av.open(os.devnull, "w", format="mpegts")
        self._stream = self._container.add_stream(
            "libx264", rate=rate, options={"preset": "ultrafast", "tune": "zerolatency"}
        )
        self._stream.width, self._stream.height = size
        self._stream.pix_fmt = "yuv420p"
        self._time_base = 1 / rate
        self.frames = 0

    def write(self, frame: Frame) -> None:
        picture = av.VideoFrame.from_ndarray(frame.rgb, format="rgb24")
        picture.pts, picture.time_base = self.frames, self._time_base
        self._container.mux(self._stream.encode(picture))
        self.frames += 1

    def close(self, *, complete: bool = True) -> None:
        """Nothing is kept, complete or not."""
        self._container.mux(self._stream.encode(None))
        self._container.close()
