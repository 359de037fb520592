"""Cuts: whether a frame shows another scene than the one before it.

Across a cut the best flow there is still leads to a picture of something else. Compared is the
local structure (what remains without the mean of the surroundings) of the frame and of the
remapped one at a quarter of their size, by normalised correlation: a change of light
within a scene leaves it as it is, and so do noise and fades.
"""

from typing import Final

import cv2
import numpy as np

from livedream.flow import Gray
from livedream.warp.remap import Plane

__all__ = ["is_cut"]

# Between frames of one scene the test clips reach 0.86 and more, flashes and noise included;
# pairs of frames across cuts 0.42 at most (docs/flow.md).
_CUT_CORRELATION: Final = 0.6
_SURROUNDINGS_PX: Final = 9  # at a quarter of the size
_FLAT_STEPS: Final = 0.7  # 8-bit steps: below it there is no structure to compare
# Of white noise a quarter keeps a fifteenth of the fine grain's power, or up to 0.29 when it was
# interpolated between the pixels; of pictures, as dark and noisy as they come, two thirds and more.
_NOISE_SHARE: Final = 0.4
_JUMP_STEPS: Final = 24.0  # heuristic: one flat picture after another of a different gray


def is_cut(now: Gray, remapped: Gray) -> bool:
    """Whether `now` shows another scene than `remapped`, the previous frame along the flow."""
    (local, power), (other, other_power) = _structure(now), _structure(remapped)
    if power == other_power == 0.0:
        return abs(float(now.mean()) - float(remapped.mean())) > _JUMP_STEPS
    if power == 0.0 or other_power == 0.0:
        # Something after nothing; but what only just rises above nothing is a fade.
        return max(power, other_power) > (3 * _FLAT_STEPS) ** 2
    common = float((local * other).mean())
    return common < float(_CUT_CORRELATION * (power * other_power) ** 0.5)


def _structure(picture: Gray) -> tuple[Plane, float]:
    """(h, w) what the surroundings do not have, and its mean square; 0 where there is none."""
    height, width = picture.shape
    size = (max(1, width // 4), max(1, height // 4))
    quarter = cv2.resize(picture, size, interpolation=cv2.INTER_AREA).astype(np.float32)
    # Within blocks of 4 x 4 px lies what the quarter has lost: the power of the fine grain.
    grain = cv2.norm(picture, cv2.NORM_L2SQR) / picture.size - float((quarter * quarter).mean())
    quarter -= cv2.blur(quarter, (_SURROUNDINGS_PX, _SURROUNDINGS_PX))
    power = float((quarter * quarter).mean())
    if power < max(_FLAT_STEPS**2, _NOISE_SHARE * grain):
        power = 0.0
    return quarter, power
