"""What is called by hand waits here for its beat or bar: launch quantization."""

import math
from collections.abc import Callable
from dataclasses import dataclass

from livedream.control.live_parameters import LiveParameters
from livedream.control.presets import LONGEST_CROSSFADE_S
from livedream.control.programs import Program, ShowSettings, crossfade_ending
from livedream.control.tempo import BEATS_PER_BAR, Tempo


@dataclass(frozen=True, slots=True)
class Called:
    """A preset or program that somebody called.

    crossfade_s: as long as it is wanted.  program: None for a preset.
    """

    name: str
    title: str
    crossfade_s: float
    origin: str
    program: Program | None = None


class LaunchQueue:
    """Holds the one that was called last until it is time for it, by the live parameter `launch`.

    Not thread-safe: the show's lock is around it.
    """

    def __init__(
        self, parameters: LiveParameters, tempo: Tempo, clock: Callable[[], float]
    ) -> None:
        self._parameters, self._tempo, self._clock = parameters, tempo, clock
        self._beat = -math.inf
        self.waiting: Called | None = None

    def put(self, what: Called) -> bool:
        """In place of what waits. Returns whether that is the same one, called once more."""
        before, self.waiting, self._beat = self.waiting, what, -math.inf
        if before is None or before.name != what.name:
            return False
        return (before.program is None) == (what.program is None)

    def take(self, *, now: bool = False) -> tuple[Called, float, float] | None:
        """What is to begin at this moment, which waits no more; None for nothing.

        With how many seconds its crossfade takes, and the beat on which that has ended; without
        one, -inf, the crossfade is as long as it is wanted.  now: it need not be time.
        """
        what = self.waiting
        if what is None:
            return None
        targets = self._parameters.targets()
        settings = ShowSettings(on=targets["on"], launch=targets["launch"])
        every, seconds, beat = settings.launch_every, what.crossfade_s, -math.inf
        if every is not None and not now:
            beats, apart = self._tempo.beats(self._clock()), every.beats(BEATS_PER_BAR)
            # A thread may come late. Otherwise the tempo was tapped, or `launch` is another.
            if not beats - 1.0 < self._beat <= beats + apart or self._beat % apart:
                self._beat = math.ceil(beats / apart) * apart
            if what.program is not None and settings.every is not None:
                apart = min(apart, settings.every.beats(BEATS_PER_BAR))  # its next preset comes
            beat = self._beat
            fade_s = crossfade_ending(beat - beats, seconds, apart, self._tempo.bpm)
            if fade_s is None:
                return None
            seconds = min(fade_s, LONGEST_CROSSFADE_S)
        self.waiting = None
        return what, seconds, beat
