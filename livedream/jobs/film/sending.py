"""Sources that workers do not see: the bytes of the file that a piece takes, read here, sent there.

A container finds its frames in ways of its own (an index in front, at the end, in between), and
its header says more than any other could hold. So the head reads it as the worker will, but for
decoding; the blocks that were read are sent, and the worker reads the same file, with holes in it.
"""

import io
import os
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Final

from livedream.capture.video import VideoSource
from livedream.core.frame import SourceInfo
from livedream.jobs.film.plan import Piece, Stretch
from livedream.jobs.render import RenderJob
from livedream.media.containers import Opener

NOTHING, PARTS, ALL = range(3)  # what of a source is sent to workers
_BLOCK: Final = 1 << 16  # bytes; twice what FFmpeg reads at once


class UnseenError(Exception):
    """A worker does not see the source, or not enough of it. sent: what it had (NOTHING, ...)."""

    def __init__(self, sent: int) -> None:
        super().__init__(sent)
        self.sent = sent


@dataclass(frozen=True, slots=True)
class Part:
    """Some bytes of a file of `size` bytes. blocks: by number; the file's last may be shorter."""

    size: int
    blocks: dict[int, bytes] = field(default_factory=dict)

    @property
    def is_whole(self) -> bool:
        return len(self.blocks) * _BLOCK >= self.size

    def block(self, number: int) -> bytes:
        """Raises UnseenError for one that was not sent."""
        if number not in self.blocks:
            raise UnseenError(ALL if self.is_whole else PARTS)
        return self.blocks[number]


Get = Callable[[], Part]  # a part that lies where all workers can get it


class BlockFile(io.RawIOBase):
    """A file of so many bytes, read in blocks."""

    def __init__(self, size: int, block: Callable[[int], bytes]) -> None:
        self._size, self._block, self._at = size, block, 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._at

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        begin = {os.SEEK_SET: 0, os.SEEK_CUR: self._at, os.SEEK_END: self._size}[whence]
        self._at = max(0, begin + offset)
        return self._at

    def read(self, size: int = -1) -> bytes:
        """At most so many bytes, and only those of one block."""
        if size < 0 or self._at >= self._size:
            size = max(0, self._size - self._at)
        if not size:
            return b""
        number, skip = divmod(self._at, _BLOCK)
        try:
            found = self._block(number)[skip : skip + size]
        except UnseenError:
            self._size = 0  # FFmpeg tries again, and PyAV prints what it cannot raise
            raise
        self._at += len(found)
        return found


def part_of(job: RenderJob, wanted: Piece | Stretch | None) -> Part:
    """What a worker reads of the job's video file for a piece or a stretch; None: all of it."""
    path = Path(job.source)
    part = Part(path.stat().st_size)
    with path.open("rb") as file:

        def block(number: int) -> bytes:
            if number not in part.blocks:
                file.seek(number * _BLOCK)
                part.blocks[number] = file.read(_BLOCK)
            return part.blocks[number]

        if wanted is None:
            for number in range(-(-part.size // _BLOCK)):
                block(number)
            return part
        begin, until = wanted.reads
        with job.open(*begin, partial(BlockFile, part.size, block)) as source:
            assert isinstance(source, VideoSource), "others are not sent"
            source.skim(until)
    return part


def seen_by_worker(job: RenderJob, info: SourceInfo, get: Get | None) -> Opener | None:
    """On a worker: what to read in place of the source; None: the source itself, which is there.

    Raises UnseenError where there is neither.
    """
    if info.path is None or os.access(job.source, os.R_OK):
        return None
    if get is None:
        raise UnseenError(NOTHING)
    part = get()
    return partial(BlockFile, part.size, part.block)
