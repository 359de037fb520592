"""Masks that move: a film, or a sequence of pictures, by time and again from the beginning."""

from collections.abc import Iterator
from pathlib import Path
from typing import Final

import cv2
import numpy as np

from livedream.core.errors import SourceError
from livedream.core.frame import Frame
from livedream.flow import Gray, gray
from livedream.warp.remap import Plane

_BLACK: Final = 8  # of 255; else the edge of a mask is where the last ripple of its coding is


def is_film(path: str) -> bool:
    """Whether a mask is no single picture: a film, a folder, a pattern of numbered pictures."""
    from livedream.capture.pictures import SUFFIXES  # dreaming alone needs no PyAV

    one = Path(path)
    return "%" in path or one.is_dir() or one.suffix.lower() not in SUFFIXES


def masked(luma: Gray) -> Plane:
    """(H, W) in [0, 1]: how white each place is.  What lossy coding leaves of black is black."""
    _, found = cv2.threshold(luma, _BLACK, 0, cv2.THRESH_TOZERO)
    return np.asarray(found, np.float32) / np.float32(255.0)


class MaskFilm:
    """A film of which one frame at a time is looked at.  Raises SourceError for one without any."""

    _now: Frame
    _next: Frame | None

    def __init__(self, path: str) -> None:
        self._path = path
        self._length_s: float | None = None  # once its end has been seen
        self._begin()

    def at(self, time_s: float) -> Plane:
        """(H, W) in [0, 1] of the frame that is shown then; after the last one the first again."""
        if self._length_s is not None:
            time_s %= self._length_s
        if time_s < self._time_of(self._now):
            self._begin()
        while self._next is not None and self._time_of(self._next) <= time_s:
            step_s = self._time_of(self._next) - self._time_of(self._now)
            self._now, self._next = self._next, next(self._frames, None)
            if self._next is None:
                self._length_s = self._time_of(self._now) + step_s
        if self._length_s is not None and time_s >= self._length_s:
            return self.at(time_s)
        return masked(gray(self._now.rgb))

    def _begin(self) -> None:
        self._frames = _read(self._path)
        first = next(self._frames, None)
        if first is None:
            raise SourceError(f"{self._path} holds no picture")
        self._now, self._first_s = first, first.time_s
        self._next = next(self._frames, None)

    def _time_of(self, frame: Frame) -> float:
        return frame.time_s - self._first_s


def _read(path: str) -> Iterator[Frame]:
    from livedream.capture import open_source

    with open_source(path) as source:
        yield from source
