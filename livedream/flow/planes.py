"""Planes that flow is estimated and judged on: gray, halved, their median."""

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from livedream.warp.remap import Plane

Gray = NDArray[np.uint8]  # (h, w)


def gray(picture: NDArray[np.uint8]) -> Gray:
    """(h, w) uint8 of an RGB picture."""
    return np.asarray(cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY), np.uint8)


def halved(plane: NDArray[Any]) -> Plane:
    """(h, w) float32: an (H, W) plane at half its size, never less than a pixel."""
    height, width = plane.shape
    size = max(1, width // 2), max(1, height // 2)
    return np.asarray(cv2.resize(plane, size, interpolation=cv2.INTER_AREA), np.float32)


def sampled_median(plane: Plane) -> float:
    """The median of a plane, of every fourth pixel both ways: in steps of a frame it is enough."""
    height, width = plane.shape
    return float(np.median(plane[min(1, height - 1) :: 4, min(1, width - 1) :: 4]))
