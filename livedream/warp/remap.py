"""The one remap: a picture's pixels from where a flow points in it.

Linear, for what is compared or measured once; cubic (Keys 1981, a = -0.75 as in OpenCV and torch),
for what is shown once; sharp, for a residual, which is warped anew in every frame, so that what one
interpolation does to a frequency is done to it dozens of times a second. Linear blurs it away
within a second; cubic amplifies periods of 5 to 12 px by up to 3 % along an axis, 6 % diagonally,
more than a half-life of two seconds fades from one frame to the next, so that such patterns grow by
themselves.

Sharp is linear with most of its loss made good. Between two pixels, a share p of the way, linear
takes from a frequency w the power 2 s (1 - cos w), with s = p (1 - p); and a pixel exceeds the mean
of its two neighbours by the amplitude's share 1 - cos w. So s times that excess is added, along x
and then along y: with u = s (1 - cos w), which is at most 1/2, a power of (1 - 2u)(1 + u)^2 =
1 - 3u^2 - 2u^3 is left, never more than 1. Whole pixels, of which s is 0, stay as they are.
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

# How far a pixel exceeds the mean of its neighbours, along x and along y.
_EXCESS: Final = tuple(
    np.array([[-0.5, 1.0, -0.5]], np.float32).reshape(shape) for shape in ((1, 3), (3, 1))
)


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
    cubic: bool = False,
) -> NDArray[Any]:
    """`picture`, (h, w) or (h, w, C), at those positions.

    y: None where x holds both, (h, w, 2).  border: OpenCV's, for what lies outside.
    """
    # OpenCV's stubs know neither a missing second map nor a missing target.
    run: Any = cv2.remap
    found: NDArray[Any] = run(
        picture, x, y, cv2.INTER_CUBIC if cubic else cv2.INTER_LINEAR, borderMode=border
    )
    return found


def remap_sharp(
    picture: NDArray[np.float32], x: Plane, y: Plane, *, border: int = cv2.BORDER_CONSTANT
) -> NDArray[np.float32]:
    """The sharp one (see the module) of a residual, (h, w) or (h, w, C), at as many positions."""
    found = np.asarray(remap(picture, x, y, border=border), np.float32)
    for at, kernel in zip((x, y), _EXCESS, strict=True):
        part = at - np.floor(at)
        part -= part * part
        excess = cv2.filter2D(found, -1, kernel)
        cv2.multiply(excess, cv2.merge([part] * (found.size // part.size)), dst=excess)
        cv2.add(found, excess, dst=found)
    return found


def grid_sample(picture: Tensor, grid: Tensor, *, sharp: bool = True) -> Tensor:
    """The sharp one, or linear, by torch's grid_sample, corners aligned, zero outside."""
    found = F.grid_sample(picture, grid, mode="bilinear", padding_mode="zeros", align_corners=True)
    for axis in (0, 1) if sharp else ():
        side = picture.shape[3 - axis]
        if side > 1:
            part = ((grid[..., axis] + 1) * ((side - 1) / 2)).frac_()
            # Its sign does not matter: s of -0.25 shall be that of 0.75.
            part = part.abs_().sub_(part * part)
            found = torch.addcmul(found, part[:, None], _excess(found, 3 - axis))
    return found


def _excess(picture: Tensor, axis: int) -> Tensor:
    """How far a pixel exceeds the mean of its neighbours along an axis, mirrored at the border."""
    side = picture.shape[axis]
    if side < 2:
        return torch.zeros_like(picture)
    before = torch.cat([picture.narrow(axis, 1, 1), picture.narrow(axis, 0, side - 1)], axis)
    after = torch.cat([picture.narrow(axis, 1, side - 1), picture.narrow(axis, side - 2, 1)], axis)
    return picture - (before + after) * 0.5


@lru_cache(maxsize=8)
def _grid(height: int, width: int) -> tuple[Plane, Plane]:
    """Where the pixels are: x and y, not to be written to."""
    y, x = np.mgrid[0:height, 0:width].astype(np.float32)
    x.flags.writeable = y.flags.writeable = False
    return x, y
