"""Waiting for what a test is about, as long as a machine takes that is busy with other things."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from livedream.capture.live import Captured
    from livedream.capture.live.worker import Capture

PATIENCE_S = 60.0  # costs nothing where it comes


def until(
    true: Callable[[], Any], seconds: float = PATIENCE_S,
    state: Callable[[], object] = lambda: "it did not happen in time",
) -> Any:  # fmt: skip
    """The first answer that is true.  state: said of a test that waited in vain."""
    end_s = time.monotonic() + seconds
    while not (found := true()):
        assert time.monotonic() < end_s, state()
        time.sleep(0.01)
    return found


def next_frame(capture: "Capture") -> "Captured":
    """The next frame of a live source, or a failed test."""
    found = capture.slot.get(PATIENCE_S)
    assert found is not None, capture.health()
    return found


@contextmanager
def no_thread_left() -> Iterator[None]:
    """What is started within it ends, if not at once; threads of other tests do not count."""
    before = set(threading.enumerate())
    yield
    until(lambda: set(threading.enumerate()) <= before, state=threading.enumerate)
