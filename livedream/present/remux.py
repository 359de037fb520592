"""From the file that grew to the file that stays: everything in it, its index in front.

The growing file holds the dreamed video (and sound to listen to if it must be played as it is).
At the end its video packets are copied, timestamps exact, into an ordinary file of the
container that the suffix asks for, and all other streams, chapters and metadata come from the
source itself. The result is written beside the growing file and takes its name in one step;
when anything fails, the growing file stays as it is.
"""

import errno
import io
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
from av.bitstream import BitStreamFilterContext
from av.container.output import OutputContainer

from livedream.core.errors import SourceError, UnfinishedError, os_reason, writing_advice
from livedream.core.whole_file import beside, whole_file
from livedream.media.containers import CONTAINERS, Container, main_video, open_container, url_of
from livedream.media.display_size import put_display_size, with_room
from livedream.media.immersive import KEEPERS, leave_only_google, tagged
from livedream.media.tags import (
    container_metadata,
    stream_metadata,
    timecode_after,
    timecode_of,
)
from livedream.media.timing import Packet, decoding_time, end_time, with_last_duration
from livedream.present.packet_order import InOrder
from livedream.present.stream_convert import converted, fitted
from livedream.present.stream_copy import (
    CopiedStream,
    CopyRange,
    Music,
    cut_chapters,
    merged,
    streams_beside,
)

_PYAV = tuple(int(part) for part in av.__version__.split(".")[:2])
_COARSE, _FINE = 1000, 1_000_000  # ticks a second: FFmpeg's for when a track begins, the most here
_DISK_TROUBLE = {errno.ENOSPC, errno.EFBIG, errno.EIO, getattr(errno, "EDQUOT", errno.ENOSPC)}
_FINISHING = ".finishing"


@dataclass(frozen=True, slots=True)
class RemuxSpec:
    """What the finished file is to be.

    rate: frames per second, for containers that know no other times.  source: the file whose
    other streams are copied, None for none; stream: the index of the dreamed one there; window:
    the part of it.  metadata: written over the source's own.  tag: the video's four letters, where
    not FFmpeg's choice.  complete: all frames came; otherwise sound and subtitles end where the
    video does.  end: of the last frame, in seconds, where it is known: not every container keeps
    that while it grows.  immersive: 360-degree and stereo tags, as boxes.  aspect: the video's
    sample aspect ratio.  layer: no stream of the source is copied, only what it says of itself.
    music: the sound instead of the source's; it ends with the video.
    pieces: growing files that hold the video, one after the other; without any it is the one that
    is replaced.
    """

    container: Container
    rate: Fraction = Fraction(25)
    source: Path | None = None
    stream: int | None = None
    window: CopyRange = field(default_factory=CopyRange)
    metadata: Mapping[str, str] = field(default_factory=dict)
    tag: str | None = None
    complete: bool = True
    end: Fraction | None = None
    immersive: bytes = b""
    aspect: Fraction = Fraction(1)
    layer: bool = False
    music: Music | None = None
    pieces: Sequence[Path] = ()


def finishing(growing: Path) -> Path:
    """Where the finished file is written before it takes its name."""
    return beside(growing, _FINISHING)


def remux(growing: Path, wanted: RemuxSpec) -> tuple[str, ...]:
    """Replace the growing file by the finished one; returns notes on what could not be held.

    Raises UnfinishedError when the finished file cannot be written, SourceError when the source
    cannot be read; the growing one is untouched.
    """
    try:
        with whole_file(growing, _FINISHING, lasting=True) as finished:
            return _write(growing, finished, wanted)
    except SourceError:  # which says what to do
        raise
    except (av.FFmpegError, OSError, ValueError) as error:
        found = "cannot be joined" if wanted.pieces else "plays, but could not be finished"
        raise UnfinishedError(
            f"{growing} {found} ({os_reason(error)}): {writing_advice(error)}"
        ) from error


def _write(growing: Path, temporary: Path, wanted: RemuxSpec) -> tuple[str, ...]:
    container, suffix = wanted.container, growing.suffix.lower()
    found = []
    if not wanted.layer:
        found = streams_beside(wanted.source, container.name, wanted.stream, wanted.music)
    held = {stream: fitted(stream, container) for stream in found}
    try:
        while True:
            attempt = _Attempt(growing, temporary, wanted, [h for h in held.values() if h])
            culprit = attempt.run()
            if culprit is None:
                break
            stream = next(s for s, h in held.items() if h is culprit)
            held[stream] = converted(stream, container) if culprit is stream else None
        lost = bool(wanted.immersive) and not attempt.immersive
        notes = list(_notes(suffix, wanted, held, immersive_lost=lost))
        if attempt.timecode and container.edits and _PYAV < (18, 1):  # their muxer asks for a rate
            notes.append(f"{suffix} has no timecode: PyAV 18.1 writes it (pip install -U av)")
        return tuple(notes)
    finally:
        for stream in {*held, *(h for h in held.values() if h)}:
            stream.close()


