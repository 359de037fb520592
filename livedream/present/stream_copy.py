"""The other streams of a source file: sound, subtitles, attachments, covers, chapters.

They are copied packet by packet, never decoded; what a container cannot hold as it is, is made
anew in `stream_convert`. Each stream is read through a demuxer of its own, so that however oddly
the source interleaves them, they can be merged by time.

A little long: choosing, cutting and merging streams are steps of one walk over their packets.
"""

import heapq
import io
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from fractions import Fraction
from itertools import islice
from pathlib import Path
from types import MappingProxyType
from typing import Any, Self

import av
from av.bitstream import BitStreamFilterContext
from av.container.output import OutputContainer
from av.stream import Discard, Disposition

from livedream.core.frame import SourceInfo
from livedream.media.containers import (
    Container,
    check_reachable,
    films,
    main_video,
    open_container,
)
from livedream.media.film_time import film_time, sound_begin
from livedream.media.joints import OneClock
from livedream.media.tags import stream_metadata
from livedream.media.timing import Packet, decoding_time
from livedream.present.packet_order import InOrder

_PLAIN: Mapping[str, str] = MappingProxyType({})
_OUT_OF_ORDER = 64  # packets in a row; heuristic
_NOTICED_S = 0.045  # by which sound is noticed to come early (ITU-R BT.1359)
_FOR_TRIAL = 8  # packets that show whether a muxer takes a stream


@dataclass(frozen=True, slots=True)
class CopyRange:
    """The part of a source to copy, in seconds of the source's own timeline.

    start: packets before it are left out, None: none is.  end: the first moment left out.
    shift: taken off every time.  joints: where the source's clock jumps; all the other times here
    have them closed up.
    """

    start: Fraction | None = None
    end: Fraction | None = None
    shift: Fraction = Fraction(0)
    joints: tuple[Any, ...] = ()


def copy_range_of(info: SourceInfo) -> CopyRange:
    """The part of `info.path` that its frames were taken from, counted as the source counts."""
    time = film_time(info)
    return CopyRange(time.start if info.start_s else None, time.end, time.start, info.joints)


