"""Tiles: the gradient of a picture that is too large for the network at once, piece by piece.

Each tile gives the gradient of its own rows and columns, its core; the network sees a margin
around them, so that what is left out is too far away to matter. Tiles begin at multiples of the
networks' strides, which makes their cells the cells of the whole picture, and end where the
picture does, which makes its border the network's border. Where the cuts lie is drawn anew for
every step: what little a margin leaves of a seam does not fall on the same place again and again.
All that the network sees is of one size but for the last row and column, so that memory and
compiled kernels are reused.

Convention
    Rows and columns are those of the picture and may lie outside it: there it is mirrored.
"""

from dataclasses import dataclass
from itertools import pairwise
from typing import Final

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from livedream.dream.objectives.terms import Place

# Beyond this little reaches a gradient. Measured within 8 px of a cut, in parts of the gradient's
# mean size: dreamnet 0.001, SqueezeNet's fire8 0.0001, MobileNetV2's features.13 0.009; with 64 px
# 0.05 to 0.16.
MARGIN_PX: Final = 128
ALIGNMENT_PX: Final = 32  # every registered network's strides divide it
WANDER_PX: Final = 256  # how far a cut moves from step to step

Margins = tuple[int, int, int, int]  # left, right, top, bottom; px
Span = tuple[int, int]  # from, up to and not including


@dataclass(frozen=True, slots=True)
class Tile:
    """rows, columns: the core.  seen_rows, seen_columns: what the network sees of the picture."""

    rows: Span
    columns: Span
    seen_rows: Span
    seen_columns: Span

    def seen(self, picture: Tensor) -> Tensor:
        """The piece of a (1, C, H, W) picture that the network is to see."""
        rows, columns = (
            mirrored_index(torch.arange(*span), length).to(picture.device)
            for span, length in zip(
                (self.seen_rows, self.seen_columns), picture.shape[2:], strict=True
            )
        )
        return picture[:, :, rows[:, None], columns]

    def put(self, piece: Tensor, whole: Tensor) -> None:
        """The core of a piece as large as what was seen, to its place in a (1, C, H, W) whole."""
        rows, columns = slice(*self.rows), slice(*self.columns)
        top, left = self.rows[0] - self.seen_rows[0], self.columns[0] - self.seen_columns[0]
        height, width = self.rows[1] - self.rows[0], self.columns[1] - self.columns[0]
        whole[:, :, rows, columns] = piece[:, :, top : top + height, left : left + width]

    def cells(self, activation: Tensor, width: int, height: int) -> Tensor:
        """The part of a layer's activation, (1, C, h, w), that counts for this tile: its core, and
        what lies beyond the picture's own border. Nothing counts twice, and nothing is left out
        unless margins are larger than tiles.

        All of it where activations have no place, as of classes, (1, C).  width, height: of the
        picture, px.
        """
        if activation.ndim == 4:
            for axis, (begin, end) in zip((2, 3), self._own(width, height), strict=True):
                count = activation.shape[axis]
                first, last = round(begin * count), round(end * count)
                activation = activation.narrow(axis, first, last - first)
        return activation

    def place(self, width: int, height: int) -> Place:
        """Where in the picture, of `width` x `height` px, lies what the network sees."""
        (top, bottom), (left, right) = self.seen_rows, self.seen_columns
        return top / height, bottom / height, left / width, right / width

    def share(self, width: int, height: int) -> float:
        """The share of the activation that `cells` are, 0 to 1."""
        (top, bottom), (left, right) = self._own(width, height)
        return (bottom - top) * (right - left)

    def _own(self, width: int, height: int) -> tuple[tuple[float, float], tuple[float, float]]:
        """Where the part that counts for this tile begins and ends: down and across, 0 to 1."""
        spans = []
        for length, own, seen in (
            (height, self.rows, self.seen_rows),
            (width, self.columns, self.seen_columns),
        ):
            begin = seen[0] if own[0] == 0 else own[0]
            end = seen[1] if own[1] == length else own[1]
            spans.append(
                ((begin - seen[0]) / (seen[1] - seen[0]), (end - seen[0]) / (seen[1] - seen[0]))
            )
        down, across = spans
        return down, across


def lay_tiles(
    width: int, height: int, side: int, margins: Margins, draw: np.random.Generator
) -> list[Tile]:
    """Tiles with cores of at most `side` px, more at the border, that cover a picture once.

    margins: by how much the network sees beyond the picture's borders.  draw: where to cut.
    """
    left, right, top, bottom = margins
    columns = _lay(-left, width, width + right, side, draw)
    rows = _lay(-top, height, height + bottom, side, draw)
    return [
        Tile(row, column, seen_rows, seen_columns)
        for row, seen_rows in rows
        for column, seen_columns in columns
    ]


def _lay(
    first: int, length: int, last: int, side: int, draw: np.random.Generator
) -> list[tuple[Span, Span]]:
    """Core and seen part of each tile along one axis of `length` px, seen from first to last.

    Counted from `first`, a cut lies on the grid; the outermost tiles have no margin outside, and so
    their cores may be longer by one, which is the room in which the cuts move.
    """
    total = last - first
    if total <= side + 2 * MARGIN_PX:
        return [((0, length), (first, last))]
    size, wander = _share(total, side)
    cut = size + MARGIN_PX - _on_grid(int(draw.integers(0, wander + ALIGNMENT_PX)))
    cuts = [0, cut]
    while total - cut > size + MARGIN_PX - ALIGNMENT_PX:
        cut += size
        cuts.append(cut)
    window = size + 2 * MARGIN_PX
    latest = _on_grid(total - window + ALIGNMENT_PX - 1)
    laid = []
    for begin, end in pairwise([*cuts, total]):
        start = max(0, min(begin - MARGIN_PX, latest))
        core = max(0, first + begin), min(length, first + end)
        if core[0] < core[1]:
            laid.append((core, (first + start, first + min(total, start + window))))
    return laid


def _share(total: int, side: int) -> tuple[int, int]:
    """The size of cores that share `total` px evenly, at most `side`, and how far cuts wander."""
    wander = min(WANDER_PX, _on_grid(side // 2))
    shared = total - 2 * MARGIN_PX + wander + ALIGNMENT_PX
    count = -(-shared // _on_grid(side))
    return _on_grid(-(-shared // count) + ALIGNMENT_PX - 1), wander


def _on_grid(place: int) -> int:
    return place // ALIGNMENT_PX * ALIGNMENT_PX


def mirrored(x: Tensor, margins: Margins) -> Tensor:
    """(1, C, h, w) with margins, mirrored as often as they need it."""
    left, right, top, bottom = margins
    height, width = x.shape[2:]
    if max(left, right) < width and max(top, bottom) < height:
        return F.pad(x, margins, mode="reflect")
    return Tile((0, height), (0, width), (-top, height + bottom), (-left, width + right)).seen(x)


def mirrored_index(place: Tensor, length: int) -> Tensor:
    """Which of `length` rows stands at each place, as F.pad's reflect counts them.

    place: int64, below 0 before the first row.
    """
    period = max(1, 2 * (length - 1))
    inside = place.remainder(period)
    return torch.minimum(inside, period - inside).clamp(max=length - 1)
