"""The thread behind a live source: reads, stamps, keeps the newest, opens again what was lost."""

import logging
import re
import threading
import time
from dataclasses import dataclass, replace
from typing import Final, Self

import cv2
import numpy as np

from livedream.capture.live import (
    Captured,
    Listening,
    LiveInput,
    Opened,
    Timed,
    nothing_yet,
    stated_rate,
)
from livedream.core.errors import LivedreamError, SettingsError, SourceError, reason
from livedream.core.frame import Picture
from livedream.core.health import Health
from livedream.core.latest_slot import LatestSlot
from livedream.core.supervisor import FaultLog, SupervisedThread, start_thread

_log = logging.getLogger(__name__)

_FIRST_PAUSE_S: Final = 0.1  # between attempts to open, doubling...
_LONGEST_PAUSE_S: Final = 0.8  # ...up to here: what comes back is seen within two seconds
_SILENT_S: Final = 2.0  # no frame for so long counts as lost, even if nothing failed
_JOIN_S: Final = 0.4  # a driver that hangs is left behind: the thread is a daemon
_ASSUMED_SIZE: Final = 640, 360  # of a source that has not come yet
_TURNS: Final = {
    0: None,
    90: cv2.ROTATE_90_CLOCKWISE,
    180: cv2.ROTATE_180,
    270: cv2.ROTATE_90_COUNTERCLOCKWISE,
}


@dataclass(frozen=True, slots=True)
class Orientation:
    """Applied in this order: crop, rotate.

    crop: (width, height, x, y) in px of the camera's picture, None for all of it.
    rotate: degrees clockwise, a multiple of 90.
    """

    rotate: int = 0
    crop: tuple[int, int, int, int] | None = None

    def __post_init__(self) -> None:
        if self.rotate not in _TURNS:
            raise SettingsError(f"rotate: must be 0, 90, 180 or 270 (got {self.rotate})")

    @classmethod
    def parse(cls, *, rotate: int = 0, crop: str = "") -> Self:
        """crop: "640x360+10+20", the offset optional (then the middle is cut out)."""
        if not crop:
            return cls(rotate)
        match = re.fullmatch(r"(\d{1,5})x(\d{1,5})(?:\+(\d{1,5})\+(\d{1,5}))?", crop)
        if not match or not int(match[1]) or not int(match[2]):
            raise SettingsError(f"crop: must be 640x360 or 640x360+X+Y (got {crop!r})")
        x, y = (-1, -1) if match[3] is None else (int(match[3]), int(match[4]))
        return cls(rotate, (int(match[1]), int(match[2]), x, y))

    def size(self, width: int, height: int) -> tuple[int, int]:
        """(width, height) px of what becomes of a picture of this size."""
        _, _, width, height = self._cut(width, height)
        return (height, width) if self.rotate in (90, 270) else (width, height)

    def apply(self, rgb: Picture) -> Picture:
        """(H, W, 3) contiguous uint8; the picture itself where nothing is to be done."""
        if self.crop is not None:
            x, y, width, height = self._cut(rgb.shape[1], rgb.shape[0])
            rgb = rgb[y : y + height, x : x + width]
        turn = _TURNS[self.rotate]
        if turn is not None:
            rgb = np.asarray(cv2.rotate(rgb, turn), np.uint8)
        return np.ascontiguousarray(rgb)

    def _cut(self, width: int, height: int) -> tuple[int, int, int, int]:
        """x, y, width, height px, held inside the picture."""
        if self.crop is None:
            return 0, 0, width, height
        wide, high = min(self.crop[0], width), min(self.crop[1], height)
        x, y = self.crop[2:]
        x = (width - wide) // 2 if x < 0 else min(x, width - wide)
        y = (height - high) // 2 if y < 0 else min(y, height - high)
        return x, y, wide, high


