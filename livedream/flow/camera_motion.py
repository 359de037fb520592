"""The camera's motion: the one affine motion that most of the picture's structure follows.

Where a picture is flat, as a white wall or the sky, an estimator has nothing to go by and
wanders, and a dream carried along would swim there. `blend_camera_motion` gives such places the
camera's motion, which on a still camera is exactly zero, wherever the pictures say that it explains
them as well as the estimator's own flow.
"""

from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final

import cv2
import numpy as np
from numpy.typing import NDArray

from livedream.core.frame import FlowField
from livedream.flow import Gray, halved, quartered, sampled_median
from livedream.warp.remap import Plane

SAMPLE_STEP_PX: Final = 16  # the camera's motion is fitted to one sample per so many px
# Samples count by their structure: fully from about three 8-bit steps per px in the weaker
# direction, in cornerMinEigenVal's units (four times the squared gradient, of 255).
FULL_STRUCTURE: Final = 4 * (3 / 255) ** 2
LEAST_SAMPLES: Final = 10.0
# Heuristic: this share of the structure goes with the camera, within about a pixel. On the test
# clips 0.43 and more do; of noise, through DIS, 0.24 at most (docs/decisions/flow.md).
LEAST_FOLLOWING: Final = 0.3
FITTING_ROUNDS: Final = 8
WIDE_PX, NARROW_PX, NARROWING = 2.0, 0.2, 0.7  # what counts as following, round by round
RESISTANCE: Final = np.array([2e-3, 2e-3, 0.0])  # of slopes along x and y, of the offset
_DIAGONAL: Final = np.diag_indices(3)

# Heuristic, chosen on scenes with known motion (docs/decisions/flow.md): errors are compared within
# 6 px, and a third as much within 26 px, so that the flat inside of a moving body stays with its
# textured edge. In mean 8-bit steps: full trust in the camera's motion up to the first figure, none
# from the second on. (Sides in px of the halved picture.)
NEAR_PX, AROUND_PX, AROUND_WEIGHT = 3, 13, 0.3
STILL_STEPS: Final = (0.2, 1.0)
MOVING_STEPS: Final = (0.1, 0.5)  # stricter: an affine motion is never as exact as zero is
CAPPED_STEPS: Final = 12  # moving bodies do not decide whether the camera stands still
SMOOTHING_PX: Final = 5
# A motion must explain the picture this much better than none. Standing still, noisy or not, the
# fitted motion is ahead by 0.6 % at most; at a tenth of a pixel, very noisy, by 3 % and more.
STILL_BIAS: Final = 1.015


@dataclass(frozen=True, slots=True)
class SteadyFlow:
    """A flow made steady, at half the picture's size.

    flow: (2, h, w) in px of the halved picture.  trust: (h, w) in [0, 1], the share of the
    camera's motion in it.  error: (h, w) mean of |now - remapped| around each pixel, 8-bit steps.
    """

    flow: FlowField
    trust: Plane
    error: Plane


def blend_camera_motion(flow: FlowField, now: Gray, before: Gray, remapped: Gray) -> SteadyFlow:
    """`flow` with the camera's motion where that explains `now` as well.

    flow: (2, h, w) px of the whole picture at half its size, current to previous.
    now, before: (H, W) gray, equally bright.  remapped: `before` along the flow.
    """
    own_error = cv2.absdiff(now, remapped)
    base, base_error = _camera_error(flow, now, before)
    gain = halved(cv2.subtract(base_error, own_error, dtype=cv2.CV_32F))
    worse = _mean(gain, NEAR_PX)
    worse += AROUND_WEIGHT * np.maximum(_mean(gain, AROUND_PX), 0.0)
    error = halved(own_error)
    if base is None:
        low, high = _still_limits(sampled_median(_mean(error, 3)))
    else:
        low, high = MOVING_STEPS
    trust = np.clip((high - worse) * np.float32(1 / (high - low)), 0.0, 1.0)
    steady = 0.5 * flow
    if base is None:
        steady *= 1.0 - trust
    else:
        steady += (affine_flow(base, *trust.shape) - steady) * trust
    return SteadyFlow(steady, trust, _mean(error + gain * trust, 3))


def _still_limits(noise: float) -> tuple[float, float]:
    """`STILL_STEPS`, wider under noise, to which the estimator's own flow adapts everywhere.

    noise: median of what that flow leaves unexplained, 8-bit steps.  Heuristic, from still
    pictures with Gaussian noise of 0.5 to 16 steps: on flat places DIS is ahead of standing still
    by up to 0.9 of it (docs/decisions/flow.md).
    """
    low, high = STILL_STEPS
    return max(low, 0.9 * noise), max(high, 1.6 * noise)


def _camera_error(
    flow: FlowField, now: Gray, before: Gray
) -> tuple[NDArray[np.float64] | None, Gray]:
    """The camera's motion (None where it stands still) and what it leaves unexplained."""
    still_error = np.asarray(cv2.absdiff(now, before), np.uint8)
    affine = camera_motion(flow, now)
    if affine is None:
        return None, still_error
    moved = cv2.warpAffine(
        before, affine + np.eye(2, 3), now.shape[::-1],
        flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP, borderMode=cv2.BORDER_REPLICATE,
    )  # fmt: skip
    remapped = np.asarray(moved, np.uint8)
    if _cost(now, before) <= STILL_BIAS * _cost(now, remapped):
        return None, still_error
    return affine, np.asarray(cv2.absdiff(now, remapped), np.uint8)


