"""One way to change a picture's size, for octaves, residuals and masks."""

from torch import Tensor
from torch.nn import functional as F


def resize(x: Tensor, size: tuple[int, int]) -> Tensor:
    """(N, C, h, w) float at `size` (width, height): averaged going down, bilinear going up."""
    width, height = size
    found = x.shape[3], x.shape[2]
    if found == size:
        return x
    shrinks = width < found[0] or height < found[1]
    return F.interpolate(
        x, (height, width), mode="bilinear", align_corners=False, antialias=shrinks
    )
