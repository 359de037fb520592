"""Silence, for services that expect a sound track."""

from fractions import Fraction
from typing import Any, Final

import av
import numpy as np

_RATE: Final = 48_000  # Hz
_FRAME: Final = 1024  # samples, AAC-LC
# A muxer holds a picture back until a later piece of sound has come: stay three pieces ahead,
# one of which is in the encoder.
_LEAD: Final = 3 * _FRAME


class SilentTrack:
    """An AAC track in `container` that keeps up with the picture."""

    def __init__(self, container: Any) -> None:
        self._stream: Any = container.add_stream("aac", rate=_RATE)
        self._stream.layout = "stereo"
        self._stream.bit_rate = 64_000
        self._samples = 0
        self._silence = np.zeros((2, _FRAME), np.float32)

    def until(self, time_s: float) -> list[Any]:
        """Packets of silence up to `time_s` from the beginning, and a little further."""
        packets: list[Any] = []
        while self._samples <= time_s * _RATE + _LEAD:
            frame = av.AudioFrame.from_ndarray(self._silence, format="fltp", layout="stereo")
            frame.sample_rate = _RATE
            frame.pts, frame.time_base = self._samples, Fraction(1, _RATE)
            packets += self._stream.encode(frame)
            self._samples += _FRAME
        return packets
