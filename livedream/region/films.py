"""Masks and guides that move: a film, or a sequence of pictures, by time and again from the
beginning; in a live show a live source as well (`livedream.capture.live.beside`)."""

from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from livedream.core.errors import SourceError
from livedream.core.frame import Frame, Picture
from livedream.flow import Gray
from livedream.warp.remap import Plane

_TICK_S: Final = 1e-6  # a time that is a sum of two may fall short of its frame's
# Of 255, from black and from white: else the edge of a mask, or of what it leaves out, is where the
# last ripple of its coding is.
_RIPPLE: Final = 8


def is_film(path: str) -> bool:
    """Whether it is no single picture: a film, a folder, numbered pictures, or a live source."""
    from livedream.capture.pictures import SUFFIXES

    one = Path(path)
    return "%" in path or "://" in path or one.is_dir() or one.suffix.lower() not in SUFFIXES


def is_live(path: str) -> bool:
    """Whether it is a camera, a stream or the screen."""
    from livedream.capture.live import beside  # dreaming alone needs no PyAV

    return beside.is_live(path)


def masked(luma: Gray) -> Plane:
    """(H, W) in [0, 1]: how white each place is.  What lossy coding makes of black is black, and of
    white white."""
    return np.asarray(cv2.LUT(luma, _levels()), np.float32)


@lru_cache(maxsize=1)
def _levels() -> NDArray[np.float32]:
    """By luma, 0 to 255."""
    levels = np.arange(256, dtype=np.float32) / np.float32(255.0)
    levels[: _RIPPLE + 1], levels[-_RIPPLE - 1 :] = 0.0, 1.0
    return levels


def check_film(path: str, *, live: bool) -> None:
    """Raise SourceError where there is none to look at.

    live: whether live sources are looked at; a film that is dreamed has to come out the same again.
    """
    if not is_live(path):
        _check(path)
    elif not live:
        raise SourceError(f"{path} is live, and is seen by a live show only: give a film")


@lru_cache(maxsize=16)
def _check(path: str) -> None:
    Film(path)


class Film:
    """A film of which one frame at a time is looked at.  Raises SourceError for one without any."""

    _now: Frame
    _next: Frame | None

    def __init__(self, path: str) -> None:
        self._path = path
        self._length_s: float | None = None  # once its end has been seen
        self._begin()

    def at(self, time_s: float) -> Picture:
        """(H, W, 3) uint8: what is shown then; after the last frame the first again."""
        return self._at(time_s + _TICK_S)

    def _at(self, time_s: float) -> Picture:
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
            return self._at(time_s)
        return self._now.rgb

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
