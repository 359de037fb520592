"""Files, pictures and synthetic sources at the pace they are meant to be seen at, for ever."""

import math
import time
from collections.abc import Iterable, Iterator
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Final

import cv2
import numpy as np

from livedream.capture import Source, open_source
from livedream.capture.live import Opened
from livedream.capture.live.heard import FilmSound
from livedream.capture.sound import has_sound, sound_of
from livedream.capture.synthetic import is_synthetic
from livedream.core.errors import SourceError
from livedream.core.frame import Frame, Picture
from livedream.core.live_sound import ArrivalClock, LiveSound
from livedream.core.shrink import fitted
from livedream.media.viewing import squared

_LATE_S: Final = 0.25  # further behind, the clock is set anew instead of hurrying
LONGEST_WAIT_S: Final = 0.5  # so that a stop is noticed
_BACK_S: Final = 0.1  # further back than frames out of order, time has begun anew
_DRIFT: Final = 0.02  # heuristic: far more than any clock is wrong by
_FADE_S: Final = 0.8  # heuristic: slow enough to be no cut, at 3 pictures a second as well
_THUMB_PX: Final = (16, 9)  # so small that what moves within a scene hardly counts
_SEAM: Final = 1.5  # heuristic: what changes so many times more than usual does not join
_STEPS: Final = 2.0  # 8-bit: noise, which joins anything
SLOW_S: Final = 0.2  # heuristic: who shows a picture for longer shows it again meanwhile...
AGAIN_FPS: Final = Fraction(25)  # ...as a still picture: a show stays as lively
_CLOCK: Final = Fraction(1, 90_000)


class Pace:
    """One second of a film a second. Where its clock jumps, the next frame follows the last.

    period_s: between the frames at a joint.  most_s: a step ahead that is longer is a jump.
    lead_s: how much sooner than that a frame may be shown, for what is sent as it is filmed.
    """

    def __init__(self, period_s: float, most_s: float = math.inf, lead_s: float = 0.0) -> None:
        self._period_s, self._most_s, self._lead_s = period_s, most_s, lead_s
        self._offset_s: float | None = None  # from the film's clock to ours
        self._last_s = self._due_s = 0.0

    def joint(self) -> None:
        """What comes next has a clock of its own."""
        self._offset_s = None

    def waits_for(self, time_s: float, most_s: float = LONGEST_WAIT_S) -> bool:
        """Sleep until the frame of this time is due, `most_s` at most. True where it is not yet;
        to be asked again then."""
        now_s = time.monotonic()
        passed_s = time_s - self._last_s
        if self._offset_s is None or not -_BACK_S <= passed_s <= self._most_s:
            follows_s = self._due_s + self._period_s if self._due_s else now_s
            self._offset_s = max(now_s, follows_s) - time_s
        elif self._lead_s:  # a camera's clock may be quicker than ours for weeks
            self._offset_s -= _DRIFT * max(0.0, passed_s)
        self._last_s = time_s
        wait_s = time_s + self._offset_s - self._lead_s - now_s
        late_s = -wait_s - self._lead_s
        if late_s > _LATE_S:
            self._offset_s += late_s
        self._due_s = time_s + self._offset_s
        if wait_s > 0:
            time.sleep(min(wait_s, most_s))
        return wait_s > most_s


class Seam:
    """Joins the end of a film to its beginning, and leaves everything else as it is.

    Where that would be a cut, the last picture stays and fades into those that follow.
    """

    def __init__(self, period_s: float) -> None:
        self._period_s = period_s
        self._shown: tuple[Picture, ...] = ()  # the newest two
        self._fading: Picture | None = None  # the last picture of the pass before
        self._fade = 0  # pictures since
        self._fade_s = _FADE_S
        self._count = 0  # pictures of this pass
        self._begins = False

    def again(self) -> None:
        """The next picture is the first of a pass."""
        self._begins = True

    def joined(self, rgb: Picture) -> Picture:
        """The picture, under what is left of the last one of the pass before."""
        if self._begins:
            if _is_seam(rgb, self._shown):
                self._fading, self._fade = self._shown[-1], 0
                self._fade_s = min(_FADE_S, self._count * self._period_s / 2)
            self._begins, self._count = False, 0
        self._count += 1
        rgb = self._faded(rgb)
        self._shown = (*self._shown[-1:], rgb)
        return rgb

    def _faded(self, rgb: Picture) -> Picture:
        if self._fading is None or self._fading.shape != rgb.shape:
            return rgb
        self._fade += 1
        share = self._fade * self._period_s / self._fade_s
        if share >= 1.0:
            self._fading = None
            return rgb
        return np.asarray(cv2.addWeighted(self._fading, 1.0 - share, rgb, share, 0.0), np.uint8)


