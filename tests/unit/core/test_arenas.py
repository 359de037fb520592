"""Threads that come and go share a few arenas, and what is free in them is given back."""

import os
import platform
import subprocess
import sys

import pytest

_COUNTED = """
import ctypes, sys, threading
from livedream.core.arenas import share_arenas
share_arenas()
libc = ctypes.CDLL(None)
libc.malloc.restype = ctypes.c_void_p
together = threading.Barrier(12)
def work():
    libc.malloc(5000)
    together.wait()
threads = [threading.Thread(target=work) for _ in range(12)]
for one in threads: one.start()
for one in threads: one.join()
libc.fdopen.restype = ctypes.c_void_p
out = ctypes.c_void_p(libc.fdopen(1, b"w"))
libc.malloc_info(0, out)
libc.fflush(out)
"""


_HOLED = """
import ctypes
from livedream.core.arenas import release_free_memory
libc = ctypes.CDLL(None)
libc.malloc.restype = ctypes.c_void_p
libc.free.argtypes = [ctypes.c_void_p]
def resident():
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * 4096 // 2**20
def held():
    block = libc.malloc(100_000)
    ctypes.memset(block, 1, 100_000)
    return block
blocks = [held() for _ in range(1000)]
for number, block in enumerate(blocks):
    if number % 10 != 9: libc.free(block)
before = resident()
release_free_memory()
print(before - resident())
"""

only_glibc = pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc has arenas")


@only_glibc
def test_what_is_free_between_what_is_in_use_is_given_back() -> None:
    line = [sys.executable, "-c", _HOLED]
    found = subprocess.run(line, check=True, capture_output=True, text=True)
    assert int(found.stdout) > 60  # MB, of 85 that are free


@only_glibc
@pytest.mark.parametrize(("own", "most"), [({}, 4), ({"MALLOC_ARENA_MAX": "2"}, 2)])
def test_a_dozen_threads_share_a_few_arenas(own: dict[str, str], most: int) -> None:
    left = {k: v for k, v in os.environ.items() if k not in ("MALLOC_ARENA_MAX", "GLIBC_TUNABLES")}
    line = [sys.executable, "-c", _COUNTED]
    found = subprocess.run(line, env=left | own, check=True, capture_output=True, text=True)
    assert found.stdout.count("<heap nr=") == most
