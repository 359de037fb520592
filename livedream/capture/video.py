"""Video files of any container and codec that FFmpeg decodes, as frames with exact times.

Time is what the file says: integer pts in the stream's own time base, variable frame rates
included. With a range (start_s, end_s) the pts count from its start, so that what is written
begins at zero; without one they are not touched. Rotation is applied to the pixels. Damage does
not stop a file: every frame that still decodes is delivered, and `notes` says what was lost.
"""

from collections.abc import Iterator
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import Self

import av
import numpy as np

from livedream.capture.colour import has_alpha, tags_of, to_rgb
from livedream.capture.timing import Clock
from livedream.errors import SourceError
from livedream.frame import Frame, Picture, SourceInfo

_FALLBACK_RATE = Fraction(25)


class VideoSource:
    """The frames of a video file.

    path: the file.  start_s, end_s: the range to deliver in seconds from the first frame; the
    end itself is not included, None is the end of the file.
    Raises SourceError when there is nothing to read, with what to try.
    """

    def __init__(self, path: Path, *, start_s: float = 0.0, end_s: float | None = None) -> None:
        self._container = _opened(path)
        try:
            self._stream = _video_stream(self._container, path)
            self._damaged_packets = 0
            self._cut_short = False
            self._begin(path, start_s, end_s)
        except BaseException:
            self._container.close()
            raise

    def _begin(self, path: Path, start_s: float, end_s: float | None) -> None:
        stream = self._stream
        stream.thread_type = "AUTO"
        self._time_base = stream.time_base or Fraction(1, 90_000)
        rate = stream.average_rate or stream.guessed_rate or _FALLBACK_RATE
        origin = stream.start_time or 0
        last = None if not stream.duration else origin + stream.duration
        self._clock = Clock(self._time_base, rate, last)
        self._start = origin + round(Fraction(start_s) / self._time_base) if start_s else None
        self._end = None if end_s is None else origin + round(Fraction(end_s) / self._time_base)
        if self._start is not None:
            self._container.seek(self._start, stream=stream)
        self._frames = self._in_range()
        self._first = next(self._frames, None)
        if self._first is None:
            raise SourceError(self._nothing(path, start_s, end_s))
        self._describe(path, rate, start_s, end_s)

    def _nothing(self, path: Path, start_s: float, end_s: float | None) -> str:
        if start_s or end_s is not None:
            until = "its end" if end_s is None else f"{end_s:g} s"
            return f"{path} has no frame between {start_s:g} s and {until}: choose another range"
        return f"{path} holds a video stream without a single frame that decodes: try another file"

    def _describe(self, path: Path, rate: Fraction, start_s: float, end_s: float | None) -> None:
        assert self._first is not None
        frame = self._first[0]
        self._rotation = frame.rotation % 360
        self._size = (frame.width, frame.height)
        self._tags = tags_of(frame)
        turned = self._rotation in (90, 270)
        width, height = self._size[::-1] if turned else self._size
        ratio = self._stream.sample_aspect_ratio or Fraction(1)
        notes = ("transparency is dropped",) if has_alpha(frame) else ()
        self._info = SourceInfo(
            name=path.name,
            width=width,
            height=height,
            rate=rate,
            time_base=self._time_base,
            frames=self._estimate(rate, start_s, end_s),
            path=path,
            colour=self._tags,
            sample_aspect_ratio=1 / ratio if turned else ratio,
            start_s=start_s,
            end_s=end_s,
            notes=notes,
        )

    def _estimate(self, rate: Fraction, start_s: float, end_s: float | None) -> int | None:
        stream = self._stream
        if stream.frames and not start_s and end_s is None:
            return stream.frames
        length_s: float | None = None
        if stream.duration:
            length_s = float(stream.duration * self._time_base)
        elif self._container.duration:
            length_s = self._container.duration / 1_000_000  # AV_TIME_BASE
        ends = [x for x in (length_s, end_s) if x is not None]
        return max(1, round((min(ends) - start_s) * rate)) if ends else None

    @property
    def info(self) -> SourceInfo:
        """What the file is; its notes grow while frames are read."""
        return replace(self._info, notes=self.notes)

    @property
    def notes(self) -> tuple[str, ...]:
        """One line for each thing that is not as it was in the file."""
        lines = list(self._info.notes)
        if self._damaged_packets:
            lines.append(f"{self._damaged_packets} damaged packets could not be decoded")
        if self._cut_short:
            lines.append("the file breaks off: what came before was read")
        if self._clock.repaired:
            lines.append(f"{self._clock.repaired} missing or backward timestamps were repaired")
        return tuple(lines)

    def __iter__(self) -> Iterator[Frame]:
        index = 0
        if self._first is not None:
            first, self._first = self._first, None
            yield self._frame(*first, index)
            index += 1
        for decoded, pts in self._frames:
            yield self._frame(decoded, pts, index)
            index += 1

    def _frame(self, decoded: av.VideoFrame, pts: int, index: int) -> Frame:
        rgb = _turned(to_rgb(decoded, self._tags, self._size), self._rotation)
        duration = decoded.duration or 0
        shown = pts - (self._start or 0)
        return Frame(rgb, shown, self._time_base, index, duration)

    def _in_range(self) -> Iterator[tuple[av.VideoFrame, int]]:
        for frame in self._decoded():
            pts = self._clock.place(frame.pts)
            if self._end is not None and pts >= self._end:
                return
            if self._start is None or pts >= self._start:
                yield frame, pts

    def _decoded(self) -> Iterator[av.VideoFrame]:
        packets = self._container.demux(self._stream)
        while True:
            try:
                packet = next(packets)
            except StopIteration:
                return
            except av.FFmpegError:
                self._cut_short = True
                return
            try:
                frames = packet.decode()
            except av.FFmpegError:
                self._damaged_packets += 1
                continue
            yield from frames

    def close(self) -> None:
        self._container.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


def _opened(path: Path) -> av.container.InputContainer:
    if path.is_dir():
        raise SourceError(f"{path} is a folder, wanted a video file")
    if not path.exists():
        raise SourceError(f"{path} does not exist: check the path")
    try:
        return av.open(str(path), metadata_errors="replace")
    except (av.FFmpegError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise SourceError(f"{path} cannot be read as video ({reason}): try another file") from error


def _video_stream(container: av.container.InputContainer, path: Path) -> av.VideoStream:
    streams = [s for s in container.streams.video if not _is_cover(s)]
    if not streams:
        raise SourceError(f"{path} has no video in it, only sound or data: try another file")
    if streams[0].codec_context is None:
        raise SourceError(f"{path} uses a video codec that this FFmpeg cannot decode")
    return streams[0]


def _is_cover(stream: av.VideoStream) -> bool:
    return bool(stream.disposition & av.stream.Disposition.attached_pic)


def _turned(rgb: Picture, degrees: int) -> Picture:
    """Pixels as they are to be seen; FFmpeg's rotation counts anticlockwise."""
    quarter_turns = round(degrees / 90) % 4
    return np.ascontiguousarray(np.rot90(rgb, quarter_turns)) if quarter_turns else rgb
