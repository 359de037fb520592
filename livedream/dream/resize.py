"""One way to change a picture's size, for octaves, residuals and masks."""

from typing import Final

import cv2
import torch
from torch import Tensor
from torch.nn import functional as F

_OPENCV_CHANNELS: Final = 4
_OPENCV_SIDE: Final = 32767  # px; its longest


def resize(x: Tensor, size: tuple[int, int]) -> Tensor:
    """(N, C, h, w) float at `size` (width, height): averaged going down, bilinear going up."""
    width, height = size
    found = x.shape[3], x.shape[2]
    if found == size:
        return x
    shrinks = width < found[0] or height < found[1]
    if not shrinks and _suits_opencv(x, size):
        return _grown(x, size)
    return F.interpolate(
        x, (height, width), mode="bilinear", align_corners=False, antialias=shrinks
    )


def _suits_opencv(x: Tensor, size: tuple[int, int]) -> bool:
    fits = x.shape[0] == 1 and x.shape[1] <= _OPENCV_CHANNELS and max(size) <= _OPENCV_SIDE
    return fits and x.device.type == "cpu" and x.dtype == torch.float32 and not x.requires_grad


def _grown(x: Tensor, size: tuple[int, int]) -> Tensor:
    """The same numbers as F.interpolate's on a CPU, ten times as quickly."""
    rows = x[0].permute(1, 2, 0).contiguous().numpy()
    grown = cv2.resize(rows, size, interpolation=cv2.INTER_LINEAR)
    return torch.from_numpy(grown.reshape(size[1], size[0], -1)).permute(2, 0, 1)[None]
