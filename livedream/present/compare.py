"""Source and dream next to each other."""

import numpy as np

from livedream.core.errors import ShapeError
from livedream.core.frame import Picture


def side_by_side(left: Picture, right: Picture) -> Picture:
    """Two pictures (H, W, 3) as one (H, 2 W, 3), without a gap.

    Raises ShapeError when their sizes differ.
    """
    if left.shape != right.shape:
        raise ShapeError(
            f"pictures of {left.shape[1]}x{left.shape[0]} and {right.shape[1]}x{right.shape[0]} "
            "cannot be placed side by side: scale one to the other's size"
        )
    return np.concatenate([left, right], axis=1)
