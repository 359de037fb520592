"""What of the last dream goes on into the next frame."""

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from livedream.core.frame import Motion
from livedream.warp import warp

__all__ = ["carry"]


def carry(residual: Tensor, motion: Motion | None, picture: Tensor, keep: float) -> Tensor:
    """The last residual where it has moved to, faded, as far as it can be shown.

    residual, picture: (1, 3, h, w) float32 of one device, picture in [0, 1].
    motion: since the last frame, None when nothing moved.  keep: what remains of it, 0 to 1.
    Returns (1, 3, h, w); zero where the last frame did not show the place.
    """
    if motion is None:
        carried = residual * keep
    else:
        height, width = picture.shape[2:]
        seen = cv2.resize(motion.visibility, (width, height), interpolation=cv2.INTER_LINEAR)
        carried = warp(residual, motion.flow)
        carried *= _per_pixel(seen * np.float32(keep), carried)
    # What lies outside the range cannot be shown; kept, it would come back as a ghost.
    return carried.add_(picture).clamp_(0.0, 1.0).sub_(picture)


def _per_pixel(plane: NDArray[np.float32], like: Tensor) -> Tensor:
    """(h, w) as a factor of a (1, 3, h, w) picture."""
    if like.device.type != "cpu":
        return torch.from_numpy(plane).to(like.device)
    # Written out as OpenCV's pictures lie in memory: spreading it on the way takes three times as
    # long.
    return torch.from_numpy(cv2.merge([plane] * 3)).permute(2, 0, 1)[None]
