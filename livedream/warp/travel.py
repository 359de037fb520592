"""A steady movement through a picture: zoom, rotation and drift as one affine warp.

Convention
    Pictures are (1, C, H, W) float, pixel centres at integer coordinates. The matrix goes from a
    place in the new picture to where it comes from in the old one, so that warping is a gather;
    bicubic (Keys 1981, a = -0.75 as in OpenCV and torch), mirrored beyond the border.

A point z (complex, px from the centre, y down) moves by dz/dt = g z - d, with g = ln(zoom) + i
rotation and d the drift. That is solved exactly, so that 25 steps of 1/25 s go where 50 of 1/50 s
go.
"""

import cmath
import math
from dataclasses import dataclass

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from livedream.core.device import in_reach
from livedream.core.parameters import refused

_SLOW = 1e-9  # below this speed the solution's quotient is 0/0; its limit is used


@dataclass(frozen=True, slots=True)
class Travel:
    """zoom: factor per second, above 1 into the picture.  rotation: degrees per second, clockwise.
    drift: of the view, picture widths per second to the right and down.

    Raises SettingsError for one that leaves nothing to recognise from frame to frame.
    """

    zoom: float = 1.2
    rotation: float = 0.0
    drift: tuple[float, float] = (0.0, 0.0)

    def __post_init__(self) -> None:
        limits = (
            ("zoom", self.zoom, 0.25, 4.0, "per second"),
            ("rotation", self.rotation, -180.0, 180.0, "degrees per second"),
            ("drift", self.drift[0], -2.0, 2.0, "picture widths per second"),
            ("drift", self.drift[1], -2.0, 2.0, "picture widths per second"),
        )
        for name, found, low, high, unit in limits:
            if not low <= found <= high:
                raise refused(name, f"{low:g} to {high:g} {unit}", f"{found:g}")

    def matrix(self, width: int, height: int, seconds: float) -> NDArray[np.float64]:
        """(2, 3): where the pixels of a picture `seconds` later come from, px."""
        speed = complex(math.log(self.zoom), math.radians(self.rotation))
        turn = cmath.exp(-speed * seconds)
        drift = complex(*self.drift) * width
        moved = drift * ((1 - turn) / speed if abs(speed) > _SLOW else seconds)
        centre = complex(width - 1, height - 1) / 2
        shift = centre + moved - turn * centre
        return np.array(
            [[turn.real, -turn.imag, shift.real], [turn.imag, turn.real, shift.imag]], np.float64
        )


def move(picture: Tensor, travel: Travel, seconds: float) -> Tensor:
    """What a (1, 3, H, W) picture looks like `seconds` further on."""
    height, width = picture.shape[2:]
    matrix = travel.matrix(width, height, seconds)
    if in_reach(picture):  # OpenCV is several times faster than grid_sample
        interleaved = picture[0].permute(1, 2, 0).contiguous().numpy()
        flags = cv2.INTER_CUBIC | cv2.WARP_INVERSE_MAP
        # OpenCV 5 never comes back from mirroring a single row or column.
        single = min(width, height) == 1
        border = cv2.BORDER_REPLICATE if single else cv2.BORDER_REFLECT_101
        warped = cv2.warpAffine(
            interleaved, matrix, (width, height), flags=flags, borderMode=border
        )
        return torch.from_numpy(warped).permute(2, 0, 1)[None].contiguous()
    # grid_sample counts from -1 to 1 between the centres of the outermost pixels.
    half = np.array([max(width - 1, 1), max(height - 1, 1)]) / 2
    shift = (matrix @ np.array([*half, 1.0]) - half) / half
    theta = np.column_stack([matrix[:, :2] * half[None, :] / half[:, None], shift])
    grid = F.affine_grid(
        torch.from_numpy(theta.astype(np.float32))[None].to(picture.device),
        list(picture.shape),
        align_corners=True,
    )
    return F.grid_sample(
        picture, grid, mode="bicubic", padding_mode="reflection", align_corners=True
    )
