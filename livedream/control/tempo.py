"""Tap tempo: beats per minute and where in the beat we are."""

import threading
from itertools import pairwise
from statistics import median
from typing import Final

from livedream.core.errors import SettingsError

MINIMUM_BPM: Final = 20.0
MAXIMUM_BPM: Final = 300.0
_FORGET_S: Final = 60.0 / MINIMUM_BPM  # a longer pause begins a new series of taps
_TAPS: Final = 8  # heuristic: two bars of four; more follow a change of tempo too slowly


class Tempo:
    """A steady beat, set by number or by tapping. Thread-safe.

    bpm: beats per minute, `MINIMUM_BPM` to `MAXIMUM_BPM`.
    """

    def __init__(self, bpm: float = 120.0, now_s: float = 0.0) -> None:
        self._lock = threading.RLock()
        self._taps: list[float] = []
        self._bpm = _checked(bpm)
        self._beat_s = now_s  # a moment at which a beat falls

    @property
    def bpm(self) -> float:
        return self._bpm

    def set_bpm(self, bpm: float, now_s: float) -> None:
        """Another tempo, from the beat we are in on. Raises SettingsError out of range."""
        checked = _checked(bpm)
        with self._lock:
            self._beat_s = now_s - self.beats(now_s) % 1.0 * 60.0 / checked
            self._bpm = checked
            self._taps.clear()

    def tap(self, now_s: float) -> float:
        """One tap: a beat falls now. From the second on it sets the tempo; returns it."""
        with self._lock:
            if self._taps and now_s - self._taps[-1] > _FORGET_S:
                self._taps.clear()
            self._taps = [*self._taps, now_s][-_TAPS:]
            gaps = [after - before for before, after in pairwise(self._taps)]
            # The median: one tap missed or doubled does not spoil the rest.
            if gaps and (gap := median(gaps)) > 0:
                self._bpm = min(MAXIMUM_BPM, max(MINIMUM_BPM, 60.0 / gap))
            self._beat_s = now_s
            return self._bpm

    def beats(self, now_s: float) -> float:
        """Beats since one that fell; whole numbers are on the beat."""
        with self._lock:
            return (now_s - self._beat_s) * self._bpm / 60.0


def _checked(bpm: float) -> float:
    if not MINIMUM_BPM <= bpm <= MAXIMUM_BPM:
        raise SettingsError(
            f"tempo: must be {MINIMUM_BPM:g} to {MAXIMUM_BPM:g} beats per minute (got {bpm:g})"
        )
    return float(bpm)
