"""Ctrl-C while what is needed is still being imported, which takes seconds."""

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

INTERRUPTED: Final = 130  # the exit code after Ctrl-C, as shells have it: 128 and SIGINT's number


@contextmanager
def interrupt_ends_at_once() -> Iterator[None]:
    """Within it Ctrl-C ends the process there and then, with `INTERRUPTED`.

    For imports and checks, while nothing is open yet: a KeyboardInterrupt that comes out of an
    import is a traceback or, amid the C++ of torch, an abort. A process that ignores Ctrl-C, as one
    that a shell started with & does, keeps ignoring it.
    """
    before = signal.getsignal(signal.SIGINT)
    here = threading.current_thread() is threading.main_thread()  # only there it can be set
    if before is not signal.default_int_handler or not here:
        yield
        return
    signal.signal(signal.SIGINT, lambda number, frame: os._exit(INTERRUPTED))
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
