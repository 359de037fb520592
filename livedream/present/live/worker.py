"""An output in a thread of its own: it never slows the loop and comes back by itself.

The loop offers frames, which costs it a lock; the outlet's thread takes the newest. When the
output fails, the thread closes it, waits, and opens it again, for as long as the outlet lives.
"""

import contextlib
import logging
import threading
import time
from typing import Final

from livedream.core.health import Health
from livedream.core.latest_slot import LatestSlot, SlotClosed
from livedream.present.live import LiveFrame, Output

__all__ = ["OutputWorker"]

_log = logging.getLogger(__name__)

FIRST_WAIT_S: Final = 0.2  # before the first attempt to open again; doubles with each failure
MOST_WAIT_S: Final = 1.0  # heuristic: a receiver that is back is seen within two seconds
# Some connections are refused only after the first frames (RTMP): what was lost is not called back
# before it has taken frames for so long.
SURE_S: Final = 1.5
_CLOSING_S: Final = 1.0  # what an output may take to close before it is left to itself


class OutputWorker:
    """Supervises one output, from its first frame on.

    offer: never blocks.  health: "starting" until the output has opened, "ok" while frames go
    out, "lost" while it is being reached again.
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
        self._reconnects = 0
        self._reached = False  # at least once
        self._was_sure = False  # this time
        self._state = ("starting", "", time.monotonic())
        self._thread = threading.Thread(target=self._run, name=f"outlet {output.name}", daemon=True)
        self._thread.start()

    def offer(self, frame: LiveFrame) -> None:
        """Make `frame` the next to go out; one that has not gone out yet is dropped."""
        self._slot.put(frame)

    def health(self) -> Health:
        state, detail, since = self._state
        return Health(
            name=self.output.name,
            state=state,
            detail=detail,
            frames=self._frames,
            dropped=self._slot.dropped,
            since_s=since,
            reconnects=self._reconnects,
        )

    def close(self) -> None:
        """End the thread and close the output, within about a second whatever the receiver does."""
        self._stop.set()
        self._slot.close()
        self._thread.join(_CLOSING_S)
        if self._thread.is_alive():
            _log.warning("%s does not answer while closing: left to itself", self.output.name)

    def _run(self) -> None:
        wait_s = self._first_wait_s
        while not self._stop.is_set():
            try:
                self.output.open()
                if not self._reached:
                    self._become("ok")
                self._carry(time.monotonic())
            except SlotClosed:
                break
            except OSError as error:  # SinkError is one
                self._lose(error)
            except Exception as error:  # a fault of a library must not end the route for good
                _log.exception("%s failed", self.output.name)
                self._lose(error)
            finally:
                with contextlib.suppress(Exception):
                    self.output.close()
            if self._was_sure:
                wait_s, self._was_sure = self._first_wait_s, False
            self._stop.wait(wait_s)
            wait_s = min(2 * wait_s, MOST_WAIT_S)

    def _carry(self, opened_s: float) -> None:
        while not self._stop.is_set():
            frame = self._slot.get(1.0)
            if frame is not None:
                self.output.write(frame)
                self._frames += 1
                if not self._was_sure and time.monotonic() - opened_s >= self._sure_s:
                    self._was_sure = True
                    if self._state[0] != "ok":
                        self._become("ok")

    def _lose(self, error: Exception) -> None:
        reason = str(error) or type(error).__name__
        if self._state[0] != "lost":
            _log.warning("%s is lost: %s", self.output.name, reason)
        elif self._state[1] != reason:
            _log.info("%s is still lost: %s", self.output.name, reason)
        self._become("lost", reason)

    def _become(self, state: str, detail: str = "") -> None:
        before = self._state[0]
        if state == "ok":
            if self._reached:
                self._reconnects += 1
                _log.info("%s is back", self.output.name)
            self._reached = True
        since = self._state[2] if before == state else time.monotonic()
        self._state = (state, detail, since)
