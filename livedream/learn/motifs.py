"""Motifs: what recurs in the pictures, found by k-means among a trained network's features.

Convention
    Features are ``(N, C, h, w)`` activations of one layer; each cell of it is compared by direction
    alone, after a square root, which keeps a few loud channels from deciding (Hellinger's kernel).
"""

from typing import Final

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

_ROUNDS: Final = 25


def find_motifs(features: Tensor, count: int, random: np.random.Generator) -> Tensor:
    """The directions of ``count`` motifs, (count, C) fp32 of length 1: spherical k-means.

    Source: Dhillon and Modha, "Concept Decompositions for Large Sparse Text Data", 2001; started
    with far apart ones (Arthur and Vassilvitskii, "k-means++", 2007).
    """
    cells = _directions(features)
    chosen = [int(random.integers(len(cells)))]
    nearest = cells @ cells[chosen[0]]
    for _ in range(count - 1):
        away = (1 - nearest).clamp_min(0).double().numpy() + 1e-9
        chosen.append(int(random.choice(len(cells), p=away / away.sum())))
        nearest = torch.maximum(nearest, cells @ cells[chosen[-1]])
    motifs = cells[chosen]
    for _ in range(_ROUNDS):
        whose = (cells @ motifs.T).argmax(1)
        sums = torch.zeros_like(motifs).index_add_(0, whose, cells)
        empty = sums.norm(dim=1) < 1e-6
        motifs = functional.normalize(torch.where(empty[:, None], motifs, sums), dim=1)
    return motifs


def motif_of(features: Tensor, motifs: Tensor) -> Tensor:
    """The number of each cell's motif, (N, h, w)."""
    n, _, h, w = features.shape
    found: Tensor = (_directions(features) @ motifs.T).argmax(1)
    return found.view(n, h, w)


def _directions(features: Tensor) -> Tensor:
    cells = features.float().clamp_min(0).sqrt().permute(0, 2, 3, 1).flatten(0, 2)
    return functional.normalize(cells, dim=1, eps=1e-6)