class Capture:
    """Supervises one input. `slot` holds the newest frame; `health` and `opened` say how it is."""

    def __init__(self, source: LiveInput, orientation: Orientation | None = None) -> None:
        self.slot: LatestSlot[Captured] = LatestSlot()
        self._source = source
        self._orientation = orientation or Orientation()
        self._timed = source if isinstance(source, Timed) else None
        self._last_s = 0.0
        self._stop = threading.Event()
        self._tried = threading.Event()
        self._opened: Opened | None = None
        self._error: LivedreamError | None = None
        self._reported: str | None = None  # why there was nothing yet, to whoever waited for it
        self._health = Health(source.name, "starting", since_s=time.monotonic())
        self._faults = FaultLog(_log, source.name)
        self._thread: SupervisedThread | None = None

    def start(self) -> None:
        self._thread = start_thread("capture", self._work)

    def wait(self, timeout_s: float) -> Opened | None:
        """What was opened, once the first attempt is over; None while there is nothing yet."""
        self._tried.wait(timeout_s)
        self._reported = str(self._error or "")
        return self._opened

    def begin_without(self, size: tuple[int, int] | None, fps: float) -> Opened:
        """Begin with a dim sky until the source comes; returns what it is taken to be until then.

        size: (width, height) px of its pictures before they are cropped and rotated, None: what is
        cut out of them, else a usual size.
        """
        crop = self._orientation.crop
        width, height = self._orientation.size(*(size or (crop[:2] if crop else _ASSUMED_SIZE)))
        opened = Opened(width, height, stated_rate(fps), "nothing yet", sound=True)  # it may have
        self.slot.put(nothing_yet(opened))
        return opened

    @property
    def error(self) -> LivedreamError | None:
        """Why the last attempt to open failed, None after one that did not."""
        return self._error

    def health(self) -> Health:
        """Of the source; frames that stopped coming make it lost."""
        found = replace(self._health, dropped=self.slot.dropped)
        if found.state == "ok" and time.monotonic() - self._last_s > _SILENT_S:
            return replace(found, state="lost", detail="no frame comes", since_s=self._last_s)
        return found

    def close(self) -> None:
        """Stop within half a second; an input that hangs is left to its thread."""
        self._stop.set()
        self.slot.close()
        if self._thread is not None:
            self._thread.close(_JOIN_S)

    def _work(self) -> None:
        pause_s = _FIRST_PAUSE_S
        while not self._stop.is_set():
            delivered = self._health.frames
            try:
                self._run()
            except Exception as error:  # also a driver's own: the installation goes on without it
                self._lose(error)
            finally:
                self._tried.set()
                try:
                    self._source.close()
                except Exception as error:  # it is opened anew all the same
                    self._faults.failed(error, "could not be closed")
            if self._health.frames > delivered:
                pause_s = _FIRST_PAUSE_S
            self._stop.wait(pause_s)
            pause_s = min(2 * pause_s, _LONGEST_PAUSE_S)
        if isinstance(self._source, Listening):
            self._source.end()

    def _run(self) -> None:
        """Open and read until the input is gone or is no longer wanted."""
        opened = self._source.open()
        width, height = self._orientation.size(opened.width, opened.height)
        self._opened = replace(opened, width=width, height=height)
        self._error = None
        self._tried.set()
        while not self._stop.is_set():
            rgb = self._source.read()
            if rgb is not None:
                self._deliver(rgb, opened.detail)

    def _deliver(self, rgb: Picture, detail: str) -> None:
        self._last_s = now_s = time.monotonic()
        health = self._health
        taken_s = now_s
        if self._timed is not None and self._timed.taken_s is not None:
            taken_s = min(now_s, self._timed.taken_s)
        self.slot.put(Captured(self._orientation.apply(rgb), taken_s, health.frames))
        if health.state != "ok":
            self._faults.recovered("is back")
            again = health.reconnects + (health.frames > 0)
            health = replace(health, state="ok", detail=detail, since_s=now_s, reconnects=again)
        self._health = replace(health, frames=health.frames + 1)

    def _lose(self, error: Exception) -> None:
        own = isinstance(error, LivedreamError)
        detail = reason(error) if own else f"{self._source.name}: {reason(error)}"
        self._error = error if isinstance(error, LivedreamError) else SourceError(detail)
        state = "lost" if self._health.frames else "starting"
        awaited = self._reported is None or self._reported == str(self._error)
        if self._health.frames or not own or not awaited:
            self._reported = str(self._error)
            event = "is lost" if self._health.frames else "gives nothing yet"
            self._faults.failed(error, event, traceback=not own)
        since_s = time.monotonic() if self._health.state != state else self._health.since_s
        self._health = replace(self._health, state=state, detail=detail, since_s=since_s)
