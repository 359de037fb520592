"""One place for the newest of something, between a thread that makes and one that takes."""

import threading
import time
from typing import Generic, TypeVar

T = TypeVar("T")


class SlotClosed(Exception):  # noqa: N818 (an end, no fault)
    """The slot was closed and holds nothing more."""


class LatestSlot(Generic[T]):
    """Keeps the newest item only; what was not taken in time is counted in `dropped`.

    `put` never waits. Thread-safe; made for one reader, several writers may put.
    """

    def __init__(self) -> None:
        self._ready = threading.Condition(threading.Lock())
        self._item: T | None = None
        self._full = False
        self._closed = False
        self.dropped = 0

    def put(self, item: T) -> None:
        """Make `item` the newest; after `close` it is dropped."""
        with self._ready:
            if self._closed:
                return
            if self._full:
                self.dropped += 1
            self._item, self._full = item, True
            self._ready.notify()

    def get(self, timeout_s: float | None = None) -> T | None:
        """The newest item not yet taken; None when none came in time.

        timeout_s: None waits for as long as it takes, 0 does not wait.
        Raises SlotClosed once the slot is closed and empty.
        """
        until = None if timeout_s is None else time.monotonic() + timeout_s
        with self._ready:
            while not self._full:
                if self._closed:
                    raise SlotClosed
                left = None if until is None else until - time.monotonic()
                if left is not None and left <= 0:
                    return None
                self._ready.wait(left)
            item, self._item, self._full = self._item, None, False
            return item

    def close(self) -> None:
        """Wake every reader; what still lies there may be taken."""
        with self._ready:
            self._closed = True
            self._ready.notify_all()
