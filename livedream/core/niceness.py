"""Who goes first where the processor is shared: on Linux each thread has a niceness of its own."""

import os
import sys
import threading


def yield_processor(steps: int) -> None:
    """Let others go before this thread, and those that it starts from now on.

    steps: of niceness.
    """
    if sys.platform == "linux":
        me = threading.get_native_id()
        nice = os.getpriority(os.PRIO_PROCESS, me) + steps
        os.setpriority(os.PRIO_PROCESS, me, min(19, nice))
