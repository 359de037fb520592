"""A video file that is whole after every write, however its writer dies.

A muxer keeps the newest packets until later ones come, so a killed writer loses them: at one
frame a second that is a second of work. Here each call muxes its packets into a small file of
its own in memory, header and all, and appends the chunk behind the header (a `moof` and its
`mdat`, or a Cluster) to the file in one write. What was appended is in the operating system's
hands: kill -9 does not take it back. A file that breaks off in the middle of a chunk plays up to
there, and is continued from there.

Chunks carry absolute times (MP4: base media decode time, through libavformat's `frag_discont`;
Matroska: Cluster timestamps), so they follow each other without knowing each other. Packets with
negative times, such as the priming of AAC, have no place in them; the finished file has them.
"""

import io
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import av
from av.container.output import OutputContainer

from livedream.errors import SinkError
from livedream.present.layout import growing_layout, split
from livedream.present.packets import Packet, decoding_time

_MP4_OPTIONS = {
    "movflags": "frag_custom+empty_moov+frag_discont+default_base_moof+skip_trailer",
    "use_editlist": "0",
    "avoid_negative_ts": "disabled",
}
_MATROSKA_OPTIONS = {"avoid_negative_ts": "disabled"}
FORMATS = ("mp4", "mov", "matroska", "webm")


class ByteSink(io.RawIOBase):
    """Where a muxer writes that must not seek: the bytes, in order."""

    def __init__(self) -> None:
        super().__init__()
        self._parts: list[bytes] = []

    def writable(self) -> bool:
        return True

    def write(self, part: Any) -> int:
        self._parts.append(bytes(part))
        return len(self._parts[-1])

    def take(self) -> bytes:
        """What was written since the last call."""
        taken = b"".join(self._parts)
        self._parts.clear()
        return taken


def open_in_memory(container_format: str, chunk: int) -> tuple[OutputContainer, ByteSink]:
    """A muxer for chunk number `chunk` (counted from 1), set up but without streams."""
    options: Mapping[str, str] = _MATROSKA_OPTIONS
    if container_format in ("mp4", "mov"):
        options = {**_MP4_OPTIONS, "fragment_index": str(chunk)}
    sink = ByteSink()
    container = av.open(sink, "w", format=container_format, options=dict(options))
    return container, sink


class GrowingFile:
    """Appends chunks of packets to a file.

    streams: the muxer's streams that were set up in a container of `open_in_memory`, whose
    header is `header`; packets are matched to them by their place in this sequence.
    """

    def __init__(
        self, path: Path, container_format: str, streams: Sequence[Any], header: bytes
    ) -> None:
        self.path = path
        self._format = container_format
        self._streams = list(streams)
        self._header = header
        self._chunks = 0
        self._end = 0
        self._file: io.FileIO | None = None

    def create(self, *, overwrite: bool) -> None:
        """Begin the file with its header; FileExistsError when it exists and must not."""
        self._file = io.FileIO(self.path, "w" if overwrite else "x")
        self._append(self._header)

    def reopen(self) -> None:
        """Go on behind the last whole chunk of a file that `create` and `append` left."""
        with self.path.open("rb") as file:
            layout = growing_layout(file, self.path.stat().st_size)
        if layout is None:
            raise SinkError(f"{self.path} is not an unfinished render: nothing to resume")
        self._file = io.FileIO(self.path, "r+")
        self._file.truncate(layout.end)
        self._file.seek(layout.end)
        self._end, self._chunks = layout.end, layout.chunks

    def append(self, packets: Sequence[tuple[int, Packet]]) -> None:
        """Put (stream number, packet) pairs into the file, in order of decoding time.

        Raises SinkError when the disk takes no more; the file then ends behind its last chunk.
        """
        if not packets:
            return
        container, sink = open_in_memory(self._format, self._chunks + 1)
        targets = [container.add_stream_from_template(s, opaque=True) for s in self._streams]
        for number, packet in sorted(packets, key=lambda item: decoding_time(item[1])):
            packet.stream = targets[number]
            container.mux_one(packet)
        container.close()
        self._append(split(sink.take())[1])
        self._chunks += 1

    def _append(self, data: bytes) -> None:
        assert self._file is not None, "create or reopen comes first"
        try:
            written = 0
            while written < len(data):
                written += self._file.write(data[written:]) or 0
        except OSError as error:
            self._file.truncate(self._end)
            raise _no_room(self.path, error) from error
        self._end += written

    def close(self) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


def _no_room(path: Path, error: OSError) -> SinkError:
    reason = os.strerror(error.errno) if error.errno else str(error)
    return SinkError(f"{path} cannot grow ({reason}): it plays up to here; make room, then resume")
