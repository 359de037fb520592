"""Which way up a picture is shown, from the display matrix of its file.

FFmpeg's matrix (a b u; c d v; x y w) takes a point of the stored picture to
(a x + c y, b x + d y). Of it the nearest of the eight ways are kept that a picture can lie: quarter
turns, with or without a mirror.
"""

from dataclasses import dataclass
from fractions import Fraction
from typing import Any, Final

import av
import numpy as np
from av.sidedata.sidedata import Type
from numpy.typing import NDArray

_SAYING: Final = ("h264", "hevc")  # streams of these may turn while they run


@dataclass(frozen=True, slots=True)
class Orientation:
    """How a stored picture becomes the one that is shown.

    transposed: rows become columns first.  left_right, up_down: then it is mirrored.
    """

    transposed: bool = False
    left_right: bool = False
    up_down: bool = False

    def size(self, width: int, height: int) -> tuple[int, int]:
        return (height, width) if self.transposed else (width, height)

    def aspect(self, ratio: Fraction) -> Fraction:
        """The sample aspect ratio of the picture that is shown."""
        return 1 / ratio if self.transposed else ratio

    def __call__(self, rgb: NDArray[Any]) -> NDArray[Any]:
        """(H, W, 3) as stored to (H, W, 3) as shown; itself where that is the same."""
        if self == Orientation():
            return rgb
        shown = rgb.transpose(1, 0, 2) if self.transposed else rgb
        shown = shown[:: -1 if self.up_down else 1, :: -1 if self.left_right else 1]
        return np.ascontiguousarray(shown)


def orientation_of(frame: av.VideoFrame) -> Orientation:
    """The orientation that a decoded frame carries."""
    carried: Any = frame.side_data
    found = next((data for data in carried if data.type == Type.DISPLAYMATRIX), None)
    if found is None:
        return Orientation()
    a, b, _, c, d = np.frombuffer(bytes(found), np.int32)[:5].astype(float)
    if abs(a) + abs(d) >= abs(b) + abs(c):
        return Orientation(left_right=bool(a < 0), up_down=bool(d < 0))
    return Orientation(True, left_right=bool(c < 0), up_down=bool(b < 0))


class StreamOrientation:
    """Which way up the frames of a stream are: said with some of them (H.264, D.2.27), and it holds
    for all until a whole group from keyframe to keyframe says nothing.

    Keyframes and those right behind them are looked at, no others: what PyAV gives out of a frame
    and the frame hold each other (18.1), so that its memory and its threads stay until Python
    collects garbage.
    """

    def __init__(self) -> None:
        self._now = Orientation()
        self._said = self._behind_key = False

    def __call__(self, frame: av.VideoFrame, codec: str, *, first: bool) -> Orientation:
        """codec: FFmpeg's name of it.  first: whether nothing came before, on this connection."""
        behind, self._behind_key = self._behind_key, frame.key_frame
        told = codec in _SAYING and (frame.key_frame or behind)
        if not (told or first):
            return self._now
        found = orientation_of(frame)
        if found != Orientation():
            self._now, self._said = found, True
        elif frame.key_frame:
            if not self._said:
                self._now = found
            self._said = False
        return self._now
