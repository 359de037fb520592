"""Settings for a wanted pace, reckoned from one measurement.

Reckoned as if every pixel cost the same at every size. On two cores it does so from about 960x540
up; 480x270 costs half as much again for each pixel (docs/decisions/speed-cpu.md), so that what is
said of sizes far below the one measured is too hopeful: measure there again.
"""

from dataclasses import dataclass
from typing import Final, Self

from livedream.bench.report import Suggestion
from livedream.pipeline import Dreamer
from livedream.settings import parse_size

__all__ = ["Cost", "suggestions"]

_SIZES: Final = (1080, 720, 540, 480, 432, 360, 324, 270, 240, 216, 180, 144, 120)
_STEPS: Final = ((3, 3), (2, 2), (2, 1), (1, 1))  # octaves, iterations: the finest first
_ROOM: Final = 1.1  # heuristic: a pace is kept if a tenth of the time is left


@dataclass(frozen=True, slots=True)
class Cost:
    """Milliseconds of a frame: for a pixel that the network sees, and for a pixel of the dream.

    shape: of the picture, width over height.  jitter: px of margin.  octave_scale: see settings.
    """

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
        stages_ms: tuple[float, float],
        frame_ms: float,
    ) -> Self:
        """stages_ms: the ascent and the rest, each alone.  frame_ms: when they overlap."""
        settings, (ascent_ms, rest_ms) = dreamer.settings, stages_ms
        width, height = parse_size(settings.size, *picture)
        sizes = dreamer.ascent.octave_sizes(width, height)
        seen = settings.iterations * sum(
            (w + settings.jitter) * (h + settings.jitter) for w, h in sizes
        )
        overlap = frame_ms / max(ascent_ms + rest_ms, 1e-9)
        return cls(
            seen_ms=overlap * ascent_ms / seen, dreamed_ms=overlap * rest_ms / (width * height),
            shape=width / height, jitter=settings.jitter, octave_scale=settings.octave_scale,
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
        return 1000 / (self.seen_ms * seen + self.dreamed_ms * width * height)


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
