"""The beat: how fast it is and where in the bar we are; set, tapped, or followed."""

import threading
from collections.abc import Callable
from itertools import pairwise
from statistics import median
from typing import Final

from livedream.core.errors import SettingsError

MINIMUM_BPM: Final = 20.0
MAXIMUM_BPM: Final = 300.0
USUAL_BPM: Final = 120.0  # before anybody taps
BEATS_PER_BAR: Final = 4
_FORGET_S: Final = 60.0 / MINIMUM_BPM  # a longer pause begins a new series of taps
_TAPS: Final = 8  # heuristic: two bars of four; more follow a change of tempo too slowly
_MOST_BEATS: Final = (
    1e9  # six years at 300 a minute; more cannot be told from its neighbour in time
)
_SILENT_S: Final = 1.0  # who leads and has said nothing for so long leads no more


class Tempo:
    """A steady beat. Thread-safe.

    bpm: beats per minute, `MINIMUM_BPM` to `MAXIMUM_BPM`.  on_change: called after somebody here
    has set or tapped it; not for what is followed.
    """

    def __init__(self, bpm: float = USUAL_BPM, now_s: float = 0.0) -> None:
        self._lock = threading.RLock()
        self._taps: list[float] = []
        self._tapped = 0  # beats since the first of a series
        self._bpm = checked_bpm(bpm)
        self._at_s, self._at_beats = now_s, 0.0  # a moment, and the beats then
        self._leader, self._rank, self._led_s = "", 0, -_SILENT_S
        self.told = 0  # how often somebody here has set or tapped it
        self.on_change: Callable[[], None] | None = None

    @property
    def bpm(self) -> float:
        return self._bpm

    def beats(self, now_s: float) -> float:
        """Beats since a bar began: whole numbers are on the beat, every fourth is on a bar."""
        with self._lock:
            return self._at_beats + (now_s - self._at_s) * self._bpm / 60.0

    def leader(self, now_s: float) -> str:
        """Whose clock is followed, "" for nobody's."""
        return self._leader if now_s - self._led_s < _SILENT_S else ""

    def set_bpm(self, bpm: float, now_s: float) -> None:
        """Another tempo, from where we are in the bar. Raises SettingsError out of range."""
        checked = checked_bpm(bpm)
        with self._lock:
            self._anchor(self.beats(now_s), checked, now_s)
            self._taps.clear()
        self._changed()

    def tap(self, now_s: float) -> float:
        """One tap: a beat falls now, the first of a series on the bar. From the second on it sets
        the tempo; returns it."""
        with self._lock:
            if not self._taps or now_s - self._taps[-1] > _FORGET_S:
                self._taps.clear()
                self._tapped = 0
            self._taps = [*self._taps, now_s][-_TAPS:]
            gaps = [after - before for before, after in pairwise(self._taps)]
            # The median: one tap missed or doubled does not spoil the rest.
            bpm = self._bpm
            if gaps and (gap := median(gaps)) > 0:
                bpm = min(MAXIMUM_BPM, max(MINIMUM_BPM, 60.0 / gap))
                self._tapped += round(gaps[-1] * bpm / 60.0)
            self._anchor(float(self._tapped), bpm, now_s)
        self._changed()
        return bpm

    def follow(self, leader: str, beats: float, bpm: float, now_s: float, *, rank: int = 0) -> bool:
        """What another clock says; whether it is followed: it has to be in range, and nobody else
        of its rank or a higher one may lead at that time.

        leader: its name, for people.  beats: as `beats` gives them, at `now_s`.  rank: 0 for Link,
        which never falls silent, 1 for the music, 2 for a MIDI clock.
        """
        with self._lock:
            possible = MINIMUM_BPM <= bpm <= MAXIMUM_BPM and abs(beats) <= _MOST_BEATS
            free = rank > self._rank or self.leader(now_s) in ("", leader)
            if not free or not possible:
                return False
            self._leader, self._rank, self._led_s = leader, rank, now_s
            self._anchor(beats, bpm, now_s)
            return True

    def hold(self, leader: str, now_s: float) -> None:
        """Go on by itself, in the name of who leads and has nothing to say just now."""
        with self._lock:
            if self.leader(now_s) == leader:
                self._led_s = now_s

    def _anchor(self, beats: float, bpm: float, now_s: float) -> None:
        self._at_beats, self._bpm, self._at_s = beats, bpm, now_s

    def _changed(self) -> None:
        self.told += 1
        if self.on_change is not None:
            self.on_change()


def checked_bpm(bpm: float) -> float:
    """Beats per minute, or SettingsError."""
    if not MINIMUM_BPM <= bpm <= MAXIMUM_BPM:
        raise SettingsError(
            f"tempo: must be {MINIMUM_BPM:g} to {MAXIMUM_BPM:g} beats per minute (got {bpm:g})"
        )
    return float(bpm)
