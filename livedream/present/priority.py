"""Give back a priority that nobody asked for.

SVT-AV1 makes its threads, and the one that opens it, real-time threads of the highest priority
whenever it may (as root): beside them nothing else on the machine is served, the dream included.
"""

import contextlib
import os
import sys
from pathlib import Path

__all__ = ["leave_real_time"]


def leave_real_time() -> None:
    """Make every real-time thread of this process an ordinary one. Does nothing but on Linux."""
    if sys.platform != "linux":
        return
    for task in Path("/proc/self/task").iterdir():
        thread = int(task.name)
        with contextlib.suppress(OSError):  # it has ended meanwhile
            if os.sched_getscheduler(thread) in (os.SCHED_FIFO, os.SCHED_RR):
                os.sched_setscheduler(thread, os.SCHED_OTHER, os.sched_param(0))
