"""Keeps a picture from flashing at people: at most three flashes in any second (WCAG 2.3.1).

What flashes is damped where it flashes and for as long as it does: each cell's luminance follows
its own slow mean within a narrow band, by darkening what is too bright and lifting what is too
dark, so that the drawing stays sharp and moves on. Pictures that do not flash come out as they
are. The limit is measured on what goes out, by the definition; a picture that would break it in
spite of the damping is replaced by the one before.
"""

import math
from typing import Any, Final, cast

import cv2
import numpy as np
from numpy.typing import NDArray

from livedream.core.frame import Picture
from livedream.present.live.flash_meter import RED_CHANGE, Cells, FlashMeter, cells_of

# A flash is two changes; a single picture may bring two, one up and one down.
_MOST_EVENTS: Final = 6
_WARNED: Final = _MOST_EVENTS  # from so many in a second on, damping is on
_BAND: Final = 0.03  # of luminance around the mean: its whole width stays below 0.10
_ROOM: Final = 0.07  # from a cell's last turn to its next: below 0.10, with room for rounding
_MEAN_S: Final = 2.0  # heuristic: four turns a second move the mean by less than the band
_OPENING: Final = 4.0  # e-folds per second at which the band opens again
_GREY: Final = 0.75  # what is taken from a red that flashes


class FlashLimiter:
    """Looks at every picture in order, before it goes out.

    flashes: that went out.  flashes_before: that came in.  most, most_before: in any one second,
    general or red. damping: whether the last picture was changed.
    """

    def __init__(self) -> None:
        self._before = (FlashMeter(), FlashMeter(RED_CHANGE, math.inf))
        self._after = (FlashMeter(), FlashMeter(RED_CHANGE, math.inf))
        self._mean: Cells | None = None
        self._red_seen: Cells | None = None
        self._band = [math.inf, math.inf]  # general, red; narrow while damping
        self._last_s = 0.0
        self._shown: Picture | None = None
        self.damping = False
        self.repeated = 0

    @property
    def flashes(self) -> int:
        return sum(meter.flashes for meter in self._after)

    @property
    def flashes_before(self) -> int:
        return sum(meter.flashes for meter in self._before)

    @property
    def most(self) -> int:
        return max(meter.most for meter in self._after)

    @property
    def most_before(self) -> int:
        return max(meter.most for meter in self._before)

    def apply(self, rgb: Picture, time_s: float) -> Picture:
        """`rgb` (H, W, 3) uint8, itself where nothing flashes, else a damped copy.

        time_s: when it is shown; never decreasing.
        """
        cells = cells_of(rgb)
        for meter, value in zip(self._before, cells, strict=True):
            meter.update(value, time_s)
        self._follow(cells, time_s)
        calm = self._calm(rgb, cells)
        if calm is not rgb:
            cells = cells_of(calm)
        steps = [m.step(v, time_s) for m, v in zip(self._after, cells, strict=True)]
        too_many = any(
            step.events and meter.events(time_s) + step.events > _MOST_EVENTS
            for meter, step in zip(self._after, steps, strict=True)
        )
        if too_many and self._shown is not None and self._shown.shape == rgb.shape:
            self.repeated += 1
            return self._shown
        for meter, value, step in zip(self._after, cells, steps, strict=True):
            meter.update(value, time_s, step)
        self.damping = calm is not rgb
        self._shown = calm
        return calm

    def _follow(self, cells: tuple[Cells, Cells], time_s: float) -> None:
        """Move the slow means, and narrow or open the bands."""
        passed_s = max(0.0, time_s - self._last_s)
        self._last_s = time_s
        light, red = cells
        if self._mean is None or self._red_seen is None:
            self._mean, self._red_seen = light.copy(), red.copy()
        share = np.float32(1 - math.exp(-passed_s / _MEAN_S))
        self._mean += share * (light - self._mean)
        self._red_seen = np.maximum(red, self._red_seen * np.float32(math.exp(-passed_s)))
        for kind in (0, 1):
            events = self._before[kind].events(time_s), self._after[kind].events(time_s)
            if max(events) >= _WARNED:
                self._band[kind] = _BAND
            elif self._band[kind] < 1:
                self._band[kind] *= math.exp(_OPENING * passed_s)

    def _calm(self, rgb: Picture, cells: tuple[Cells, Cells]) -> Picture:
        calm = rgb
        if self._band[1] < 1:
            calm = self._less_red(calm)
        if self._band[0] < 1:
            light = cells[0] if calm is rgb else cells_of(calm)[0]
            calm = relit(calm, light, self._allowed(light))
        return calm

    def _allowed(self, light: Cells) -> Cells:
        """The luminance that each cell may have: near its mean, and not past its next turn."""
        assert self._mean is not None, "the means were followed"
        band = np.float32(self._band[0])
        allowed = np.clip(light, self._mean - band, self._mean + band)
        if self._band[0] <= _BAND:
            after = self._after[0]
            allowed = np.where(
                after.direction > 0, np.maximum(allowed, after.high - _ROOM), allowed
            )
            allowed = np.where(after.direction < 0, np.minimum(allowed, after.low + _ROOM), allowed)
        return cast(Cells, np.clip(allowed, 0, 1).astype(np.float32))

    def _less_red(self, rgb: Picture) -> Picture:
        """Mix grey into what was saturated red within the last seconds."""
        assert self._red_seen is not None, "the means were followed"
        share = _GREY / max(1.0, self._band[1] / _BAND)
        where = cv2.dilate((self._red_seen > RED_CHANGE / 2).astype(np.float32), np.ones((3, 3)))
        if not where.any():
            return rgb
        mask = _spread(where * np.float32(share), rgb)
        grey = cv2.cvtColor(cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY), cv2.COLOR_GRAY2RGB)
        kept = cv2.multiply(rgb, 255 - mask, scale=1 / 255)
        return cast(Picture, cv2.add(kept, cv2.multiply(grey, mask, scale=1 / 255)))


def relit(rgb: Picture, light: Cells, wanted: Cells) -> Picture:
    """The picture with each cell's luminance brought from `light` to `wanted`.

    Darkened by a factor, lifted as a negative is darkened: black to white keeps its order, and
    neither end clips.
    """
    found, goal = np.power(light, 1 / 2.2), np.power(wanted, 1 / 2.2)
    darker = np.where(goal < found, goal / np.maximum(found, 1e-4), 1)
    lifted = np.where(goal > found, (1 - goal) / np.maximum(1 - found, 1e-4), 1)
    result: Any = rgb
    if (darker < 1).any():
        result = cv2.multiply(result, _spread(darker, rgb), scale=1 / 255)
    if (lifted < 1).any():
        negative = cv2.multiply(cv2.bitwise_not(result), _spread(lifted, rgb), scale=1 / 255)
        result = cv2.bitwise_not(negative)
    return cast(Picture, result)


def _spread(cells: NDArray[np.floating], rgb: Picture) -> Picture:
    """Values 0..1 of cells as bytes of the picture's size, three times, smooth in between."""
    size = rgb.shape[1], rgb.shape[0]
    codes = np.clip(cells * 255 + 0.5, 0, 255).astype(np.uint8)
    whole = cv2.resize(codes, size, interpolation=cv2.INTER_LINEAR)
    return cast(Picture, cv2.merge((whole, whole, whole)))
