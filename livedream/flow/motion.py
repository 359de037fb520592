"""From frame to frame: a steady flow, what it cannot know, and cuts.

Across a cut the best flow there is still leads to a picture of something else. Compared is the
local structure (what remains without the mean of the surroundings) of the frame and of the
remapped one at a quarter of their size, by normalised correlation: a change of light within a
scene leaves it as it is, and so do noise and fades.
"""

from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from livedream.core.frame import Motion, Picture
from livedream.core.settings import parse_size
from livedream.core.shrink import shrunk
from livedream.flow import (
    FlowEstimator,
    Gray,
    MotionFinder,
    ZeroFlow,
    flow_halved,
    gray,
    median,
    quartered,
)
from livedream.flow.camera_motion import blend_camera_motion
from livedream.flow.classic import DisFlow
from livedream.flow.occlusion import visibility
from livedream.warp.remap import Plane, positions, remap

# Between frames of one scene the test clips reach 0.86 and more, flashes and noise included;
# pairs of frames across cuts 0.42 at most (docs/decisions/flow.md).
CUT_CORRELATION: Final = 0.6
# The same without flow: across 300 cuts between the test clips it is 0.09 at most, and nine frames
# in ten within them are more alike than this.
ALIKE: Final = 0.7
SURROUNDINGS_PX: Final = 9  # at a quarter of the size
FLAT_STEPS: Final = 0.7  # 8-bit steps: below it there is no structure to compare
# Of white noise a quarter keeps a fifteenth of the fine grain's power, or up to 0.29 when it was
# interpolated between the pixels; of pictures, as dark and noisy as they come, two thirds and more.
NOISE_SHARE: Final = 0.4
JUMP_STEPS: Final = 24.0  # heuristic: one flat picture after another of a different gray

# Light: a flash, a fade or a camera's exposure changes every pixel at once. Where it is not
# matched, all of the picture seems to be revealed in such a moment.
LIGHT_ROUNDS: Final = 3
LIGHT_STEP_PX: Final = 8
LEAST_STEPS: Final = 2.0  # 8-bit steps: differences up to here count fully
STIFFNESS: Final = 4.0  # squared steps: a picture without contrast says nothing of the gain
UNSEEN_STEPS: Final = 1.5  # heuristic: a change below it is left alone


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

    def cut(self, rgb: Picture) -> bool:
        """Whether `step` would find a cut before this frame, mostly without any flow.

        Frames that resemble each other where they lie do so along the flow as well; it is computed
        for the others alone.
        """
        previous = self._previous
        self.remember(rgb)
        current = self._previous
        if self._estimator is None or isinstance(self._estimator, ZeroFlow):
            return False
        if previous is None or current is None or previous.shape != current.shape:
            return False
        if _likeness(gray(current), gray(previous)) >= ALIKE:
            return False
        return compare(self._estimator, current, previous).cut

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
    if isinstance(estimator, MotionFinder):
        return estimator.motion(current, previous)
    now, before = gray(current), gray(previous)
    if isinstance(estimator, DisFlow):
        flow, backward = estimator.both(now, before)
    else:
        flow = flow_halved(estimator.estimate(current, previous))
        backward = flow_halved(estimator.estimate(previous, current))
    height, width = now.shape
    whole = [_grown(part, width, height) for part in flow]
    remapped = remap(before, *positions(whole))
    if is_cut(now, remapped):
        return Motion(flow, np.zeros(flow[0].shape, np.float32), cut=True)
    change = change_of_light(now, remapped)
    if change is not None:
        before, remapped = match_exposure(before, change), match_exposure(remapped, change)
    steady = blend_camera_motion(flow, now, before, remapped)
    return Motion(steady.flow, visibility(flow, backward, steady))


def _grown(plane: Plane, width: int, height: int) -> Plane:
    grown = cv2.resize(plane, (width, height), interpolation=cv2.INTER_LINEAR)
    return np.asarray(grown, np.float32)


