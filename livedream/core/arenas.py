"""Memory of a process that runs for weeks and whose threads come and go."""

import ctypes
import os
import sys
from typing import Final

_M_ARENA_MAX: Final = -8  # of glibc's malloc.h
_ARENAS: Final = 4  # heuristic


def share_arenas() -> None:
    """Have threads share a few of malloc's arenas. To be called before there are any.

    Else glibc makes as many as eight per core, a new thread gets any of them, and each keeps the
    most that it ever held: whenever an output reconnects, another arena grows, for hours. Does
    nothing elsewhere, or where the user has set it (MALLOC_ARENA_MAX, GLIBC_TUNABLES).
    """
    if sys.platform != "linux" or {"MALLOC_ARENA_MAX", "GLIBC_TUNABLES"} & os.environ.keys():
        return
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)  # musl has none
    if mallopt is not None:
        mallopt(_M_ARENA_MAX, _ARENAS)
