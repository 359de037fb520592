"""Both ends of a film beside the dream: x264 at its fastest, into nothing, and a decoder."""

import io
import os
from collections.abc import Iterator, Sequence
from fractions import Fraction

import av

from livedream.core.frame import Frame, Picture
from livedream.media.colour import tags_of, to_rgb

__all__ = ["Discarded", "decoded", "encoded"]


class Discarded:
    """A sink that encodes and keeps nothing.  size: width, height, both even."""

    def __init__(self, size: tuple[int, int], rate: Fraction) -> None:
        self._film = _Film(os.devnull, size, rate)

    def write(self, frame: Frame) -> None:
        self._film.write(frame)

    def close(self, *, complete: bool = True) -> None:
        """Nothing is kept, complete or not."""
        self._film.close()


def encoded(frames: Sequence[Frame], size: tuple[int, int], rate: Fraction) -> bytes:
    """The frames as a film, to be decoded again."""
    kept = io.BytesIO()
    film = _Film(kept, size, rate)
    for frame in frames:
        film.write(frame)
    film.close()
    return kept.getvalue()


def decoded(film: bytes) -> Iterator[Picture]:
    """Its pictures, one by one, on one thread."""
    with av.open(io.BytesIO(film), "r") as container:
        for frame in container.decode(container.streams.video[0]):
            yield to_rgb(frame, tags_of(frame), (frame.width, frame.height))


class _Film:
    def __init__(self, target: str | io.BytesIO, size: tuple[int, int], rate: Fraction) -> None:
        self._container = av.open(target, "w", format="mpegts")
        self._stream = self._container.add_stream(
            "libx264", rate=rate, options={"preset": "ultrafast", "tune": "zerolatency"}
        )
        self._stream.width, self._stream.height = size
        self._stream.pix_fmt = "yuv420p"
        self._time_base = 1 / rate
        self._frames = 0

    def write(self, frame: Frame) -> None:
        picture = av.VideoFrame.from_ndarray(frame.rgb, format="rgb24")
        picture.pts, picture.time_base = self._frames, self._time_base
        self._container.mux(self._stream.encode(picture))
        self._frames += 1

    def close(self) -> None:
        self._container.mux(self._stream.encode(None))
        self._container.close()
