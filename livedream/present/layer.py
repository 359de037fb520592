"""The dream alone, as a layer with alpha that a compositor lays over the source.

Convention. Alpha is straight: the composite is ``source * (1 - a) + colour * a``, in the values of
the file, neither linearised nor premultiplied. A dream makes places darker as well as brighter,
which nothing that is only added could; so a layer belongs to the source that it was made of.
"""

from functools import lru_cache
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from livedream.core.frame import Picture
from livedream.warp.remap import Plane

# Heuristic: bounds the memory of what is computed at once.
_STRIP: Final = 256
_NEIGHBOURS: Final = np.ones((3, 3), np.uint8)
_INVERSE: Final = np.divide(255, np.maximum(np.arange(256), 1), dtype=np.float32)  # of alpha


def dream_layer(source: Picture, dreamed: Picture, *, soft: bool = False) -> Picture:
    """(H, W, 4) uint8, RGB and straight alpha: laid over `source` it gives `dreamed`.

    Both (H, W, 3) uint8. Alpha is the smallest with which each channel can be reached by a colour
    from 0 to 255, rounded up, and 0 where nothing was added. For a channel that goes from s to d,
    a >= (d - s) / (255 - s) or (s - d) / s, and the colour is s + (d - s) / a. That is rounded by
    at most a half, which counts times a: composed in real numbers and rounded, every byte is that
    of `dreamed`; in bytes it is within 1 of it.

    soft: alpha is the greatest of its neighbours, blurred: as exact, and far less of it is lost
    where it is compressed, for alpha and colour change less from pixel to pixel.
    """
    height, width = source.shape[:2]
    layer = np.empty((height, width, 4), np.uint8)
    alpha = np.empty((height, width), np.uint8)
    strips = [slice(top, top + _STRIP) for top in range(0, height, _STRIP)]
    for rows in strips:
        least = _least_alpha().take(source[rows].astype(np.uint16) << 8 | dreamed[rows])
        alpha[rows] = np.maximum(np.maximum(least[:, :, 0], least[:, :, 1]), least[:, :, 2])
    if soft:  # no smaller: each neighbour's greatest is at least what stands here
        alpha = np.asarray(cv2.blur(cv2.dilate(alpha, _NEIGHBOURS), (3, 3)), np.uint8)
    for rows in strips:
        before, here = source[rows], alpha[rows]
        added = cv2.subtract(dreamed[rows], before, dtype=cv2.CV_32F)
        added *= _INVERSE.take(here)[:, :, None]
        colour = cv2.add(before, added, dtype=cv2.CV_8U)
        colour[here == 0] = 0  # small in the file
        layer[rows, :, :3], layer[rows, :, 3] = colour, here
    return layer


@lru_cache(maxsize=1)
def _least_alpha() -> NDArray[np.uint8]:
    """(65536,) by 256 times what a channel is, and what it is to be."""
    before, after = np.mgrid[0:256, 0:256]
    added = after - before
    room = np.where(added > 0, 255 - before, before)
    return np.asarray(-(-255 * abs(added) // np.maximum(room, 1)), np.uint8).ravel()


def matte(plane: Plane | None, width: int, height: int) -> Picture:
    """(height, width, 3) uint8: a region's plane as a picture, white where it is.

    plane: (h, w) in [0, 1], of any size; None: everywhere.
    """
    if plane is None:
        return np.full((height, width, 3), 255, np.uint8)
    grey = cv2.resize(plane, (width, height), interpolation=cv2.INTER_LINEAR)
    grey = np.rint(np.clip(grey, 0.0, 1.0) * 255).astype(np.uint8)
    return np.asarray(cv2.merge([grey] * 3), np.uint8)
