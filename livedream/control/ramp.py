"""Values on their way: numbers that follow their target, objectives that turn into one another.

Each ramp is a closed formula of time, so that it does not matter how often it is read.
"""

import math
from typing import Final, Protocol

from livedream.dream.objectives.text import parse_objective
from livedream.dream.objectives.value import Objective, Target, Term

__all__ = ["NumberRamp", "ObjectiveRamp", "Ramp", "RampedValue", "smooth"]

_SETTLED: Final = 7.0  # time constants after which less than a thousandth of a change is left
_STEPS: Final = 50  # weights on the way are rounded to so many steps: each new one costs a parse


def smooth(share: float) -> float:
    """0 to 1 with a soft start and end (the cubic smoothstep)."""
    share = min(1.0, max(0.0, share))
    return share * share * (3.0 - 2.0 * share)


class Ramp:
    """How far a change has come. Either exponential, with a time constant, or over `seconds`."""

    __slots__ = ("_constant_s", "_seconds", "_start_s")

    def __init__(self, start_s: float, *, constant_s: float = 0.0, seconds: float = 0.0) -> None:
        self._start_s, self._constant_s, self._seconds = start_s, constant_s, seconds

    def share(self, now_s: float) -> float:
        """0 at the start, 1 when it is done."""
        passed = max(0.0, now_s - self._start_s)
        if self._seconds > 0:
            return smooth(passed / self._seconds)
        if self._constant_s <= 0 or passed >= _SETTLED * self._constant_s:
            return 1.0
        return 1.0 - math.exp(-passed / self._constant_s)


class RampedValue(Protocol):
    """A value on its way."""

    def at(self, now_s: float) -> float | str: ...

    def done(self, now_s: float) -> bool: ...


class NumberRamp:
    """From one number to another."""

    __slots__ = ("_end", "_ramp", "_start")

    def __init__(self, start: float, end: float, ramp: Ramp) -> None:
        self._start, self._end, self._ramp = start, end, ramp

    def at(self, now_s: float) -> float:
        share = self._ramp.share(now_s)
        return self._end if share >= 1.0 else self._start + (self._end - self._start) * share

    def done(self, now_s: float) -> bool:
        return self._ramp.share(now_s) >= 1.0


class ObjectiveRamp:
    """From one objective to another, as a weighted sum of both. Always text that parses.

    Raises ObjectiveError when either does not parse.
    """

    def __init__(self, start: str, end: str, ramp: Ramp) -> None:
        self._end, self._ramp = end, ramp
        self._from, self._to = _weights(parse_objective(start)), _weights(parse_objective(end))

    def at(self, now_s: float) -> str:
        share = round(self._ramp.share(now_s) * _STEPS) / _STEPS
        if share >= 1.0:
            return self._end
        targets = dict.fromkeys((*self._from, *self._to))
        terms = [
            Term(self._from.get(t, 0.0) * (1 - share) + self._to.get(t, 0.0) * share, t)
            for t in targets
        ]
        # Targets stay from beginning to end: what the engine was made for must not change.
        return str(Objective(tuple(Term(round(term.weight, 6), term.target) for term in terms)))

    def done(self, now_s: float) -> bool:
        return self._ramp.share(now_s) >= 1.0


def _weights(objective: Objective) -> dict[Target, float]:
    found: dict[Target, float] = {}
    for term in objective.terms:
        found[term.target] = found.get(term.target, 0.0) + term.weight
    return found
