"""What of the last dream goes on into the next frame: warped along the flow, faded.

residual: (1, 3, H, W) float.  flow: (2, h, w) px at its own size, current to previous (a backward
warp, or gather).  Pixel centres lie at integer coordinates, so that a flow of zero is the identity
and a whole-pixel flow is exact. Zero where the source lies outside the picture, or what is mirrored
there (see `Motion`).
"""

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from livedream.core.device import in_reach
from livedream.core.errors import ShapeError
from livedream.core.frame import DeviceMotion, FlowField, Motion
from livedream.warp.remap import grid_sample, positions, remap


def carry(
    residual: Tensor, momentum: Tensor | None, motion: Motion | None, picture: Tensor, keep: float
) -> tuple[Tensor, Tensor | None]:
    """The last residual where it has moved to, faded, as far as it can be shown; the momentum too.

    residual, momentum, picture: (1, 3, h, w) float32 of one device, picture in [0, 1].
    motion: since the last frame, None when nothing moved.  keep: what remains of the residual, 0
    to 1.  Returns two of (1, 3, h, w); zero where the last frame did not show the place.
    """
    if motion is None:
        carried = residual * keep
    elif not in_reach(residual):
        return carry_tensor(residual, momentum, uploaded(motion, residual.device), picture, keep)
    else:
        height, width = picture.shape[2:]
        flow = fit_flow(motion.flow, width, height)
        seen = np.asarray(cv2.resize(motion.visibility, (width, height)), np.float32)
        mirrored = motion.mirrored
        carried = warp(residual, flow, mirrored=mirrored)
        share = _per_pixel(seen, carried)
        carried *= share
        carried *= keep
        if momentum is not None:
            momentum = warp(momentum, flow, sharp=False, mirrored=mirrored)
            momentum *= share
    # What lies outside the range cannot be shown; kept, it would come back as a ghost.
    return carried.add_(picture).clamp_(0.0, 1.0).sub_(picture), momentum


def carry_tensor(
    residual: Tensor,
    momentum: Tensor | None,
    motion: DeviceMotion,
    picture: Tensor,
    keep: Tensor | float,
) -> tuple[Tensor, Tensor | None]:
    """The same by torch, on the device: only a motion of its own size has to be brought there."""
    height, width = picture.shape[2:]
    flow = fit_flow_tensor(motion.flow, width, height)
    seen = _grown(motion.visibility[None], width, height)
    mirrored = motion.mirrored
    carried = warp_torch(residual, flow, mirrored=mirrored).mul_(seen * keep)
    if momentum is not None:
        momentum = warp_torch(momentum, flow, sharp=False, mirrored=mirrored).mul_(seen)
    return carried.add_(picture).clamp_(0.0, 1.0).sub_(picture), momentum


def uploaded(motion: Motion, device: torch.device) -> DeviceMotion:
    """A motion that was found on the CPU, on another device."""
    flow, visibility, cut = (
        torch.from_numpy(np.asarray(part)).to(device)
        for part in (motion.flow, motion.visibility, np.bool_(motion.cut))
    )
    return DeviceMotion(flow, visibility, cut, motion.mirrored)


def fit_flow_tensor(flow: Tensor, width: int, height: int) -> Tensor:
    """As `fit_flow`."""
    found_height, found_width = flow.shape[1:]
    wide = _grown(flow, width, height)
    return torch.stack([wide[0] * (width / found_width), wide[1] * (height / found_height)])


def _grown(planes: Tensor, width: int, height: int) -> Tensor:
    """(C, h, w) at another size, linear."""
    return F.interpolate(planes[None], (height, width), mode="bilinear", align_corners=False)[0]


def fit_flow(flow: FlowField, width: int, height: int) -> FlowField:
    """The same flow for a picture of `width` x `height` px: resized, its values scaled."""
    if flow.ndim != 3 or flow.shape[0] != 2:
        raise ShapeError(f"flow: must be (2, h, w) (got {flow.shape})")
    found_height, found_width = flow.shape[1:]
    if (found_width, found_height) == (width, height):
        return flow
    ratios = (width / found_width, height / found_height)
    fitted = np.empty((2, height, width), np.float32)
    for part, target in zip(flow, fitted, strict=True):
        cv2.resize(part, (width, height), dst=target, interpolation=cv2.INTER_LINEAR)
    fitted *= np.array(ratios, np.float32)[:, None, None]
    return fitted


def warp(
    residual: Tensor, flow: FlowField, *, sharp: bool = True, mirrored: bool = False
) -> Tensor:
    """`residual` warped along `flow` (see the module). Raises ShapeError for other ranks.

    sharp: see `livedream.warp.remap`; a momentum, renewed within a few frames, can do without.
    mirrored: see `Motion`.
    """
    if residual.ndim != 4 or residual.shape[0] != 1:
        raise ShapeError(f"residual: must be (1, C, H, W) (got {tuple(residual.shape)})")
    height, width = residual.shape[2:]
    fitted = fit_flow(flow, width, height)
    if in_reach(residual):
        return warp_opencv(residual, fitted, sharp=sharp, mirrored=mirrored)
    there = torch.from_numpy(fitted).to(residual.device)
    return warp_torch(residual, there, sharp=sharp, mirrored=mirrored)


def warp_opencv(
    residual: Tensor, flow: FlowField, *, sharp: bool = True, mirrored: bool = False
) -> Tensor:
    """cv2.remap: several times faster than grid_sample on a CPU."""
    height, width = residual.shape[2:]
    interleaved = residual[0].permute(1, 2, 0).contiguous().numpy()
    border = cv2.BORDER_REFLECT_101 if mirrored else cv2.BORDER_CONSTANT
    found = remap(interleaved, *positions(flow), border=border, sharp=sharp)
    return torch.from_numpy(found.reshape(height, width, -1)).permute(2, 0, 1)[None]


def warp_torch(
    residual: Tensor, flow: Tensor, *, sharp: bool = True, mirrored: bool = False
) -> Tensor:
    """flow: of the residual's size."""
    height, width = residual.shape[2:]
    moved = flow.to(residual.dtype)
    x = torch.arange(width, device=residual.device, dtype=residual.dtype) + moved[0]
    y = torch.arange(height, device=residual.device, dtype=residual.dtype)[:, None] + moved[1]
    grid = torch.stack([x * (2 / max(width - 1, 1)) - 1, y * (2 / max(height - 1, 1)) - 1], -1)
    return grid_sample(residual, grid[None], sharp=sharp, mirrored=mirrored)


def _per_pixel(plane: NDArray[np.float32], like: Tensor) -> Tensor:
    """(h, w) as a factor of a (1, 3, h, w) picture."""
    if like.device.type != "cpu":
        return torch.from_numpy(plane).to(like.device)
    # Written out as OpenCV's pictures lie in memory: spreading it on the way takes three times as
    # long.
    return torch.from_numpy(cv2.merge([plane] * 3)).permute(2, 0, 1)[None]
