"""The flow from the newest frame back to one that was dreamed on, over several frames.

A dream takes longer than a frame. Meanwhile each frame's flow is appended, so that when the dream
arrives it is warped once, along the whole flow, and interpolated once only:

    F_n(x) = g(x) + F_{n-1}(x + g(x)),    visibility_n(x) = v(x) * visibility_{n-1}(x + g(x))

with g the flow from frame n to the one before, F_n the flow from frame n to the dreamed one. Flows
are (h, w, 2) float32 px of their own size, OpenCV's order. Each step makes new arrays, so that
another thread may go on reading the old ones.
"""

from dataclasses import dataclass
from functools import lru_cache
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from livedream.core.frame import Motion
from livedream.warp.remap import Plane, remap
from livedream.warp.travel import Travel

Flow = NDArray[np.float32]  # (h, w, 2) px

_COARSE: Final = (64, 36)  # (width, height) of a flow that is only a travel: it is affine
_TINY_PX: Final = 1e-4


@dataclass(frozen=True, slots=True)
class AccumulatedFlow:
    """flow: None while nothing has moved.  visibility: None where all of it can be seen."""

    flow: Flow | None = None
    visibility: Plane | None = None

    def step(
        self, motion: Motion | None, travel: Travel | None, seconds: float
    ) -> "AccumulatedFlow":
        """One frame further. motion: since the frame before; travel: of the dream, `seconds`."""
        moved: Flow | None = None
        seen: Plane | None = None
        if motion is not None and motion.flow[0].size > 1:
            moved = np.asarray(cv2.merge([motion.flow[0], motion.flow[1]]), np.float32)
        if motion is not None and motion.visibility.size > 1:
            seen = motion.visibility
        if travel is not None:
            moved = _travelled(moved, travel, seconds)
        if moved is None:
            return AccumulatedFlow(self.flow, _product(self.visibility, seen))
        if self.flow is None and self.visibility is None:
            return AccumulatedFlow(moved, seen)
        height, width = moved.shape[:2]
        at = _grid(width, height) + moved
        flow = moved
        if self.flow is not None:
            earlier = _fitted(self.flow, width, height)
            flow = np.asarray(cv2.add(moved, remap(earlier, at)), np.float32)
        if self.visibility is not None:
            known = _plane(self.visibility, width, height)
            seen = _product(remap(known, at), seen)
        return AccumulatedFlow(flow, seen)

    def motion(self) -> Motion | None:
        """As a single motion, for who carries a dream by one; None while nothing has moved."""
        flow, visibility = self.flow, self.visibility
        if flow is None:
            if visibility is None:
                return None
            flow = np.zeros((*visibility.shape, 2), np.float32)
        height, width = flow.shape[:2]
        seen = np.ones((height, width), np.float32)
        if visibility is not None:
            seen = _plane(visibility, width, height)
        return Motion(np.ascontiguousarray(flow.transpose(2, 0, 1)), seen, mirrored=True)


def warp_steps(
    steps: NDArray[np.float32],
    accumulated: AccumulatedFlow,
    size: tuple[int, int],
    *,
    sharp: bool = True,
) -> Flow:
    """A residual where it has moved to, at another size if wanted.

    steps: (h, w, 3) float32, any unit.  size: (width, height) px of the result, (H, W, 3) float32;
    zero where the flow leads to what the dreamed frame did not show. Never `steps` itself.
    sharp: see `livedream.warp.remap`.
    """
    width, height = size
    base_height, base_width = steps.shape[:2]
    if accumulated.flow is None:
        if (base_width, base_height) == size:
            found = steps.copy()
        else:
            found = cv2.resize(steps, size, interpolation=cv2.INTER_CUBIC)  # type: ignore[assignment]
    else:
        flow_height, flow_width = accumulated.flow.shape[:2]
        scale = (base_width / flow_width, base_height / flow_height)
        scaled = accumulated.flow * np.array(scale, np.float32)
        at = cv2.resize(scaled, size, interpolation=cv2.INTER_LINEAR)
        cv2.add(at, _grid(width, height, base_width, base_height), dst=at)
        # Beyond the border lies what a travel comes across; what a flow comes across is unseen.
        positions = np.asarray(at, np.float32)
        found = remap(steps, positions, border=cv2.BORDER_REFLECT_101, sharp=sharp)
    if accumulated.visibility is not None:
        seen = _plane(accumulated.visibility, width, height)
        found = cv2.multiply(found, cv2.merge([seen, seen, seen]))  # type: ignore[assignment]
    return np.asarray(found, np.float32)


def _travelled(moved: Flow | None, travel: Travel, seconds: float) -> Flow | None:
    """Both at once: over one frame they are small enough to be added."""
    width, height = _COARSE if moved is None else moved.shape[1::-1]
    matrix = travel.matrix(width, height, seconds)
    shift = matrix - np.eye(2, 3)
    if np.abs(shift[:, :2]).max() * width < _TINY_PX and np.abs(shift[:, 2]).max() < _TINY_PX:
        return moved
    grid = _grid(width, height)
    gone = np.asarray(cv2.transform(grid, shift), np.float32)
    return gone if moved is None else np.asarray(cv2.add(moved, gone), np.float32)


def _product(one: Plane | None, other: Plane | None) -> Plane | None:
    if one is None or other is None:
        return one if other is None else other
    if one.shape != other.shape:
        one = _plane(one, other.shape[1], other.shape[0])
    return np.asarray(cv2.multiply(one, other), np.float32)


def _fitted(flow: Flow, width: int, height: int) -> Flow:
    found_height, found_width = flow.shape[:2]
    if (found_width, found_height) == (width, height):
        return flow
    scale = np.array((width / found_width, height / found_height), np.float32)
    return np.asarray(cv2.resize(flow * scale, (width, height)), np.float32)


def _plane(plane: Plane, width: int, height: int) -> Plane:
    if plane.shape == (height, width):
        return plane
    return np.asarray(
        cv2.resize(plane, (width, height), interpolation=cv2.INTER_LINEAR), np.float32
    )


@lru_cache(maxsize=12)
def _grid(width: int, height: int, base_width: int = 0, base_height: int = 0) -> Flow:
    """(height, width, 2): each pixel's place in a picture of the base's size, centre on centre."""
    base_width, base_height = base_width or width, base_height or height
    x = (np.arange(width) + 0.5) * (base_width / width) - 0.5
    y = (np.arange(height) + 0.5) * (base_height / height) - 0.5
    grid = np.empty((height, width, 2), np.float32)
    grid[..., 0], grid[..., 1] = x, y[:, None]
    grid.flags.writeable = False
    return grid
