"""Animated pictures as films: WebP, PNG (APNG) and AVIF, with the delays that they have.

FFmpeg reads GIF, and the first picture of these. Pillow composes each frame and tells its delay.
"""

from bisect import bisect_left
from collections.abc import Iterator
from dataclasses import replace
from fractions import Fraction
from itertools import accumulate
from pathlib import Path
from typing import Final

from PIL import Image

from livedream.capture.pictures import DROPPED, SRGB, UNREADABLE, pillow_image, rgb_of
from livedream.core.closing import Closeable
from livedream.core.errors import SourceError
from livedream.core.frame import Frame, SourceInfo
from livedream.core.shrink import fitted
from livedream.media.timing import TimeRange

_SUFFIXES: Final = (".webp", ".png", ".apng", ".avif", ".avifs")
_CLOCK: Final = Fraction(1, 90_000)  # holds milliseconds, and APNG's 1/30 s and 1001/30000 s
_LEAST_MS: Final = 10  # browsers take what is not longer for no delay; GIF: see `containers`
_USUAL_MS: Final = 100  # what they wait then


def is_animated(path: Path) -> bool:
    """Whether a file holds more than one picture, shown one after the other."""
    if path.suffix.lower() not in _SUFFIXES:
        return False
    try:
        with pillow_image(path) as image:
            return bool(getattr(image, "is_animated", False))
    except UNREADABLE:
        return False


def loops_of(path: Path) -> int:
    """How often an animation is shown, 0 for ever. A GIF that does not say is shown once."""
    try:
        with pillow_image(path) as image:
            return int(image.info.get("loop", int(image.format == "GIF")))
    except UNREADABLE:
        return 0


class AnimatedSource(Closeable):
    """The frames of an animated picture, or of a part of it.

    Raises SourceError when there is none in that part.
    """

    def __init__(self, path: Path, part: TimeRange | None = None) -> None:
        self._path, self._part = path, part or TimeRange()
        self._cut_short = False
        delays = list(self._delays())
        self._times = [0, *accumulate(delays)]
        first, last = self._part.ticks(_CLOCK)
        self._begin = bisect_left(self._times, first, hi=len(delays))
        self._end = len(delays) if last is None else bisect_left(self._times, last, hi=len(delays))
        if self._begin >= self._end:
            raise SourceError(f"{path} has no frame in {self._part}: choose another range")
        self._start = first
        with pillow_image(path) as image:
            shown = rgb_of(image)
            notes = (DROPPED,) if image.has_transparency_data else ()
        self._info = SourceInfo(
            name=path.name,
            width=shown.shape[1],
            height=shown.shape[0],
            rate=Fraction(len(delays)) / (self._times[-1] * _CLOCK),
            time_base=_CLOCK,
            frames=self._end - self._begin,
            files=(path,),
            colour=SRGB,
            start_s=self._part.start_s,
            end_s=self._part.end_s,
            begins_s=float(first * _CLOCK),
            loops=loops_of(path),
            notes=notes,
        )

    @property
    def info(self) -> SourceInfo:
        """What the animation is."""
        cut = ("the file is cut short: everything before that point is read",)
        return replace(self._info, notes=self._info.notes + cut * self._cut_short)

    def _images(self) -> Iterator[Image.Image]:
        """Each frame as Pillow composes it, up to where the file breaks off."""
        with pillow_image(self._path) as image:
            # A PNG's first picture may be for those only who cannot show animations.
            first = int(bool(image.info.get("default_image")))
            for number in range(first, getattr(image, "n_frames", 1)):
                try:
                    image.seek(number)
                    image.load()
                except UNREADABLE:
                    self._cut_short = True
                    return
                yield image

    def _delays(self) -> Iterator[int]:
        for image in self._images():
            delay_ms = float(image.info.get("duration") or 0)
            delay_ms = delay_ms if delay_ms > _LEAST_MS else _USUAL_MS
            yield round(Fraction(delay_ms) / 1000 / _CLOCK)

    def __iter__(self) -> Iterator[Frame]:
        for number, image in enumerate(self._images()):
            index = number - self._begin
            if number >= self._end:
                return
            if index < self._part.skip:
                continue
            rgb = fitted(rgb_of(image), self._info.width, self._info.height)
            pts, end = self._times[number], self._times[number + 1]
            yield Frame(rgb, pts - self._start, _CLOCK, index, end - pts)

    def close(self) -> None:
        """Nothing is held open."""
