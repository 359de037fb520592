"""The dream laid onto its frame."""

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from livedream.core.errors import ShapeError
from livedream.core.frame import Picture


def compose(rgb: Picture, residual: NDArray[np.float32]) -> Picture:
    """The residual, scaled up and added to the frame, whose own detail stays as sharp as it was.

    rgb: (H, W, 3) uint8.  residual: (h, w, 3) float32 in 8-bit steps, of any size.
    Returns (H, W, 3) uint8, rounded and held in range.  Raises ShapeError for other shapes.
    """
    if residual.ndim != 3 or residual.shape[2] != 3:
        raise ShapeError(f"residual: must be (h, w, 3) (got {residual.shape})")
    height, width = rgb.shape[:2]
    if residual.shape[:2] != (height, width):
        residual = cv2.resize(residual, (width, height), interpolation=cv2.INTER_CUBIC)  # type: ignore[assignment]
    return np.asarray(cv2.add(rgb, residual, dtype=cv2.CV_8U), np.uint8)


def compose_tensor(rgb: Tensor, residual: Tensor, scale: Tensor | float = 255.0) -> Tensor:
    """The same by torch, on the device, within 1 of what OpenCV makes.

    rgb: (H, W, 3) uint8.  residual: (1, 3, h, w) float32 in units of the picture.
    scale: 8-bit steps for such a unit; 0-d on the device if a tensor.  Returns (H, W, 3) uint8.
    """
    steps = residual * scale
    if steps.shape[2:] != rgb.shape[:2]:
        steps = F.interpolate(steps, rgb.shape[:2], mode="bicubic", align_corners=False)
    shown = steps[0].permute(1, 2, 0) + rgb
    return shown.round_().clamp_(0.0, 255.0).to(torch.uint8).contiguous()


def steps_of(residual: Tensor, mix: float = 1.0) -> NDArray[np.float32]:
    """(1, 3, h, w) in units of the picture as (h, w, 3) in 8-bit steps, in main memory.

    mix: how much of it.
    """
    steps = (residual[0] * (255.0 * mix)).permute(1, 2, 0).contiguous().cpu().numpy()
    return np.asarray(steps, np.float32)


def residual_of(steps: NDArray[np.float32] | None, picture: Tensor) -> Tensor:
    """The same the other way, as far as it can be shown on `picture`, (1, 3, h, w) in [0, 1].

    Zero where there are no steps, or those of another size.
    """
    if steps is None or steps.shape[:2] != tuple(picture.shape[2:]):
        return torch.zeros_like(picture)
    residual = torch.from_numpy(steps).to(picture.device).permute(2, 0, 1)[None].contiguous()
    # What cannot be shown would come back as a ghost.
    return residual.div_(255.0).add_(picture).clamp_(0.0, 1.0).sub_(picture)
