"""Interpolation that neither blurs a residual away nor makes any of it grow.

A residual is fetched anew in every frame, so what one interpolation does to a frequency is done to
it dozens of times a second. Linear interpolation blurs it away within a second. Bicubic (Keys 1981,
a = -0.75 as in OpenCV and torch) amplifies periods of 5 to 12 px by up to 3 % along an axis, 6 %
diagonally: more than a half-life of two seconds fades from one frame to the next, so that such
patterns grew by themselves. A third of linear with two thirds of bicubic amplifies nothing: the
largest gain over all frequencies and shifts is 1.000.
"""

from typing import Any, Final

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

__all__ = ["remapped", "sampled"]

_CUBIC: Final = 0.65

Plane = NDArray[np.float32]


def remapped(picture: Plane, x: Plane, y: Plane | None, border: int) -> Plane:
    """cv2.remap of (h, w) or (h, w, C) float32. y: None where x holds both, (h, w, 2)."""
    # OpenCV's stubs know neither a missing second map nor a missing target.
    remap: Any = cv2.remap
    cubic = remap(picture, x, y, cv2.INTER_CUBIC, borderMode=border)
    linear = remap(picture, x, y, cv2.INTER_LINEAR, borderMode=border)
    # Not addWeighted: where both are the same, as for whole pixels, so is what comes out.
    cv2.subtract(cubic, linear, dst=cubic)
    return np.asarray(cv2.scaleAdd(cubic, _CUBIC, linear, dst=cubic), np.float32)


def sampled(picture: Tensor, grid: Tensor) -> Tensor:
    """The same by grid_sample, corners aligned, zero outside."""
    cubic, linear = (
        F.grid_sample(picture, grid, mode=mode, padding_mode="zeros", align_corners=True)
        for mode in ("bicubic", "bilinear")
    )
    return torch.lerp(linear, cubic, _CUBIC)
