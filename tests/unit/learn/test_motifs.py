"""Motifs: what recurs is found, whatever its loudness."""

import numpy as np
import torch

from livedream.learn.motifs import find_motifs, motif_of


def test_kinds_of_cells_are_told_apart_by_direction_alone() -> None:
    draw = torch.Generator().manual_seed(0)
    kinds = torch.rand(5, 40, generator=draw) ** 4
    whose = torch.randint(0, 5, (6, 8, 8), generator=draw)
    loud = torch.rand(6, 8, 8, 1, generator=draw) * 9 + 0.1
    noise = 0.01 * torch.rand(6, 8, 8, 40, generator=draw)
    features = (loud * (kinds[whose] + noise)).permute(0, 3, 1, 2)
    motifs = find_motifs(features, 5, np.random.default_rng(0))
    torch.testing.assert_close(motifs.norm(dim=1), torch.ones(5))
    found = motif_of(features, motifs)
    pairs = {(int(a), int(b)) for a, b in zip(whose.flatten(), found.flatten(), strict=True)}
    assert len(pairs) == 5, "one to one"
