"""Ctrl-C while what is needed is still being imported, which takes seconds."""

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

INTERRUPTED: Final = 130  # the exit code after Ctrl-C, as shells have it: 128 and SIGINT's number


@contextmanager
def interrupt_ends_at_once() -> Iterator[None]:
    """Within it Ctrl-C ends the process there and then, with `INTERRUPTED`.

    For imports, while nothing is open yet: a KeyboardInterrupt that comes out of one is a traceback
    or, amid the C++ of torch, an abort. Who ignores Ctrl-C, as what a shell starts with &, goes on.
    """
    before = signal.getsignal(signal.SIGINT)
    if before is not signal.default_int_handler:
        yield
        return
    signal.signal(signal.SIGINT, lambda number, frame: os._exit(INTERRUPTED))
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
