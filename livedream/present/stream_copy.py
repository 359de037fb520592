"""The other streams of a source file: sound, subtitles, attachments, covers, chapters.

They are copied packet by packet, never decoded. Each stream is read through a demuxer of its
own, so that however oddly the source interleaves them, they can be merged by time.
"""

import heapq
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from math import ceil, floor
from pathlib import Path
from typing import Any

import av
from av.container.input import InputContainer
from av.stream import Discard, Disposition, Stream

from livedream.core.frame import SourceInfo
from livedream.media.packets import Packet, decoding_time

_LATE_S = 1  # as the source: a recording that begins later is moved to 0
_CLOCK = 1_000_000  # FFmpeg's ticks per second for a whole file


@dataclass(frozen=True, slots=True)
class Window:
    """The part of a source to copy, in seconds of the source's own timeline.

    start: packets before it are left out, None: none is.  end: the first moment left out.
    shift: taken off every time.
    """

    start: Fraction | None = None
    end: Fraction | None = None
    shift: Fraction = Fraction(0)


def window_of(info: SourceInfo) -> Window:
    """The part of `info.path` that its frames were taken from, counted as the source counts."""
    assert info.path is not None
    with av.open(str(info.path), metadata_errors="replace") as container:
        video = main_video(container)
        base = video.time_base or Fraction(1)
        first = video.start_time or 0
        shift = _shift_of(container.start_time, first, base)
    end = None if info.end_s is None else (first + _first_tick(info.end_s, base)) * base
    if not info.start_s:
        return Window(None, end, shift * base)
    start = (first + _first_tick(info.start_s, base)) * base
    return Window(start, end, start)


def _shift_of(file_start: int | None, video_start: int, time_base: Fraction) -> int:
    if file_start is not None and file_start >= _LATE_S * _CLOCK:
        return floor(Fraction(file_start, _CLOCK) / time_base)
    return min(0, video_start)


def _first_tick(seconds: float, time_base: Fraction) -> int:
    """The first tick at or behind a time given to the microsecond."""
    return ceil(Fraction(seconds).limit_denominator(1_000_000) / time_base)


def main_video(container: InputContainer) -> Any:
    """The stream whose frames are dreamed: the first one that is no cover picture."""
    return next(s for s in container.streams.video if not is_cover(s))


def is_cover(stream: Stream) -> bool:
    return bool(stream.disposition & Disposition.attached_pic)


def has_sound(info: SourceInfo) -> bool:
    """Whether the frames come from a file with sound in it."""
    if info.path is None:
        return False
    with av.open(str(info.path), metadata_errors="replace") as container:
        return bool(container.streams.audio)


class Companion:
    """One stream to be copied, read through a container of its own."""

    def __init__(self, path: Path, index: int) -> None:
        self._container = av.open(str(path), metadata_errors="replace")
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
        names = {"audio": "sound", "subtitle": "subtitles", "video": "the cover picture"}
        context = self.stream.codec_context
        codec = context.name if context is not None else self.stream.name
        return f"{names.get(self.kind, self.kind)} ({codec or 'unknown'})"

    def packets(self, window: Window) -> Iterator[Packet]:
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


def companions_of(path: Path) -> list[Companion]:
    """Every stream of the file but its main video; the caller closes them."""
    with av.open(str(path), metadata_errors="replace") as container:
        main = main_video(container).index
        indices = [s.index for s in container.streams if s.index != main]
    return [Companion(path, index) for index in indices]


def merged(companions: list[Companion], window: Window) -> Iterator[tuple[Fraction, int, Packet]]:
    """(time in seconds, number in the list, packet) of all of them in order of time."""

    def timed(number: int) -> Iterator[tuple[Fraction, int, Packet]]:
        for packet in companions[number].packets(window):
            yield decoding_time(packet), number, packet

    return heapq.merge(*(timed(n) for n in range(len(companions))), key=lambda item: item[:2])


def _within(packet: Packet, base: Fraction, window: Window, kind: str) -> bool:
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


def cut_chapters(chapters: list[Any], window: Window) -> Iterator[Any]:
    """The chapters that lie in the window, as far as they do, their times shifted."""
    for chapter in chapters:
        base = chapter["time_base"]
        shift = round(window.shift / base)
        begin, end = max(0, chapter["start"] - shift), chapter["end"] - shift
        if window.end is not None:
            end = min(end, round((window.end - window.shift) / base))
        if begin < end:
            yield {**chapter, "start": begin, "end": end}
