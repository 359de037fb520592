"""Files, pictures and synthetic sources at the pace they are meant to be seen at, for ever."""

import time
from collections.abc import Iterator
from fractions import Fraction
from typing import Final

from livedream.capture import Source, open_source
from livedream.capture.live import Opened
from livedream.core.errors import SourceError
from livedream.core.frame import Frame, Picture

__all__ = ["PacedInput"]

_LATE_S: Final = 0.25  # further behind, the clock is set anew instead of hurrying
_LONGEST_WAIT_S: Final = 0.5  # so that a stop is noticed


class PacedInput:
    """text: a file, a picture, a folder of pictures or a synthetic source (`open_source`).

    Looped: after the last frame comes the first one. A still picture is repeated.
    """

    def __init__(self, text: str) -> None:
        self.name = text if text.startswith(("synthetic:", "noise")) else text.rpartition("/")[2]
        self._text = text
        self._source: Source | None = None
        self._frames: Iterator[Frame] = iter(())
        self._still: Picture | None = None
        self._period_s = 0.04
        self._start_s = 0.0
        self._next: Frame | None = None
        self._first_s = 0.0

    def open(self) -> Opened:
        self.close()
        self._source = source = open_source(self._text)
        info = source.info
        self._period_s = float(1 / info.rate)
        self._frames = iter(source)
        if info.frames == 1:
            first = next(self._frames, None)
            self._still = None if first is None else first.rgb
        self._begin()
        detail = f"{info.width}x{info.height}, {float(info.rate):g} fps, looped"
        return Opened(info.width, info.height, Fraction(info.rate), detail)

    def read(self) -> Picture | None:
        if self._source is None:
            raise SourceError(f"{self.name}: not open")
        if self._still is not None:
            time.sleep(self._period_s)
            return self._still
        frame = self._next or next(self._frames, None)
        if frame is None:
            self._again()
            frame = next(self._frames, None)
            if frame is None:
                raise SourceError(f"{self.name}: not a frame to read any more")
        if self._next is None and self._start_s == 0.0:
            self._start_s, self._first_s = time.monotonic(), frame.time_s
        wait_s = self._start_s + frame.time_s - self._first_s - time.monotonic()
        if wait_s > _LONGEST_WAIT_S:
            self._next = frame
            time.sleep(_LONGEST_WAIT_S)
            return None
        self._next = None
        if wait_s > 0:
            time.sleep(wait_s)
        elif wait_s < -_LATE_S:
            self._start_s -= wait_s
        return frame.rgb

    def _begin(self) -> None:
        self._start_s, self._next = 0.0, None

    def _again(self) -> None:
        """From the beginning, one frame after the last; synthetic sources need no reopening."""
        assert self._source is not None
        time.sleep(self._period_s)
        if not self._text.startswith(("synthetic:", "noise")):
            self._source.close()
            self._source = open_source(self._text)
        self._frames = iter(self._source)
        self._begin()

    def close(self) -> None:
        source, self._source = self._source, None
        self._still = None
        if source is not None:
            source.close()
