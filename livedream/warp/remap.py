"""Fetch one picture's pixels from where a flow points in another."""

from functools import lru_cache
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from livedream.core.frame import FlowField

__all__ = ["gray", "halved", "positions", "remap", "sampled_median"]

Gray = NDArray[np.uint8]  # (h, w)
Plane = NDArray[np.float32]  # (h, w)


@lru_cache(maxsize=4)
def _grid(height: int, width: int) -> tuple[Plane, Plane]:
    y, x = np.mgrid[0:height, 0:width].astype(np.float32)
    x.flags.writeable = y.flags.writeable = False
    return x, y


def positions(flow: FlowField) -> tuple[Plane, Plane]:
    """Where each pixel's flow points: x and y, (h, w) px each."""
    x, y = _grid(*flow.shape[1:])
    return x + flow[0], y + flow[1]


def remap(picture: NDArray[Any], at: tuple[Plane, Plane]) -> NDArray[Any]:
    """`picture` at those positions, linearly interpolated; beyond its border, the border."""
    return cv2.remap(picture, *at, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)


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
