"""Holds the frame rate and the freshness of the dream by what a dream costs.

Two figures are held. The time one dream takes: from it follow dreams per second and the dream's
age. The share of a frame's time that its own work takes (flow, warp, composition): from it follow
frames per second. The first is held by iterations, then the dream's size: a dream for
every frame down to three quarters of the size asked for, twelve a second from there on. The second
is held by the size of the flow, then by dreaming less. Strength and half-life are never touched:
they are held by the dream's own loop, in seconds and 8-bit steps, whatever the rate.
"""

import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import replace
from typing import Final

from livedream.core.settings import DreamSettings, parse_size
from livedream.dream.ascent import Plan

# A dream for every frame is what the quick way needs (`livedream.dream.momentum`): it gets so much
# of a frame's time, as long as its size is a good part of what is asked for.
_OF_PERIOD: Final = 0.9
# On a device of its own a dream is ready within the frame that it is dreamed on: the rest is for
# flow, the ways there and back, and what may come between.
_OF_PERIOD_BESIDE: Final = 0.6
_LEAST_WANTED_S: Final = 0.034  # more than 27 dreams a second are not worth a smaller one
_FRESH_SIZE: Final = 0.75  # of the size asked for; smaller ones come less often instead
# Heuristic, on two cores: twelve dreams a second leave the age of the oldest dream shown at two
# dreams and a frame or two, well below what is promised (400 ms), when one of them is late.
_MOST_WANTED_S: Final = 0.080
_TOO_LONG: Final = 1.2  # of what is wanted
_LATE_S: Final = 0.125  # a single one that takes longer is answered at once
_ROOM: Final = 0.93  # go up only where the next plan would stay below so much of what is wanted
_CALM_S: Final = 1.5  # no step up sooner than this after any step...
_MOST_CALM_S: Final = 30.0  # ...doubling each time a step up had to be taken back
_REGRET_S: Final = 4.0  # a step down so soon after one up takes it back
_RESTED_S: Final = 0.105  # from dream to dream where frames come late: more than nine a second
_BUSY, _IDLE = 0.85, 0.5  # of a frame's time: more is too much, less leaves room
_FLOW_STEPS: Final = (1.0, 0.86, 0.75, 0.64)
_LEAST_FLOW_PX: Final = 120
_LEAST_PX: Final = 96  # short side of a dream: below, no motif is recognised
_SIZE_STEP: Final = 0.9
_WARM_UP: Final = 2  # dreams at the start that say nothing: buffers and kernels are made in them
_FAR: Final = 0.7  # of the room: up by several steps at once only where they stay so far below
_MEMORY_S: Final = 60.0  # after running out of memory, before more is tried again


def ladder(dream: DreamSettings, width: int, height: int) -> tuple[Plan, ...]:
    """Plans from what is asked for (first) down to the cheapest, each cheaper than the last.

    Octaves follow from the size, so that motifs stay as large as a fraction of the picture.
    """
    asked = Plan.of(dream, width, height)
    iterations = asked.iterations

    def plan(factor: float, iterations: float) -> Plan:
        found = replace(Plan.at(_scaled(asked.size, factor), dream), iterations=iterations)
        fewest = asked.fewest_octaves
        if found.octaves < fewest:
            found = replace(found, octaves=fewest, octave_scale=dream.octave_scale)
        return found

    found = [asked]
    while iterations > 1.0:
        # Half an iteration is one more in every second dream.
        iterations = max(1.0, iterations - (0.5 if iterations <= 3 else round(iterations * 0.2)))
        found.append(plan(1.0, iterations))
    factor = 1.0
    while min(_scaled(asked.size, factor * _SIZE_STEP)) >= _LEAST_PX:
        factor *= _SIZE_STEP
        found.append(plan(factor, 1.0))
    while found[-1].octaves > asked.fewest_octaves:
        found.append(replace(found[-1], octaves=found[-1].octaves - 1))
    return tuple(p for i, p in enumerate(found) if i == 0 or p.cost < 0.99 * found[i - 1].cost)


def _scaled(size: tuple[int, int], factor: float) -> tuple[int, int]:
    return max(1, round(size[0] * factor)), max(1, round(size[1] * factor))


