"""The sound of a live show: its last seconds, by the clock that pictures are captured by.

Whoever hears it puts it in, each output takes out what belongs to the picture that it sends,
however late that is. Nobody waits, nothing grows; what an output does not take in ten seconds is
gone.

Convention. A block is (n, 2) float32 in [-1, 1], left and right, `SOUND_RATE` samples a second.
Times are monotonic seconds; samples are counted on the same clock, from its beginning on.
"""

import threading
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

SOUND_RATE: Final = 48_000  # samples a second, whatever a source has
# What goes along with the picture: the source's sound where it has some, the source's, which must
# have some, what --audio listens to, nothing.
SOUNDS: Final = ("auto", "source", "audio", "none")
KEPT_S: Final = 10  # what is not taken by then is gone
_KEPT: Final = KEPT_S * SOUND_RATE
_PATIENCE: Final = SOUND_RATE  # heuristic: sound that comes later than that is not waited for
_JUMP: Final = SOUND_RATE // 50  # what does not follow by more is another piece: lips see 40 ms
# A source's clock is never quite ours. What it drifts is eased away before it can be heard, in
# proportion to the mean of what it is off and to its sum; heuristic, well damped by simulation.
_MEAN_S: Final = 0.4
_EASING: Final = 0.5  # of the mean, a second
_SUMMED: Final = 0.05  # of its sum, a second...
_MOST_SUM: Final = SOUND_RATE  # ...which makes 5 % at most
_CREEP: Final = 0.001  # heuristic: far more than a crystal is wrong by

Block = NDArray[np.float32]  # (n, 2)


def full_scale(block: NDArray[Any]) -> NDArray[np.float32]:
    """`block` within [-1, 1], whatever a device or sender gives; what is no number is silence."""
    return np.asarray(np.nan_to_num(np.clip(block, -1.0, 1.0), nan=0.0), np.float32)


def resumed(first: int, now: int) -> int:
    """The sample to go on from: `first`, or `now` where more lies between them than is kept.

    So what a computer has slept through is a gap, not hours of silence to be sent.
    """
    return now if now - first > _KEPT else first


class LiveSound:
    """One puts, any number take, each in a thread of its own."""

    def __init__(self) -> None:
        self._ring: Block = np.zeros((_KEPT, 2), np.float32)
        self._end = 0  # the number of the sample that comes next
        self._off = self._sum = self._owed = 0.0  # samples
        self._lock = threading.Lock()

    def put(self, block: Block, begin_s: float, *, joint: bool = False) -> None:
        """Sound that begins at this time. What nearly follows the last block follows it.

        joint: it does not follow, however near it is.
        """
        at = round(begin_s * SOUND_RATE)
        off = at - self._end
        with self._lock:
            if joint or abs(off) > _JUMP:
                self._off = self._owed = 0.0
                if joint or abs(off) > _PATIENCE:
                    self._sum = 0.0  # else it is the same clock
                if 0 < off < _KEPT:
                    self._write(np.zeros((off, 2), np.float32), self._end)
                elif off >= _KEPT:
                    self._ring[:] = 0.0
                self._end = at
            else:
                block = self._eased(block, off)
            self._write(block, self._end)
            self._end += len(block)

    def _eased(self, block: Block, off: int) -> Block:
        """A little longer or shorter, where blocks come ever later or earlier."""
        passed_s = len(block) / SOUND_RATE
        self._off += min(1.0, passed_s / _MEAN_S) * (off - self._off)
        self._sum = min(_MOST_SUM, max(-_MOST_SUM, self._sum + passed_s * self._off))
        self._owed += passed_s * (_EASING * self._off + _SUMMED * self._sum)
        more = int(self._owed)
        if not more or len(block) < 2:
            return block
        self._owed -= more
        places = np.linspace(0, len(block) - 1, max(1, len(block) + more))
        first = np.minimum(places.astype(np.int64), len(block) - 2)
        share = (places - first)[:, None].astype(np.float32)
        return np.asarray(block[first] * (1 - share) + block[first + 1] * share, np.float32)

    def _write(self, block: Block, at: int) -> None:
        block = block[-_KEPT:]
        begin = at % _KEPT
        head = min(len(block), _KEPT - begin)
        self._ring[begin : begin + head] = block[:head]
        self._ring[: len(block) - head] = block[head:]

    def take(self, first: int, count: int, now: int) -> Block | None:
        """(count, 2) from the sample of this number on, silence where there was none.

        now: the sample at the picture that is sent.  None while it may still come.
        """
        with self._lock:
            if first + count > self._end and first + count > now - _PATIENCE:
                return None
            block = np.zeros((count, 2), np.float32)
            begin, end = max(first, self._end - _KEPT), min(first + count, self._end)
            if begin < end:
                places = np.arange(begin, end) % _KEPT
                block[begin - first : end - first] = self._ring[places]
            return block


class ArrivalClock:
    """From a source's clock to ours, by when its pieces come: the earliest ones were on time.

    offset_s: from theirs to ours, None while nothing is known.  most_late_s: a source that stands
    still for longer goes on later.
    """

    def __init__(self, most_late_s: float) -> None:
        self._most_late_s = most_late_s
        self._now_s = 0.0
        self.offset_s: float | None = None

    def restart(self) -> None:
        """What comes next has another clock."""
        self.offset_s = None

    def ours(self, source_s: float, now_s: float) -> float:
        """When a piece of this time was due, now that it has come."""
        found_s = now_s - source_s
        if self.offset_s is None or found_s - self.offset_s > self._most_late_s:
            self.offset_s = found_s
        else:  # theirs may be slower than ours
            creeping_s = _CREEP * max(0.0, now_s - self._now_s)
            self.offset_s = min(found_s, self.offset_s + creeping_s)
        self._now_s = now_s
        return source_s + self.offset_s