class CopiedStream:
    """One stream to be copied into files of one muxer, read through a container of its own.

    made: what it becomes, for a note, where it is not copied as it is.  window: the part that is
    copied, where that is another than of the film's own streams.
    """

    made = ""

    def __init__(self, path: Path, index: int, muxer: str, window: CopyRange | None = None) -> None:
        self.path, self.window = path, window
        self.muxer = muxer
        self._container = open_container(path)
        self.stream: Any = self._container.streams[index]
        for other in self._container.streams:
            if other.index != index:
                other.discard = Discard.all
        self._with_headers = muxer != "mpegts" and self._has_adts()

    @property
    def kind(self) -> str:
        """ "audio", "subtitle", "attachment", "data", "video" or "cover"."""
        cover = self.stream.disposition & Disposition.attached_pic
        return "cover" if cover else str(self.stream.type)

    @property
    def codec(self) -> str:
        return _codec(self.stream)

    @property
    def late_s(self) -> float:
        """How long after its file's picture it begins; 0 where there is none."""
        both = (*films(self._container)[:1], self.stream)
        begins = [float(s.start_time * s.time_base) for s in both if s.start_time is not None]
        return begins[1] - begins[0] if len(begins) > 1 else 0.0

    @property
    def title(self) -> str:
        """How a message names it: `audio (aac)`."""
        names = {"subtitle": "subtitles", "cover": "the cover picture", "data": "timed data"}
        named = self.stream.metadata.get("handler_name", "").strip() if self.kind == "data" else ""
        return f"{names.get(self.kind, self.kind)} ({named or self.codec})"

    def again(self) -> "CopiedStream":
        """The same stream from its beginning, read through another container."""
        return type(self)(self.path, self.stream.index, self.muxer, self.window)

    def add_to(self, out: OutputContainer) -> Any:
        """A stream in `out` that takes the packets; with language, title and flags."""
        target = copy_of(self.stream, out)
        if self._with_headers:
            target.codec_context.extradata = self._audio_config()
        self.describe(target)
        return target

    def describe(self, target: Any) -> None:
        target.metadata.update(stream_metadata(self.stream.metadata))
        target.disposition = self.stream.disposition

    def packets(self, window: CopyRange) -> Iterator[Packet]:
        """Its packets inside the window, in order, their times shifted; damage ends them."""
        if self.kind == "attachment":
            return
        window = self.window or window
        shift = round(window.shift / self.stream.time_base)
        last = 0
        for packet in self._in_window(window):
            if packet.dts is None:
                packet.dts = last if packet.pts is None else packet.pts
            if packet.pts is None or packet.pts < packet.dts:
                packet.pts = packet.dts
            last = packet.dts + (packet.duration or 0)
            packet.pts, packet.dts = packet.pts - shift, packet.dts - shift
            yield packet

    def _in_window(self, window: CopyRange) -> Iterator[Packet]:
        packets = self._read(window)
        if self.kind == "cover":  # belongs to the whole
            yield from packets
        elif self.kind == "video":
            yield from _whole_pictures(packets, window)
        elif self.kind == "subtitle":
            yield from self._shown_in(_until(packets, window.end), window)
        else:
            for packet in _until(packets, window.end):
                time = _time(packet)
                if window.start is None if time is None else _is_in(time, window):
                    yield packet

    def _shown_in(self, packets: Iterator[Packet], window: CopyRange) -> Iterator[Packet]:
        """Subtitles that are shown in the window, cut to it."""
        if is_text(self.stream):  # no line needs another; some files hold them out of order
            packets = iter(sorted(packets, key=lambda packet: _time(packet) or 0))
        for packet in packets:
            begin, base = _time(packet), packet.time_base
            if begin is None:
                continue
            end = begin + (packet.duration or 0) * base
            if window.start is not None and begin < window.start < end:
                begin = window.start
            if not _is_in(begin, window):
                continue
            if packet.duration and window.end is not None:
                end = min(end, window.end)
            if packet.duration:
                packet.duration = round((end - begin) / base)
            packet.pts = packet.dts = round(begin / base)
            yield packet

    def _read(self, window: CopyRange) -> Iterator[Packet]:
        """Every packet, on the one clock of the film."""
        strip = None
        if self._with_headers:
            strip = BitStreamFilterContext("aac_adtstoasc", self.stream)
        packets, clock = self._container.demux(self.stream), OneClock(window.joints)
        while True:
            try:
                packet = next(packets)
                if packet.size == 0:
                    continue
                clock.close_up(packet)
            except (StopIteration, av.FFmpegError, IndexError) as error:
                # IndexError: PyAV (18.1) at the end, after a stream that began late.
                check_reachable(self.path, error)
                return
            try:
                yield from [packet] if strip is None else map(_bare, strip.filter(packet))
            except av.FFmpegError:
                continue  # a packet that is no sound

    def _has_adts(self) -> bool:
        """Whether each packet of AAC has a header of its own, as in streams, and the track none."""
        context = self.stream.codec_context
        return self.codec == "aac" and not context.extradata

    def _audio_config(self) -> bytes | None:
        """What the headers of AAC packets say, as the header of a track."""
        strip = BitStreamFilterContext("aac_adtstoasc", self.stream)
        with open_container(self.path) as again:
            for packet in islice(again.demux(again.streams[self.stream.index]), _FOR_TRIAL):
                with suppress(av.FFmpegError):
                    for made in strip.filter(packet) if packet.size else ():
                        if made.has_sidedata("new_extradata"):
                            return bytes(made.get_sidedata("new_extradata"))
        return None

    def close(self) -> None:
        self._container.close()


def _bare(packet: Packet) -> Packet:
    """The packet without what it says of its track: a header that has it is not written twice."""
    made = av.Packet(bytes(packet))
    made.time_base = packet.time_base
    made.pts, made.dts, made.duration = packet.pts, packet.dts, packet.duration
    made.is_keyframe = packet.is_keyframe
    return made


def _until(packets: Iterator[Packet], end: Fraction | None) -> Iterator[Packet]:
    """Packets of a file until those of a time are over; single ones may be out of order."""
    behind = 0
    for packet in packets:
        behind = behind + 1 if end is not None and decoding_time(packet) >= end else 0
        if behind > _OUT_OF_ORDER:
            return
        yield packet


def _whole_pictures(packets: Iterator[Packet], window: CopyRange) -> Iterator[Packet]:
    """Packets of video from the keyframe that the window's first frame needs to its last frame."""
    before: list[Packet] = []
    behind: list[Packet] = []
    for packet in packets:
        time = _time(packet)
        if time is None:
            continue
        if window.start is not None and time < window.start:
            before = [packet] if packet.is_keyframe else [*before, packet]
            continue
        if window.end is not None and time >= window.end:
            if decoding_time(packet) >= window.end:
                return
            behind.append(packet)  # needed only by what is shown before it
            continue
        if not packet.is_keyframe:
            yield from before
        before = []
        yield from behind
        behind = []
        yield packet


def _time(packet: Packet) -> Fraction | None:
    time = packet.pts if packet.pts is not None else packet.dts
    return None if time is None else time * packet.time_base


def _is_in(time: Fraction, window: CopyRange) -> bool:
    return (window.start is None or time >= window.start) and (
        window.end is None or time < window.end
    )


def _codec(stream: Any) -> str:
    context = stream.codec_context
    name = getattr(stream, "name", "") if context is None else context.codec.canonical_name
    return str(name or "unknown")  # of a track that damage made up nothing is known