def _notes(
    suffix: str,
    wanted: RemuxSpec,
    held: Mapping[CopiedStream, CopiedStream | None],
    *,
    immersive_lost: bool,
) -> Iterator[str]:
    """What became of the streams that were not copied as they are, a line for each kind."""
    changed: dict[str, list[CopiedStream]] = {}
    for stream, kept in held.items():
        if kept is None or kept.made:
            changed.setdefault("" if kept is None else kept.made, []).append(stream)
    missing = changed.pop("", [])
    for made, streams in changed.items():
        named = ", ".join(dict.fromkeys(stream.title for stream in streams))
        instead = _better(suffix, streams)
        kept_there = f" ({instead} keeps it as it is)" if instead else ""
        yield f"{suffix} cannot hold {named}: written as {made}{kept_there}"
    titles = [stream.title for stream in missing]
    if wanted.source is not None and not wanted.container.has_chapters:
        with open_container(wanted.source) as source:
            titles += ["chapters"] if source.chapters() else []
    if immersive_lost:
        titles.append("360-degree and stereo tags")
    if wanted.metadata and not wanted.container.has_metadata:
        titles.append("metadata")
    if titles:
        instead = _better(suffix, missing)
        can = f": {instead} can" if instead else ""
        yield f"{suffix} cannot hold {', '.join(dict.fromkeys(titles))}{can}"


def _better(suffix: str, streams: list[CopiedStream]) -> str | None:
    """A container, by its suffix, that holds all of them as they are."""
    for other in (".mkv", ".mov", ".mp4"):
        container = CONTAINERS[other]
        there = [CopiedStream(s.path, s.stream.index, container.name) for s in streams]
        try:
            if other != suffix and all(_kept(fitted(s, container)) for s in there):
                return other
        finally:
            for stream in there:
                stream.close()
    return None


def _kept(stream: CopiedStream | None) -> bool:
    return stream is not None and not stream.made


class _OnDisk(io.FileIO):
    """A file of ours: one that PyAV opens (18.1) is never closed when the disk is full, and takes
    its room even when it is deleted.

    A write that fails raises, those after it are for nothing: FFmpeg has some more on its way out.
    """

    _failed = False

    def write(self, data: Any) -> int:
        rest = memoryview(data)
        try:
            while rest and not self._failed:
                rest = rest[super().write(rest) :]
        except OSError:
            self._failed = True
            raise
        return len(data)


