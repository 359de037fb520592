"""The sound of a live source, put into the show's at the times of the pictures it belongs to."""

import logging
from collections import deque
from collections.abc import Iterator
from typing import Any, Final

import av
import numpy as np

from livedream.capture.sound import Evener
from livedream.core.errors import SourceError
from livedream.core.live_sound import SOUND_RATE, ArrivalClock, Block, LiveSound

_log = logging.getLogger(__name__)

_AHEAD_S: Final = 0.15  # of the picture: more than muxers want, little to be wrong if time jumps
_LATE_S: Final = 0.25  # heuristic: a device that stood still for longer has lost something
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
        while self._done / SOUND_RATE < time_s + _AHEAD_S and self._clock.offset_s is not None:
            try:
                block = next(self._blocks, None)
            except SourceError as error:
                _log.warning("%s", error)
                return
            if block is None:
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


class DeviceSound:
    """What a sound device hears, block by block.  rate: its samples a second."""

    def __init__(self, rate: int, sound: LiveSound) -> None:
        self._rate, self._sound = rate, sound
        self._evener = None if rate == SOUND_RATE else Evener("stereo")
        self._clock = ArrivalClock(_LATE_S)
        self._count = 0

    def put(self, block: Block, now_s: float, age_s: float | None) -> None:
        """(n, channels), the first two of which are heard.  age_s: how long ago it began, None
        where only its coming tells."""
        length_s = len(block) / self._rate
        begin_s = self._clock.ours(self._count / self._rate, now_s - length_s)
        self._count += len(block)
        if age_s is not None:
            begin_s = now_s - age_s
        block = block[:, :2] if block.shape[1] > 1 else np.repeat(block, 2, axis=1)
        if self._evener is None:
            self._sound.put(block, begin_s)
            return
        frame = av.AudioFrame.from_ndarray(
            np.ascontiguousarray(block.T), format="fltp", layout="stereo"
        )
        frame.sample_rate = self._rate
        for even in self._evener.even(frame):
            self._sound.put(even, begin_s)
            begin_s += len(even) / SOUND_RATE
