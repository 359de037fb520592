"""The sound of a live source, put into the show's at the times of the pictures it belongs to."""

import logging
from collections import deque
from collections.abc import Iterator
from typing import Any, Final

import av

from livedream.capture.sound import Evener
from livedream.core.errors import SourceError
from livedream.core.live_sound import SOUND_RATE, ArrivalClock, Block, LiveSound

_log = logging.getLogger(__name__)

_AHEAD_S: Final = 0.15  # of the picture: more than muxers want, little to be wrong if time jumps
_WAITING: Final = 250  # blocks before the first picture: five seconds of AAC


class FilmSound:
    """A film's sound as it is played.

    blocks: stereo from its beginning on (`sound_of`).  clock: that of the film.
    """

    def __init__(self, blocks: Iterator[Block], sound: LiveSound, clock: ArrivalClock) -> None:
        self._blocks, self._sound, self._clock = blocks, sound, clock
        self._done = 0  # samples

    def play(self, time_s: float) -> None:
        """What is heard up to this time of the film, and a little further."""
        while self._done / SOUND_RATE < time_s + _AHEAD_S:
            try:
                block = next(self._blocks, None)
            except SourceError as error:
                _log.warning("%s", error)
                block = None
            if block is None or self._clock.offset_s is None:
                return
            begin_s = self._done / SOUND_RATE + self._clock.offset_s
            self._sound.put(block, begin_s, joint=not self._done)
            self._done += len(block)


class StreamSound:
    """The sound of a stream, decoded packet by packet.  clock: that of its pictures."""

    def __init__(self, stream: Any, sound: LiveSound, clock: ArrivalClock) -> None:
        self.stream = stream
        self._sound, self._clock = sound, clock
        self._evener = Evener("stereo")
        self._waiting: deque[tuple[float, Block]] = deque(maxlen=_WAITING)
        self._next_s = 0.0

    def decode(self, packet: Any) -> None:
        """What is damaged is left out."""
        try:
            frames = packet.decode()
        except av.FFmpegError:
            return
        for frame in frames:
            begin_s = self._next_s
            if frame.pts is not None:
                begin_s = float(frame.pts * frame.time_base)
            for block in self._evener.even(frame):
                self._waiting.append((begin_s, block))
                begin_s += len(block) / SOUND_RATE
            self._next_s = begin_s
        self.play()

    def play(self) -> None:
        """Once the time of a picture is known."""
        while self._waiting and self._clock.offset_s is not None:
            begin_s, block = self._waiting.popleft()
            self._sound.put(block, begin_s + self._clock.offset_s)
