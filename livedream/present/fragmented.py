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
from collections.abc import Sequence
from enum import Enum, auto
from pathlib import Path
from typing import Any

import av
from av.container.output import OutputContainer

from livedream.core.errors import SinkError
from livedream.media.boxes import fragment_layout, split
from livedream.media.timing import Packet, decoding_time
from livedream.present.destination import cannot

# Without bitexact, headers would differ from run to run, and a resumed run must know its own.
_OPTIONS = {"avoid_negative_ts": "disabled", "fflags": "+bitexact"}
_MP4_OPTIONS = {
    "movflags": "frag_custom+empty_moov+frag_discont+default_base_moof+skip_trailer",
    "use_editlist": "0",
}


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


def open_in_memory(container_format: str, chunk: int = 1) -> tuple[OutputContainer, ByteSink]:
    """A muxer ("mp4", "mov", "matroska", "webm") for chunk number `chunk`, without streams."""
    options = dict(_OPTIONS)
    if container_format in ("mp4", "mov"):
        options |= {**_MP4_OPTIONS, "fragment_index": str(chunk)}
    sink = ByteSink()
    return av.open(sink, "w", format=container_format, container_options=options), sink


class Prior(Enum):
    """What a growing file finds at its path: a file of the same header or of a different one,
    something that is no growing file at all, or nothing to go on with."""

    NOTHING = auto()
    SAME = auto()
    DIFFERENT = auto()
    OTHER = auto()


class FragmentedFile:
    """Appends chunks of packets to a file.

    streams: those of a container from `open_in_memory` that wrote `header`; packets name theirs
    by its place in this sequence.
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
        """Begin the file with its header.  Raises SinkError when it cannot be made."""
        try:
            self._file = io.FileIO(self.path, "w" if overwrite else "x")
        except OSError as error:
            raise cannot(self.path, error) from error
        self._append(self._header)

    def found(self) -> Prior:
        """What lies at the path.  Raises SinkError when it cannot be read."""
        try:
            size = self.path.stat().st_size
            with self.path.open("rb") as file:
                begun = file.read(len(self._header))
                layout = fragment_layout(file, size)
        except FileNotFoundError:
            return Prior.NOTHING
        except OSError as error:
            raise cannot(self.path, error) from error
        if len(begun) < len(self._header) and self._header.startswith(begun):
            return Prior.NOTHING  # its writer died at the very beginning
        if layout is None:
            return Prior.OTHER
        self._end, self._chunks = layout.end, layout.chunks
        return Prior.SAME if begun == self._header else Prior.DIFFERENT

    def reopen(self) -> None:
        """Go on behind the last whole chunk of a file that was found to be the SAME."""
        self._file = io.FileIO(self.path, "r+")
        self._file.truncate(self._end)
        self._file.seek(self._end)

    def like(self, path: Path, video: Any) -> "FragmentedFile | None":
        """A growing file at `path` of the same kind, for packets copied from the stream `video`.

        None when that stream is another one than this file's header describes.
        """
        mine = self._streams[0].codec_context
        theirs = video.codec_context
        extradata = theirs.extradata
        if (
            theirs.codec.canonical_name != mine.codec.canonical_name
            or (theirs.width, theirs.height) != (mine.width, mine.height)
            or (extradata and extradata not in self._header)
        ):
            return None
        # Copied packets are laid out as their stream says, not as this file's encoder does.
        return FragmentedFile(path, self._format, [video, *self._streams[1:]], self._header)

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

    def _append(self, chunk: bytes) -> None:
        assert self._file is not None, "create or reopen comes first"
        written = 0
        try:
            while written < len(chunk):
                written += self._file.write(chunk[written:]) or 0
        except OSError as error:
            self._file.truncate(self._end)
            self._file.seek(self._end)
            reason = error.strerror or str(error)
            raise SinkError(
                f"{self.path} cannot be written any further ({reason}): it plays up to here; "
                "free some space, then use --resume"
            ) from error
        self._end += written

    def close(self) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None
