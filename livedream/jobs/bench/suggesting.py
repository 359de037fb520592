"""Settings for a wanted pace, reckoned from one measurement.

An ascent step costs something by itself and something for each pixel: the two octaves measured,
largest and smallest, say how much of each. The flow and the composing are as large as they were,
whatever the dream's size.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Self

from livedream.core.settings import dream_size
from livedream.dream.dreamer import Dreamer
from livedream.jobs.bench.report import Suggestion

__all__ = ["Cost", "suggestions"]

_SIZES: Final = (1080, 720, 540, 480, 432, 360, 324, 270, 240, 216, 180, 144, 120)
_STEPS: Final = ((3, 3), (2, 2), (2, 1), (1, 1))  # octaves, iterations: the finest first
_ROOM: Final = 1.1  # heuristic: a pace is kept if a tenth of the time is left


@dataclass(frozen=True, slots=True)
class Cost:
    """Milliseconds of a frame: for itself, for each ascent step, for a pixel that the network sees
    in a step, for a pixel of the dream.

    shape: of the picture, width over height.  jitter: px of margin.  octave_scale: see settings.
    """

    frame_ms: float
    step_ms: float
    seen_ms: float
    dreamed_ms: float
    shape: float
    jitter: int
    octave_scale: float

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
        seen = {
            f"{w}x{h}": (w + settings.jitter) * (h + settings.jitter)
            for w, h in dreamer.ascent.octave_sizes(width, height)
        }
        step_ms, seen_ms = _line(
            [(seen[size], ms / settings.iterations) for size, ms in octaves_ms.items()]
        )
        ascent_ms = sum(octaves_ms.values())
        overlap = frame_ms / max(sum(stages_ms.values()), 1e-9)
        dreamed = stages_ms["warp"] + max(0.0, stages_ms["dream"] - ascent_ms)
        return cls(
            frame_ms=overlap * (stages_ms["flow"] + stages_ms["compose"]),
            step_ms=overlap * step_ms, seen_ms=overlap * seen_ms,
            dreamed_ms=overlap * dreamed / (width * height), shape=width / height,
            jitter=settings.jitter, octave_scale=settings.octave_scale,
        )  # fmt: skip

    def fps(self, short_px: int, octaves: int, iterations: int) -> float:
        """Frames per second to expect of a dream with this short side."""
        height = short_px if self.shape >= 1 else short_px / self.shape
        width = height * self.shape
        seen = iterations * sum(
            (width * self.octave_scale**-i + self.jitter)
            * (height * self.octave_scale**-i + self.jitter)
            for i in range(octaves)
        )
        steps = self.step_ms * octaves * iterations + self.seen_ms * seen
        return 1000 / (self.frame_ms + steps + self.dreamed_ms * width * height)


def _line(points: list[tuple[int, float]]) -> tuple[float, float]:
    """A step's own milliseconds and those of a pixel, none below zero.

    points: (pixels, milliseconds of a step) of each octave; a single one costs by the pixel.
    """
    (few, quick), (many, slow) = min(points), max(points)
    steep = max(0.0, (slow - quick) / (many - few)) if many > few else slow / many
    own = slow - steep * many
    return (own, steep) if own > 0 else (0.0, slow / many)


def suggestions(cost: Cost, fps: float) -> tuple[Suggestion, ...]:
    """For each number of steps, the largest size that keeps `fps`, if any does."""
    found = []
    for octaves, iterations in _STEPS:
        for short in _SIZES:
            expected = cost.fps(short, octaves, iterations)
            if expected >= _ROOM * fps:
                found.append(Suggestion(f"{short}p", octaves, iterations, round(expected, 1)))
                break
    return tuple(found)
