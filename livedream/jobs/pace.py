"""Settings for a wanted frame rate, estimated from one measurement.

An ascent step costs something by itself and something for each pixel: the two octaves measured,
largest and smallest, say how much of each. The flow and the composing are as large as they were,
whatever the dream's size.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final, Self

from livedream.core.settings import DreamSettings, dream_size, parse_size
from livedream.dream.ascent import Plan
from livedream.dream.dreamer import Dreamer

_SIZES: Final = tuple(
    f"{side}p" for side in (1080, 720, 540, 480, 432, 360, 324, 270, 240, 216, 180, 144, 120)
)
_ITERATIONS: Final = (3, 2, 1)
_ITERATIONS_IN_TURN: Final = (2, 1)
_ROOM: Final = 1.1  # heuristic: a pace is kept if a tenth of the time is left


@dataclass(frozen=True, slots=True)
class Suggestion:
    """Settings that should keep the wanted pace, by this measurement.  fps: expected."""

    size: str
    iterations: int
    fps: float


@dataclass(frozen=True, slots=True)
class Cost:
    """Milliseconds of a frame: for itself, for each ascent step, for a pixel that the network sees
    in a step, for a pixel of the dream."""

    frame_ms: float
    step_ms: float
    seen_ms: float
    dreamed_ms: float

    @classmethod
    def of(
        cls,
        dreamer: Dreamer,
        picture: tuple[int, int],
        stages_ms: Mapping[str, float],
        octaves_ms: Mapping[str, float],
        frame_ms: float,
    ) -> Self:
        """stages_ms: flow, warp, dream (the ascent in it) and compose, each alone.  octaves_ms: by
        ``WIDTHxHEIGHT``, all steps of one.  frame_ms: when they overlap."""
        settings = dreamer.settings
        width, height = dream_size(settings.size, *picture)
        sizes = dreamer.ascent.octave_sizes(width, height)
        shares = replace(Plan.at((width, height), settings), octaves=len(sizes)).shares
        steps = []  # (pixels, milliseconds of a step) of each octave
        ascent_ms = 0.0
        for (w, h), share in zip(reversed(sizes), shares, strict=True):
            seen = (w + settings.jitter) * (h + settings.jitter)
            octave_ms = octaves_ms[f"{w}x{h}"]
            steps.append((seen, octave_ms / settings.iterations))
            ascent_ms += share * octave_ms
        (few, quick), (many, slow) = min(steps), max(steps)
        seen_ms = max(0.0, (slow - quick) / (many - few)) if many > few else slow / many
        step_ms = slow - seen_ms * many
        if step_ms <= 0:
            step_ms, seen_ms = 0.0, slow / many
        overlap = frame_ms / max(sum(stages_ms.values()), 1e-9)
        dreamed = stages_ms["warp"] + max(0.0, stages_ms["dream"] - ascent_ms)
        return cls(
            frame_ms=overlap * (stages_ms["flow"] + stages_ms["compose"]),
            step_ms=overlap * step_ms,
            seen_ms=overlap * seen_ms,
            dreamed_ms=overlap * dreamed / (width * height),
        )

    def fps(self, plan: Plan) -> float:
        """Frames per second to expect of such dreams."""
        steps_ms = self.step_ms * sum(plan.shares) * plan.iterations + self.seen_ms * plan.cost
        dreamed_ms = self.dreamed_ms * plan.size[0] * plan.size[1]
        return 1000 / (self.frame_ms + steps_ms + dreamed_ms)


def suggestions(
    cost: Cost, settings: DreamSettings, picture: tuple[int, int], fps: float
) -> tuple[Suggestion, ...]:
    """For each number of steps, the largest size that keeps `fps`, if any does."""
    found = []
    for iterations in _ITERATIONS_IN_TURN if settings.momentum > 0 else _ITERATIONS:
        for size in _SIZES:
            if parse_size(size, *picture) != dream_size(size, *picture):
                continue  # a dream is never larger than its picture
            plan = Plan.of(settings.replace(size=size, iterations=iterations), *picture)
            expected = cost.fps(plan)
            if expected >= _ROOM * fps:
                found.append(Suggestion(size, iterations, round(expected, 1)))
                break
    return tuple(found)
