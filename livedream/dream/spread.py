"""Where a dream may grow, and how evenly."""

from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from livedream.core.device import COPIED, in_reach
from livedream.dream.level import Figure, is_number
from livedream.dream.resize import resize

_CELL_PX: Final = 16  # heuristic: levels are compared between cells of this size...
_REACH_CELLS: Final = 3  # ...and their neighbourhood
_ROW_STEP: Final = 4  # a cell's level is that of every fourth row
_TINY: Final = 1e-6


def shared_out(
    added: Tensor, carried: Tensor, spread: Figure, plane: Tensor | None = None, *,
    keep_colours: bool = False,
) -> Tensor:  # fmt: skip
    """What of an addition is used. added, carried: (1, 3, h, w); overwrites `added`.

    spread: see `spread_gain`.  plane: (1, 1 or 3, h, w) in [0, 1], where a region lets it be; None:
    everywhere.  keep_colours: in brightness only.
    """
    if keep_colours:
        added.copy_(added.mean(1, keepdim=True).expand_as(added))
    if not is_number(spread, 0.0):
        added.mul_(spread_gain(carried, spread))
    # Without its mean an addition has no cast: colours do not drift over an hour.
    if plane is None:
        return _without_cast(added)
    share = plane.mean().clamp_min(_TINY)
    cast = (added * plane).mean((2, 3), keepdim=True) / share
    return added.sub_(cast).mul_(plane)


def spread_gain(carried: Tensor, spread: Figure) -> Tensor:
    """(1, 1 or 3, h, w): larger where there is less of a dream yet, around 1 on the whole.

    A gradient is strongest where a motif already stands, so that a few motifs would take all of
    the level; and what moves loses some of its dream in each frame, by interpolation and where it
    is in doubt or hidden. This divides by the local level of what is carried, so that quiet and
    moving places come nearer to the others and places just revealed catch up. Not by that of the
    addition: it is as strong on moving bodies as elsewhere (docs/decisions/moving.md).
    spread: 0 not at all, 1 entirely.
    """
    cells = _energies(carried)
    around = min(_REACH_CELLS, cells.shape[2], cells.shape[3])
    around -= 1 - around % 2
    cells = F.avg_pool2d(cells, around, 1, around // 2, count_include_pad=False)
    mean = cells.mean().clamp_min(_TINY**2)
    # The floor keeps places that cannot dream (pure black) from taking everything: 1/16 of the
    # mean energy, a quarter of the mean level.
    gain = (cells / mean).clamp_min(1 / 16) ** (-0.5 * spread)
    return over_pixels(gain, carried)


def _energies(carried: Tensor) -> Tensor:
    """(1, 1, rows, columns): the mean square in each cell."""
    carried = carried[:, :, slice(None, None, _ROW_STEP)]
    if in_reach(carried) and carried.numel() <= COPIED:
        squares = carried.square()[0].permute(1, 2, 0).contiguous().numpy()
        return torch.from_numpy(_cell_means(squares))[None, None]
    # One channel at a time: a very large picture has no room for another copy.
    cell = _CELL_PX // _ROW_STEP, _CELL_PX
    pooled = [
        F.avg_pool2d(channel.square(), cell, ceil_mode=True, count_include_pad=False)
        for channel in torch.split(carried, 1, 1)
    ]
    return torch.cat(pooled, 1).mean(1, keepdim=True)


def _cell_means(squares: NDArray[np.float32]) -> NDArray[np.float32]:
    """(rows, columns) of every `_ROW_STEP`th row of a picture, (h, w, 3), added up along memory."""
    height, width, _ = squares.shape
    down, across = range(0, height, _CELL_PX // _ROW_STEP), range(0, width, _CELL_PX)
    lines = squares.reshape(height, -1)
    bands = np.zeros((len(down), len(across) * _CELL_PX * 3), np.float32)
    for band, top in zip(bands, down, strict=True):
        np.sum(lines[top : top + down.step], 0, out=band[: width * 3])
    sums = bands.reshape(len(down), len(across), -1).sum(2)
    counts = np.outer(np.diff(down, append=height), np.diff(across, append=width))
    means: NDArray[np.float32] = (sums / (3 * counts)).astype(np.float32)
    return means


def over_pixels(cells: Tensor, like: Tensor) -> Tensor:
    """A (1, 1, rows, columns) factor of cells as one of a (1, C, h, w) picture."""
    size = like.shape[3], like.shape[2]
    if not in_reach(like):
        return resize(cells, size)
    # In all channels, as OpenCV's pictures lie in memory; spread by torch it takes longer.
    return resize(cells.expand(1, like.shape[1], -1, -1), size)


def _without_cast(added: Tensor) -> Tensor:
    if in_reach(added) and added.is_contiguous(memory_format=torch.channels_last):
        # Along whole rows of memory: subtracting three numbers in turn takes six times as long.
        rows = added.permute(0, 2, 3, 1).view(added.shape[2], -1)
        cast = rows.mean(0).view(-1, 3).mean(0)
        rows.sub_(cast.repeat(added.shape[3]))
        return added
    return added.sub_(added.mean((2, 3), keepdim=True))
