"""Bands: a picture cut side by side, a thread for each, so that no thread waits for another.

Threads that share every small operation of a step wait at the end of each; on two cores that cost
as much as the second one brought, or more. Here they meet twice a step: when the activations of all
bands are known, and at the end; what is too small for two bands is left to one thread. Each band is
a tile (`livedream.dream.tiles`): what it sees beyond its own columns is enough for half precision,
and where the cuts lie changes from step to step with the jitter. What it gains:
docs/decisions/speed-cpu.md.
"""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from itertools import pairwise
from typing import Final, TypeVar

import torch
from torch import Tensor

from livedream.dream.tiles import ALIGNMENT_PX

__all__ = ["Strip", "WorkerPool", "crew", "lay_bands", "share_of"]

# What a band sees beyond its cut, px. In bf16 the gradient's cosine with the whole picture's is
# 0.9995 or better with dreamnet (three bands of 150 px), that of bf16's own with fp32's 0.9986.
MARGIN_PX: Final = 64
_LEAST_PX: Final = 128  # a narrower band would mostly see what belongs to others
# Of a band, for each thread: with 142,000 px in all two threads took as long as one, with 75,000
# half as long again, with 540,000 seven tenths.
_PX_A_THREAD: Final = 100_000

T = TypeVar("T")
R = TypeVar("R")


class Strip:
    """Some columns, or rows, of a picture.

    axis: 2 for rows, 3 for columns.  own, seen: (from, up to and not including), px.
    """

    __slots__ = ("axis", "own", "seen")

    def __init__(self, axis: int, own: tuple[int, int], seen: tuple[int, int]) -> None:
        self.axis, self.own, self.seen = axis, own, seen

    def cut(self, picture: Tensor) -> Tensor:
        """What it sees of (1, C, h, w), in channels_last."""
        piece = picture.narrow(self.axis, self.seen[0], self.seen[1] - self.seen[0])
        return piece.contiguous(memory_format=torch.channels_last)

    def core(self, piece: Tensor) -> Tensor:
        """Its own part of something as large as what it sees."""
        return piece.narrow(self.axis, self.own[0] - self.seen[0], self.own[1] - self.own[0])

    def cells(self, activation: Tensor) -> Tensor:
        """Of what a layer says of what is seen, what it says of the band's own part: at a cut a
        layer also answers the cut."""
        begin, end = self.seen
        count = activation.shape[self.axis]
        first, last = (round((px - begin) * count / (end - begin)) for px in self.own)
        return activation.narrow(self.axis, first, last - first)


def lay_bands(width: int, height: int, threads: int) -> list[Strip]:
    """Bands that cover a picture once, along its longer side; one where more would not pay."""
    axis, length = (3, width) if width >= height else (2, height)
    count = max(1, min(threads, length // _LEAST_PX))
    ends = [round(length * k / count / ALIGNMENT_PX) * ALIGNMENT_PX for k in range(1, count)]
    return [
        Strip(axis, (begin, end), (max(0, begin - MARGIN_PX), min(length, end + MARGIN_PX)))
        for begin, end in pairwise([0, *ends, length])
    ]


def share_of(width: int, height: int, bands: int, threads: int) -> int:
    """How many threads each of so many bands of a picture is worth."""
    return max(1, min(threads // bands, width * height // bands // _PX_A_THREAD))


class WorkerPool:
    """Threads, `size` of them, that each run PyTorch on a share of the cores.

    threads: what every other thread of the process goes on with.
    """

    def __init__(self, size: int, share: int, threads: int) -> None:
        self._share = share
        self._ready = threading.Barrier(size)
        self._pool = ThreadPoolExecutor(size, "livedream-band", self._settle)
        list(self._pool.map(lambda _: self._ready.wait(), range(size)))
        # Setting a thread's number also sets what threads yet to come begin with.
        torch.set_num_threads(threads)

    def _settle(self) -> None:
        torch.get_num_threads()  # the first call in a thread takes the common number
        torch.set_num_threads(self._share)

    def each(self, do: Callable[[T], R], things: list[T]) -> list[R]:
        """`do` for all of them at once, without autograd, in their order."""

        def quietly(thing: T) -> R:
            with torch.no_grad():
                return do(thing)

        return list(self._pool.map(quietly, things))


@lru_cache(maxsize=8)
def crew(size: int, share: int, threads: int) -> WorkerPool:
    """The one crew of this kind. threads: of the process (`torch.get_num_threads`)."""
    return WorkerPool(size, share, threads)
