"""Values on their way: numbers that follow their target, objectives that turn into one another.

Each ramp is a closed formula of time, so that it does not matter how often it is read.
"""

import math
from collections.abc import Callable
from typing import Final

from livedream.core.errors import ObjectiveError
from livedream.dream.objectives.text import MOST_TERMS, parse_objective
from livedream.dream.objectives.value import Objective, Target, Term
from livedream.region.value import Region

_SETTLED: Final = 7.0  # time constants after which less than a thousandth of a change is left
_STEPS: Final = 50  # a share that is shown is rounded to so many: each new objective costs a parse


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

    def back_from(self, there: "Ramp") -> "Ramp":
        """This one as the way back from where `there` is at its start; both over seconds."""
        left = max(0.0, 1.0 - (self._start_s - there._start_s) / there._seconds)
        return Ramp(self._start_s - left * self._seconds, seconds=self._seconds)


def mixed_objective(start: str, end: str) -> Callable[[float], str]:
    """From one objective to another, by the share of the way: a weighted sum of both.

    Raises ObjectiveError when either does not parse, or both together have too many terms.
    """
    before, after = _weights(parse_objective(start)), _weights(parse_objective(end))
    # Targets stay from beginning to end: what the engine was made for must not change.
    targets = tuple(dict.fromkeys((*before, *after)))
    if len(targets) > MOST_TERMS:
        raise ObjectiveError(f"both have more than {MOST_TERMS} terms", text=end, position=0)

    def at(share: float) -> str:
        if share >= 1.0:
            return end
        weights = (before.get(t, 0.0) * (1 - share) + after.get(t, 0.0) * share for t in targets)
        terms = zip(weights, targets, strict=True)
        return str(Objective(tuple(Term(round(weight, 6), *target) for weight, target in terms)))

    return at


def in_steps(share: float) -> float:
    """A share of two objectives as it is shown."""
    return round(share * _STEPS) / _STEPS


def _weights(objective: Objective) -> dict[tuple[Target, Region | None], float]:
    found: dict[tuple[Target, Region | None], float] = {}
    for term in objective.terms:
        target = term.target, term.region
        found[target] = found.get(target, 0.0) + term.weight
    return found
