"""Who is before a fixed camera: a model of the picture without anybody, learned as time passes.

Each place has a mean colour and how far it usually is from that. What is further away is a visitor.
The light is followed at once, as far as it changes the whole picture in the same way, by the gain
and offset that most of the picture agrees on; otherwise slowly. A visitor who stands still is
learned only after a while. What changes more of the picture than visitors do, such as a lamp that
is switched on, is learned within a few seconds.

OpenCV's own models (MOG2, KNN) cannot be written into a checkpoint and know neither light nor how
long somebody has stood still: docs/decisions/regions.md.
"""

from collections.abc import MutableMapping
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from livedream.core.frame import Picture
from livedream.flow.motion import change_of_light
from livedream.warp.remap import Plane

# What regions carry from frame to frame: arrays by name, each replaced and never changed, so that
# whoever keeps a copy of the mapping has them all.
Memory = MutableMapping[str, NDArray[np.float32]]

STAY_S: Final = 120.0  # how long a visitor may stand still, where nothing else is said
# Heuristics, on a synthetic gallery (tests/unit/region/test_visitors.py).
_LEARNED_S: Final = 5.0  # half-life with which a place without visitors is learned
_QUICK_S: Final = 0.5  # half-life at the start and after more has changed than visitors do
_START_S: Final = 3.0
_MOST: Final = 0.6  # of the picture; more are no visitors
_LEAST_STEPS: Final = 9.0  # 8-bit steps: what is nearer than this is the background
_NOISE: Final = 3.5  # times how far a place usually is
_AROUND_PX: Final = 3
_TAKEN: Final = 0.5
_BLACK: Final = np.float32(0.0)
_WHITE: Final = np.float32(255.0)


def visitors(memory: Memory, name: str, rgb: Picture, seconds: float, stay_s: float) -> Plane:
    """(h, w) in [0, 1]: how surely each place shows a visitor.

    memory, name: what is carried, and under which name; see `PlaneReader`.
    """
    now = cv2.blur(rgb, (_AROUND_PX, _AROUND_PX)).astype(np.float32)
    mean, spread, age, clock = (
        memory.get(f"{name} {part}") for part in ("mean", "spread", "age", "clock")
    )
    if mean is None or mean.shape != now.shape or spread is None or age is None or clock is None:
        mean, spread = now, np.full(now.shape[:2], _LEAST_STEPS / _NOISE, np.float32)
        age, clock = np.zeros(now.shape[:2], np.float32), np.zeros(2, np.float32)
    light = change_of_light(_luma(now), _luma(mean))
    if light is not None:
        gain, offset = light
        mean = np.clip(mean * np.float32(gain) + np.float32(offset), _BLACK, _WHITE)
    red, green, blue = cv2.split(cv2.absdiff(now, mean))
    apart = cv2.max(cv2.max(red, green), blue)
    limit = np.maximum(np.float32(_LEAST_STEPS), spread * np.float32(_NOISE))
    ratio = cv2.blur(apart / limit, (_AROUND_PX, _AROUND_PX))
    ratio *= ratio
    score = ratio / (ratio + np.float32(1.0))
    there = score > _TAKEN
    # Where they stand the model waits, but not for ever.
    age = np.where(there, age + np.float32(seconds), np.float32(0.0))
    running, changed = clock
    changed = _START_S if there.mean() > _MOST else max(0.0, float(changed) - seconds)
    quick = running < _START_S or changed > 0.0
    half_life = _QUICK_S if quick else _LEARNED_S
    share = np.float32(1.0 - 0.5 ** (seconds / half_life))
    learned = share * (quick | ~there | (age > stay_s))
    memory[f"{name} mean"] = mean + (now - mean) * cv2.merge([learned] * 3)
    memory[f"{name} spread"] = spread + (np.minimum(apart, limit) - spread) * learned
    memory[f"{name} age"] = np.asarray(age, np.float32)
    memory[f"{name} clock"] = np.array([running + seconds, changed], np.float32)
    return np.asarray(score, np.float32)


def _luma(picture: Plane) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    return np.asarray(cv2.cvtColor(picture.astype(np.uint8), cv2.COLOR_RGB2GRAY), np.uint8)
