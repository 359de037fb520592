"""From the file that grew to the file that stays: everything in it, its index in front.

The growing file holds the dreamed video (and sound to listen to if it must be played as it is).
At the end its video packets are copied, timestamps exact, into an ordinary file of the
container that the suffix asks for, and all other streams, chapters and metadata come from the
source itself. The result is written beside the growing file and takes its name in one step;
when anything fails, the growing file stays as it is.
"""

import errno
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
from av.bitstream import BitStreamFilterContext
from av.container.output import OutputContainer

from livedream.core.errors import SinkError
from livedream.media.containers import Container, holds_stream, main_video, url_of
from livedream.media.destination import beside
from livedream.media.immersive import KEEPERS, leave_only_google, tagged
from livedream.media.tags import container_metadata, stream_metadata
from livedream.media.timing import Packet, decoding_time, end_time, with_last_duration
from livedream.present.stream_copy import (
    CopiedStream,
    CopyRange,
    copied_streams_of,
    cut_chapters,
    merged,
)

_DISK_TROUBLE = {errno.ENOSPC, errno.EFBIG, errno.EIO, getattr(errno, "EDQUOT", errno.ENOSPC)}


@dataclass(frozen=True, slots=True)
class RemuxSpec:
    """What the finished file is to be.

    rate: frames per second, for containers that know no other times.  source: the file whose
    other streams are copied, None for none; stream: the index of the dreamed one there; window:
    the part of it.  metadata: written over the source's own.  tag: the video's four letters, where
    not FFmpeg's choice.  complete: all frames came; otherwise sound and subtitles end where the
    video does.  end: of the last frame, in seconds, where it is known: not every container keeps
    that while it grows.  immersive: 360-degree and stereo tags, as boxes.
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


def finishing(growing: Path) -> Path:
    """Where the finished file is written before it takes its name."""
    return beside(growing, ".finishing")


def remux(growing: Path, wanted: RemuxSpec) -> tuple[str, ...]:
    """Replace the growing file by the finished one; returns notes on what could not be held.

    Raises SinkError when the finished file cannot be written; the growing one is untouched.
    """
    temporary = finishing(growing)
    try:
        notes = _write(growing, temporary, wanted)
        temporary.replace(growing)
    except (av.FFmpegError, OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise SinkError(
            f"{growing} plays, but could not be finished ({reason}): "
            "free some space, then use --resume"
        ) from error
    finally:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)
    return notes


def _write(growing: Path, temporary: Path, wanted: RemuxSpec) -> tuple[str, ...]:
    copied_streams = copied_streams_of(wanted.source, wanted.stream) if wanted.source else []
    fitting = [c for c in copied_streams if holds_stream(wanted.container, c.stream)]
    try:
        while True:
            attempt = _Attempt(growing, temporary, wanted, fitting)
            culprit = attempt.run()
            if culprit is None:
                break
            fitting.remove(culprit)
        missing = [c.title for c in copied_streams if c not in fitting]
    finally:
        for copied_stream in copied_streams:
            copied_stream.close()
    if wanted.immersive and not attempt.immersive:
        missing.append("360-degree and stereo tags")
    if wanted.metadata and not wanted.container.has_metadata:
        missing.append("metadata")
    suffix = growing.suffix.lower()
    instead = "" if suffix == ".mkv" else ": .mkv can"
    held = ", ".join(dict.fromkeys(missing))
    return (f"{suffix} cannot hold {held}{instead}",) if missing else ()


class _Attempt:
    """One try at the finished file; `run` returns the companion to blame when it fails."""

    def __init__(
        self, growing: Path, temporary: Path, wanted: RemuxSpec, copied_streams: list[CopiedStream]
    ) -> None:
        self._growing = growing
        self._temporary = temporary
        self._wanted = wanted
        self._copied_streams = copied_streams
        self.immersive = False  # the tags of such video are in it
        self._latest: CopiedStream | None = copied_streams[-1] if copied_streams else None

    def run(self) -> CopiedStream | None:
        container = self._wanted.container
        options = dict(container.options)
        if self._wanted.immersive and container.name == "mp4":
            options["strict"] = "unofficial"  # FFmpeg's word for boxes that no standard has
        with av.open(url_of(self._growing)) as grown:
            out = av.open(
                url_of(self._temporary),
                "w",
                format=container.name,
                container_options=options,
            )
            try:
                self._fill(grown, out)
                out.close()
            except (av.FFmpegError, ValueError) as error:
                with suppress(av.FFmpegError, ValueError):
                    out.close()
                if self._latest is None or getattr(error, "errno", None) in _DISK_TROUBLE:
                    raise
                return self._latest
        if self.immersive and container.name == "mp4":
            leave_only_google(self._temporary)
        return None

    def _fill(self, grown: Any, out: OutputContainer) -> None:
        video = main_video(grown)
        target: Any = self._stream_like(video, out)
        if self._wanted.tag:
            target.codec_context.codec_tag = self._wanted.tag
        target.time_base = video.time_base
        if self._wanted.container.constant_rate:
            target.time_base = 1 / self._wanted.rate
        rewrite = _start_codes(self._wanted.container, video, target)
        targets: list[Any] = []
        for copied in (copied_stream.stream for copied_stream in self._copied_streams):
            targets.append(out.add_stream_from_template(copied, opaque=True))
            targets[-1].metadata.update(stream_metadata(copied.metadata))
            targets[-1].disposition = copied.disposition
        self._describe(out, target)
        out.start_encoding()
        lasting = with_last_duration(grown.demux(video), video, self._wanted.end)
        packets = (made for p in lasting for made in rewrite(p))
        self._copy(packets, out, target, targets)

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
            with av.open(url_of(self._wanted.source), metadata_errors="replace") as container:
                found = dict(container.metadata)
                dreamed = main_video(container, self._wanted.stream)
                target.metadata.update(stream_metadata(dreamed.metadata))
                out.set_chapters(list(cut_chapters(container.chapters(), self._wanted.window)))
        out.metadata.update(container_metadata(found, self._wanted.metadata))

    def _copy(
        self, packets: Iterator[Packet], out: OutputContainer, target: Any, targets: list[Any]
    ) -> None:
        others = merged(self._copied_streams, self._wanted.window)
        if self._wanted.container.constant_rate:  # there is nothing before 0 either
            others = (item for item in others if item[0] >= 0)
        waiting = next(others, None)
        place = -1
        end = Fraction(0)
        for packet in packets:
            while waiting is not None and waiting[0] <= decoding_time(packet):
                self._mux_other(out, waiting, targets)
                waiting = next(others, None)
            end = end_time(packet)
            if self._wanted.container.constant_rate:
                place = max(place + 1, round(decoding_time(packet) * self._wanted.rate))
                packet.time_base = 1 / self._wanted.rate
                packet.pts = packet.dts = place
                packet.duration = 1
            packet.stream = target
            out.mux_one(packet)
        while waiting is not None and (self._wanted.complete or waiting[0] < end):
            self._mux_other(out, waiting, targets)
            waiting = next(others, None)

    def _mux_other(
        self, out: OutputContainer, item: tuple[Fraction, int, Packet], targets: list[Any]
    ) -> None:
        self._latest = self._copied_streams[item[1]]
        item[2].stream = targets[item[1]]
        out.mux_one(item[2])


def _start_codes(container: Container, video: Any, target: Any) -> Callable[[Packet], list[Packet]]:
    """How packets become what the container wants; most muxers see to that themselves."""
    name = video.codec_context.name
    if not container.wants_start_codes or name not in ("h264", "hevc"):
        return lambda packet: [packet]
    return BitStreamFilterContext(f"{name}_mp4toannexb", video, target).filter
