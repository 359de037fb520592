"""Which way up a picture is shown, from the display matrix of its file.

FFmpeg's matrix (a b u; c d v; x y w) takes a point of the stored picture to
(a x + c y, b x + d y). Of it the nearest of the eight ways are kept that a picture can lie: quarter
turns, with or without a mirror.
"""

from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import av
import numpy as np
from av.sidedata.sidedata import Type
from numpy.typing import NDArray


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
