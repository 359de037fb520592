"""The other streams of a source file: sound, subtitles, attachments, covers, chapters.

They are copied packet by packet, never decoded. Each stream is read through a demuxer of its
own, so that however oddly the source interleaves them, they can be merged by time.
"""

import heapq
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
from av.stream import Discard

from livedream.core.errors import SinkError
from livedream.core.frame import SourceInfo
from livedream.media.containers import main_video, url_of
from livedream.media.timing import Packet, decoding_time, first_tick, shift_of


@dataclass(frozen=True, slots=True)
class CopyRange:
    """The part of a source to copy, in seconds of the source's own timeline.

    start: packets before it are left out, None: none is.  end: the first moment left out.
    shift: taken off every time.
    """

    start: Fraction | None = None
    end: Fraction | None = None
    shift: Fraction = Fraction(0)


def copy_range_of(info: SourceInfo) -> CopyRange:
    """The part of `info.path` that its frames were taken from, counted as the source counts."""
    assert info.path is not None
    with av.open(url_of(info.path), metadata_errors="replace") as container:
        video = main_video(container, info.stream)
        base = video.time_base or Fraction(1)
        first = video.start_time or 0
        shift = shift_of(container.start_time, first, base)
    end = None if info.end_s is None else (first + first_tick(info.end_s, base)) * base
    if not info.start_s:
        return CopyRange(None, end, shift * base)
    start = (first + first_tick(info.start_s, base)) * base
    return CopyRange(start, end, start)


def has_sound(info: SourceInfo) -> bool:
    """Whether the frames come from a file with sound in it."""
    if info.path is None:
        return False
    with av.open(url_of(info.path), metadata_errors="replace") as container:
        return bool(container.streams.audio)


class CopiedStream:
    """One stream to be copied, read through a container of its own."""

    def __init__(self, path: Path, index: int) -> None:
        self._container = av.open(url_of(path), metadata_errors="replace")
        self.stream: Any = self._container.streams[index]
        for other in self._container.streams:
            if other.index != index:
                other.discard = Discard.all

    @property
    def kind(self) -> str:
        """ "audio", "subtitle", "attachment", "data" or "video" (a cover picture)."""
        return str(self.stream.type)

    @property
    def title(self) -> str:
        """How a message names it: `sound (aac)`."""
        names = {"audio": "audio", "subtitle": "subtitles", "video": "the cover picture"}
        context = self.stream.codec_context
        codec = context.name if context is not None else self.stream.name
        return f"{names.get(self.kind, self.kind)} ({codec or 'unknown'})"

    def packets(self, window: CopyRange) -> Iterator[Packet]:
        """Its packets inside the window, in order, their times shifted; damage ends them."""
        if self.kind == "attachment":
            return
        base = self.stream.time_base
        shift = round(window.shift / base)
        last: int | None = None
        try:
            for packet in self._container.demux(self.stream):
                if packet.size == 0 or not _within(packet, base, window, self.kind):
                    continue
                _shift(packet, shift, None if window.start is None else 0)
                if last is not None and (packet.dts is None or packet.dts <= last):
                    packet.dts = last + 1  # a muxer takes rising times only
                if packet.dts is None:
                    packet.dts = packet.pts if packet.pts is not None else 0
                if packet.pts is None or packet.pts < packet.dts:
                    packet.pts = packet.dts
                last = packet.dts
                yield packet
        except (av.FFmpegError, IndexError):
            # IndexError: PyAV trips over a stream that damage made up halfway (18.1).
            return

    def close(self) -> None:
        self._container.close()


def copied_streams_of(path: Path, dreamed: int | None = None) -> list[CopiedStream]:
    """Every stream of the file but the dreamed one (an index); the caller closes them."""
    with av.open(url_of(path), metadata_errors="replace") as container:
        main = main_video(container, dreamed).index
        indices = [s.index for s in container.streams if s.index != main]
    return [CopiedStream(path, index) for index in indices]


def merged(
    copied_streams: list[CopiedStream], window: CopyRange
) -> Iterator[tuple[Fraction, int, Packet]]:
    """(time in seconds, number in the list, packet) of all of them in order of time."""

    def timed(number: int) -> Iterator[tuple[Fraction, int, Packet]]:
        for packet in copied_streams[number].packets(window):
            yield decoding_time(packet), number, packet

    return heapq.merge(*(timed(n) for n in range(len(copied_streams))), key=lambda item: item[:2])


def _within(packet: Packet, base: Fraction, window: CopyRange, kind: str) -> bool:
    if kind == "video":
        return True  # a cover picture belongs to the whole
    time = packet.pts if packet.pts is not None else packet.dts
    if time is None:
        return window.start is None
    if window.end is not None and time * base >= window.end:
        return False
    if window.start is None or time * base >= window.start:
        return True
    # A subtitle that is still shown when the window opens.
    return kind == "subtitle" and (time + (packet.duration or 0)) * base > window.start


def _shift(packet: Packet, ticks: int, least: int | None) -> None:
    """Move a packet to earlier times, but not before `least`."""
    for name in ("pts", "dts"):
        time = getattr(packet, name)
        if time is not None and ticks:
            setattr(packet, name, time - ticks if least is None else max(least, time - ticks))


def cut_chapters(chapters: list[Any], window: CopyRange) -> Iterator[Any]:
    """The chapters that lie in the window, as far as they do, their times shifted."""
    for chapter in chapters:
        base = chapter["time_base"]
        shift = round(window.shift / base)
        begin, end = max(0, chapter["start"] - shift), chapter["end"] - shift
        if window.end is not None:
            end = min(end, round((window.end - window.shift) / base))
        if begin < end:
            yield {**chapter, "start": begin, "end": end}


class SoundTracks:
    """The audio of `info.path`, if any, for a file that is still growing.

    It is there to be heard if that file has to be played as it is; the finished file takes all of
    its sound from the source again.

    streams: to set up a muxer with.  window: the part of the source that is copied.
    """

    def __init__(self, info: SourceInfo, *, wanted: bool) -> None:
        self.window = CopyRange()
        self.tracks: list[CopiedStream] = []
        if wanted and info.path is not None:
            try:
                self.window = copy_range_of(info)
                streams = copied_streams_of(info.path, info.stream)
            except (av.FFmpegError, ValueError, StopIteration) as error:
                raise SinkError(f"{info.path}: its audio cannot be read ({error})") from error
            for stream in streams:
                if stream.kind == "audio":
                    self.tracks.append(stream)
                else:
                    stream.close()
        self._held_back = [0] * len(self.tracks)
        self._packets = self._playable()
        self._waiting: tuple[Fraction, int, Packet] | None = None

    def skip(self, counts: list[int]) -> None:
        """Leave out the first packets of each track: a file that is resumed has them."""
        self._held_back = counts

    def until(self, end: Fraction) -> list[tuple[int, Packet]]:
        """(track number, packet) of those that begin before `end` and were not handed out yet."""
        due, waiting = [], self._waiting or next(self._packets, None)
        while waiting is not None and waiting[0] < end:
            due.append(waiting[1:])
            waiting = next(self._packets, None)
        self._waiting = waiting
        return due

    def _playable(self) -> Iterator[tuple[Fraction, int, Packet]]:
        for item in merged(self.tracks, self.window):
            if item[0] < 0:
                continue
            if self._held_back[item[1]]:
                self._held_back[item[1]] -= 1
                continue
            yield item

    def leave_out(self) -> None:
        """Hand out nothing: the growing container cannot hold this sound."""
        self.close()
        self.tracks = []

    def close(self) -> None:
        for track in self.tracks:
            track.close()
