"""Planes of regions that do not depend on the picture: rectangles and masks.

The edge is a promise: what lies outside of such a region in the full-size picture stays as it is.
What is dreamed at a smaller size is scaled up by a bicubic kernel, which reaches two pixels far, so
the planes end that much and one pixel further in, and all feathering goes inwards.
"""

from functools import lru_cache
from pathlib import Path
from typing import Final

import cv2
import numpy as np

from livedream.region.value import Leaf
from livedream.warp.remap import Plane

_REACH_PX: Final = 3  # of the kernel, and one that the edge itself lies in


def rectangle(leaf: Leaf, width: int, height: int) -> Plane:
    """(height, width): how much of each pixel lies in the rectangle, 0 to 1."""
    assert leaf.rectangle is not None
    x, y, across, down = leaf.rectangle
    columns, rows = _coverage(x, x + across, width), _coverage(y, y + down, height)
    return np.asarray(rows[:, None] * columns, np.float32)


def _coverage(begin: float, end: float, count: int) -> Plane:
    places = np.arange(count)
    covered = np.minimum(end * count, places + 1) - np.maximum(begin * count, places)
    return np.asarray(np.clip(covered, 0.0, 1.0), np.float32)


def read_mask(path: str) -> Plane:
    """(H, W) in [0, 1] from a picture: white where to dream. Raises SourceError.

    Read again only when the file has changed.
    """
    try:
        changed_ns = Path(path).stat().st_mtime_ns
    except OSError:
        changed_ns = 0  # what is wrong the reader says
    return _read_mask(path, changed_ns)


@lru_cache(maxsize=8)
def _read_mask(path: str, changed_ns: int) -> Plane:
    from livedream.capture.pictures import read_picture

    gray = cv2.cvtColor(read_picture(Path(path)), cv2.COLOR_RGB2GRAY)
    return np.asarray(gray, np.float32) / np.float32(255.0)


def edged(plane: Plane, width: int, height: int, feather_px: float) -> Plane:
    """(height, width): a plane of any size with its edges feathered and moved inwards.

    feather_px: of this size, from nothing to all.
    """
    inside = (plane > 0.0).astype(np.float32)
    if plane.shape != (height, width):
        shrinks = width <= plane.shape[1] and height <= plane.shape[0]
        method = cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
        plane, inside = (
            np.asarray(cv2.resize(one, (width, height), interpolation=method), np.float32)
            for one in (plane, inside)
        )
    whole = (inside > 1.0 - 1e-4).astype(np.uint8)
    if whole.all():
        return plane
    # 1 in the outermost pixels inside.
    depth = np.asarray(cv2.distanceTransform(whole, cv2.DIST_L2, 5), np.float32) - _REACH_PX
    ramp = np.clip(depth / max(1.0, feather_px), 0.0, 1.0)
    return np.asarray(plane * (ramp * ramp * (3.0 - 2.0 * ramp)), np.float32)
