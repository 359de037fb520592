"""What of the last dream goes on into the next frame."""

import cv2
import torch
from torch import Tensor

from livedream.frame import Motion
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
        carried *= torch.from_numpy(seen).to(picture.device) * keep
    # What lies outside the range cannot be shown; kept, it would come back as a ghost.
    return carried.add_(picture).clamp_(0.0, 1.0).sub_(picture)
