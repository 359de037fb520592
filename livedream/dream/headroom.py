"""Headroom: highlights are dimmed before a dream is laid on them.

On white, a dream can only darken: whatever it would brighten is clipped, and of an animal only its
outline remains, like wire. So a tone curve lowers the brightest part of the picture by as much as
the dream usually rises above it; what is darker than middle gray stays. Dark places need no such
room: an animal that lights up on black is whole to the eye. Figures: docs/decisions/headroom.md.
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
_MIDDLE: Final = 127.0  # the curve begins here or higher...
_REACH: Final = 4.0  # ...so many times `by` below white: a slope of 0.5 where there is room for it
_MOST: Final = 42.0  # heuristic: then the slope at white is a third
_LEAST: Final = 0.5  # less changes nothing


def with_headroom(
    rgb: Picture, settings: DreamSettings, plane: Plane | None = None, mix: float = 1.0
) -> Picture:
    """The ground of a dream: a frame with as much headroom as the settings say.

    plane, mix: see `dimmed`.
    """
    by = settings.headroom * settings.strength
    return dimmed(rgb, by, plane, mix, keep_colours=settings.keep_colours)


def dimmed(
    rgb: Picture, by: float, plane: Plane | None = None, mix: float = 1.0,
    *, keep_colours: bool = False,
) -> Picture:  # fmt: skip
    """A picture whose whites are `by` 8-bit steps darker, 42 at most, (H, W, 3) uint8.

    plane: (h, w) float32 in [0, 1] of any size; at most so much of `by` is taken from a place.
    mix: how much of all that is done.
    keep_colours: all channels lose as much as the highest, and no more than the lowest has.
    Returns `rgb` itself where nothing is to be done.
    """
    by = min(by, _MOST)
    if by * mix < _LEAST:
        return rgb
    losses = _losses(by, mix)
    lost = np.asarray(_alike(rgb, losses) if keep_colours else cv2.LUT(rgb, losses), np.uint8)
    if plane is not None:
        most = cv2.resize(cv2.convertScaleAbs(plane, alpha=by * mix), rgb.shape[1::-1])
        cv2.min(lost, cv2.cvtColor(most, cv2.COLOR_GRAY2RGB), dst=lost)
    return np.asarray(cv2.subtract(rgb, lost, dst=lost), np.uint8)


def _alike(rgb: Picture, losses: NDArray[np.uint8]) -> MatLike:
    red, green, blue = cv2.split(rgb)
    lost = cv2.LUT(cv2.max(cv2.max(red, green), blue), losses)
    return cv2.cvtColor(cv2.min(lost, cv2.min(cv2.min(red, green), blue)), cv2.COLOR_GRAY2RGB)


def _losses(by: float, mix: float) -> NDArray[np.uint8]:
    """(256,): how much darker each value becomes."""
    knee = max(_MIDDLE, _WHITE - _REACH * by)
    above = np.clip((np.arange(256) - knee) / (_WHITE - knee), 0.0, 1.0)
    return np.asarray(np.round(mix * by * above**2), np.uint8)