class Governor:
    """Thread-safe: the loop reports what a frame took, the dream's thread what a dream took.

    shared: frames and dreams compute on the same processor.
    """

    def __init__(
        self, fps: float, clock: Callable[[], float] = time.monotonic, *, shared: bool = True
    ) -> None:
        self._shared = shared
        self._period_s = 1.0 / fps
        fresh_s = _OF_PERIOD_BESIDE * self._period_s
        if shared:
            fresh_s = max(_LEAST_WANTED_S, _OF_PERIOD * self._period_s)
        self._fresh_s = min(_MOST_WANTED_S, fresh_s)
        self._clock = clock
        self._lock = threading.Lock()
        self._rungs: tuple[Plan, ...] = ()
        self._asked: object = None
        self._level = 0
        self._flow_level = 0
        self._dream_s = 0.0
        self._recent: deque[float] = deque(maxlen=3)
        self._busy = 0.0
        self._calm_s = _CALM_S
        self._moved_s = self._raised_s = self._flow_moved_s = clock()
        self._limit, self._limited_s = 0, 0.0
        self._warm = 0

    def plan(self, dream: DreamSettings, width: int, height: int) -> Plan:
        """What the next dream is to cost, of a picture of this size."""
        asked = (dream.size, dream.motif, dream.octaves, dream.octave_scale, dream.iterations,
                 dream.jitter, dream.momentum > 0, width, height)  # fmt: skip
        with self._lock:
            if asked != self._asked:
                self._ask(asked, ladder(dream, width, height))
            return self._rungs[self._level]

    def flow_size(self, dream: DreamSettings, width: int, height: int) -> tuple[int, int]:
        """(width, height) px to compute the flow of such a picture at."""
        wanted = parse_size(dream.flow_size, width, height, name="flow_size")
        full = min(wanted[0], width), min(wanted[1], height)
        factor = max(_FLOW_STEPS[self._flow_level], min(1.0, _LEAST_FLOW_PX / min(full)))
        return _scaled(full, factor)

    def dreamed(self, plan: Plan, seconds: float) -> None:
        """One dream by `plan` took so long."""
        with self._lock:
            self._warm += 1
            if self._warm <= _WARM_UP or not self._rungs:  # buffers and kernels are made first
                return
            now = self._rungs[self._level]
            scaled = seconds * now.cost / plan.cost
            self._recent.append(scaled)
            self._dream_s = scaled if not self._dream_s else 0.7 * self._dream_s + 0.3 * scaled
            too_long_s = _TOO_LONG * self._wanted_s(self._level)
            late = scaled > max(_LATE_S, too_long_s) and self._clock() - self._moved_s > 0.2
            slow = len(self._recent) == 3 and min(self._recent) > too_long_s
            if late or slow or self._dream_s > _TOO_LONG * too_long_s:
                self._step_down(max(scaled, self._dream_s) if late else self._dream_s)
            else:
                self._step_up()

    def shown(self, busy_s: float, *, missed: bool = False) -> None:
        """A frame's own work took so long.

        missed: a frame of the source was not shown, for want of time.
        """
        with self._lock:
            share = busy_s / self._period_s
            self._busy += 0.05 * (share - self._busy)
            if missed:
                self._busy += 0.05 * (1.0 - min(1.0, self._busy))
            now_s = self._clock()
            if now_s - self._flow_moved_s < _CALM_S:
                return
            if self._busy > _BUSY:
                self._flow_moved_s = now_s
                if self._flow_level < len(_FLOW_STEPS) - 1:
                    self._flow_level += 1
                else:
                    self._move_to(min(self._level + 1, max(0, len(self._rungs) - 1)))
            elif self._busy < _IDLE and self._flow_level and now_s - self._flow_moved_s > 4.0:
                self._flow_moved_s = now_s
                self._flow_level -= 1

    def overflowed(self) -> None:
        """Memory ran out: half of it from now on, and more only after a minute."""
        with self._lock:
            if not self._rungs:
                return
            half = 0.5 * self._rungs[self._level].cost
            level = self._first_below(lambda level: self._rungs[level].cost <= half)
            self._limit, self._limited_s = level, self._clock()
            self._move_to(level)

    @property
    def dream_s(self) -> float:
        """How long a dream takes now, at the worst of the last few."""
        recent = tuple(self._recent)
        return max((self._dream_s, *recent))

    def pause_s(self) -> float:
        """How long to rest after a dream: frames that come late need the shared processor more."""
        if not self._shared or self._busy <= _BUSY:
            return 0.0
        return max(0.0, _RESTED_S - self._dream_s)

    def words(self) -> str:
        """What it does, for the HUD."""
        with self._lock:
            if not self._rungs:
                return "starting"
            full, now = self._rungs[0], self._rungs[self._level]
            less = []
            if now.size != full.size:
                less.append(f"{now.size[1]}p")
            elif now.iterations != full.iterations:
                less.append(f"{now.iterations:g} of {full.iterations:g} iterations")
            elif now.octaves != full.octaves:
                less.append(f"{now.octaves} of {full.octaves} octaves")
            if self._flow_level:
                less.append(f"{_FLOW_STEPS[self._flow_level]:.0%} of the flow size")
            if not less:
                return "full quality"
            why = "to keep the frame rate"
            lately = self._clock() - self._limited_s < _MEMORY_S
            if self._limit and self._level == self._limit and lately:
                why = "because memory ran out"
            elif self._level == len(self._rungs) - 1 and self._dream_s > _LATE_S:
                why = "and still too slow"
            return f"reduced to {' and '.join(less)} {why}"

    def _ask(self, asked: object, rungs: tuple[Plan, ...]) -> None:
        """Other settings: go on with a plan that costs as much as the present one."""
        if self._rungs:
            cost = self._rungs[self._level].cost if self._level else rungs[0].cost
            self._level = next(
                (i for i, rung in enumerate(rungs) if rung.cost <= 1.05 * cost), len(rungs) - 1
            )
        else:  # the first dreams are cheap; from there it is up at once to what fits
            self._level = len(rungs) - 1
        self._asked, self._rungs = asked, rungs
        self._limit = min(self._limit, len(rungs) - 1)

    def _wanted_s(self, level: int) -> float:
        """How long a dream by this plan may take."""
        large = min(self._rungs[level].size) >= _FRESH_SIZE * min(self._rungs[0].size)
        return self._fresh_s if large else _MOST_WANTED_S

    def _step_down(self, seconds: float) -> None:
        per_cost = seconds / self._rungs[self._level].cost
        level = self._first_below(
            lambda level: per_cost * self._rungs[level].cost <= self._wanted_s(level)
        )
        if level > self._level and self._clock() - self._raised_s < _REGRET_S:
            self._calm_s = min(_MOST_CALM_S, 2 * self._calm_s)
        self._move_to(level)

    def _first_below(self, fits: Callable[[int], bool]) -> int:
        """The present plan or the first below it that fits; the cheapest if none does."""
        level = self._level
        while level < len(self._rungs) - 1 and not fits(level):
            level += 1
        return level

    def _move_to(self, level: int) -> None:
        if level != self._level:
            self._dream_s *= self._rungs[level].cost / self._rungs[self._level].cost
            self._level = level
            self._moved_s = self._clock()
            self._recent.clear()

    def _step_up(self) -> None:
        now_s = self._clock()
        limit = self._limit if now_s - self._limited_s < _MEMORY_S else 0
        first = self._warm == _WARM_UP + 1
        if self._level <= limit or (self._busy > _BUSY and not first):
            return
        if now_s - self._moved_s < self._calm_s and not first:
            return
        per_cost = max((self._dream_s, *self._recent)) / self._rungs[self._level].cost
        level = self._level

        def share(level: int) -> float:  # of what is wanted
            return per_cost * self._rungs[level].cost / self._wanted_s(level)

        if share(level - 1) <= _ROOM:
            level -= 1
            while level > limit and share(level - 1) <= _FAR * _ROOM:
                level -= 1
        if level == self._level:
            if now_s - self._raised_s > 4 * self._calm_s:
                self._calm_s = max(_CALM_S, 0.5 * self._calm_s)  # calm for long: trust again
                self._raised_s = now_s
            return
        self._move_to(level)
        self._raised_s = now_s
