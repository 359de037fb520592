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
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from copy import deepcopy
from fractions import Fraction
from pathlib import Path
from typing import Any, Protocol

import av
from av.container.output import OutputContainer

from livedream.core.errors import SinkError, UnfinishedError, os_reason, writing_advice
from livedream.core.frame import SourceInfo
from livedream.core.whole_file import whole_file
from livedream.media.boxes import whole_chunks
from livedream.media.containers import Container, container_for, main_video, url_of
from livedream.media.destination import cannot
from livedream.media.timing import Packet, decoding_time, end_time, with_last_duration
from livedream.present.packet_order import InOrder
from livedream.present.stream_copy import (
    CopiedStream,
    CopyRange,
    Music,
    copy_of,
    copy_range_of,
    fits,
    merged,
    streams_beside,
)

# Without bitexact, headers would differ from run to run, and a resumed run must know its own.
_OPTIONS = {"avoid_negative_ts": "disabled", "fflags": "+bitexact"}
_BATCH = 32  # packets to a chunk while copying: few chunks, little memory
_MP4_OPTIONS = {
    "movflags": "frag_custom+empty_moov+frag_discont+default_base_moof+skip_trailer",
    "use_editlist": "0",
}


class ByteSink(io.BytesIO):
    """Where a muxer writes that must not seek: the bytes, in order."""

    def seekable(self) -> bool:
        return False

    def take(self) -> bytes:
        """What was written since the last call."""
        taken = self.getvalue()
        self.seek(0)
        self.truncate()
        return taken


def growing_options(container_format: str) -> dict[str, str]:
    """How the muxer of a growing file is set."""
    return _OPTIONS | (_MP4_OPTIONS if container_format in ("mp4", "mov") else {})


def open_in_memory(container_format: str, chunk: int = 1) -> tuple[OutputContainer, ByteSink]:
    """A muxer ("mp4", "mov", "matroska", "webm") for chunk number `chunk`, without streams."""
    options = growing_options(container_format)
    if container_format in ("mp4", "mov"):
        options["fragment_index"] = str(chunk)
    sink = ByteSink()
    return av.open(sink, "w", format=container_format, container_options=options), sink


class SoundBeside(Protocol):
    """What is heard with a file that is still growing.

    tracks: what adds itself to a container as a stream.  window: the part of a source that it is.
    """

    window: CopyRange

    @property
    def tracks(self) -> Sequence[Any]: ...

    def skip(self, counts: list[int]) -> None:
        """Leave out the first packets of each track: a file that is resumed has them."""

    def until(self, end: Fraction) -> list[tuple[int, Packet]]:
        """(track number, packet) of those that begin before `end` and were not handed out yet."""

    def rest(self, end: Fraction) -> list[tuple[int, Packet]]:
        """The last ones of a film that ends there, where the finished file is to have them."""

    def leave_out(self) -> None:
        """Hand out nothing: the growing container cannot hold this sound."""

    def close(self) -> None: ...


class SoundTracks:
    """The audio of `info.path`, or the music instead of it, for a file that is still growing.

    It is there to be heard if that file has to be played as it is; the finished file takes all of
    its sound from the source again.

    tracks: those that the growing container holds as they are; what has to be encoded comes with
    the finished file.  window: the part of the source that is copied.
    """

    def __init__(
        self, info: SourceInfo, growing: Container, options: Mapping[str, str], *, wanted: bool,
        music: Music | None = None,
    ) -> None:  # fmt: skip
        self.window = CopyRange()
        self.tracks: list[CopiedStream] = []
        if wanted and not (info.path is None and music is None):
            try:
                self.window = CopyRange() if info.path is None else copy_range_of(info)
                streams = streams_beside(info.path, growing.name, info.stream, music)
            except (av.FFmpegError, ValueError, StopIteration) as error:
                raise SinkError(f"{info.path}: its audio cannot be read ({error})") from error
            for stream in streams:
                if stream.kind == "audio" and fits(stream, growing, options):
                    self.tracks.append(stream)
                else:
                    stream.close()
        self._held_back = [0] * len(self.tracks)
        self._packets = self._playable()
        self._waiting: tuple[Fraction, int, Packet] | None = None

    def skip(self, counts: list[int]) -> None:
        self._held_back = counts

    def until(self, end: Fraction) -> list[tuple[int, Packet]]:
        due, waiting = [], self._waiting or next(self._packets, None)
        while waiting is not None and waiting[0] < end:
            due.append(waiting[1:])
            waiting = next(self._packets, None)
        self._waiting = waiting
        return due

    def rest(self, end: Fraction) -> list[tuple[int, Packet]]:
        """None: the finished file takes them from the source."""
        return []

    def _playable(self) -> Iterator[tuple[Fraction, int, Packet]]:
        for item in merged(self.tracks, self.window):
            if item[0] < 0:
                continue
            if self._held_back[item[1]]:
                self._held_back[item[1]] -= 1
                continue
            yield item

    def leave_out(self) -> None:
        self.close()
        self.tracks = []

    def close(self) -> None:
        for track in self.tracks:
            track.close()


