"""Headroom: whites are dimmed before a dream is laid on them.

On white, a dream can only darken: whatever it would brighten is clipped, and of an animal only its
outline remains, like wire. So a tone curve lowers the brightest part of the picture by as much as
the dream usually rises above it; darker parts stay as they are. Dark places need no such room: an
animal that lights up on black is whole to the eye. Figures: docs/decisions/headroom.md.
"""

from typing import Final

import cv2
import numpy as np
from cv2.typing import MatLike
from numpy.typing import NDArray

from livedream.core.frame import Picture
from livedream.core.settings import DreamSettings
from livedream.warp.remap import Plane

_WHITE: Final = 255.0
_KNEE: Final = 4.0  # the curve begins so many times `by` below white: a slope of 0.5 or more
_MOST: Final = _WHITE / _KNEE  # then it begins at black
_SEEN: Final = 0.5  # 8-bit steps; less changes nothing


def with_headroom(
    rgb: Picture, settings: DreamSettings, plane: Plane | None = None, mix: float = 1.0
) -> Picture:
    """What a dream is laid on: a frame with as much headroom as the settings say.

    plane: see `lowered`.  mix: how much of the dream is laid on.
    """
    by = mix * settings.headroom * settings.strength
    return lowered(rgb, by, plane, keep_colours=settings.keep_colours)


def lowered(
    rgb: Picture, by: float, plane: Plane | None = None, *, keep_colours: bool = False
) -> Picture:
    """A picture whose whites are `by` 8-bit steps darker, (H, W, 3) uint8.

    At most a quarter of the range.  plane: (h, w) float32 in [0, 1] of any size; at most so much of
    `by` is taken from a place.  keep_colours: as much from all channels, and no more than each has.
    Returns `rgb` itself where nothing is to be done.
    """
    by = min(by, _MOST)
    if by < _SEEN:
        return rgb
    lost = _lost(by)
    here = np.asarray(_alike(rgb, lost) if keep_colours else cv2.LUT(rgb, lost), np.uint8)
    if plane is not None:
        most = cv2.resize(cv2.convertScaleAbs(plane, alpha=by), rgb.shape[1::-1])
        cv2.min(here, cv2.cvtColor(most, cv2.COLOR_GRAY2RGB), dst=here)
    return np.asarray(cv2.subtract(rgb, here, dst=here), np.uint8)


def _alike(rgb: Picture, lost: NDArray[np.uint8]) -> MatLike:
    """What all channels lose: what the highest would, as far as the lowest can."""
    red, green, blue = cv2.split(rgb)
    most = cv2.LUT(cv2.max(cv2.max(red, green), blue), lost)
    return cv2.cvtColor(cv2.min(most, cv2.min(cv2.min(red, green), blue)), cv2.COLOR_GRAY2RGB)


def _lost(by: float) -> NDArray[np.uint8]:
    """(256,): how much darker each value becomes, from nothing at the knee to `by` at white."""
    knee = _WHITE - _KNEE * by
    above = np.clip((np.arange(256) - knee) / (_WHITE - knee), 0.0, 1.0)
    return np.asarray(np.round(by * above**2), np.uint8)