class PacedInput:
    """text: a file, a picture, a folder of pictures or a synthetic source (`open_source`).

    Looped: after the last frame comes the first one (`Seam`). A still picture is repeated, and so
    is a frame that is shown for long. Pixels that are not square are made so.
    sound: where a film's sound goes, None: nowhere.
    """

    def __init__(self, text: str, sound: LiveSound | None = None) -> None:
        self._is_file = not is_synthetic(text)
        self.name = (self._is_file and Path(text).name) or text
        self._text = text
        self._source: Source | None = None
        self._frames: Iterator[Frame] = iter(())
        self._still: Picture | None = None
        self._next: Frame | None = None
        self._sound, self._clock = sound, ArrivalClock(_LATE_S)
        self._heard: FilmSound | None = None
        self.taken_s: float | None = None

    def open(self) -> Opened:
        self.close()
        self._source = source = open_source(self._text)
        info = source.info
        rate = info.rate if 1 / info.rate <= SLOW_S else AGAIN_FPS
        self._period_s = float(1 / rate)
        self._pace, self._seam = Pace(self._period_s), Seam(self._period_s)
        self._begin(source)
        width, height = self._size = squared(info.width, info.height, info.sample_aspect_ratio)
        if info.frames == 1:
            first = next(self._frames, None)
            self._still = None if first is None else self._squared(first)
        self._next = None
        detail = f"{width}x{height}, {float(info.rate):g} fps, looped"
        return Opened(width, height, Fraction(rate), detail, self._heard is not None)

    def _begin(self, source: Source) -> None:
        """Frames and sound from the beginning."""
        self._frames = _with_repeats(source, float(1 / source.info.rate))
        self._clock.restart()
        self._heard = None
        if self._sound is not None and has_sound(source.info):
            blocks = sound_of(source.info, stereo=True)
            self._heard = FilmSound(blocks, self._sound, self._clock)

    def read(self) -> Picture | None:
        if self._source is None:
            raise SourceError(f"{self.name}: not open")
        if self._still is not None:
            time.sleep(self._period_s)
            self.taken_s = None
            return self._still
        frame = self._next or next(self._frames, None)
        if frame is None:
            self._again()
            frame = next(self._frames, None)
            if frame is None:
                raise SourceError(f"{self.name}: no frame left to read")
        self._next = frame
        if self._pace.waits_for(frame.time_s):
            return None
        self._next = None
        self.taken_s = self._clock.ours(frame.time_s, time.monotonic())
        if self._heard is not None:
            self._heard.play(frame.time_s)
        return self._seam.joined(self._squared(frame))

    def _squared(self, frame: Frame) -> Picture:
        return fitted(frame.rgb, *self._size, cv2.INTER_LINEAR)

    def _again(self) -> None:
        """From the beginning, one frame after the last; synthetic sources need no reopening."""
        assert self._source is not None
        if self._is_file:
            self._source.close()
            self._source = open_source(self._text)
        self._begin(self._source)
        self._pace.joint()
        self._seam.again()

    def close(self) -> None:
        source, self._source = self._source, None
        self._still = None
        if source is not None:
            source.close()


def _with_repeats(frames: Iterable[Frame], usual_s: float) -> Iterator[Frame]:
    """The frames; one that is shown for long comes again and again until the next one is due.

    usual_s: how long the last one is shown where it does not say.
    """
    before: Frame | None = None
    for frame in frames:
        if before is not None:
            yield from _repeats(before, frame.time_s - before.time_s)
        yield frame
        before = frame
    if before is not None:
        yield from _repeats(before, float(before.duration * before.time_base) or usual_s)


def _repeats(frame: Frame, shown_s: float) -> Iterator[Frame]:
    if shown_s > SLOW_S:
        for number in range(1, round(shown_s * AGAIN_FPS)):
            pts = round((frame.pts * frame.time_base + number / AGAIN_FPS) / _CLOCK)
            yield replace(frame, pts=pts, time_base=_CLOCK)


def _is_seam(first: Picture, shown: tuple[Picture, ...]) -> bool:
    """Whether the first picture follows the newest shown one by a jump."""
    if len(shown) < 2 or any(rgb.shape != first.shape for rgb in shown):
        return False
    before, last, coming = (
        cv2.resize(rgb, _THUMB_PX, interpolation=cv2.INTER_AREA) for rgb in (*shown, first)
    )
    usual = float(cv2.absdiff(before, last).mean())
    return float(cv2.absdiff(last, coming).mean()) > _SEAM * usual + _STEPS
