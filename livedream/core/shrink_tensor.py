"""The pictures of `livedream.core.shrink`, made by torch on the device that they are on."""

import torch
from torch import Tensor
from torch.nn import functional as F

from livedream.core.shrink import twice


def shrunk_tensor(rgb: Tensor, width: int, height: int) -> Tensor:
    """(H, W, 3) uint8 as (1, 3, height, width) float32 in whole 8-bit steps, 0 to 255.

    Within a step of what `shrunk` makes, unless one side grows where the other shrinks to less than
    half, for which OpenCV has a way of its own.
    """
    # Plane by plane, as kernels of ours take it: the cast moves it anyway.
    picture = rgb.permute(2, 0, 1)[None].to(torch.float32, memory_format=torch.contiguous_format)
    while _even(picture) and _twice(picture, width, height) == (True, True):
        picture = _half_up(F.avg_pool2d(picture, 2))
    if picture.shape[2:] == (height, width):
        return picture
    if any(_twice(picture, width, height)):
        down, across = (
            _area(found, wanted, picture)
            for found, wanted in zip(picture.shape[2:], (height, width), strict=True)
        )
        return (down @ picture @ across.T).round_()
    size = height, width
    return _half_up(F.interpolate(picture, size, mode="bilinear", align_corners=False))


def _half_up(picture: Tensor) -> Tensor:
    """Rounded as OpenCV rounds where it counts in whole numbers; its averages go to even."""
    return picture.add_(0.5).floor_()


def _even(picture: Tensor) -> bool:
    return picture.shape[2] % 2 == picture.shape[3] % 2 == 0


def _twice(picture: Tensor, width: int, height: int) -> tuple[bool, bool]:
    return twice(picture.shape[3], picture.shape[2], width, height)


def _area(found: int, wanted: int, like: Tensor) -> Tensor:
    """(wanted, found): how much of each of the old rows lies in each of the new ones; where rows
    are added, each lies between two old ones."""
    if wanted > found:
        line = torch.eye(found, device=like.device, dtype=like.dtype)[None]
        return F.interpolate(line, wanted, mode="linear", align_corners=False)[0].T
    edges = torch.arange(wanted + 1, device=like.device, dtype=like.dtype) * (found / wanted)
    first = torch.arange(found, device=like.device, dtype=like.dtype)
    inside = torch.minimum(edges[1:, None], first + 1) - torch.maximum(edges[:-1, None], first)
    return inside.clamp_min_(0.0) * (wanted / found)