class FragmentedFile:
    """Appends chunks of packets to a file.

    streams: those of a container from `open_in_memory` that wrote `header`; packets name theirs
    by its place in this sequence.  named: what errors call it, where not by its path.
    """

    def __init__(
        self, path: Path, container_format: str, streams: Sequence[Any], header: bytes,
        named: Path | None = None,
    ) -> None:  # fmt: skip
        self.path = path
        self._named = named or path
        self._format = container_format
        self._streams = list(streams)
        self._header = header
        self._chunks = 0
        self._end = 0
        self._order: InOrder | None = None
        self._file: io.FileIO | None = None
        self._late = False

    def create_late(self) -> None:
        """Begin the file with its first chunk: before it there is none that nothing would play."""
        self._late = True

    def create(self, *, overwrite: bool) -> None:
        """Begin the file with its header.  Raises SinkError when it cannot be made."""
        try:
            self._file = io.FileIO(self.path, "w" if overwrite else "x")
        except OSError as error:
            raise cannot(self._named, error) from error
        try:
            self._append(self._header)
        except SinkError:  # no player would take what is there
            with suppress(SinkError):
                self.close()
            with suppress(OSError):
                self.path.unlink(missing_ok=True)
            raise

    def resume(self, sound: SoundBeside) -> tuple[int, Fraction | None] | None:
        """Go on with what an earlier writer left; None where there is nothing to go on with.

        One that died left a growing file: it is cut behind its last whole chunk. One that was
        stopped finished its file: its packets are copied into a new one that grows, which takes
        its place. `sound` goes on behind what is there.
        Returns how many frames there are, and when the last one begins, in seconds.
        Raises SinkError when it was made with other settings, or is no such file at all.
        """
        try:
            size = self.path.stat().st_size
            with self.path.open("rb") as file:
                begun = file.read(len(self._header))
                whole = whole_chunks(file, size)
        except FileNotFoundError:
            return None
        except OSError as error:
            raise cannot(self.path, error) from error
        if len(begun) < len(self._header) and self._header.startswith(begun):
            return None  # its writer died at the very beginning
        if whole is None:
            written = self._grow_again(sound)
        elif begun != self._header:
            raise self._of_other_settings()
        else:
            self._chunks, self._end = whole
            written = None
        try:
            self._file = io.FileIO(self.path, "r+")
            self._file.truncate(self._end)
            self._file.seek(self._end)
        except OSError as error:
            raise cannot(self.path, error) from error
        return written or self._count(sound)

    def _count(self, sound: SoundBeside) -> tuple[int, Fraction | None]:
        """The frames in the file, and when the last begins; `sound` leaves out what is in it."""
        last = None
        try:
            with av.open(url_of(self.path)) as grown:
                counts = [0] * len(grown.streams)
                for packet in grown.demux():
                    if packet.size and packet.pts is not None:
                        counts[packet.stream.index] += 1
                        if packet.stream.index == 0:
                            last = packet.pts * packet.time_base
        except (av.FFmpegError, ValueError) as error:
            raise cannot(self.path, error) from error
        sound.skip(counts[1:])
        return counts[0], last

    def _grow_again(self, sound: SoundBeside) -> tuple[int, Fraction | None]:
        """Turn the finished file at the path back into one that grows, in one step."""
        count, last = 0, None
        batch: list[tuple[int, Packet]] = []
        try:
            with (
                whole_file(self.path, ".resuming", lasting=True) as unfinished,
                av.open(url_of(self.path)) as container,
            ):
                video = main_video(container)
                if not self._describes(video.codec_context):
                    raise self._of_other_settings()
                # Copied packets are laid out as their stream says, not as this file's encoder does.
                streams = [video, *self._streams[1:]]
                again = FragmentedFile(
                    unfinished, self._format, streams, self._header, named=self.path
                )
                try:
                    again.create(overwrite=True)
                    for packet in with_last_duration(container.demux(video), video):
                        if packet.pts is None:
                            continue
                        count, last = count + 1, packet.pts * packet.time_base
                        others = sound.until(end_time(packet))
                        batch += [(0, packet), *((track + 1, other) for track, other in others)]
                        if len(batch) >= _BATCH:
                            again.append(batch)
                            batch = []
                    again.append(batch)
                finally:
                    again.close()
        except (av.FFmpegError, ValueError, StopIteration) as error:
            raise SinkError(
                f"{self.path} is not an unfinished render: nothing to resume"
            ) from error
        except SinkError:
            raise
        except OSError as error:
            raise cannot(self.path, error) from error
        self._chunks, self._end = again._chunks, again._end
        return count, last

    def _describes(self, theirs: Any) -> bool:
        """Whether the header is that of video with such a codec context."""
        mine = self._streams[0].codec_context
        if (theirs.codec.canonical_name, theirs.width, theirs.height) != (
            mine.codec.canonical_name, mine.width, mine.height,
        ):  # fmt: skip
            return False
        if not container_for(self.path).grows_again:
            raise SinkError(
                f"{self.path} is finished, and such a file cannot be resumed: add --overwrite, or "
                "render to .mkv"
            )
        return (theirs.extradata or b"") in self._header

    def _of_other_settings(self) -> SinkError:
        return SinkError(
            f"{self.path} was started with another size, codec or audio: "
            "resume it with the same settings, or add --overwrite"
        )

    def append(self, packets: Sequence[tuple[int, Packet]]) -> None:
        """Put (stream number, packet) pairs into the file, in order of decoding time.

        Raises UnfinishedError when the disk takes no more; the file then ends behind its last
        chunk.
        """
        if not packets:
            return
        before = deepcopy(self._order)
        try:
            try:
                chunk = self._chunk(packets)
            except (av.FFmpegError, ValueError):
                # Damaged sound: the picture goes on, the finished file makes the best of it.
                self._order = before
                chunk = self._chunk([item for item in packets if item[0] == 0])
        except (av.FFmpegError, ValueError) as error:
            raise cannot(self.path, error) from error
        if self._late:
            self._late = False
            self.create(overwrite=False)
        self._append(chunk)
        self._chunks += 1

    def _chunk(self, packets: Sequence[tuple[int, Packet]]) -> bytes:
        container, sink = open_in_memory(self._format, self._chunks + 1)
        self._order = self._order or InOrder(container)
        targets = [copy_of(s, container) for s in self._streams]
        container.start_encoding()
        sink.take()  # the header, which the file has
        for number, packet in sorted(packets, key=lambda item: decoding_time(item[1])):
            self._order.place(packet, targets[number], "audio" if number else "video")
            container.mux_one(packet)
        container.close()
        return sink.take()

    def _append(self, chunk: bytes) -> None:
        assert self._file is not None, "create or reopen comes first"
        written = 0
        try:
            while written < len(chunk):
                written += self._file.write(chunk[written:]) or 0
        except OSError as error:
            with suppress(OSError):  # the disk has gone
                self._file.truncate(self._end)
                self._file.seek(self._end)
            raise UnfinishedError(
                f"{self._named} cannot be written any further ({os_reason(error)}): it plays up "
                f"to here; {writing_advice(error)}"
            ) from error
        self._end += written

    def close(self) -> None:
        """Raises SinkError where what was written cannot be kept after all, as on some shares."""
        file, self._file = self._file, None
        try:
            if file is not None:
                file.close()
        except OSError as error:
            raise cannot(self._named, error) from error
