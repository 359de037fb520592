"""The colours of ImageNet's thousand classes: what noise is coloured by before it becomes them.

`palettes.tsv` is a table of facts made by ``scripts/make_palettes.py``, a line for each class: the
mean of red, green and blue in a photograph of it, in 8-bit steps, and their covariance (the upper
triangle, row by row). A mean of photographs would be grey; one photograph has the colours of the
thing and of where it is found: a lighthouse's dusk, a jellyfish's dark water.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Final

import numpy as np
from numpy.typing import NDArray

_LEAST_STEPS2: Final = 1.0  # heuristic: of the covariance, which may be that of a white wall


@dataclass(frozen=True, eq=False)
class Palette:
    """mean: (3,) RGB in [0, 1].  mixing: (3, 3), from independent numbers of variance 1 to colours
    around the mean, as ``mean + numbers @ mixing``."""

    mean: NDArray[np.float32]
    mixing: NDArray[np.float32]


def palette_of(things: Sequence[Sequence[int]]) -> Palette:
    """That of a picture of some things, all of them: of each the classes that it may be, by
    ImageNet's numbers.

    Classes of one thing are averaged: a dog of no certain breed is brown. Of several things each
    has its colours somewhere.
    """
    means, covariances = (
        np.stack([part[list(classes)].mean(0) for classes in things]) for part in _table()
    )
    mean = means.mean(0)
    apart = means - mean
    covariance = covariances.mean(0) + apart.T @ apart / len(things)
    values, vectors = np.linalg.eigh(covariance)
    root = (vectors * np.sqrt(np.maximum(values, _LEAST_STEPS2))) @ vectors.T
    return Palette((mean / 255).astype(np.float32), (root / 255).astype(np.float32))


@cache
def _table() -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """(1000, 3) means and (1000, 3, 3) covariances, in 8-bit steps."""
    text = (resources.files("livedream.dream.networks") / "palettes.tsv").read_text("utf-8")
    rows = np.array([line.split("\t") for line in text.splitlines()], np.float64)
    covariance = np.empty((len(rows), 3, 3))
    row, column = np.triu_indices(3)
    covariance[:, row, column] = covariance[:, column, row] = rows[:, 3:]
    return rows[:, :3], covariance
