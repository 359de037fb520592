"""Where a dream may grow, and how evenly."""

from collections.abc import Iterator
from pathlib import Path
from typing import Final, Self

import cv2
import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from livedream.dream.resize import resize
from livedream.settings import DreamSettings

_CELL_PX: Final = 16  # heuristic: levels are compared between cells of this size...
_REACH_CELLS: Final = 3  # ...and their neighbourhood
_TINY: Final = 1e-6


class Place:
    """The mask, the tint and the spread of what a frame adds.

    mask: (1, 1, H, W) float32 in [0, 1] of any size, 1 where to dream; None: everywhere.
    """

    def __init__(self, mask: Tensor | None = None) -> None:
        self._mask = mask
        self._fitted: Tensor | None = None

    @classmethod
    def from_settings(cls, settings: DreamSettings) -> Self:
        return cls(read_mask(settings.mask) if settings.mask else None)

    def weight(self, picture: Tensor) -> Tensor | None:
        """The mask at the picture's size and on its device."""
        if self._mask is None:
            return None
        height, width = picture.shape[2:]
        if self._fitted is None or self._fitted.shape[2:] != (height, width):
            self._fitted = resize(self._mask.to(picture.device), (width, height))
        return self._fitted

    def shape(self, added: Tensor, carried: Tensor, settings: DreamSettings) -> Tensor:
        """What of an addition is wanted. added, carried: (1, 3, h, w); overwrites `added`."""
        if settings.keep_colours:
            added.copy_(added.mean(1, keepdim=True).expand_as(added))
        if settings.spread > 0:
            added.mul_(need(carried, added, settings.spread))
        # Without its mean an addition has no tint: colours do not drift over an hour.
        weight = self.weight(added)
        if weight is None:
            return added.sub_(added.mean((2, 3), keepdim=True))
        share = weight.mean().clamp_min(_TINY)
        tint = (added * weight).mean((2, 3), keepdim=True) / share
        return added.sub_(tint).mul_(weight)


def need(carried: Tensor, added: Tensor, spread: float) -> Tensor:
    """(1, 1, h, w): larger where there is less of a dream yet, around 1 on the whole.

    A gradient is strongest where a motif already stands, so that a few motifs would take all of
    the level. This divides by the local level, so that quiet places and places just revealed
    grow at the pace of the others. spread: 0 not at all, 1 entirely.
    """
    height, width = carried.shape[2:]
    # One channel at a time: a very large picture has no room for another copy.
    cells = torch.cat([_cells((c + a).square_()) for c, a in _channels(carried, added)], 1)
    cells = cells.mean(1, keepdim=True)
    around = min(_REACH_CELLS, cells.shape[2], cells.shape[3])
    around -= 1 - around % 2
    cells = F.avg_pool2d(cells, around, 1, around // 2, count_include_pad=False)
    mean = cells.mean().clamp_min(_TINY**2)
    # The floor keeps places that cannot dream (pure black) from taking everything: 1/16 of the
    # mean energy, a quarter of the mean level.
    gain = (cells / mean).clamp_min(1 / 16) ** (-0.5 * spread)
    return resize(gain, (width, height))


def _channels(one: Tensor, other: Tensor) -> Iterator[tuple[Tensor, Tensor]]:
    for channel in range(one.shape[1]):
        yield one[:, channel : channel + 1], other[:, channel : channel + 1]


def _cells(energy: Tensor) -> Tensor:
    return F.avg_pool2d(energy, _CELL_PX, ceil_mode=True, count_include_pad=False)


def read_mask(path: str) -> Tensor:
    """(1, 1, H, W) float32 in [0, 1] from a picture: white where to dream."""
    from livedream.capture.pictures import read_picture

    gray = cv2.cvtColor(read_picture(Path(path)), cv2.COLOR_RGB2GRAY)
    return torch.from_numpy(gray.astype(np.float32) / 255.0)[None, None]
