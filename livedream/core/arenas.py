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
    if not {"MALLOC_ARENA_MAX", "GLIBC_TUNABLES"} & os.environ.keys():
        _glibc("mallopt", _M_ARENA_MAX, _ARENAS)


def release_free_memory() -> None:
    """Give whole pages that are free inside the arenas back to the system. To be called now and
    then: else each arena grows towards the most that was ever in use at once, and, as what stays
    lies between what goes, beyond it. Takes milliseconds; does nothing elsewhere than on glibc.
    """
    _glibc("malloc_trim", 0)


def _glibc(name: str, *arguments: int) -> None:
    function = getattr(ctypes.CDLL(None), name, None) if sys.platform == "linux" else None
    if function is not None:  # musl has neither
        function(*arguments)
