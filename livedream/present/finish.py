"""From the file that grew to the file that stays: everything in it, its index in front.

The growing file holds the dreamed video (and sound to listen to if it must be played as it is).
At the end its video packets are copied, timestamps exact, into an ordinary file of the
container that the suffix asks for, and all other streams, chapters and metadata come from the
source itself. The result is written beside the growing file and takes its name in one step;
when anything fails, the growing file stays as it is.
"""

from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
from av.container.output import OutputContainer

from livedream.errors import SinkError
from livedream.present.carry import Companion, Window, companions_of, main_video, merged
from livedream.present.containers import Container
from livedream.present.packets import Packet, decoding_time, end_time
from livedream.present.tags import container_metadata, stream_metadata


@dataclass(frozen=True, slots=True)
class Finish:
    """What the finished file is to be.

    container: of the result.  source: the file whose other streams are copied, None for none.
    window: the part of it.  metadata: written over the source's own.  complete: whether all
    frames came; otherwise sound and subtitles end where the video does.
    """

    container: Container
    source: Path | None = None
    window: Window = field(default_factory=Window)
    metadata: Mapping[str, str] = field(default_factory=dict)
    tag: str | None = None
    complete: bool = True


def finish(growing: Path, wanted: Finish) -> list[str]:
    """Replace the growing file by the finished one; returns notes on what could not be held.

    Raises SinkError when the finished file cannot be written; the growing one is untouched.
    """
    beside = growing.with_name(f".{growing.name}.finishing{growing.suffix}")
    try:
        notes = _write(growing, beside, wanted)
        beside.replace(growing)
    except (av.FFmpegError, OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise SinkError(
            f"{growing} could not be given its index ({reason}): it plays as it is; "
            "make room, then resume to finish it"
        ) from error
    finally:
        with suppress(OSError):
            beside.unlink(missing_ok=True)
    return notes


def _write(growing: Path, beside: Path, wanted: Finish) -> list[str]:
    companions = companions_of(wanted.source) if wanted.source else []
    try:
        left_out: set[int] = set()
        while True:
            attempt = _Attempt(growing, beside, wanted, companions, left_out)
            blamed = attempt.run()
            if blamed is None:
                return attempt.notes()
            left_out.add(blamed)
    finally:
        for companion in companions:
            companion.close()


class _Attempt:
    """One try at the finished file, without the companions numbered in `left_out`."""

    def __init__(
        self,
        growing: Path,
        beside: Path,
        wanted: Finish,
        companions: list[Companion],
        left_out: set[int],
    ) -> None:
        self._growing = growing
        self._beside = beside
        self._wanted = wanted
        self._companions = companions
        self._left_out = set(left_out)
        self._targets: dict[int, Any] = {}

    def run(self) -> int | None:
        """Write the file; the number of the companion to blame when the container refuses it."""
        options = dict(self._wanted.container.options)
        with (
            av.open(str(self._growing)) as grown,
            av.open(
                str(self._beside), "w", format=self._wanted.container.name, options=options
            ) as out,
        ):
            video = main_video(grown)
            target = out.add_stream_from_template(video, opaque=True)
            if self._wanted.tag:
                target.codec_context.codec_tag = self._wanted.tag
            target.time_base = video.time_base
            self._add_companions(out)
            self._describe(out, target)
            try:
                out.start_encoding()
            except (av.FFmpegError, ValueError):
                blamed = max(self._targets, default=None)
                if blamed is None:
                    raise
                return blamed
            self._copy(grown, video, out, target)
        return None

    def _add_companions(self, out: OutputContainer) -> None:
        for number, companion in enumerate(self._companions):
            if number in self._left_out:
                continue
            try:
                target = out.add_stream_from_template(companion.stream, opaque=True)
            except (av.FFmpegError, ValueError):
                self._left_out.add(number)
                continue
            target.metadata.update(stream_metadata(companion.stream.metadata))
            target.disposition = companion.stream.disposition
            self._targets[number] = target

    def _describe(self, out: OutputContainer, target: Any) -> None:
        source = self._wanted.source
        found: Mapping[str, str] = {}
        if source is not None:
            with av.open(str(source), metadata_errors="replace") as container:
                found = container.metadata
                target.metadata.update(stream_metadata(main_video(container).metadata))
                with suppress(av.FFmpegError, ValueError):
                    out.set_chapters(_chapters(container.chapters(), self._wanted.window))
        out.metadata.update(container_metadata(found, self._wanted.metadata))

    def _copy(self, grown: Any, video: Any, out: OutputContainer, target: Any) -> None:
        others = merged(self._companions, self._wanted.window)
        others = (item for item in others if item[1] in self._targets)
        waiting = next(others, None)
        end = Fraction(0)
        for packet in grown.demux(video):
            if packet.size == 0:
                continue
            while waiting is not None and waiting[0] <= decoding_time(packet):
                self._mux_other(out, waiting)
                waiting = next(others, None)
            end = end_time(packet)
            packet.stream = target
            out.mux_one(packet)
        while waiting is not None and (self._wanted.complete or waiting[0] < end):
            self._mux_other(out, waiting)
            waiting = next(others, None)

    def _mux_other(self, out: OutputContainer, item: tuple[Fraction, int, Packet]) -> None:
        packet = item[2]
        packet.stream = self._targets[item[1]]
        out.mux_one(packet)

    def notes(self) -> list[str]:
        titles = [self._companions[n].title for n in sorted(self._left_out)]
        if not titles:
            return []
        suffix = self._growing.suffix
        return [f"{suffix} cannot hold {', '.join(titles)}: .mkv can"]


def _chapters(chapters: list[Any], window: Window) -> list[Any]:
    return list(_cut_chapters(chapters, window))


def _cut_chapters(chapters: list[Any], window: Window) -> Iterator[Any]:
    for chapter in chapters:
        base = chapter["time_base"]
        shift = round(window.shift / base)
        begin, end = max(0, chapter["start"] - shift), chapter["end"] - shift
        if window.end is not None:
            end = min(end, round((window.end - window.shift) / base))
        if begin < end:
            yield {**chapter, "start": begin, "end": end}
