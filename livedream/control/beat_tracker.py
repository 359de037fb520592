"""The beat of what is heard, as it is heard.

Twice a second the beats of the last seconds are found as in a film's soundtrack (see
`livedream.control.beats`); a line through the newest of them says where the beat is now and how
fast it is.  Between two looks, and in a break, the tempo goes on by itself.
"""

import threading
from collections import deque
from collections.abc import Callable
from typing import Final

import numpy as np
from numpy.typing import NDArray

from livedream.control.audio_analyzer import stands_out
from livedream.control.beats import find_bars, find_beats
from livedream.control.tempo import BEATS_PER_BAR, MAXIMUM_BPM, MINIMUM_BPM, Tempo
from livedream.core.health import Health
from livedream.core.supervisor import SupervisedThread, start_thread

LEADER: Final = "The music"
_WINDOW_S: Final = 14.0  # seven bars of four at 120: more follows a change of tempo too slowly
_LEAST_S: Final = 6.0  # three bars, before which a tempo is a guess
_EVERY_S: Final = 0.5  # half of what `Tempo` waits for who leads
_LINE: Final = 9  # beats that the line goes through: two bars
_BREAK_S: Final = 3.0  # without two onsets in it there is nothing to follow
_ONSETS: Final = 2
_LATE_S: Final = 0.023  # from an onset to the end of the hop in which it is heard; measured
_ELSEWHERE: Final = 4  # every so many looks any tempo is looked for
_OTHER: Final = 2  # so often in a row another is found, until it is another piece of music
_SAME: Final = 0.04  # tempi so near are one
_RATIOS: Final = (1 / 3, 1 / 2, 1.0, 2.0, 3.0)  # how one beat is also heard
_FADE: Final = 0.9  # of the votes for a bar, from one look to the next
_MARGIN: Final = 2.0  # how many times more votes another first beat has to have
_HANDS_S: Final = 3.0  # who taps is not interrupted
_HOLD_S: Final = 30.0  # heuristic: eight bars at 65; a longer break is an end, others may lead
_LATEST_S: Final = 1.5  # no block of a device that is well comes so late (heuristic)
_STOPPED_S: Final = 2 * _LATEST_S  # a device that has given nothing for so long is gone
_GAP_S: Final = 0.2  # so much is missing that what is behind it is heard anew


