"""How many octaves a dream has, and what each of them weighs.

A network draws motifs of one size in pixels, whatever the picture's. So a larger dream needs more
and coarser octaves for the same composition, and the finest draw ever smaller motifs: fur on the
large ones. Figures: docs/decisions/motif.md.
"""

import math
from typing import Final

from livedream.core.settings import DreamSettings
from livedream.dream.networks.registry import motif_px

_MOST: Final = 16
_SCALES: Final = (1.05, 4.0)  # what octave_scale may be
# Heuristic: how the finer octaves of large dreams weigh.
_EVEN_PX: Final = 360
_FALL: Final = 0.75


def octaves_of(settings: DreamSettings, size: tuple[int, int]) -> tuple[int, float]:
    """How many octaves a dream of `size` (width, height) px has, and the ratio of their sizes.

    In the coarsest a network's motifs are as large as `motif` asks, to an eighth of an octave, so
    that a motif that glides does not need every size between; the others lie evenly between, about
    `octave_scale` apart. Where it takes a coarser one at all, that is at least `octave_scale` away:
    a nearer one would cost more and bring nothing.
    """
    scale = settings.octave_scale
    larger = (
        settings.motif * min(size) / motif_px(settings.network)
    )  # than the motifs of the picture's own octave
    if settings.octaves or larger <= 1.0:
        return max(1, settings.octaves), scale
    apart = max(1.0, round(4 * math.log(larger) / math.log(scale)) / 4)
    coarser = min(_MOST - 1, round(apart))
    least, most = _SCALES
    return 1 + coarser, float(min(most, max(least, scale ** (apart / coarser))))


def weight_of(size: tuple[int, int]) -> float:
    """How much the addition of an octave of `size` px weighs, 0 to 1.

    As much as any other up to 360 lines. The finer ones of a larger dream are there for the fur:
    weighed alike, they would take the level from the large forms, the more of them there are.
    """
    return float(min(1.0, _EVEN_PX / min(size)) ** _FALL)
