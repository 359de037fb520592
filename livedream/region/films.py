"""Masks and guides that move: a film, or a sequence of pictures, by time and again from the
beginning; in a live show a live source as well (`livedream.capture.live.beside`)."""

import math
from collections.abc import Iterator
from fractions import Fraction
from functools import lru_cache
from pathlib import Path
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from livedream.core.errors import SettingsError, SourceError
from livedream.core.frame import Frame, Picture
from livedream.flow import Gray
from livedream.warp.remap import Plane

_TICK_S: Final = 1e-6  # a time that is a sum of two may fall short of its frame's
_FAR_S: Final = 2.0  # what is asked for next is sought where it is farther away, else read up to
_LEAD_S: Final = 1.0  # before it, so that the frame that is shown then is found
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
    if not live and is_live(path):
        raise SourceError(f"{path} is live, and is seen by a live show only: give a film")
    _check(path)


@lru_cache(maxsize=16)
def _check(path: str) -> None:
    if not is_live(path):
        Film(path)
        return
    from livedream.capture.live import open_live

    try:
        open_live(path)
    except SettingsError as error:  # an address that can never be read
        raise SourceError(str(error)) from error


class Film:
    """A film of which one frame at a time is looked at.  Raises SourceError for one without any.

    rate: of numbered pictures and folders, frames/s; None: as `open_source` has it.
    """

    _now: tuple[float, Frame]  # since the first one, s
    _next: tuple[float, Frame] | None

    def __init__(self, path: str, rate: Fraction | None = None) -> None:
        from livedream.capture.pictures import is_series

        self._path, self._rate = path, rate if is_series(Path(path)) else None
        self._length_s: float | None = None  # once its end has been seen
        self._ends_s: float | None = None  # about, before that
        self._asked_s = self._first_s = 0.0
        self._begin(0.0)
        if self._now[0]:
            self._first_s = self._now[0]
            self._begin(0.0)

    def at(self, time_s: float, most_s: float = math.inf) -> Picture:
        """(H, W, 3) uint8: what is shown then; after the last frame the first again.

        most_s: of the film that is read for it; one that is slow to decode then falls behind.
        """
        far = not 0 <= time_s - self._asked_s <= _FAR_S
        self._asked_s = time_s
        return self._at(time_s + _TICK_S, most_s, far=far)

    def _at(self, time_s: float, most_s: float, *, far: bool) -> Picture:
        shown_s = time_s if self._length_s is None else time_s % self._length_s
        if far or shown_s < self._now[0]:
            self._go(shown_s)
            most_s = max(most_s, 2 * _LEAD_S)
        until_s = min(shown_s, self._now[0] + most_s)
        while self._next is not None and self._next[0] <= until_s:
            before_s, self._now, self._next = self._now[0], self._next, next(self._frames, None)
            if self._next is None:
                self._length_s = 2 * self._now[0] - before_s
        if self._length_s is not None and shown_s >= self._length_s:
            return self._at(time_s, most_s, far=True)
        return self._now[1].rgb

    def _go(self, time_s: float) -> None:
        """Begin shortly before this time; where the film is shorter, before its end."""
        starts_s = [time_s - _LEAD_S]
        if self._ends_s is not None:
            starts_s.append(self._ends_s - _LEAD_S)
        for start_s in starts_s:
            try:
                self._begin(max(0.0, start_s))
            except SourceError:  # behind its end
                continue
            if start_s <= 0 or (self._next is not None and self._now[0] <= time_s):
                return
        self._begin(0.0)

    def _begin(self, start_s: float) -> None:
        self._frames = self._read(start_s)
        first = next(self._frames, None)
        if first is None:
            raise SourceError(f"{self._path} holds no picture")
        self._now, self._next = first, next(self._frames, None)

    def _read(self, start_s: float) -> Iterator[tuple[float, Frame]]:
        """Frames, each with its time since the first one."""
        from livedream.capture import open_source

        with open_source(self._path, start_s=start_s, fps=self._rate) as source:
            if not start_s and source.info.frames:
                self._ends_s = source.info.frames / float(source.info.rate)
            begins_s = source.info.begins_s - self._first_s
            for frame in source:
                yield frame.time_s + begins_s, frame