class BeatTracker:
    """Leads a tempo by what is heard.

    A tempo that is set or tapped meanwhile says what to listen for, and which beat is the first of
    a bar; else the bass and the music's changes say so.  Bars have four beats.

    clock: seconds, as the tempo's.
    """

    def __init__(self, tempo: Tempo, clock: Callable[[], float]) -> None:
        self._tempo, self._clock = tempo, clock
        self._lock = threading.Lock()
        self._step_s = 0.0
        self._loud: NDArray[np.float32] = np.zeros((0, 4), np.float32)
        self._flux: NDArray[np.float32] = np.zeros((0, 4), np.float32)
        self._count = 0  # moments heard since the beginning
        self._begin_s = 0.0  # when the first of them was
        self._begins_s: deque[float] = deque()  # by each of the last moments
        self._told, self._told_s, self._bar_told = tempo.told, -_HANDS_S, False
        self._bpm = 0.0  # what is followed, 0 until there is one
        self._led_s = 0.0  # when the tempo was led last
        self._looks = self._other = 0
        self._votes: NDArray[np.float64] = np.zeros(BEATS_PER_BAR)
        self._thread: SupervisedThread | None = None

    def start(self) -> None:
        self._thread = start_thread("beat", self.look, every_s=_EVERY_S)

    def close(self) -> None:
        if self._thread is not None:
            self._thread.close()

    def health(self) -> Health:
        heard = f"{self._bpm:.1f} bpm" if self._bpm else "no beat yet"
        return Health("beat", "ok", heard, self._looks)

    def hear(
        self, loud: NDArray[np.float32], flux: NDArray[np.float32], step_s: float, now_s: float
    ) -> None:
        """What was measured up to this moment; from the thread that hears.

        loud, flux: (4,), of all and of each band, see `Spectrometer`; step_s: since those before.
        """
        with self._lock:
            self._count += 1
            self._begins_s.append(now_s - self._count * step_s)
            # Blocks may come late, but not early: what was longest ago is the truth.
            begin_s = min(self._begins_s)
            if begin_s - self._begin_s > _GAP_S or step_s != self._step_s:
                size = round(_WINDOW_S / step_s)
                self._loud = np.zeros((size, 4), np.float32)
                self._flux = np.zeros((size, 4), np.float32)
                self._step_s, self._count, begin_s = step_s, 1, now_s - step_s
                self._begins_s = deque([begin_s], round(_LATEST_S / step_s))
            self._begin_s = begin_s
            at = (self._count - 1) % len(self._loud)
            self._loud[at], self._flux[at] = loud, flux

    def look(self) -> None:
        """Find the beat in what was heard last, and lead the tempo there.

        In a break, or while somebody taps, nobody else is to take the lead.
        """
        now_s = self._clock()
        if self._lead(now_s):
            self._led_s = now_s
        elif now_s - self._led_s < _HOLD_S:
            self._tempo.hold(LEADER, now_s)

    def _lead(self, now_s: float) -> bool:
        """Whether there was a beat, and it is followed."""
        loud, flux, begin_s, step_s = self._heard()
        if len(loud) * step_s < _LEAST_S or self._by_hand(now_s):
            return False
        if now_s - (begin_s + len(loud) * step_s) > _STOPPED_S:  # what was heard last is old
            return False
        onsets = stands_out(flux[:, 0], np.median(flux[:, 0]), loud[:, 0])
        if np.count_nonzero(onsets[-round(_BREAK_S / step_s) :]) < _ONSETS:
            return False
        self._looks += 1
        if self._bpm and self._looks % _ELSEWHERE == 0:
            self._look_elsewhere(find_beats(flux[:, 1:], step_s))
        beats = find_beats(flux[:, 1:], step_s, self._bpm or None)
        if len(beats) < _LINE:
            return False
        period_s, last_s = _line(beats[-_LINE:])
        bpm = 60.0 / period_s
        if not MINIMUM_BPM <= bpm <= MAXIMUM_BPM:
            return False
        last_s += begin_s
        number = round(self._tempo.beats(last_s))
        if not self._bar_told:
            first = find_bars(beats, loud, flux, step_s, BEATS_PER_BAR)[1]
            number += self._bar(number - (len(beats) - 1 - first))
        self._bpm = bpm
        number_now = number + (now_s - last_s) / period_s
        return self._tempo.follow(LEADER, number_now, bpm, now_s, rank=1)

    def _heard(self) -> tuple[NDArray[np.float32], NDArray[np.float32], float, float]:
        """In order; when the first of it was, and the time from one to the next."""
        with self._lock:
            size, step_s = len(self._loud), self._step_s
            kept = min(self._count, size)
            order = np.arange(self._count - kept, self._count) % max(size, 1)
            begin_s = self._begin_s + (self._count - kept + 1) * step_s - _LATE_S
            return self._loud[order], self._flux[order], begin_s, step_s

    def _by_hand(self, now_s: float) -> bool:
        """Whether somebody is setting or tapping the tempo."""
        if self._told != self._tempo.told:
            self._told = self._tempo.told
            self._told_s = now_s
            self._bpm, self._bar_told, self._other = self._tempo.bpm, True, 0
        return now_s - self._told_s < _HANDS_S

    def _look_elsewhere(self, beats: NDArray[np.float64]) -> None:
        """Begin anew where the music has had another tempo for some time."""
        if len(beats) < _LINE:
            return
        ratio = 60.0 / _line(beats[-_LINE:])[0] / self._bpm
        same = any(abs(ratio / one - 1) < _SAME for one in _RATIOS)
        self._other = 0 if same else self._other + 1
        if self._other > _OTHER:
            self._bpm, self._other, self._bar_told = 0.0, 0, False
            self._votes[:] = 0

    def _bar(self, first: int) -> int:
        """By how many beats to count on, so that bars begin where most looks have heard it.

        first: which beat this look has heard a bar begin with, as it is counted now.
        """
        self._votes *= _FADE
        self._votes[first % BEATS_PER_BAR] += 1
        best = int(self._votes.argmax())
        if not best or self._votes[best] < _MARGIN * (self._votes[0] + 0.5):
            return 0
        self._votes = np.roll(self._votes, -best)
        return BEATS_PER_BAR - best


def _line(beats: NDArray[np.float64]) -> tuple[float, float]:
    """The period, and when the newest was meant: least squares, in seconds."""
    number = np.arange(1 - len(beats), 1, dtype=float)
    period, last = np.polyfit(number, beats, 1)
    return float(period), float(last)
