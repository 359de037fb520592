"""An AAC track beside a live picture: what is heard in the show, or silence."""

from collections.abc import Sequence
from fractions import Fraction
from typing import Any, Final

import av
import numpy as np

from livedream.core.errors import SinkError
from livedream.core.live_sound import SOUND_RATE, LiveSound
from livedream.media.timing import Packet
from livedream.present.stream_copy import CopyRange

_PIECE: Final = 1024  # samples, AAC-LC
AAC_PIECE_S: Final = Fraction(_PIECE, SOUND_RATE)
# The encoder begins with a piece of nothing, and the first one after it has no past to overlap
# with: both are made of what was heard before the picture, and left out.
_PRIMING: Final = 2 * _PIECE
_BASE: Final = Fraction(1, SOUND_RATE)


class AacTrack:
    """The sound of a show as packets; also the `SoundBeside` of a file.

    sound: None for silence.  `add_to` comes first, then `begin`, which says where time begins.
    """

    def __init__(self, sound: LiveSound | None) -> None:
        self._sound = sound
        self._stream: Any = None
        self._zero = self._next = 0  # numbers of samples
        self.window = CopyRange()
        self._left_out = False

    @property
    def tracks(self) -> "Sequence[AacTrack]":
        # Kept, it would hold itself, and with it the encoder, until Python collects garbage.
        return () if self._left_out else (self,)

    def add_to(self, container: Any) -> Any:
        """A stream of `container` that takes the packets."""
        # The usual coder takes four times as long: 8 % of a core for each output.
        self._stream = container.add_stream("aac", rate=SOUND_RATE, options={"aac_coder": "fast"})
        self._stream.layout = "stereo"
        self._stream.bit_rate = 64_000 if self._sound is None else 160_000
        self._stream.time_base = _BASE
        return self._stream

    def begin(self, captured_s: float) -> None:
        """The picture that was captured then is at 0."""
        self._zero = round(captured_s * SOUND_RATE)
        self._next = self._zero - _PRIMING

    def until(self, end: Fraction) -> list[tuple[int, Packet]]:
        """(0, packet) of those that begin before `end`, in seconds, as far as they were heard."""
        return [(0, packet) for packet in self._encoded(end, 0)]

    def rest(self, end: Fraction) -> list[tuple[int, Packet]]:
        """The same, with silence for what was not heard yet."""
        return [(0, packet) for packet in self._encoded(end, 2 * SOUND_RATE)]

    def _encoded(self, end: Fraction, waited: int) -> list[Packet]:
        """waited: samples for which has been waited beyond the end."""
        packets: list[Packet] = []
        last = self._zero + round(end * SOUND_RATE)
        while self._next < last + _PIECE:  # the encoder holds one
            heard = np.zeros((_PIECE, 2), np.float32)
            if self._sound is not None:
                taken = self._sound.take(self._next, _PIECE, last + waited)
                if taken is None:
                    break
                heard = taken
            packets += self._piece(np.ascontiguousarray(heard.T))
        return packets

    def _piece(self, heard: Any) -> list[Packet]:
        frame = av.AudioFrame.from_ndarray(heard, format="fltp", layout="stereo")
        frame.sample_rate = SOUND_RATE
        frame.pts, frame.time_base = self._next - self._zero, _BASE
        self._next += _PIECE
        try:
            made = self._stream.encode(frame)
        except av.FFmpegError as error:
            raise SinkError(f"the encoder of sound failed ({error})") from error
        return [packet for packet in made if packet.pts is None or packet.pts >= 0]

    def skip(self, counts: list[int]) -> None:
        """A live recording is never resumed."""

    def leave_out(self) -> None:
        self._left_out = True

    def close(self) -> None:
        """The encoder belongs to the container."""
