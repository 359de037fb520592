"""Carry the last residual along the motion (backward warp).

residual: (1, 3, H, W) float.  flow: (2, h, w) px at its own size, current to previous.
Result: (1, 3, H, W), zero where the source lies outside the picture. Pixel centres lie at
integer coordinates, so that a flow of zero is the identity and a whole-pixel flow is exact.
How it is interpolated: `livedream.warp.resampling`.
"""

from functools import lru_cache

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from livedream.core.errors import ShapeError
from livedream.core.frame import FlowField
from livedream.warp.resampling import remapped, sampled

__all__ = ["fit_flow", "warp"]


def fit_flow(flow: FlowField, width: int, height: int) -> FlowField:
    """The same flow for a picture of `width` x `height` px: resized, its values scaled."""
    if flow.ndim != 3 or flow.shape[0] != 2:
        raise ShapeError(f"flow of shape {flow.shape} found, (2, h, w) wanted")
    found_height, found_width = flow.shape[1:]
    if (found_width, found_height) == (width, height):
        return flow
    ratios = (width / found_width, height / found_height)
    return np.stack(
        [
            cv2.resize(part, (width, height), interpolation=cv2.INTER_LINEAR) * np.float32(ratio)
            for part, ratio in zip(flow, ratios, strict=True)
        ]
    ).astype(np.float32)


def warp(residual: Tensor, flow: FlowField) -> Tensor:
    """`residual` fetched along `flow` (see the module). Raises ShapeError for other ranks."""
    if residual.ndim != 4 or residual.shape[0] != 1:
        raise ShapeError(f"residual of shape {tuple(residual.shape)} found, (1, C, H, W) wanted")
    height, width = residual.shape[2:]
    fitted = fit_flow(flow, width, height)
    if residual.device.type == "cpu":
        return _warp_opencv(residual, fitted)
    return _warp_torch(residual, fitted)


def _warp_opencv(residual: Tensor, flow: FlowField) -> Tensor:
    """cv2.remap: several times faster than grid_sample on a CPU."""
    height, width = residual.shape[2:]
    grid_x, grid_y = _grid(width, height)
    interleaved = residual[0].permute(1, 2, 0).contiguous().numpy()
    found = remapped(interleaved, grid_x + flow[0], grid_y + flow[1], cv2.BORDER_CONSTANT)
    return torch.from_numpy(found.reshape(height, width, -1)).permute(2, 0, 1)[None]


@lru_cache(maxsize=4)
def _grid(width: int, height: int) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Where the pixels are: x and y, (height, width) each, not to be written to."""
    y, x = np.mgrid[0:height, 0:width].astype(np.float32)
    x.flags.writeable = y.flags.writeable = False
    return x, y


def _warp_torch(residual: Tensor, flow: FlowField) -> Tensor:
    height, width = residual.shape[2:]
    moved = torch.from_numpy(flow).to(residual.device, residual.dtype)
    x = torch.arange(width, device=residual.device, dtype=residual.dtype) + moved[0]
    y = torch.arange(height, device=residual.device, dtype=residual.dtype)[:, None] + moved[1]
    grid = torch.stack([x * (2 / max(width - 1, 1)) - 1, y * (2 / max(height - 1, 1)) - 1], -1)
    return sampled(residual, grid[None])
