"""A region's plane at the size of a layer, for the piece of the picture that the network sees."""

from collections.abc import Sequence
from functools import lru_cache

import torch
from torch import Tensor

from livedream.region.planes import GRID

# Where a piece begins, down and across, and how long it is, in parts of the picture's sides. What
# lies outside the picture is the picture mirrored there.
Window = tuple[float | Tensor, float | Tensor, float, float]


def window_of(margins: tuple[int, int, int, int], width: int, height: int) -> Window:
    """A picture of `width` x `height` px with margins: left, right, top, bottom; px."""
    left, right, top, bottom = margins
    return (
        -top / height, -left / width, (height + top + bottom) / height,
        (width + left + right) / width,
    )  # fmt: skip


def window_before(before: Tensor, seen: Sequence[int], size: Sequence[int]) -> Window:
    """The same where the margins are on the device: (2,), above and to the left, px.

    seen, size: (rows, columns) with margins and without.
    """
    top, left = (-own / length for own, length in zip(before, size, strict=True))
    return top, left, seen[0] / size[0], seen[1] / size[1]


def placed(plane: Tensor, height: int, width: int, window: Window) -> Tensor:
    """(height, width): what of a plane, (GRID, GRID), lies at each place of a layer."""
    top, left, down, across = window
    rows = _shares(height, top, down, plane.device)
    columns = _shares(width, left, across, plane.device)
    return rows @ plane @ columns.T


def _shares(count: int, begin: float | Tensor, length: float, device: torch.device) -> Tensor:
    """(count, GRID): how much each of some places in a row has of each cell of a plane."""
    if isinstance(begin, Tensor):
        return _tents(count, begin, length, device)
    return _known(count, begin, length, device)


def _tents(count: int, begin: float | Tensor, length: float, device: torch.device) -> Tensor:
    """Triangles around the places' middles, as wide as a place or a cell, whichever is wider."""
    middles = (torch.arange(count, device=device) + 0.5) * (length / count) + begin
    inside = 1.0 - (1.0 - middles.remainder(2.0)).abs()
    apart = (inside * GRID - 0.5)[:, None] - torch.arange(GRID, device=device)
    found = (1.0 - apart.abs() / max(1.0, length * GRID / count)).clamp_min(0.0)
    shares: Tensor = found / found.sum(1, keepdim=True)
    return shares


# Of jitter there are few, and the octaves' sizes stay: nearly all have been there before.
_known = lru_cache(maxsize=1024)(_tents)
