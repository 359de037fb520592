"""MIDI clock: 24 pulses to the beat, as drum machines, DJ software and DAWs send them.

A pulse arrives a millisecond early or late. A straight line through those of the last two beats
says when each was meant, and how fast they follow each other.
"""

import threading
from collections import deque
from typing import Final

import numpy as np

from livedream.control.tempo import Tempo

PULSES: Final = 24  # to the beat
_KEPT: Final = 2 * PULSES
_ENOUGH: Final = 6  # a quarter of a beat, until which the tempo is a guess
_JUMP: Final = 0.5  # of a pulse: so far from the line it is another tempo
_SILENT_S: Final = 0.5  # heuristic: twice the longest pulse that counts


class MidiClock:
    """Follows the clock of one port at a time: the first that sends one, until it falls silent.

    Thread-safe: each port has a thread of its driver's.
    """

    def __init__(self, tempo: Tempo) -> None:
        self._tempo = tempo
        self._lock = threading.Lock()
        self._port = ""
        self._times: deque[float] = deque(maxlen=_KEPT)
        self._count = -1  # the newest pulse; 0 is on the first beat of a bar

    def receive(self, kind: str, now_s: float, *, port: str = "", position: int = 0) -> bool:
        """A message of type `kind`; whether it belongs to a clock.

        position: of a "songpos", in sixteenth notes.
        """
        if kind not in ("clock", "start", "continue", "stop", "songpos"):
            return False
        with self._lock:
            self._follow(kind, now_s, port, position)
        return True

    def _follow(self, kind: str, now_s: float, port: str, position: int) -> None:
        if port != self._port:
            if self._times and now_s - self._times[-1] < _SILENT_S:
                return
            self._port = port
            self._times.clear()
        if kind == "start":
            self._count = -1  # the next pulse is the first
        elif kind == "songpos":
            self._count = position * PULSES // 4 - 1
        elif kind == "clock":
            self._pulse(now_s)

    def _pulse(self, now_s: float) -> None:
        self._count += 1
        times = self._times
        if times and now_s - times[-1] > _SILENT_S:
            times.clear()
        times.append(now_s)
        if len(times) < _ENOUGH:
            return
        meant_s, step_s = _line(times)
        if abs(now_s - meant_s) > _JUMP * step_s:
            for _ in range(len(times) - 2):
                times.popleft()
            return
        beats = self._count / PULSES
        self._tempo.follow("MIDI clock", beats, 60.0 / (PULSES * step_s), meant_s, rank=2)


def _line(times: deque[float]) -> tuple[float, float]:
    """When the newest pulse was meant, and the time from one to the next; least squares, s."""
    number = np.arange(1 - len(times), 1, dtype=float)
    late = np.asarray(times) - times[-1]
    step_s, offset_s = np.polyfit(number, late, 1)
    return times[-1] + float(offset_s), max(float(step_s), 1e-6)
