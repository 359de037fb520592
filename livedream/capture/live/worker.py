"""The thread behind a live source: reads, stamps, keeps the newest, opens again what was lost."""

import logging
import threading
import time
from dataclasses import replace
from typing import Final

from livedream.capture.live.base import Captured, LiveInput, Opened
from livedream.capture.live.orient import Orientation
from livedream.core.errors import LivedreamError, SourceError, reason
from livedream.core.health import Health
from livedream.core.latest_slot import LatestSlot
from livedream.core.supervisor import FaultLog, SupervisedThread, start_thread

_log = logging.getLogger(__name__)

_FIRST_PAUSE_S: Final = 0.1  # between attempts to open, doubling...
_LONGEST_PAUSE_S: Final = 0.8  # ...up to here: what comes back is seen within two seconds
_SILENT_S: Final = 2.0  # no frame for so long counts as lost, even if nothing failed
_JOIN_S: Final = 0.4  # a driver that hangs is left behind: the thread is a daemon


class Capture:
    """Supervises one input. `slot` holds the newest frame; `health` and `opened` say how it is."""

    def __init__(self, source: LiveInput, orientation: Orientation | None = None) -> None:
        self.slot: LatestSlot[Captured] = LatestSlot()
        self._source = source
        self._orientation = orientation or Orientation()
        self._last_s = 0.0
        self._stop = threading.Event()
        self._tried = threading.Event()
        self._opened: Opened | None = None
        self._error: LivedreamError | None = None
        self._health = Health(source.name, "starting", since_s=time.monotonic())
        self._faults = FaultLog(_log, source.name)
        self._thread: SupervisedThread | None = None

    def start(self) -> None:
        self._thread = start_thread("capture", self._work)

    def wait(self, timeout_s: float) -> Opened | None:
        """What was opened, once the first attempt is over; None while there is nothing yet."""
        self._tried.wait(timeout_s)
        return self._opened

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
            except LivedreamError as error:
                self._lose(error)
            except Exception as error:  # a driver's own: the installation goes on without it
                self._lose(error)
            finally:
                self._tried.set()
                self._close_source()
            if self._health.frames > delivered:
                pause_s = _FIRST_PAUSE_S
            self._stop.wait(pause_s)
            pause_s = min(2 * pause_s, _LONGEST_PAUSE_S)

    def _close_source(self) -> None:
        try:
            self._source.close()
        except Exception as error:  # it is opened anew all the same
            self._faults.failed(error, "could not be closed")

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
                self._deliver(rgb)

    def _deliver(self, rgb: "object") -> None:
        now_s = time.monotonic()
        health = self._health
        self._last_s = now_s
        self.slot.put(Captured(self._orientation.apply(rgb), now_s, health.frames))  # type: ignore[arg-type]
        if health.state == "ok":
            self._health = replace(health, frames=health.frames + 1)
            return
        again = health.reconnects + (1 if health.frames else 0)
        self._faults.recovered("is back")
        detail = self._opened.detail if self._opened else ""
        self._health = replace(
            health, state="ok", detail=detail, frames=health.frames + 1, since_s=now_s,
            reconnects=again,
        )  # fmt: skip

    def _lose(self, error: Exception) -> None:
        own = isinstance(error, LivedreamError)
        detail = reason(error) if own else f"{self._source.name}: {reason(error)}"
        self._error = error if isinstance(error, LivedreamError) else SourceError(detail)
        state = "lost" if self._health.frames else "starting"
        if self._health.frames or not own:  # what never came is said by whoever waits for it
            self._faults.failed(error, "is lost", traceback=not own)
        since_s = time.monotonic() if self._health.state != state else self._health.since_s
        self._health = replace(self._health, state=state, detail=detail, since_s=since_s)
