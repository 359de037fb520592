"""An output in a thread of its own: it never slows the loop and comes back by itself.

The loop offers frames, which costs it a lock; the output's thread takes the newest. When the
output fails, the thread closes it, waits, and opens it again, until the worker is closed.
"""

import logging
import threading
import time
from dataclasses import replace
from typing import Final

from livedream.core.errors import reason
from livedream.core.health import Health, while_busy
from livedream.core.latest_slot import LatestSlot, SlotClosed
from livedream.core.supervisor import FaultLog, start_thread
from livedream.present.live import LiveFrame, Output

_log = logging.getLogger(__name__)

FIRST_WAIT_S: Final = 0.2  # before the first attempt to open again; doubles with each failure
MOST_WAIT_S: Final = 1.0  # heuristic: a receiver that is back is seen within two seconds
# Some connections are refused after the first frames only: what was lost counts as back once it has
# taken frames for so long.
SURE_S: Final = 1.5
_CLOSING_S: Final = 1.0  # what an output may take to close before it is left to itself


class OutputWorker:
    """Supervises one output, from its first frame on.

    offer: never blocks.  health: "starting" until the output has opened, "ok" while frames go
    out, "lost" while it is being reached again, or while it hangs.
    """

    def __init__(
        self, output: Output, *, first_wait_s: float = FIRST_WAIT_S, sure_s: float = SURE_S
    ) -> None:
        self.output = output
        self._sure_s = sure_s
        self._slot: LatestSlot[LiveFrame] = LatestSlot()
        self._first_wait_s = first_wait_s
        self._stop = threading.Event()
        self._frames = 0
        self._busy_s: float | None = None  # since when it opens or writes a frame
        self._reached = False  # at least once
        self._was_sure = False  # this time
        self._taking_s: float | None = None  # since when the receiver takes frames, this time
        self._health = Health(output.name, "starting", since_s=time.monotonic())
        self._faults = FaultLog(_log, output.name)
        self._thread = start_thread(f"output {output.name}", self._run)

    def offer(self, frame: LiveFrame) -> None:
        """Make `frame` the next to go out; one that has not gone out yet is dropped."""
        self._slot.put(frame)

    def health(self) -> Health:
        name, dropped = self.output.name, self._slot.dropped
        health = replace(self._health, name=name, frames=self._frames, dropped=dropped)
        return while_busy(health, self._busy_s)

    def close(self) -> None:
        """End the thread and close the output, within about a second whatever the receiver does."""
        self._stop.set()
        self._slot.close()
        if not self._thread.close(_CLOSING_S):
            _log.warning("%s does not close: giving up on it", self.output.name)

    def _run(self) -> None:
        wait_s = self._first_wait_s
        while not self._stop.is_set():
            try:
                self._busy_s, self._taking_s = time.monotonic(), None
                self.output.open()
                self._busy_s = None
                self._look()
                self._write_frames()
            except SlotClosed:
                break
            except Exception as error:  # a fault of a library must not end it for good
                self._lose(error)
            finally:
                self._busy_s = None
                try:
                    self.output.close()
                except Exception as error:  # it is opened anew all the same
                    self._faults.failed(error, "could not be closed")
            if self._was_sure:
                wait_s, self._was_sure = self._first_wait_s, False
            self._stop.wait(wait_s)
            wait_s = min(2 * wait_s, MOST_WAIT_S)

    def _write_frames(self) -> None:
        while not self._stop.is_set():
            frame = self._slot.get(1.0)
            if frame is not None:
                self._busy_s = time.monotonic()
                self.output.write(frame)
                self._busy_s = None
                self._look()
                self._frames += self.output.reached

    def _look(self) -> None:
        """See whether the output has reached its receiver, and for how long."""
        if not self.output.reached:
            return
        now_s = time.monotonic()
        if self._taking_s is None:
            self._taking_s = now_s
        self._was_sure = self._was_sure or now_s - self._taking_s >= self._sure_s
        if self._health.state != "ok" and (self._was_sure or not self._reached):
            self._become("ok")

    def _lose(self, error: Exception) -> None:
        self._faults.failed(error, "is lost", traceback=not isinstance(error, OSError))
        self._become("lost", reason(error))

    def _become(self, state: str, detail: str = "") -> None:
        before, reconnects = self._health, self._health.reconnects
        if state == "ok":
            if self._reached:
                reconnects += 1
                self._faults.recovered("is back")
            else:
                _log.info("%s is open", self.output.name)
            self._reached = True
        since_s = before.since_s if before.state == state else time.monotonic()
        self._health = Health(before.name, state, detail, since_s=since_s, reconnects=reconnects)
