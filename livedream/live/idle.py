"""When nothing happens: a watch for stillness, and an attract mode that moves by itself."""

import logging
import math
from collections.abc import Callable, Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import Any, Final

import cv2
import numpy as np

from livedream.control.live_parameters import TAKEN_BACK, Change
from livedream.control.modulation import Offsets
from livedream.control.presets import KEPT, Look
from livedream.control.programs import Program
from livedream.control.show import ATTRACT, Show
from livedream.core.errors import LivedreamError, reason
from livedream.core.frame import Motion, Picture
from livedream.core.settings import DREAMED

_log = logging.getLogger(__name__)

_SIDE_PX: Final = (64, 36)  # what is compared: small enough to cost nothing
_MOVING_STEPS: Final = 6.0  # 8-bit steps: sensor noise averages out far below it
_MOVING_SHARE: Final = 0.004  # of the picture: a hand at the edge counts, a moth does not
_SLOW_S: Final = 1.0  # pictures this far apart are compared, so that slow motion is seen too
_RISE_S, _FALL_S = 6.0, 1.5  # the attract mode comes slowly and goes quickly
# Heuristic, by eye: slow waves, (slider lengths, period in s); periods that never fall together.
_WAVES: Final[Mapping[str, tuple[float, float]]] = MappingProxyType(
    {
        "zoom": (0.10, 37.0),
        "rotation": (0.07, 53.0),
        "drift_x": (0.05, 71.0),
        "hue": (0.12, 97.0),
        "strength": (0.10, 29.0),
    }
)


class StillWatch:
    """after_s: how long nothing may move before it is `still`; 0: never."""

    def __init__(self, after_s: float) -> None:
        self._after_s = after_s
        self._seen: np.ndarray[tuple[int, ...], np.dtype[np.uint8]] | None = None
        self._seen_s = -math.inf
        self._moved_s: float | None = None

    def update(self, rgb: Picture, motion: Motion | None, now_s: float) -> bool:
        """Whether nothing has moved for `after_s`, this frame included."""
        if self._after_s <= 0:
            return False
        if self._moved_s is None or (motion is not None and motion.cut):
            self._moved_s = now_s
        if now_s - self._seen_s >= _SLOW_S:
            small = cv2.cvtColor(cv2.resize(rgb, _SIDE_PX, interpolation=cv2.INTER_AREA),
                                 cv2.COLOR_RGB2GRAY)  # fmt: skip
            if self._seen is not None:
                changed = cv2.absdiff(small, self._seen) > _MOVING_STEPS
                if changed.mean() > _MOVING_SHARE:
                    self._moved_s = now_s
            self._seen, self._seen_s = np.asarray(small, np.uint8), now_s
        return now_s - self._moved_s >= self._after_s


class Attract:
    """Moves live parameters by offsets of its own; what controllers have set stays as it is.

    move: as `Modulation.move`.
    """

    def __init__(self, move: Callable[[float, Offsets], None]) -> None:
        self._move = move
        self._share = 0.0
        self._last_s: float | None = None
        self._begun_s = 0.0

    def step(self, wanted: bool, now_s: float) -> None:
        """Once per frame. wanted: whether nobody is there."""
        passed_s = 0.0 if self._last_s is None else now_s - self._last_s
        self._last_s = now_s
        if not wanted and self._share == 0.0:
            return
        if self._share == 0.0:
            self._begun_s = now_s
        change = passed_s / _RISE_S if wanted else -passed_s / _FALL_S
        self._share = min(1.0, max(0.0, self._share + change))
        over = not wanted and self._share == 0.0
        turns = 2 * math.pi * (now_s - self._begun_s)
        offsets = {
            (name, ATTRACT): None if over else depth * self._share * math.sin(turns / period_s)
            for name, (depth, period_s) in _WAVES.items()
        }
        self._move(now_s, offsets)


class AttractProgram:
    """Plays a program while nobody is there; then what was set before is set again, but for what
    somebody has set meanwhile, and for what is the venue's. A program that somebody has started
    meanwhile stays, with all that it has set.
    """

    def __init__(self, show: Show, name: str) -> None:
        self._show, self._name = show, name
        self._before: tuple[Program | None, Look] | None = None  # None: somebody is there
        self._by_hand: dict[str, Any] = {}  # parameters, as somebody has set them meanwhile
        self._stop: Callable[[], None] = lambda: None

    def step(self, wanted: bool, now_s: float) -> None:
        """Once per frame. wanted: whether nobody is there."""
        if wanted == (self._before is not None):
            return
        try:
            if wanted:
                self._begin()
            else:
                self._end()
        except Exception as error:  # a preset that went away must not end the show
            own = isinstance(error, LivedreamError)
            _log.warning("attract program: %s", reason(error), exc_info=None if own else error)

    def _begin(self) -> None:
        self._before = self._show.running_program, self._show.look()
        self._by_hand, self._show.chosen = {}, {}
        self._show.attracting = True
        self._stop = self._show.parameters.listen(self._note)
        self._show.notify()  # before anything is set
        self._show.program(self._name, origin=ATTRACT)

    def _note(self, change: Change) -> None:
        if self._show.attracts(change.origin):
            return
        found = dict(change.targets)
        if change.origin == TAKEN_BACK:
            found = {name: value for name, value in found.items() if name in self._by_hand}
        if not found.keys().isdisjoint(DREAMED):  # who sets one by hand has seen all three
            found = {name: self._show.parameters.target(name) for name in DREAMED} | found
        self._by_hand |= found

    def _end(self) -> None:
        assert self._before is not None
        (program, look), self._before = self._before, None
        self._stop()
        show, still = self._show, self._show.attracting
        if still:
            show.program(None, origin=ATTRACT)
            show.attracting = False
        elif show.running_program is not None:
            return
        values = {name: value for name, value in look.values.items() if name not in KEPT}
        look = replace(look, values=values | self._by_hand, **show.chosen)
        show.come_back(look, origin=ATTRACT)
        if still and program is not None:
            show.program(program)
