"""Sources that need no file: drifting clouds and television noise.

`synthetic:clouds?size=640x360&fps=25&seconds=10&seed=0` and `synthetic:noise` (or `noise`), each
setting with the default shown here. Clouds are sums of tileable 1/f noise, each layer drifting at
its own speed while it slowly turns into another one; after `seconds` every layer is back where it
began, so that the film loops without a seam. The same seed gives the same bytes.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any
from urllib.parse import parse_qsl

import numpy as np

from livedream.capture.sky import Sky
from livedream.core.closing import Closeable
from livedream.core.errors import SourceError
from livedream.core.frame import ColourTags, Frame, Picture, SourceInfo
from livedream.media.timing import TimeRange

_MOST_PIXELS = 8192 * 4320


_WANTED = {
    "size": "WIDTHxHEIGHT in pixels, such as 640x360",
    "fps": "frames per second between 0 and 1000, such as 25 or 30000/1001",
    "seconds": "a length in seconds between 0 and 1000000, such as 10",
    "seed": "a whole number of at least 0",
}


@dataclass(frozen=True, slots=True)
class SyntheticSettings:
    """What can be asked of a synthetic source; sizes in pixels, fps in frames per second.

    Raises ValueError for what is out of range.
    """

    width: int = 640
    height: int = 360
    fps: Fraction = Fraction(25)
    seconds: Fraction = Fraction(10)
    seed: int = 0

    def __post_init__(self) -> None:
        sized = min(self.width, self.height) >= 1 and self.width * self.height <= _MOST_PIXELS
        if not (
            sized and 0 < self.fps <= 1000 and 0 < self.seconds <= 1_000_000 and self.seed >= 0
        ):
            raise ValueError(self)

    @property
    def frames(self) -> int:
        return max(1, round(self.seconds * self.fps))


class SyntheticSource(Closeable):
    """Frames made on the spot.  name: "clouds" or "noise"."""

    def __init__(
        self, name: str, settings: SyntheticSettings, part: TimeRange | None = None
    ) -> None:
        part = part or TimeRange()
        self._settings, self._sky = settings, None
        if name == "clouds":
            length_s = float(settings.seconds)
            self._sky = Sky(settings.width, settings.height, length_s, settings.seed)
        begin, end = part.ticks(1 / settings.fps)
        end = settings.frames if end is None else min(end, settings.frames)
        if begin >= end:
            raise SourceError(f"synthetic:{name} has no frame in {part}: choose another range")
        self._painted = range(begin, end)
        self._skip = part.skip
        self.info = SourceInfo(
            name=f"synthetic-{name}",
            width=settings.width,
            height=settings.height,
            rate=settings.fps,
            time_base=1 / settings.fps,
            frames=len(self._painted),
            colour=ColourTags(1, 1, 1, False),
            start_s=part.start_s,
            end_s=part.end_s,
            begins_s=float(begin / settings.fps),
        )

    def _paint(self, index: int) -> Picture:
        settings = self._settings
        if self._sky is not None:
            return self._sky.paint(index / settings.frames)
        generator = np.random.default_rng((settings.seed, index))
        return generator.integers(0, 256, (settings.height, settings.width, 3), dtype=np.uint8)

    def __iter__(self) -> Iterator[Frame]:
        time_base = self.info.time_base
        for index, painted in enumerate(self._painted):
            if index >= self._skip:
                yield Frame(self._paint(painted), index, time_base, index, 1)

    def close(self) -> None:
        """Nothing to give back."""


def is_synthetic(text: str) -> bool:
    """Whether `text` names a synthetic source rather than a file."""
    return text.startswith("synthetic:") or text == "noise" or text.startswith("noise?")


def open_synthetic(text: str, part: TimeRange | None = None) -> SyntheticSource:
    """The source that `text` describes; SourceError says which part is not understood."""
    name, _, query = text.removeprefix("synthetic:").partition("?")
    if name not in ("clouds", "noise"):
        raise SourceError(
            f"{text!r} is not a synthetic source: use one of synthetic:clouds, synthetic:noise"
        )
    return SyntheticSource(name, parse_settings(query), part)


def parse_settings(query: str) -> SyntheticSettings:
    """`size=640x360&fps=25&seconds=10&seed=0`, each part optional."""
    settings = SyntheticSettings()
    for key, value in parse_qsl(query, keep_blank_values=True):
        if key not in _WANTED:
            known = ", ".join(_WANTED)
            raise SourceError(f"{key!r} is not an option of a synthetic source: use {known}")
        try:
            if key == "size":
                width, height = (int(part) for part in value.lower().split("x"))
                settings = replace(settings, width=width, height=height)
            elif key == "seed":
                settings = replace(settings, seed=int(value))
            else:
                changed: dict[str, Any] = {key: Fraction(value)}
                settings = replace(settings, **changed)
        except (ValueError, ZeroDivisionError) as error:
            raise SourceError(f"{key}={value}: must be {_WANTED[key]}") from error
    return settings