def is_cut(now: Gray, remapped: Gray) -> bool:
    """Whether `now` shows another scene than `remapped`, the previous frame along the flow."""
    return _likeness(now, remapped) < CUT_CORRELATION


def _likeness(now: Gray, other: Gray) -> float:
    """The correlation of two pictures' structure; where one has none, 1 for one scene, else 0."""
    (local, power), (others, other_power) = _structure(now), _structure(other)
    if power == other_power == 0.0:
        return float(abs(float(now.mean()) - float(other.mean())) <= JUMP_STEPS)
    if power == 0.0 or other_power == 0.0:
        # Something after nothing; but what only just rises above nothing is a fade.
        return float(max(power, other_power) <= (3 * FLAT_STEPS) ** 2)
    return float((local * others).mean() / (power * other_power) ** 0.5)


def _structure(picture: Gray) -> tuple[Plane, float]:
    """(h, w) what the surroundings do not have, and its mean square; 0 where there is none."""
    quarter = quartered(picture).astype(np.float32)
    # Within blocks of 4 x 4 px lies what the quarter has lost: the power of the fine grain.
    # Variances, because OpenCV rounds means of four upwards.
    (_, whole), (_, coarse) = cv2.meanStdDev(picture), cv2.meanStdDev(quarter)
    grain = float(whole[0, 0] ** 2 - coarse[0, 0] ** 2)
    quarter -= cv2.blur(quarter, (SURROUNDINGS_PX, SURROUNDINGS_PX))
    power = float((quarter * quarter).mean())
    if power < max(FLAT_STEPS**2, NOISE_SHARE * grain):
        power = 0.0
    return quarter, power


def change_of_light(now: Gray, remapped: Gray) -> tuple[float, float] | None:
    """(gain, offset) with now = gain * remapped + offset where most agrees; None: no change.

    Of the gains that noise leaves possible it is the one nearest to 1.

    now, remapped: (h, w), the second one the previous picture along the flow.
    """
    wanted, found = _samples(now), _samples(remapped)
    gain, offset = 1.0, median(wanted) - median(found)
    for _ in range(LIGHT_ROUNDS):
        gap = wanted - gain * found - offset
        reach = max(LEAST_STEPS, 1.5 * median(np.abs(gap)))
        weight = 1.0 / (1.0 + (gap / reach) ** 2) ** 2
        weight /= weight.sum()
        mean_wanted, mean_found = weight @ wanted, weight @ found
        common = weight @ ((wanted - mean_wanted) * (found - mean_found)) + STIFFNESS
        least = common / (weight @ (found - mean_found) ** 2 + STIFFNESS)
        # Noise in either picture flattens a fit to the other: the gain lies between the two fits.
        most = (weight @ (wanted - mean_wanted) ** 2 + STIFFNESS) / common if common > 0 else 1.0
        gain = min(max(1.0, float(least)), float(most))
        offset = float(mean_wanted - gain * mean_found)
    middle = 128.0 * (gain - 1.0)
    if abs(middle) <= UNSEEN_STEPS and abs(middle + offset) <= UNSEEN_STEPS:
        return None
    return gain, offset


def match_exposure(picture: Gray, change: tuple[float, float]) -> Gray:
    """gain * picture + offset, rounded and held in range as a camera would."""
    gain, offset = change
    table = np.clip(np.rint(np.arange(256) * gain + offset), 0, 255).astype(np.uint8)
    return np.asarray(cv2.LUT(picture, table), np.uint8)


def _samples(picture: Gray) -> NDArray[np.float64]:
    height, width = picture.shape
    first = min(LIGHT_STEP_PX // 2, height - 1), min(LIGHT_STEP_PX // 2, width - 1)
    return picture[first[0] :: LIGHT_STEP_PX, first[1] :: LIGHT_STEP_PX].ravel().astype(np.float64)
