"""Video files that survive their writer: MP4, MOV, Matroska, WebM and others.

While frames come, the file under its final name is a growing one (see `growing`): whatever has
been written plays at any moment. Closing turns it into an ordinary file with its index in
front, with the source's sound, subtitles and metadata (see `finish`).
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import av

from livedream.errors import ShapeError, SinkError
from livedream.frame import Frame, SourceInfo
from livedream.present.carry import Companion, Window, companions_of, merged, window_of
from livedream.present.colour import from_rgb, output_tags, tag
from livedream.present.containers import container_for
from livedream.present.encoders import DEFAULT_QUALITY, choose, configure
from livedream.present.finish import Finish, finish
from livedream.present.growing import GrowingFile, open_in_memory
from livedream.present.packets import Packet, end_time


@dataclass(frozen=True, slots=True)
class VideoOptions:
    """How a video is to be written.

    codec: "h264", "hevc", "av1", "vp9", "prores", "ffv1", or None for the container's own.
    quality: 0 (small) to 100 (best).  copy_streams: sound, subtitles and the like come along.
    metadata: written into the file, over the source's own.
    """

    codec: str | None = None
    quality: float = DEFAULT_QUALITY
    copy_streams: bool = True
    metadata: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not 0 <= self.quality <= 100:
            raise SinkError(f"quality {self.quality:g} is out of range: wanted 0 to 100")


class VideoSink:
    """Writes frames into a video file; frames keep their pts and durations exactly.

    info: of the frames to come, and of the file whose other streams are copied.
    overwrite: replace what is there.  resume: go on behind the frames that an unfinished file
    at `path` already holds, of which `frames_written` tells the number; where there is no such
    file, begin one.
    Raises SinkError when the file cannot be made; nothing on disk has changed then.
    """

    def __init__(
        self,
        path: Path,
        info: SourceInfo,
        options: VideoOptions | None = None,
        *,
        overwrite: bool = False,
        resume: bool = False,
    ) -> None:
        self._options = options or VideoOptions()
        self._info = info
        self.path = path
        self._container = container_for(path)
        codec = self._options.codec or self._container.codec
        self._chosen = choose(codec, (info.width, info.height), self._options.quality)
        self._notes = list(self._chosen.notes)
        self._tags = output_tags(info.colour)
        self.frames_written = 0
        self._last_pts: int | None = None
        self._closed = False
        self._others = _Others(info, self._options.copy_streams)
        try:
            self._prepare()
            self._growing.create(overwrite=overwrite)
        except BaseException:
            self._others.close()
            raise

    def _prepare(self) -> None:
        """Open the encoder and the growing file's header, with sound where it fits."""
        growing = self._container.growing
        try:
            streams, header = self._open_header(growing, self._others.sound)
        except (av.FFmpegError, ValueError):
            self._others.leave_sound_out()
            try:
                streams, header = self._open_header(growing, [])
            except (av.FFmpegError, ValueError) as error:
                reason = getattr(error, "strerror", None) or str(error)
                raise SinkError(f"{self.path} cannot be written ({reason})") from error
        self._stream = streams[0]
        self._growing = GrowingFile(self.path, growing, streams, header)

    def _open_header(self, growing: str, sound: list[Companion]) -> tuple[list[Any], bytes]:
        self._head, written = open_in_memory(growing, 1)
        name = self._chosen.encoder.name
        rate = self._info.rate.limit_denominator(1_000_000)
        stream: Any = self._head.add_stream(name, rate=rate)
        stream.width, stream.height = self._info.width, self._info.height
        context = stream.codec_context
        configure(context, self._chosen.encoder, self._chosen.pixels, rate, self._options.quality)
        context.time_base = stream.time_base = self._info.time_base
        context.sample_aspect_ratio = self._info.sample_aspect_ratio
        tag(context, self._tags)
        if growing in ("mp4", "mov") and self._chosen.encoder.tag:
            context.codec_tag = self._chosen.encoder.tag
        streams = [stream]
        streams += [self._head.add_stream_from_template(s.stream, opaque=True) for s in sound]
        self._head.start_encoding()
        return streams, written.take()

    @property
    def notes(self) -> tuple[str, ...]:
        """One line for each thing that is not as it might be expected."""
        return tuple(self._notes)

    def write(self, frame: Frame) -> None:
        """Encode a frame; when this returns, the file on disk holds it."""
        height, width = frame.rgb.shape[:2]
        if (width, height) != (self._info.width, self._info.height):
            raise ShapeError(
                f"frame {frame.index} is {width}x{height}, "
                f"{self.path.name} is {self._info.width}x{self._info.height}"
            )
        pts = round(frame.pts * frame.time_base / self._info.time_base)
        if self._last_pts is not None and pts <= self._last_pts:
            raise SinkError(
                f"frame {frame.index} has pts {pts}, which is not after {self._last_pts}"
            )
        self._last_pts = pts
        picture = from_rgb(frame.rgb, self._chosen.pixels, self._tags)
        picture.pts, picture.time_base = pts, self._info.time_base
        duration = round(frame.duration * frame.time_base / self._info.time_base)
        self._append(self._encoded(picture), duration)
        self.frames_written += 1

    def _encoded(self, picture: av.VideoFrame | None) -> list[Packet]:
        try:
            return list(self._stream.encode(picture))
        except av.FFmpegError as error:
            raise SinkError(f"{self._chosen.encoder.name} failed on a frame: {error}") from error

    def _append(self, encoded: list[Packet], duration: int) -> None:
        packets: list[tuple[int, Packet]] = []
        for packet in encoded:
            if not packet.duration:
                packet.duration = duration or round(1 / (self._info.rate * self._info.time_base))
            until = end_time(packet)
            packets += [(number + 1, other) for number, other in self._others.until(until)]
            packets.append((0, packet))
        self._growing.append(packets)

    def close(self, *, complete: bool = True) -> None:
        """Finish the file.

        complete: all frames came; otherwise sound and subtitles end where the video does.
        Raises SinkError when the finished file cannot be written; the growing one still plays.
        """
        if self._closed:
            return
        self._closed = True
        try:
            self._append(self._encoded(None), 0)
        finally:
            self._growing.close()
            self._head.close()
            self._others.close()
        if self.frames_written:
            self._notes += finish(self.path, self._finish(complete))

    def _finish(self, complete: bool) -> Finish:
        copied = self._info.path if self._options.copy_streams else None
        return Finish(
            self._container,
            copied,
            self._others.window,
            self._options.metadata,
            self._chosen.encoder.tag if self._container.name in ("mp4", "mov") else None,
            complete,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close(complete=kind is None)


class _Others:
    """The source's sound, handed out as the video goes on, for the growing file."""

    def __init__(self, info: SourceInfo, wanted: bool) -> None:
        self.sound: list[Companion] = []
        self.window = Window()
        if wanted and info.path is not None:
            self.window = window_of(info)
            every = companions_of(info.path)
            self.sound = [c for c in every if c.kind == "audio"]
            for companion in every:
                if companion.kind != "audio":
                    companion.close()
        self._packets = self._positive()
        self._waiting = next(self._packets, None)

    def _positive(self) -> Iterator[tuple[Fraction, int, Packet]]:
        return (item for item in merged(self.sound, self.window) if item[0] >= 0)

    def until(self, end: Fraction) -> list[tuple[int, Packet]]:
        """The packets that begin before `end` (seconds) and were not handed out yet."""
        due = []
        while self._waiting is not None and self._waiting[0] < end:
            due.append(self._waiting[1:])
            self._waiting = next(self._packets, None)
        return due

    def leave_sound_out(self) -> None:
        """The growing container cannot hold it: the finished file gets it all the same."""
        self._waiting = None
        self.close()

    def close(self) -> None:
        for companion in self.sound:
            companion.close()
        self.sound = []
