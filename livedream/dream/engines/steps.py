"""A step of ascent along any gradient: smoothing, normalisation, update."""

from typing import Final

import torch
from torch import Tensor
from torch.nn import functional as F

from livedream.core.device import COPIED
from livedream.core.settings import DreamSettings
from livedream.dream.resize import resize

TINY: Final = 1e-12  # below any gradient float32 can carry here; keeps a flat one from 0/0


def step_along(x: Tensor, gradient: Tensor, settings: DreamSettings) -> None:
    """One step of x, in place; overwrites `gradient`."""
    x.add_(normalised(gradient, settings), alpha=settings.step_size / 255.0)
    x.clamp_(0.0, 1.0)


def normalised(gradient: Tensor, settings: DreamSettings) -> Tensor:
    """Smoothed as the settings say and divided by its mean size; overwrites `gradient`."""
    if settings.smoothing > 0:
        gradient = gaussian_blur(gradient, settings.smoothing)
    if settings.laplacian > 0:
        gradient = equalise_bands(gradient, settings.laplacian)
    return gradient.div_(_mean_size(gradient).clamp_min(TINY))


def _mean_size(gradient: Tensor) -> Tensor:
    """The mean of |gradient|, 0-d."""
    if gradient.device.type == "cpu" and gradient.numel() <= COPIED:
        # vector_norm's sum of absolute values takes five times as long on a CPU.
        return gradient.abs().mean()
    total: Tensor = torch.linalg.vector_norm(gradient, 1)
    return total / gradient.numel()


def gaussian_blur(x: Tensor, sigma: float) -> Tensor:
    """Blur (1, C, h, w) by a Gaussian of `sigma` px, mirrored at the border."""
    height, width = x.shape[2:]
    radius = min(max(1, round(3 * sigma)), height - 1, width - 1)
    if radius < 1:
        return x
    taps = torch.arange(-radius, radius + 1, device=x.device, dtype=x.dtype)
    kernel = torch.exp(-0.5 * (taps / sigma) ** 2)
    kernel = (kernel / kernel.sum()).expand(x.shape[1], 1, -1)
    padded = F.pad(x, (radius,) * 4, mode="reflect")
    rows = F.conv2d(padded, kernel[:, :, :, None], groups=x.shape[1])
    return F.conv2d(rows, kernel[:, :, None, :], groups=x.shape[1])


def equalise_bands(gradient: Tensor, bands: int) -> Tensor:
    """Bring every band of a Laplacian pyramid to the same level (as Google's tutorial does).

    gradient: (1, C, h, w), may be overwritten.  bands: at most this many, an octave each; what is
    coarser is one more.
    """
    pieces = []
    rest = gradient
    if gradient.numel() <= COPIED:
        # The layout that `resize` uses on a CPU: otherwise each level would be transposed twice.
        rest = gradient.contiguous(memory_format=torch.channels_last)
    for _ in range(bands):
        size = rest.shape[3], rest.shape[2]
        small = (size[0] + 1) // 2, (size[1] + 1) // 2  # rounded down, `resize` takes twice as long
        if min(small) < 2:
            break
        low = resize(rest, small)
        pieces.append(rest.sub_(resize(low, size)))
        rest = low
    total = rest / _level(rest)
    for piece in reversed(pieces):
        total = resize(total, (piece.shape[3], piece.shape[2])).addcdiv_(piece, _level(piece))
    return total


def _level(piece: Tensor) -> Tensor:
    """The root of the mean square, 0-d."""
    level: Tensor = torch.linalg.vector_norm(piece) / piece.numel() ** 0.5
    return level.clamp_min(TINY)
