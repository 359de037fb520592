"""Flow: how a frame moved since the one before it.

A flow estimator compares two pictures of the same size. `MotionEstimator` adds what the dream
needs besides: a steady flow where the picture tells nothing, where the previous frame did not
show a place, and whether there was a cut.
"""

from typing import Protocol, runtime_checkable

import numpy as np

from livedream.core.frame import FlowField, Picture

__all__ = ["FlowEstimator", "TwoWayEstimator", "ZeroFlow"]


class FlowEstimator(Protocol):
    """The door to flow.

    current, previous: (h, w, 3) uint8 RGB of one size.
    Returns (2, h, w) float32 px, from current to previous.
    """

    def estimate(self, current: Picture, previous: Picture) -> FlowField: ...


@runtime_checkable
class TwoWayEstimator(Protocol):
    """An estimator that is quicker when asked for both directions at once.

    both() returns what estimate(current, previous) and estimate(previous, current) would; the
    second, which only checks the first, may be coarser.
    """

    def estimate(self, current: Picture, previous: Picture) -> FlowField: ...

    def both(self, current: Picture, previous: Picture) -> tuple[FlowField, FlowField]: ...


class ZeroFlow:
    """Nothing moves: for still pictures, and for tests."""

    def estimate(self, current: Picture, previous: Picture) -> FlowField:
        return np.zeros((2, *current.shape[:2]), np.float32)
