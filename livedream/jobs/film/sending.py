"""Sources that workers do not see: the bytes of the file that a piece takes, read here, sent there.

A container finds its frames in ways of its own (an index in front, at the end, in between), and
its header says more than any other could hold. So the head reads it as the worker will, but for
decoding; the blocks that were read are sent, and the worker reads the same file, with holes in it.
What every reader begins with, an index of megabytes in a long film, is sent once; and what is much
is sent bit by bit, so that the head never holds more of it than that.
"""

import io
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache, partial
from pathlib import Path
from typing import Final

from livedream.capture.video import VideoSource
from livedream.core.closing import Closeable
from livedream.core.frame import SourceInfo
from livedream.jobs.film.plan import Piece, Stretch
from livedream.jobs.render import RenderJob
from livedream.media.containers import Opener

NOTHING, PARTS, ALL = range(3)  # what of a source is sent to workers
_BLOCK: Final = 1 << 16  # bytes; twice what FFmpeg reads at once
_TOGETHER: Final = 256  # blocks that are sent as one, 16 MB; heuristic


class UnseenError(Exception):
    """A worker does not see the source, or not enough of it. sent: what it had (NOTHING, ...)."""

    def __init__(self, sent: int) -> None:
        super().__init__(sent)
        self.sent = sent


@dataclass(frozen=True, slots=True)
class FilePart:
    """Some bytes of a file of `size` bytes, in blocks by number; the file's last may be shorter.

    blocks: those that it holds.  others: parts that hold more of them, and lie elsewhere.
    """

    size: int
    blocks: dict[int, bytes] = field(default_factory=dict)
    others: dict[int, "Get"] = field(default_factory=dict)

    @property
    def is_whole(self) -> bool:
        return (len(self.blocks) + len(self.others)) * _BLOCK >= self.size

    def block(self, number: int) -> bytes:
        """Raises UnseenError for one that was not sent."""
        if number in self.blocks:
            return self.blocks[number]
        if number in self.others:
            return _got(self.others[number]).block(number)
        raise UnseenError(ALL if self.is_whole else PARTS)


Get = Callable[[], FilePart]  # a part that lies where all workers can get it
Share = Callable[[FilePart], Get]


@lru_cache(maxsize=2)  # an index, and what is read by it
def _got(get: Get) -> FilePart:
    return get()


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


class _Recorder(Closeable):
    """Reads a file in blocks and has them sent; `part` says which they are.

    known: those that have been sent already.
    """

    def __init__(self, path: Path, share: Share, known: Mapping[int, Get]) -> None:
        self._file, self._share = path.open("rb"), share
        self.part = FilePart(path.stat().st_size, {}, dict(known))

    def block(self, number: int) -> bytes:
        part = self.part
        self._file.seek(number * _BLOCK)
        found = self._file.read(_BLOCK)
        if number not in part.blocks and number not in part.others:
            if len(part.blocks) == _TOGETHER:
                self.send()
            part.blocks[number] = found
        return found

    def send(self) -> None:
        """Have those that are held sent."""
        get = self._share(FilePart(self.part.size, dict(self.part.blocks)))
        self.part.others.update(dict.fromkeys(self.part.blocks, get))
        self.part.blocks.clear()

    def open(self, job: RenderJob, skip: int = 0, at: int | None = None) -> VideoSource:
        """The file as a source that is read through this."""
        source = job.open(skip, at, partial(BlockFile, self.part.size, self.block))
        assert isinstance(source, VideoSource), "others are not sent"
        return source

    def close(self) -> None:
        self._file.close()


def front_of(job: RenderJob, share: Share) -> Mapping[int, Get]:
    """What of the job's video file every reader begins with, sent: its header, often its index."""
    with _Recorder(Path(job.source), share, {}) as recorder:
        recorder.open(job).close()
        recorder.send()
        return recorder.part.others


def part_of(
    job: RenderJob, wanted: Piece | Stretch | None, share: Share, known: Mapping[int, Get]
) -> FilePart:
    """What a worker reads of the job's video file for a piece or a stretch; None: all of it.

    known: blocks that have been sent already.
    """
    with _Recorder(Path(job.source), share, known) as recorder:
        if wanted is None:
            for number in range(-(-recorder.part.size // _BLOCK)):
                recorder.block(number)
        else:
            begin, until = wanted.reads
            with recorder.open(job, *begin) as source:
                source.skim(until)
        return recorder.part


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
