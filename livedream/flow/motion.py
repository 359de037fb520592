"""From frame to frame: a steady flow, what it cannot know, and cuts."""

import numpy as np

from livedream.core.frame import Motion, Picture
from livedream.core.settings import parse_size
from livedream.core.shrink import shrunk
from livedream.flow import FlowEstimator, ZeroFlow, gray
from livedream.flow.camera_motion import blend_camera_motion
from livedream.flow.classic import DisFlow
from livedream.flow.cuts import is_cut
from livedream.flow.light import change_of_light, match_exposure
from livedream.flow.occlusion import visibility
from livedream.warp.remap import positions, remap

__all__ = ["MotionEstimator", "compare"]


class MotionEstimator:
    """Compares each frame with the one before it.

    estimator: None when nothing is to be carried: then no motion is ever known.
    size: what flow is computed at (see `parse_size`); never larger than the frame.

    The motion depends on the two frames alone, so that a run may be continued anywhere.
    """

    def __init__(self, estimator: FlowEstimator | None, size: str = "360p") -> None:
        self._estimator = estimator
        self._named_size = size
        self._size: tuple[int, int] | None = None
        self._last: Picture | None = None
        self._previous: Picture | None = None  # the last one at the flow's size

    def step(self, rgb: Picture, size: tuple[int, int] | None = None) -> Motion | None:
        """The motion since the frame given last; None for the first one or without a flow.

        size: (width, height) px to compute flow at from now on, if not at the size of the start.
        None also after a frame of another size.  With `ZeroFlow` it is that of a still picture,
        one pixel large, and there are no cuts, since nothing is compared.
        """
        if size != self._size:
            self._size = size
            if self._last is not None:
                self.remember(self._last)
        previous = self._previous
        self.remember(rgb)
        current = self._previous
        if self._estimator is None or previous is None or current is None:
            return None
        if previous.shape != current.shape:
            return None
        if isinstance(self._estimator, ZeroFlow):
            return Motion(np.zeros((2, 1, 1), np.float32), np.ones((1, 1), np.float32))
        return compare(self._estimator, current, previous)

    def remember(self, rgb: Picture) -> None:
        """Take a frame as the previous one without computing anything (when resuming)."""
        self._last = rgb
        if self._estimator is None or isinstance(self._estimator, ZeroFlow):
            self._previous = rgb
            return
        height, width = rgb.shape[:2]
        wanted = self._size or parse_size(self._named_size, width, height, name="flow_size")
        self._previous = shrunk(rgb, min(wanted[0], width), min(wanted[1], height))


def compare(estimator: FlowEstimator, current: Picture, previous: Picture) -> Motion:
    """The motion from one picture to the next.

    current, previous: (h, w, 3) uint8 RGB of one size.
    """
    if isinstance(estimator, DisFlow):
        flow, backward = estimator.both(current, previous)
    else:
        flow = estimator.estimate(current, previous)
        backward = estimator.estimate(previous, current)
    now, before = gray(current), gray(previous)
    remapped = remap(before, *positions(flow))
    if is_cut(now, remapped):
        return Motion(flow, np.zeros(now.shape, np.float32), cut=True)
    change = change_of_light(now, remapped)
    if change is not None:
        before, remapped = match_exposure(before, change), match_exposure(remapped, change)
    steady = blend_camera_motion(flow, now, before, remapped)
    return Motion(steady.flow, visibility(flow, backward, steady))
