"""Keep flat places clean: where the picture has no detail, what is added to it has less.

In sky, walls and tablecloths a network finds little to dream and draws a net of fine lines and dots
instead. So there the finest band of an addition is left out, the upper level of its Laplacian
pyramid (Burt and Adelson 1983): the picture's own detail says how much of it the dream may have.
Figures, and what else was tried: docs/decisions/clean.md.
"""

from typing import Final

import torch
from torch import Tensor
from torch.nn import functional as F

from livedream.core.device import COPIED
from livedream.dream.level import Figure, is_number
from livedream.dream.resize import resize
from livedream.dream.spread import over_pixels

# Heuristics. A place is flat by the deviation of its luma...
_FLAT: Final = 8 / 255  # ...at which half of the band is left out
_CELL_PX: Final = 8  # ...in cells of this size
_REACH_CELLS: Final = 3  # ...and their neighbours
_ROW_STEP: Final = 4  # every fourth row is looked at
_GREEN: Final = slice(1, 2)  # nearly the luma, and at hand


def cleaned(added: Tensor, flat: Tensor, clean: Figure) -> Tensor:
    """An addition without fine detail where the picture has none, in place.

    added: (1, 3, h, w) float32.  flat: the picture's `flatness`.  clean: how much of it is left
    out in entirely flat places, 0 to 1.
    """
    if is_number(clean, 0.0):
        return added
    share = clean * flat
    height, width = added.shape[2:]
    half = max(1, width // 2), max(1, height // 2)
    for piece in [added] if added.numel() <= COPIED else torch.split(added, 1, 1):
        coarse = resize(resize(piece, half), (width, height))
        piece.lerp_(coarse, over_pixels(share, piece))
    return added


def flatness(picture: Tensor) -> Tensor:
    """(1, 1, rows, columns): 1 where a picture is flat, towards 0 the more detail it has.

    picture: (1, 3, h, w) float32 in [0, 1].
    """
    green = picture[:, _GREEN, ::_ROW_STEP]
    mean, square = (_around(plane) for plane in (green, green.square()))
    variance = (square - mean.square()).clamp_min(0.0)
    return _FLAT**2 / (_FLAT**2 + variance)


def _around(plane: Tensor) -> Tensor:
    cell = _CELL_PX // _ROW_STEP, _CELL_PX
    cells = F.avg_pool2d(plane, cell, ceil_mode=True, count_include_pad=False)
    around = _REACH_CELLS
    return F.avg_pool2d(cells, around, 1, around // 2, count_include_pad=False)
