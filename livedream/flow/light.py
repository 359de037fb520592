"""Light: make the previous picture as bright as the current one before they are compared.

A flash, a fade or a camera's exposure changes every pixel at once. Without this, all of the
picture would seem to be revealed in such a moment.
"""

from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from livedream.flow.planes import Gray

_ROUNDS: Final = 3
_STEP_PX: Final = 8
_LEAST_STEPS: Final = 2.0  # 8-bit steps: differences up to here count fully
_STIFFNESS: Final = 4.0  # squared steps: a picture without contrast says nothing of the gain
_UNSEEN_STEPS: Final = 1.5  # heuristic: a change below it is left alone


def change_of_light(now: Gray, remapped: Gray) -> tuple[float, float] | None:
    """(gain, offset) with now = gain * remapped + offset where most agrees; None: no change.

    Of the gains that noise leaves possible it is the one nearest to 1.

    now, remapped: (h, w), the second one the previous picture along the flow.
    """
    wanted, found = _samples(now), _samples(remapped)
    gain, offset = 1.0, float(np.median(wanted) - np.median(found))
    for _ in range(_ROUNDS):
        gap = wanted - gain * found - offset
        reach = max(_LEAST_STEPS, 1.5 * float(np.median(np.abs(gap))))
        weight = 1.0 / (1.0 + (gap / reach) ** 2) ** 2
        weight /= weight.sum()
        mean_wanted, mean_found = weight @ wanted, weight @ found
        common = weight @ ((wanted - mean_wanted) * (found - mean_found)) + _STIFFNESS
        least = common / (weight @ (found - mean_found) ** 2 + _STIFFNESS)
        # Noise in either picture flattens a fit to the other: the gain lies between the two fits.
        most = (weight @ (wanted - mean_wanted) ** 2 + _STIFFNESS) / common if common > 0 else 1.0
        gain = min(max(1.0, float(least)), float(most))
        offset = float(mean_wanted - gain * mean_found)
    middle = 128.0 * (gain - 1.0)
    if abs(middle) <= _UNSEEN_STEPS and abs(middle + offset) <= _UNSEEN_STEPS:
        return None
    return gain, offset


def match_exposure(picture: Gray, change: tuple[float, float]) -> Gray:
    """gain * picture + offset, rounded and held in range as a camera would."""
    gain, offset = change
    table = np.clip(np.rint(np.arange(256) * gain + offset), 0, 255).astype(np.uint8)
    return np.asarray(cv2.LUT(picture, table), np.uint8)


def _samples(picture: Gray) -> NDArray[np.float64]:
    height, width = picture.shape
    first = min(_STEP_PX // 2, height - 1), min(_STEP_PX // 2, width - 1)
    return picture[first[0] :: _STEP_PX, first[1] :: _STEP_PX].ravel().astype(np.float64)
