"""Timestamps that every frame can be trusted to have.

A sound file is left exactly as it is. Damaged or odd ones have frames without a timestamp, ones
that step back, or ones far behind the end of the stream; each such frame is placed one usual
step after its predecessor, and counted, so that the source can say so.
"""

from fractions import Fraction


class Clock:
    """Gives each frame, in order, a pts that is greater than the one before.

    time_base: seconds per tick.  rate: frames per second, for the usual step.
    last_pts: where the stream is said to end, None when it does not say; later is not believed.
    """

    def __init__(self, time_base: Fraction, rate: Fraction, last_pts: int | None = None) -> None:
        self.repaired = 0
        self._step = max(1, round(1 / (rate * time_base)))
        self._limit = None if last_pts is None else last_pts + 10 * self._step
        self._previous: int | None = None

    def place(self, pts: int | None) -> int:
        """The pts to use for a frame that says `pts`."""
        if self._believable(pts):
            assert pts is not None
            self._previous = pts
            return pts
        self.repaired += 1
        self._previous = 0 if self._previous is None else self._previous + self._step
        return self._previous

    def _believable(self, pts: int | None) -> bool:
        if pts is None:
            return False
        if self._limit is not None and pts > self._limit:
            return False
        return self._previous is None or pts > self._previous
