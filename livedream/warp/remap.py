"""The one remap: a picture's pixels from where a flow points in it.

Two interpolations. Linear, for what is compared or measured once. Sharp, for a residual, which is
warped anew in every frame, so that what one interpolation does to a frequency is done to it dozens
of times a second: linear blurs it away within a second; bicubic (Keys 1981, a = -0.75 as in OpenCV
and torch) amplifies periods of 5 to 12 px by up to 3 % along an axis, 6 % diagonally, more than a
half-life of two seconds fades from one frame to the next, so that such patterns grew by themselves.
A third of linear with two thirds of bicubic amplifies nothing: the largest gain over all
frequencies and shifts is 1.000.
"""

from collections.abc import Sequence
from functools import lru_cache
from typing import Any, Final

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from livedream.core.frame import FlowField

Plane = NDArray[np.float32]  # (h, w)

_CUBIC: Final = 0.65


def positions(flow: FlowField | Sequence[Plane]) -> tuple[Plane, Plane]:
    """Where each pixel's flow points: x and y, (h, w) px each."""
    x, y = _grid(*flow[0].shape)
    return x + flow[0], y + flow[1]


def remap(
    picture: NDArray[Any],
    x: Plane,
    y: Plane | None = None,
    *,
    border: int = cv2.BORDER_REPLICATE,
    sharp: bool = False,
) -> NDArray[Any]:
    """`picture`, (h, w) or (h, w, C), at those positions.

    y: None where x holds both, (h, w, 2).  border: OpenCV's, for what lies outside.
    sharp: for residuals (see the module), float32.
    """
    # OpenCV's stubs know neither a missing second map nor a missing target.
    run: Any = cv2.remap
    linear: NDArray[Any] = run(picture, x, y, cv2.INTER_LINEAR, borderMode=border)
    if not sharp:
        return linear
    if 1 in picture.shape[:2] and border == cv2.BORDER_REFLECT_101:
        border = cv2.BORDER_REPLICATE  # the same there, and OpenCV 5's cubic comes to no end in it
    cubic = run(picture, x, y, cv2.INTER_CUBIC, borderMode=border)
    # Not addWeighted: where both are the same, as for whole pixels, so is what comes out.
    cv2.subtract(cubic, linear, dst=cubic)
    return np.asarray(cv2.scaleAdd(cubic, _CUBIC, linear, dst=cubic), np.float32)


def grid_sample(
    picture: Tensor, grid: Tensor, *, sharp: bool = True, mirrored: bool = False
) -> Tensor:
    """The same by torch's grid_sample, corners aligned. mirrored: as in `Motion`."""
    border = "reflection" if mirrored else "zeros"
    linear = F.grid_sample(picture, grid, "bilinear", border, align_corners=True)
    if not sharp:
        return linear
    return torch.lerp(
        linear, F.grid_sample(picture, grid, "bicubic", border, align_corners=True), _CUBIC
    )


@lru_cache(maxsize=8)
def _grid(height: int, width: int) -> tuple[Plane, Plane]:
    """Where the pixels are: x and y, not to be written to."""
    y, x = np.mgrid[0:height, 0:width].astype(np.float32)
    x.flags.writeable = y.flags.writeable = False
    return x, y
