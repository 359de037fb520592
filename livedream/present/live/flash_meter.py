"""How often a picture flashes, as WCAG 2.2 defines it under "general flash and red flash
thresholds".

A general flash is a pair of opposing changes in relative luminance of 10 % or more of its maximum
where the darker one is below 0.80; a red flash a pair of opposing changes to or from saturated
red, R / (R + G + B) >= 0.8, of more than 20 in (R - G - B) x 320. Either counts when it covers a
quarter of the picture at once; more than three in any one second are too many.

Light is measured on CELLS: the mean of linear values over each.
"""

from collections import deque
from dataclasses import dataclass
from typing import Final, cast

import cv2
import numpy as np
from numpy.typing import NDArray

from livedream.core.frame import Picture

Cells = NDArray[np.float32]  # (18, 32)

CELLS: Final = (32, 18)  # across, down
AREA: Final = 0.25  # of the picture, WCAG: of any 10 degrees of the field of view
GENERAL_CHANGE: Final = 0.10  # WCAG
DARKER: Final = 0.80  # WCAG
RED_CHANGE: Final = 20 / 320  # WCAG
SATURATED: Final = 0.8  # WCAG
_AT_ONCE_S: Final = 0.1  # changes within so much time are one event (heuristic: 10 Hz is counted)
_SECOND: Final = 1.0 - 1e-6
_MIDDLE: Final = (160, 90)  # linearised at this size: fine contrasts count with their light
# IEC 61966-2-1, the transfer function of sRGB.
_CODES = np.arange(256) / 255
_LINEAR: Final = np.where(_CODES <= 0.04045, _CODES / 12.92, ((_CODES + 0.055) / 1.055) ** 2.4)
_LINEAR_TABLE: Final = _LINEAR.astype(np.float32)
_LUMINANCE: Final = np.array([0.2126, 0.7152, 0.0722], np.float32)


def cells_of(rgb: Picture) -> tuple[Cells, Cells]:
    """(relative luminance, saturated red) of each cell, both 0..1, of a picture (H, W, 3) uint8."""
    middle = cv2.resize(rgb, _MIDDLE, interpolation=cv2.INTER_AREA)
    linear = cv2.resize(cv2.LUT(middle, _LINEAR_TABLE), CELLS, interpolation=cv2.INTER_AREA)
    light = linear @ _LUMINANCE
    red, others = linear[..., 0], linear[..., 1] + linear[..., 2]
    saturated = red * (1 - SATURATED) >= SATURATED * others
    reddish = np.where(saturated, np.maximum(red - others, 0), np.float32(0))
    return cast(Cells, light), cast(Cells, reddish.astype(np.float32))


@dataclass(slots=True)
class _Step:
    """What a picture would do to a meter."""

    up: NDArray[np.bool_]
    down: NDArray[np.bool_]
    rose: NDArray[np.bool_] | None
    fell: NDArray[np.bool_] | None

    @property
    def events(self) -> int:
        return (self.rose is not None) + (self.fell is not None)


class FlashMeter:
    """Counts flashes of one kind.

    change: of a cell's value, what counts.  darker: the lower end of a change must lie below.
    flashes: so far.  most: the largest number in any second.
    """

    def __init__(self, change: float = GENERAL_CHANGE, darker: float = DARKER) -> None:
        self.change, self.darker = change, darker
        self.flashes = 0
        self.most = 0
        shape = CELLS[::-1]
        self.direction = np.zeros(shape, np.int8)  # of the last change; 0: none yet
        self.low = np.full(shape, np.inf, np.float32)  # since the last change down
        self.high = np.full(shape, -np.inf, np.float32)  # since the last change up
        self._up_s = np.full(shape, -np.inf)  # when a cell last went up, and was not counted yet
        self._down_s = np.full(shape, -np.inf)
        self._events: deque[float] = deque()
        self._single: deque[tuple[float, int]] = deque()  # events without their opposite
        self._pairs: deque[float] = deque()

    def events(self, time_s: float) -> int:
        """Changes over a quarter of the picture, in the second that ends at `time_s`."""
        while self._events and self._events[0] <= time_s - _SECOND:
            self._events.popleft()
        return len(self._events)

    def step(self, value: Cells, time_s: float) -> _Step:
        """What a picture of these cells would do, without doing it."""
        low, high = np.minimum(self.low, value), np.maximum(self.high, value)
        up = (self.direction <= 0) & (value - low >= self.change) & (low < self.darker)
        down = (self.direction >= 0) & (high - value >= self.change) & (value < self.darker)
        since = time_s - _AT_ONCE_S
        rose, fell = up | (self._up_s > since), down | (self._down_s > since)
        return _Step(
            up,
            down,
            rose if up.any() and rose.mean() >= AREA else None,
            fell if down.any() and fell.mean() >= AREA else None,
        )

    def update(self, value: Cells, time_s: float, step: _Step | None = None) -> None:
        """Count a picture. step: what `step` said about the same picture at the same time."""
        step = step or self.step(value, time_s)
        up, down = step.up, step.down
        self.low = np.where(up, np.inf, np.minimum(self.low, value))
        self.high = np.where(down, -np.inf, np.maximum(self.high, value))
        if up.any() or down.any():
            self.direction = np.where(up, 1, np.where(down, -1, self.direction)).astype(np.int8)
            self.high[up] = value[up]
            self.low[down] = value[down]
            self._up_s[up] = time_s
            self._down_s[down] = time_s
        for direction, cells, times in ((1, step.rose, self._up_s), (-1, step.fell, self._down_s)):
            if cells is not None:
                times[cells] = -np.inf
                self._count(direction, time_s)

    def _count(self, direction: int, time_s: float) -> None:
        self.events(time_s)
        self._events.append(time_s)
        while self._single and self._single[0][0] <= time_s - _SECOND:
            self._single.popleft()
        if self._single and self._single[0][1] == -direction:
            self._single.popleft()
            self.flashes += 1
            self._pairs.append(time_s)
            while self._pairs[0] <= time_s - _SECOND:
                self._pairs.popleft()
            self.most = max(self.most, len(self._pairs))
        else:
            self._single.append((time_s, direction))
