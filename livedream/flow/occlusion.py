"""Where the previous frame did not show what the current one shows.

Forward-backward check of Ruder, Dosovitskiy and Brox, "Artistic style transfer for videos"
(2016), equation 5 (after Sundaram et al. 2010), with f the flow from the current frame to the
previous one and b its opposite, remapped along f:

    occluded:     |f + b|^2 > 0.01 (|f|^2 + |b|^2) + 0.5

Their yes or no becomes a soft mask, so that the border of what is carried does not shimmer.
An estimator can agree with itself and be wrong; a place that is nothing like what the flow
leads to is not trusted either.
"""

from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from livedream.core.frame import FlowField
from livedream.flow import sampled_median
from livedream.flow.camera_motion import SteadyFlow
from livedream.warp.remap import Plane, positions, remap

RELATIVE, ABSOLUTE_PX2 = 0.01, 0.5  # Ruder et al., equation 5
# Heuristic: full trust up to the equation's bound, none from this many times the bound on.
SOFT: Final = 2.0
# Heuristic, from the test clips: mean gray difference within 5 px, in 8-bit steps. Lower limits
# find more of what is revealed, but tear holes into moving bodies (docs/decisions/flow.md).
ALIKE_STEPS: Final = (11.0, 28.0)
CAMERA_LENIENCE: Final = 1.5  # what the camera's motion explains may differ this much more
_CROSS: Final = np.array([[0, 1, 0], [1, 1, 1], [0, 1, 0]], np.uint8)
SOFTENING_PX: Final = 0.7
# Heuristic (docs/decisions/moving.md): from half of full trust on a place is taken as seen. Doubts
# come again with every frame and fall on whatever moves: two per cent a frame halve a dream.
LENIENCE: Final = 2.0
QUIET_STEPS: Final = 2.0  # a picture's median difference up to here is no noise worth allowing


def visibility(flow: FlowField, backward: FlowField, steady: SteadyFlow) -> Plane:
    """(h, w) float32 in [0, 1]: how sure it is that the previous frame shows this place.

    flow: (2, h, w) px of the whole picture at half its size, current to previous, as the estimator
    found it.  backward: the same, previous to current.  steady: what is to be carried along (see
    `blend_camera_motion`).
    """
    allowance = max(0.0, sampled_median(steady.error) - QUIET_STEPS)
    low, high = ALIKE_STEPS[0] + 2 * allowance, ALIKE_STEPS[1] + 3 * allowance
    seen = agreement(flow, backward)
    seen *= _fall(steady.error, low, high)
    explained = _fall(steady.error, low * CAMERA_LENIENCE, high * CAMERA_LENIENCE)
    explained *= steady.trust
    np.maximum(seen, explained, out=seen)
    # A pixel beside an occlusion is mixed from both sides: erode, then soften.
    soft = np.asarray(cv2.GaussianBlur(cv2.erode(seen, _CROSS), (0, 0), SOFTENING_PX), np.float32)
    np.minimum(LENIENCE * soft, 1.0, out=soft)
    soft[_outside(steady.flow)] = 0.0
    return soft


def agreement(flow: FlowField, backward: FlowField) -> Plane:
    """(h, w) in [0, 1]: whether the way there and back ends where it began (equation 5).

    flow, backward: (2, h, w) px of the whole picture, at half its size.
    """
    back_x, back_y = cv2.split(remap(cv2.merge([backward[0], backward[1]]), *positions(0.5 * flow)))
    x, y = flow
    bound = RELATIVE * (x * x + y * y + back_x * back_x + back_y * back_y) + ABSOLUTE_PX2
    gap_x, gap_y = x + back_x, y + back_y
    return _fall((gap_x * gap_x + gap_y * gap_y) / bound, 1.0, SOFT)


def _outside(flow: FlowField) -> NDArray[np.bool_]:
    """(h, w) bool: the flow points out of the picture, by more than half a pixel."""
    height, width = flow.shape[1:]
    x, y = positions(flow)
    outside = (x < -0.5) | (x > width - 0.5) | (y < -0.5) | (y > height - 0.5)
    return np.asarray(outside, np.bool_)


def _fall(value: Plane, low: float, high: float) -> Plane:
    """1 up to `low`, 0 from `high` on, a straight line between."""
    return np.asarray(np.clip((high - value) * np.float32(1.0 / (high - low)), 0.0, 1.0))
