"""Bring a picture to another size, or make it smaller, quickly.

OpenCV's area averaging is exact and, for ratios that are no whole number, five times as slow as
what `shrunk` does: halved as often as it goes (each pixel the mean of four), then linear, whose
four neighbours reach far enough for what is left, less than a factor of two.
"""

import cv2
import numpy as np

from livedream.core.frame import Picture


def shrunk(rgb: Picture, width: int, height: int) -> Picture:
    """(H, W, 3) uint8 as (height, width, 3); itself when it has that size.

    A side that grows is interpolated. Pixel edges keep their places: the outer border is the
    same line in both.
    """
    while rgb.shape[0] % 2 == rgb.shape[1] % 2 == 0 and _twice(rgb, width, height) == (True, True):
        rgb = fitted(rgb, rgb.shape[1] // 2, rgb.shape[0] // 2)
    area = any(_twice(rgb, width, height))
    return fitted(rgb, width, height, cv2.INTER_AREA if area else cv2.INTER_LINEAR)


def fitted(rgb: Picture, width: int, height: int, method: int | None = None) -> Picture:
    """(H, W, 3) uint8 as (height, width, 3); itself at that size.

    method: one of OpenCV's; None: cubic where a side grows, because area averaging only doubles
    pixels there, and area averaging otherwise.
    """
    if rgb.shape[:2] == (height, width):
        return rgb
    if method is None:
        grows = height > rgb.shape[0] or width > rgb.shape[1]
        method = cv2.INTER_CUBIC if grows else cv2.INTER_AREA
    return np.asarray(cv2.resize(rgb, (width, height), interpolation=method), np.uint8)


def _twice(rgb: Picture, width: int, height: int) -> tuple[bool, bool]:
    return twice(rgb.shape[1], rgb.shape[0], width, height)


def twice(found_width: int, found_height: int, width: int, height: int) -> tuple[bool, bool]:
    """Whether each side, down and across, is at least twice as long as it shall be."""
    return found_height >= 2 * height, found_width >= 2 * width
