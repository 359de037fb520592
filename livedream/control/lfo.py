"""Low-frequency oscillators: slow waves that move a parameter."""

import math
from collections.abc import Callable, Mapping
from typing import Final

import numpy as np

from livedream.core.errors import SettingsError

__all__ = ["SHAPES", "wave"]

_STEADY: Final[Mapping[str, Callable[[float], float]]] = {
    "sine": lambda phase: math.sin(2 * math.pi * phase),
    "triangle": lambda phase: 1 - 4 * abs((phase + 0.25) % 1.0 - 0.5),
    "ramp": lambda phase: 2 * phase - 1,
    "saw": lambda phase: 1 - 2 * phase,
    "square": lambda phase: 1.0 if phase < 0.5 else -1.0,
}
SHAPES: Final = (*_STEADY, "random", "wander")


def wave(shape: str, cycles: float, seed: int = 0) -> float:
    """The wave's value, -1 to 1, after `cycles` periods (their fraction is the phase).

    sine and triangle begin at 0 and rise; ramp rises from -1, saw falls from 1; square is 1, then
    -1.  random holds another value in each period, wander goes smoothly from one to the next; both
    are fixed by seed and period, so that a show can be played again.
    Raises SettingsError for another shape.
    """
    if shape not in SHAPES:
        raise SettingsError(f"wave: must be one of {', '.join(SHAPES)} (got {shape!r})")
    if not math.isfinite(cycles):
        return 0.0
    if shape in ("random", "wander"):
        now, after = (_drawn(math.floor(cycles) + step, seed) for step in (0, 1))
        phase = cycles - math.floor(cycles)
        return now if shape == "random" else now + (after - now) * phase * phase * (3 - 2 * phase)
    return _STEADY[shape](cycles - math.floor(cycles))


def _drawn(period: int, seed: int) -> float:
    """One number from -1 to 1 for each period; the same one each time."""
    return float(np.random.default_rng([seed, period % 2**32]).uniform(-1.0, 1.0))
