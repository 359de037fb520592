"""Timestamps that every frame can be trusted to have.

A sound file is left exactly as it is. Damaged or odd ones have frames without a timestamp, ones
that step back, or ones far behind the end of the stream; each such frame is placed one usual
step after its predecessor, and counted, so that the source can say so.
"""

from fractions import Fraction
from math import floor

_LATE_S = 1  # a recording whose clock was this far on when it began is moved to 0
_CLOCK = 1_000_000  # FFmpeg's ticks per second for a whole file
_TRUST_S = 60  # behind the end that a stream tells, and twice its length: longer is damage


def shift_of(file_start: int | None, video_start: int | None, time_base: Fraction) -> int:
    """How many ticks to take off every timestamp, so that the film begins where players look.

    file_start: when the earliest stream begins, in microseconds.  video_start: when the video
    does, in ticks of `time_base`.  Zero for ordinary files. Recordings of a running clock (TV, some
    cameras) begin hours late, some edited files before zero, which not every container holds.
    The sink that copies their sound counts in the same way.
    """
    if file_start is not None and file_start >= _LATE_S * _CLOCK:
        return floor(Fraction(file_start, _CLOCK) / time_base)
    return min(0, video_start or 0)


class Clock:
    """Gives each frame, in order, a pts that is greater than the one before.

    time_base: seconds per tick.  rate: frames per second, for the usual step.
    first: earlier is not believed.  length: ticks that the stream says it lasts, None when it does
    not say; far behind that is not believed either.
    """

    def __init__(
        self, time_base: Fraction, rate: Fraction, first: int = 0, length: int | None = None
    ) -> None:
        self.repaired = 0
        self._step = max(1, round(1 / (rate * time_base)))
        self._first = first
        self._limit = None
        if length is not None:
            self._limit = first + 2 * length + round(_TRUST_S / time_base)
        self._previous: int | None = None

    def place(self, pts: int | None) -> int:
        """The pts to use for a frame that says `pts`."""
        if pts is not None and self._is_believable(pts):
            self._previous = pts
            return pts
        self.repaired += 1
        self._previous = self._first if self._previous is None else self._previous + self._step
        return self._previous

    def _is_believable(self, pts: int) -> bool:
        if pts < self._first or (self._limit is not None and pts > self._limit):
            return False
        return self._previous is None or pts > self._previous
