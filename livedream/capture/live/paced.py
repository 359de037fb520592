"""Files, pictures and synthetic sources at the pace they are meant to be seen at, for ever."""

import time
from collections.abc import Iterator
from fractions import Fraction
from typing import Final

import cv2
import numpy as np

from livedream.capture import Source, open_source
from livedream.capture.live import Opened
from livedream.core.errors import SourceError
from livedream.core.frame import Frame, Picture

_LATE_S: Final = 0.25  # further behind, the clock is set anew instead of hurrying
_LONGEST_WAIT_S: Final = 0.5  # so that a stop is noticed
_FADE_S: Final = 0.8  # heuristic: slow enough to be no cut, at 3 pictures a second as well
_THUMB_PX: Final = (16, 9)  # so small that what moves within a scene hardly counts
_SEAM: Final = 1.5  # heuristic: what changes so many times more than usual does not join
_STEPS: Final = 2.0  # 8-bit: noise, which joins anything


class PacedInput:
    """text: a file, a picture, a folder of pictures or a synthetic source (`open_source`).

    Looped: after the last frame comes the first one. Where that would be a cut, the last picture
    stays and fades into those that follow, so that the dream goes on. A still picture is repeated.
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
        self._shown: tuple[Picture, ...] = ()  # the newest two
        self._fading: Picture | None = None  # the last picture of the pass before
        self._fade = 0  # pictures since
        self._count = 0  # pictures of this pass
        self._fade_s = _FADE_S

    def open(self) -> Opened:
        self.close()
        self._source = source = open_source(self._text)
        info = source.info
        self._period_s = float(1 / info.rate)
        self._frames = iter(source)
        if info.frames == 1:
            first = next(self._frames, None)
            self._still = None if first is None else first.rgb
        self._start_s, self._next = 0.0, None
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
            if frame is not None and _is_seam(frame.rgb, self._shown):
                self._fading, self._fade = self._shown[-1], 0
                self._fade_s = min(_FADE_S, self._count * self._period_s / 2)
            self._count = 0
            if frame is None:
                raise SourceError(f"{self.name}: no frame left to read")
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
        self._count += 1
        rgb = self._faded(frame.rgb)
        self._shown = (*self._shown[-1:], rgb)
        return rgb

    def _faded(self, rgb: Picture) -> Picture:
        """The picture, under what is left of the last one of the pass before."""
        if self._fading is None or self._fading.shape != rgb.shape:
            return rgb
        self._fade += 1
        share = self._fade * self._period_s / self._fade_s
        if share >= 1.0:
            self._fading = None
            return rgb
        return np.asarray(cv2.addWeighted(self._fading, 1.0 - share, rgb, share, 0.0), np.uint8)

    def _again(self) -> None:
        """From the beginning, one frame after the last; synthetic sources need no reopening."""
        assert self._source is not None
        time.sleep(self._period_s)
        if not self._text.startswith(("synthetic:", "noise")):
            self._source.close()
            self._source = open_source(self._text)
        self._frames = iter(self._source)
        self._start_s, self._next = 0.0, None

    def close(self) -> None:
        source, self._source = self._source, None
        self._still = self._fading = None
        self._shown = ()
        if source is not None:
            source.close()


def _is_seam(first: Picture, shown: tuple[Picture, ...]) -> bool:
    """Whether the first picture follows the newest shown one by a jump."""
    if len(shown) < 2 or any(rgb.shape != first.shape for rgb in shown):
        return False
    before, last, coming = (
        cv2.resize(rgb, _THUMB_PX, interpolation=cv2.INTER_AREA) for rgb in (*shown, first)
    )
    usual = float(cv2.absdiff(before, last).mean())
    return float(cv2.absdiff(last, coming).mean()) > _SEAM * usual + _STEPS