class _Attempt:
    """One try at the finished file; `run` returns the companion to blame when it fails."""

    def __init__(
        self, growing: Path, temporary: Path, wanted: RemuxSpec, held: list[CopiedStream]
    ) -> None:
        self._pieces = list(wanted.pieces) or [growing]
        self._temporary = temporary
        self._wanted = wanted
        self._held = held
        self._copied_streams: list[CopiedStream] = []
        self.immersive = False  # the tags of such video are in it
        self.timecode = False  # there is one to write
        self._latest = len(held) - 1

    def run(self) -> CopiedStream | None:
        container = self._wanted.container
        options = dict(container.options)
        if self._wanted.immersive and container.name == "mp4":
            options["strict"] = "unofficial"  # FFmpeg's word for boxes that no standard has
        self._copied_streams = [stream.again() for stream in self._held]
        with av.open(url_of(self._pieces[0])) as grown, _OnDisk(self._temporary, "w") as written:
            ticks = main_video(grown).time_base.denominator
            if container.edits and _COARSE < ticks <= _FINE:  # where the film begins, to the tick
                options["movie_timescale"] = str(ticks)
            out = av.open(
                written, "w", format=container.name, container_options=options,
                io_open=lambda *_: self._temporary.open("rb"),  # to put the index in front
            )  # fmt: skip
            try:
                self._fill(grown, out)
                out.close()
                video = main_video(grown).codec_context
                with self._temporary.open("r+b") as file:
                    put_display_size(
                        file, container.name, video.width, video.height, self._wanted.aspect
                    )
            except (av.FFmpegError, OSError, ValueError) as error:
                with suppress(av.FFmpegError, OSError, ValueError):
                    out.close()
                in_trouble = getattr(error, "errno", None) in _DISK_TROUBLE
                if in_trouble or isinstance(error, SourceError) or not self._held:
                    raise
                return self._held[self._latest]
            finally:
                for stream in self._copied_streams:
                    stream.close()
        if self.immersive and container.name == "mp4":
            leave_only_google(self._temporary)
        return None

    def _fill(self, grown: Any, out: OutputContainer) -> None:
        video = main_video(grown)
        target: Any = self._stream_like(video, out)
        if mode := video.metadata.get("alpha_mode"):  # Matroska's word for VP9 with alpha
            target.metadata["alpha_mode"] = mode
        if self._wanted.tag:
            target.codec_context.codec_tag = self._wanted.tag
        target.codec_context.sample_aspect_ratio = self._wanted.aspect
        target.time_base = video.time_base
        if self._wanted.container.constant_rate:
            target.time_base = 1 / self._wanted.rate
        rewrite = _start_codes(self._wanted.container, video, target)
        targets = [copied_stream.add_to(out) for copied_stream in self._copied_streams]
        self._describe(out, target)
        out.start_encoding()
        lasting = with_last_duration(self._video(grown, video), video, self._wanted.end)
        packets = (made for p in lasting for made in rewrite(p))
        self._copy(packets, out, target, targets)

    def _video(self, grown: Any, video: Any) -> Iterator[Packet]:
        """The packets of all pieces."""
        yield from grown.demux(video)
        for path in self._pieces[1:]:
            with av.open(url_of(path)) as piece:
                yield from piece.demux(main_video(piece))

    def _stream_like(self, video: Any, out: OutputContainer) -> Any:
        if self._wanted.immersive and self._wanted.container.name in KEEPERS:
            like = tagged(video, self._wanted.immersive)
            if like is not None:
                self.immersive = True
                with like:
                    target: Any = out.add_stream_from_template(like.streams.video[0], opaque=True)
                for name in (
                    "pix_fmt",
                    "color_range",
                    "colorspace",
                    "color_primaries",
                    "color_trc",
                ):
                    # What no header tells, only pictures.
                    setattr(target.codec_context, name, getattr(video.codec_context, name))
                return target
        return out.add_stream_from_template(video, opaque=True)

    def _describe(self, out: OutputContainer, target: Any) -> None:
        found: Mapping[str, str] = {}
        if self._wanted.source is not None:
            with open_container(self._wanted.source) as container:
                found = dict(container.metadata)
                source = main_video(container, self._wanted.stream)
                tags = stream_metadata(source.metadata)
                timecode = self._timecode(container, source)
                if timecode is not None:
                    self.timecode = True
                    tags = {k: v for k, v in tags.items() if k.lower() != "timecode"}
                    found = {k: v for k, v in found.items() if k.lower() != "timecode"}
                    tags["timecode"] = timecode
                    target.codec_context.framerate = self._wanted.rate.limit_denominator(1001)
                target.metadata.update(tags)
                target.disposition = source.disposition
                if self._wanted.container.has_chapters:
                    out.set_chapters(list(cut_chapters(container.chapters(), self._wanted.window)))
        out.metadata.update(container_metadata(found, self._wanted.metadata))
        named = target.metadata.get("title", "")
        if title := with_room(named, self._wanted.container.name, self._wanted.aspect):
            target.metadata["title"] = title

    def _timecode(self, container: Any, source: Any) -> str | None:
        """The timecode of the first frame that is written."""
        beside = [s.metadata for s in container.streams if s.type == "data"]
        timecode = timecode_of(source.metadata, container.metadata, *beside)
        start = self._wanted.window.start
        if timecode is None:
            return None
        rate = source.average_rate or self._wanted.rate
        passed = Fraction(0)
        if start is not None:
            passed = start - (source.start_time or 0) * source.time_base
        return timecode_after(timecode, passed, rate, self._wanted.rate)

    def _copy(
        self, packets: Iterator[Packet], out: OutputContainer, target: Any, targets: list[Any]
    ) -> None:
        container, window = self._wanted.container, self._wanted.window
        # What a picture needs that was shown before the range has no time where there are no edits.
        no_edits = window.start is not None and not container.edits
        first = 0 if no_edits or container.constant_rate else None
        self._order = InOrder(out, first)
        others = merged(self._copied_streams, window)
        if (
            container.constant_rate
        ):  # there is nothing before 0 either: what lies more than half there
            others = (item for item in others if item[0] + end_time(item[2]) >= 0)
        waiting = next(others, None)
        place = -1
        end = Fraction(0)
        for packet in packets:
            while waiting is not None and waiting[0] <= decoding_time(packet):
                self._mux_other(out, waiting, targets)
                waiting = next(others, None)
            end = end_time(packet)
            if container.constant_rate:
                place = max(place + 1, round(decoding_time(packet) * self._wanted.rate))
                packet.time_base = 1 / self._wanted.rate
                packet.pts = packet.dts = place
                packet.duration = 1
            packet.stream = target
            out.mux_one(packet)
        goes_on = self._wanted.complete and self._wanted.music is None
        while waiting is not None and (goes_on or waiting[0] < end):
            self._mux_other(out, waiting, targets)
            waiting = next(others, None)

    def _mux_other(
        self, out: OutputContainer, item: tuple[Fraction, int, Packet], targets: list[Any]
    ) -> None:
        self._latest = item[1]
        self._order.place(item[2], targets[item[1]], self._copied_streams[item[1]].kind)
        out.mux_one(item[2])


def _start_codes(container: Container, video: Any, target: Any) -> Callable[[Packet], list[Packet]]:
    """How packets become what the container wants; most muxers see to that themselves."""
    name = video.codec_context.name
    if not container.wants_start_codes or name not in ("h264", "hevc"):
        return lambda packet: [packet]
    return BitStreamFilterContext(f"{name}_mp4toannexb", video, target).filter
