"""Headroom: whites are dimmed before a dream is laid on them.

On white, a dream can only darken: whatever it would brighten is clipped, and of an animal only its
outline remains, like wire. So a tone curve lowers the brightest part of the picture by as much as
the dream usually rises above it; darker parts stay as they are. Dark places need no such room: an
animal that lights up on black is whole to the eye. Figures: docs/decisions/headroom.md.
"""

from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from livedream.core.frame import Picture
from livedream.warp.remap import Plane

_WHITE: Final = 255.0
_KNEE: Final = 4.0  # the curve begins so many times `by` below white: a slope of 0.5 or more
_MOST: Final = _WHITE / _KNEE  # then it begins at black
_SEEN: Final = 0.5  # 8-bit steps; less changes nothing


def lowered(rgb: Picture, by: float, plane: Plane | None = None) -> Picture:
    """A picture whose whites are `by` 8-bit steps darker, (H, W, 3) uint8.

    At most a quarter of the range.  plane: (h, w) float32 in [0, 1] of any size; at most so much of
    `by` is taken from a place.  Returns `rgb` itself where nothing is to be done.
    """
    by = min(by, _MOST)
    if by < _SEEN:
        return rgb
    lost = _lost(by)
    if plane is None:
        return np.asarray(cv2.LUT(rgb, np.arange(256, dtype=np.uint8) - lost), np.uint8)
    most = cv2.resize(cv2.convertScaleAbs(plane, alpha=by), rgb.shape[1::-1])
    here = np.asarray(cv2.LUT(rgb, lost), np.uint8)
    cv2.min(here, cv2.cvtColor(most, cv2.COLOR_GRAY2RGB), dst=here)
    return np.asarray(cv2.subtract(rgb, here, dst=here), np.uint8)


def _lost(by: float) -> NDArray[np.uint8]:
    """(256,): how much darker each value becomes, from nothing at the knee to `by` at white."""
    knee = _WHITE - _KNEE * by
    above = np.clip((np.arange(256) - knee) / (_WHITE - knee), 0.0, 1.0)
    return np.asarray(np.round(by * above**2), np.uint8)
