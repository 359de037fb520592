"""A synthetic gallery: a fixed view, drifting light, visitors in and out, one who stands still."""

from collections.abc import Iterator

import cv2
import numpy as np
from numpy.typing import NDArray

from livedream.core.frame import Picture
from livedream.warp.remap import Plane

Truth = NDArray[np.bool_]
STEP_S = 0.25


def gallery(
    times: Iterator[float], *, light: float = 0.3, switch_s: float = 1e9, stands: bool = True
) -> Iterator[tuple[float, Picture, Truth]]:
    """(time, picture, where visitors are). light: by how much it drifts in a minute."""
    draw = np.random.default_rng(2)
    wall = cv2.GaussianBlur(draw.normal(size=(90, 160, 3)).astype(np.float32), (0, 0), 6)
    wall = 120 + 35 * wall / wall.std()
    wall[:, 60:100] += 25
    cloth = draw.normal(size=(60, 24, 3)).astype(np.float32) * 25 + (70, 40, 150)
    for time_s in times:
        rgb, truth = wall.copy(), np.zeros((90, 160), bool)
        places = [int(20 + 18 * (time_s - 8)) % 500 - 40]
        if stands and time_s > 15:
            places.append(110)
        for x in places:
            left, right = max(0, x), min(160, x + 24)
            if left < right:
                rgb[25:85, left:right] = cloth[:, left - x : right - x]
                truth[25:85, left:right] = True
        gain = 1 + light * np.sin(2 * np.pi * time_s / 240)
        rgb = rgb * gain * (0.6 if time_s > switch_s else 1.0) + draw.normal(0, 2, rgb.shape)
        yield time_s, np.clip(rgb, 0, 255).astype(np.uint8), truth


def overlaps(found: Plane, truth: Truth) -> float:
    there = found > 0.5
    return float((there & truth).sum() / max(1, (there | truth).sum()))


def seconds(end: float) -> Iterator[float]:
    return iter(np.arange(0, end, STEP_S).tolist())