def _same(one: Any, other: Any) -> bool:
    layers = ("mp1", "mp2", "mp3")  # MP4 has one name for them
    names = (_codec(one), _codec(other))
    return names[0] == names[1] or all(name in layers for name in names)


def is_text(stream: Any) -> bool:
    """Whether these are subtitles of letters, not of pictures."""
    names = ("subrip", "ass", "webvtt", "mov_text", "text")
    return stream.type == "subtitle" and _codec(stream) in names


def copy_of(stream: Any, out: OutputContainer) -> Any:
    """A stream of `out` for packets of `stream`.

    PyAV asks a list of each muxer's first, which FFmpeg's tools do not ask and which lacks much
    that the muxer holds (WMA in Matroska); the muxer's own answer comes with the file's header.
    """
    try:
        return out.add_stream_from_template(stream, opaque=True)
    except ValueError:
        if stream.codec_context is None:
            raise
    with av.open(io.BytesIO(), "w", format="matroska") as any_other:
        target: Any = out.add_stream_from_template(any_other.add_stream("aac"), opaque=True)
    BitStreamFilterContext("null", stream, target)  # gives it all the parameters of `stream`
    target.codec_context.codec_tag = "\0\0\0\0"  # of the old container
    target.time_base = stream.time_base
    return target


def fits(copied: CopiedStream, container: Container, options: Mapping[str, str] = _PLAIN) -> bool:
    """Whether a file with this stream can be written, and holds it when it is read again."""
    allowed = "video" if copied.kind == "cover" else copied.kind
    if allowed not in container.carries:
        return False
    if copied.kind == "audio" and not copied.made:
        if container.sound is not None and copied.codec not in container.sound:
            return False
        if container.constant_rate and copied.late_s > _NOTICED_S:
            return False
    again, sink = copied.again(), io.BytesIO()
    try:
        with av.open(sink, "w", format=copied.muxer, container_options=dict(options)) as out:
            target = again.add_to(out)
            out.start_encoding()
            order = InOrder(out)
            for packet in islice(again.packets(CopyRange()), _FOR_TRIAL):
                order.place(packet, target, copied.kind)
                out.mux_one(packet)
        if copied.made or copied.kind in ("cover", "attachment"):
            return True
        with av.open(io.BytesIO(sink.getvalue())) as back:
            return any(_same(s, copied.stream) for s in back.streams)
    except (av.FFmpegError, ValueError, IndexError):
        return False
    finally:
        again.close()


@dataclass(frozen=True, slots=True)
class Music:
    """A song that is the film's sound. window: the part of it."""

    path: Path
    window: CopyRange

    @classmethod
    def beside(cls, path: Path, info: SourceInfo) -> Self:
        """For a film, or a part of one: the song begins with the film."""
        start = Fraction(info.start_s).limit_denominator(1_000_000)
        if info.path is not None:
            time = film_time(info)
            start = time.start - time.zero
        zero = sound_begin(path)
        return cls(path, CopyRange(zero + start if start else None, None, zero + start))

    def stream(self, muxer: str) -> CopiedStream:
        """Its first sound track; the caller closes it."""
        with open_container(self.path) as container:
            index = container.streams.audio[0].index
        return CopiedStream(self.path, index, muxer, self.window)


def streams_beside(
    path: Path | None, muxer: str, dreamed: int | None, music: Music | None
) -> list[CopiedStream]:
    """What goes beside the dreamed stream: the other ones of the film at `path`, if there is one,
    its sound replaced by the music, if there is some. The caller closes them."""
    found = [] if path is None else copied_streams_of(path, muxer, dreamed)
    if music is None:
        return found
    kept = [one for one in found if one.kind != "audio"]
    for replaced in found:
        if replaced not in kept:
            replaced.close()
    return [*kept, music.stream(muxer)]


def copied_streams_of(path: Path, muxer: str, dreamed: int | None = None) -> list[CopiedStream]:
    """Every stream of the file but the dreamed one (an index); the caller closes them.

    Neither are those that libavformat has read already, such as the titles of chapters, nor
    timecode, which muxers make from the video's metadata.
    """
    with open_container(path) as container:
        main = main_video(container, dreamed).index
        indices = [
            s.index
            for s in container.streams
            if s.index != main
            and not (s.type == "data" and (s.discard == Discard.all or "timecode" in s.metadata))
        ]
    return [CopiedStream(path, index, muxer) for index in indices]


def merged(
    copied_streams: list[CopiedStream], window: CopyRange
) -> Iterator[tuple[Fraction, int, Packet]]:
    """(time in seconds, number in the list, packet) of all of them in order of time."""

    def timed(number: int) -> Iterator[tuple[Fraction, int, Packet]]:
        for packet in copied_streams[number].packets(window):
            yield decoding_time(packet), number, packet

    return heapq.merge(*(timed(n) for n in range(len(copied_streams))), key=lambda item: item[:2])


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