def _cost(now: Gray, remapped: Gray) -> float:
    """Mean difference, smoothed: interpolating between pixels would else win by averaging noise."""
    smooth = [cv2.blur(picture, (SMOOTHING_PX, SMOOTHING_PX)) for picture in (now, remapped)]
    return float(cv2.mean(cv2.min(cv2.absdiff(*smooth), CAPPED_STEPS))[0])  # type: ignore[call-overload]


def camera_motion(flow: FlowField, now: Gray) -> NDArray[np.float64] | None:
    """The affine motion that most structure of `now` follows, by reweighted least squares.

    flow: (2, h, w) px of the whole picture at half its size.  now: (H, W).
    Returns (2, 3): flow = motion @ (x, y, 1) px; None where there is too little structure, or
    too little of it agrees.
    """
    height, width = now.shape
    corners = cv2.cornerMinEigenVal(quartered(now), 5)
    y, x, places = _samples(height, width)
    structure = _nearest(corners, y // 4, x // 4)
    sure = np.minimum(structure / FULL_STRUCTURE, 1.0)
    if sure.sum() < LEAST_SAMPLES:
        return None
    found = np.stack([_nearest(part, y // 2, x // 2) for part in flow])
    motion = _follow(places, found, sure)
    following = sure / (1.0 + _squares(found - motion @ places)) ** 2
    if following.sum() < LEAST_FOLLOWING * sure.sum():
        return None
    slopes, offset = motion[:, :2] / width, motion[:, 2]
    return np.column_stack([slopes, offset - slopes @ (width / 2, height / 2)])


def rest_of_flow(flow: FlowField) -> FlowField:
    """(2, h, w): a flow without the affine motion that most of it follows, the camera's."""
    _, height, width = flow.shape
    y, x, places = _samples(2 * height, 2 * width)
    found = np.stack([_nearest(part, y // 2, x // 2) for part in flow])
    motion = _follow(places, found, np.ones(found.shape[1]))
    # The places' units: of the picture at twice the size, in parts of its width.
    across = (np.arange(width) + 0.25 - width / 2) / width
    down = (np.arange(height) + 0.25 - height / 2)[:, None] / width
    base = [slope[0] * across + (slope[1] * down + slope[2]) for slope in motion]
    return np.asarray(flow - np.stack(base).astype(np.float32), np.float32)


@lru_cache(maxsize=4)
def _samples(
    height: int, width: int
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float64]]:
    """Rows and columns looked at, and (3, rows * columns) x, y, 1; not to be written to."""
    y = np.arange(min(SAMPLE_STEP_PX // 2, height - 1), height, SAMPLE_STEP_PX)
    x = np.arange(min(SAMPLE_STEP_PX // 2, width - 1), width, SAMPLE_STEP_PX)
    # Coordinates of about one keep the small system well conditioned.
    across, down = np.meshgrid((x - width / 2) / width, (y - height / 2) / width)
    places = np.stack([across.ravel(), down.ravel(), np.ones(across.size)])
    for kept in (y, x, places):
        kept.flags.writeable = False
    return y, x, places


def _nearest(
    plane: NDArray[Any], y: NDArray[np.int64], x: NDArray[np.int64]
) -> NDArray[np.float64]:
    """(len(y) * len(x),) of an (h, w) plane, held within it."""
    rows = plane[np.minimum(y, plane.shape[0] - 1)]
    return np.asarray(rows[:, np.minimum(x, plane.shape[1] - 1)].ravel(), np.float64)


def _follow(
    places: NDArray[np.float64], found: NDArray[np.float64], sure: NDArray[np.float64]
) -> NDArray[np.float64]:
    """(2, 3) least squares in which samples far from the fit lose their weight.

    places: (3, n) x, y, 1.  found: (2, n).  sure: (n,).
    """
    motion: NDArray[np.float64] = np.zeros((2, 3))
    middle = np.array([[_weighted_median(axis, sure)] for axis in found])
    if sure[_squares(found - middle) < 1.0].sum() > sure[_squares(found) < 1.0].sum():
        motion[:, 2:] = middle
    reach = WIDE_PX
    for _ in range(FITTING_ROUNDS):
        weight = sure / (1.0 + _squares(found - motion @ places) / reach**2) ** 2
        weighted = places * weight
        square = weighted @ places.T
        # A little resistance against turning and zooming that few samples speak for.
        square[_DIAGONAL] += RESISTANCE * weight.sum() + 1e-9
        motion = np.asarray(np.linalg.solve(square, weighted @ found.T).T, np.float64)
        reach = max(NARROW_PX, reach * NARROWING)
    return motion


def _squares(vectors: NDArray[np.float64]) -> NDArray[np.float64]:
    """(n,) squared lengths of (2, n)."""
    x, y = vectors
    return np.asarray(x * x + y * y)


def _weighted_median(values: NDArray[np.float64], weight: NDArray[np.float64]) -> float:
    order = np.argsort(values, kind="stable")
    total = np.cumsum(weight[order])
    return float(values[order[np.searchsorted(total, total[-1] / 2)]])


def affine_flow(affine: NDArray[np.float64], height: int, width: int) -> FlowField:
    """At half size: pixel centre i of the halved picture lies at 2 i + 0.5 of the picture."""
    x = np.arange(width, dtype=np.float32)
    y = np.arange(height, dtype=np.float32)[:, None]
    offset = 0.5 * affine[:, 2] + 0.25 * affine[:, :2].sum(1)
    slopes = affine[:, :2].astype(np.float32)
    return np.stack(
        [
            slope[0] * x + (slope[1] * y + np.float32(start))
            for slope, start in zip(slopes, offset, strict=True)
        ]
    )


def _mean(plane: NDArray[Any], side_px: int) -> Plane:
    """The mean around each pixel, within a square."""
    return np.asarray(cv2.boxFilter(plane, cv2.CV_32F, (side_px, side_px)), np.float32)
