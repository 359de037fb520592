"""Momentum: what ascent adds, averaged over the last frames along the flow.

A single step of ascent is noisy, by its jitter and by its octave. The mean over some frames is not,
so that a dream need not climb every octave: one dream in three climbs the coarse ones, the others
the finest, about a quarter of the work of two steps in each. Figures: docs/decisions/steps.md.

The momentum is (1, 3, h, w) float32, of additions that were each divided by their RMS, so that
only the direction counts; how much of it is added is for `livedream.dream.level` to say.
"""

from collections.abc import Sequence
from typing import Final

from torch import Tensor

from livedream.core.device import in_reach

ALL_OCTAVES: Final = slice(None)
_COARSE, _FINEST = slice(None, -1), slice(-1, None)

_TURNS: Final = 3  # dreams; the coarse octaves have one of them
COARSE_SHARE: Final = 1 / _TURNS
# Heuristic: from one dream to the next at least so much remains, however few there are in a second.
# Else the dream would blink from coarse to fine.
_LEAST: Final = 0.5
# Heuristic (docs/decisions/steps.md): the step is taken this part of the way to where the momentum
# leads, so that it corrects what is about to be added (Nesterov 1983).
_AHEAD: Final = 0.6
_TINY: Final = 1e-9


def remaining(half_life: float, seconds: float) -> float:
    """How much of the momentum goes on into a dream `seconds` later, 0.5 to 1."""
    return max(_LEAST, float(0.5 ** (seconds / half_life)))


def turn(frames: int, weights: Sequence[float]) -> tuple[slice, float]:
    """Which octaves the dream after so many is to climb, and what its addition weighs.

    weights: of all octaves, the finest last; in the long run they weigh so against each other, as
    they do where every dream climbs them all.
    """
    *coarse, finest = weights
    if not coarse:
        return ALL_OCTAVES, 1.0
    if frames % _TURNS:
        return _FINEST, 1.0
    return _COARSE, (_TURNS - 1) * sum((weight / finest) ** 2 for weight in coarse) ** 0.5


def ahead(picture: Tensor, momentum: Tensor, gain: Tensor) -> Tensor:
    """`picture` where the momentum leads to, in place. gain: of the addition before, 0-d."""
    if in_reach(gain):
        return picture.add_(momentum, alpha=_AHEAD * float(gain))
    return picture.addcmul_(momentum, (_AHEAD * gain).to(momentum.dtype))


def blend(
    momentum: Tensor | None, added: Tensor, remains: Tensor | float, weight: Tensor | float
) -> Tensor:
    """The momentum with a new addition, in its own place; overwrites `added`."""
    added.div_(added.square().mean().sqrt().clamp_min(_TINY))
    if momentum is None:
        return added
    share = (1.0 - remains) * weight
    if isinstance(share, Tensor):
        return momentum.mul_(remains).addcmul_(added, share.to(added.dtype))
    return momentum.mul_(remains).add_(added, alpha=share)
