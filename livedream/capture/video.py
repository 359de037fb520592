"""Video files of any container and codec that FFmpeg decodes, as frames with exact times.

Time is what the file says: integer pts in the stream's own time base, variable frame rates
included. With a range (start_s, end_s) the pts count from its start, so that what is written
begins at zero; without one they are not touched. Rotation is applied to the pixels. Damage does
not stop a file: every frame that still decodes is delivered, and `info.notes` says what was lost.
"""

from collections.abc import Iterator
from dataclasses import replace
from fractions import Fraction
from itertools import chain, islice
from pathlib import Path
from typing import Any

import av

from livedream.capture.animated import loops_of
from livedream.capture.decoding import Decoder
from livedream.capture.deinterlacing import Deinterlacer
from livedream.core.closing import Closeable
from livedream.core.errors import SourceError
from livedream.core.frame import Frame, SourceInfo
from livedream.core.settings import DEINTERLACE
from livedream.media.containers import Opener
from livedream.media.immersive import boxes_of
from livedream.media.timing import PtsRepair, TimeRange, shift_of
from livedream.media.viewing import View

_FALLBACK_RATE = Fraction(25)
_MOST_RATE = 1000  # per second: beyond, a container has written down its clock, not its frames
_MICROSECONDS = 1_000_000  # FFmpeg's unit for the length of a container


class VideoSource(Closeable):
    """The frames of a video file, or of a part of it.

    stream: which of its video streams, from 1 on; cover pictures are not counted.
    file: what is read in place of the path.
    Raises SourceError when there is nothing to read, with what to try.
    """

    def __init__(
        self,
        path: Path,
        part: TimeRange | None = None,
        *,
        stream: int | None = None,
        deinterlace: str = DEINTERLACE.default,
        file: Opener | None = None,
    ) -> None:
        self._part = part or TimeRange()
        self._deinterlace, self._file = deinterlace, file
        self._decoder = Decoder(path, stream, file)
        try:
            self._begin(path)
        except BaseException:
            self._decoder.close()
            raise

    def _begin(self, path: Path) -> None:
        stream, part = self._decoder.stream, self._part
        self._base = base = stream.time_base or Fraction(1, 90_000)
        rate = _plausible_rate(stream)
        self._step = max(1, round(1 / (rate * base)))
        origin = stream.start_time or 0
        self._shift = shift_of(self._decoder.container.start_time, stream.start_time, base)
        self._deinterlacer = Deinterlacer(self._deinterlace, base)
        self._time_base = self._deinterlacer.time_base
        self._finer = int(base / self._time_base)
        start, end = part.ticks(self._time_base)
        self._start = origin * self._finer + start if part.start_s else None
        self._end = None if end is None else origin * self._finer + end
        # Where pts begin to count, and where reading does.
        self._zero = self._shift * self._finer if self._start is None else self._start
        self._from = self._start if part.at is None else self._zero + part.at
        decoded = self._in_range(rate, 0)
        first = next(decoded, None)
        if first is not None and self._from is not None and self._deinterlacer.found:
            # The frame before the first one belongs to it: the same pictures as without a range.
            self._decoder.close()
            self._decoder = Decoder(path, self._decoder.number, self._file)
            self._deinterlacer = Deinterlacer(self._deinterlace, base)
            decoded = self._in_range(rate, 2 * self._step)
            first = next(decoded, None)
        if first is None:
            if part.is_all:
                raise SourceError(f"{path} contains no frame that decodes: try another file")
            raise SourceError(f"{path} has no frame in {part}: choose another range")
        self._decoded = chain([first], decoded)
        self._immersive, self._views = boxes_of(first)
        beside_it: Any = first.side_data
        self._captioned = any(data.type.name == "A53_CC" for data in beside_it)
        stream = self._decoder.stream  # decoding may have opened the file anew
        # VP8, VP9 and AV1 keep transparency beside their frames; Matroska tells that it is there.
        beside = {name.lower(): value for name, value in stream.metadata.items()}
        clear = beside.get("alpha_mode") == "1"
        self._view = View(first, stream.codec_context.name, transparent=clear)
        self._info = self._describe(path, rate * (2 if self._deinterlacer.makes_fields else 1))

    def _describe(self, path: Path, rate: Fraction) -> SourceInfo:
        return SourceInfo(
            name=path.name,
            width=self._view.width,
            height=self._view.height,
            rate=rate,
            time_base=self._time_base,
            frames=self._estimate(rate),
            path=path,
            colour=self._view.colour,
            sample_aspect_ratio=self._view.aspect(self._decoder.stream.sample_aspect_ratio),
            start_s=self._part.start_s,
            end_s=self._part.end_s,
            begins_s=float((self._zero - self._shift * self._finer) * self._time_base),
            stream=self._decoder.stream.index,
            immersive=self._immersive,
            loops=loops_of(path) if path.suffix.lower() == ".gif" else 0,
            joints=self._decoder.joints,
        )

    def _estimate(self, rate: Fraction) -> int | None:
        stream, part = self._decoder.stream, self._part
        if stream.frames and part.is_all:
            return int(stream.frames) * (2 if self._deinterlacer.makes_fields else 1)
        length_s: float | None = None
        if self._decoder.joints:
            pass  # no container knows how long its parts are together
        elif stream.duration:
            length_s = float(stream.duration * self._base)
        elif self._decoder.container.duration:
            length_s = self._decoder.container.duration / _MICROSECONDS
        ends = [x for x in (length_s, part.end_s) if x is not None]
        return max(1, round((min(ends) - part.start_s) * rate)) if ends else None

    @property
    def info(self) -> SourceInfo:
        """What the file is; its notes grow while frames are read."""
        lines = list(self._view.notes)
        if self._decoder.streams > 1:
            lines.append(
                f"video stream {self._decoder.number} of {self._decoder.streams} is dreamed: "
                "--stream chooses another"
            )
        lines += self._views
        if self._captioned:
            lines.append("closed captions inside the picture (CEA-608, CEA-708) are lost")
        if self._deinterlacer.found:
            made = (
                "a frame from each field"
                if self._deinterlacer.makes_fields
                else ("a frame from each two fields; --deinterlace fields makes twice as many")
            )
            lines.append(f"interlaced video is deinterlaced, {made}")
        if self._shift and self._part.is_all:
            begin_s = float(self._shift * self._base)
            lines.append(f"the timestamps begin at {begin_s:.3f} s: moved to 0")
        if self._decoder.joints:
            times = len(self._decoder.joints)
            often = "once" if times == 1 else f"{times} times"
            lines.append(f"the clock jumps {often}, as in joined recordings: closed up")
        if self._decoder.damaged_packets:
            lines.append(
                f"damaged packets that could not be decoded: {self._decoder.damaged_packets}"
            )
        if self._decoder.cut_short:
            lines.append("the file is cut short: everything before that point is read")
        if self._decoder.late_stream:
            lines.append("a stream that begins late is left out")
        if self._clock.repaired:
            lines.append(
                f"missing or impossible timestamps that were repaired: {self._clock.repaired}"
            )
        if self._view.resized:
            lines.append("frames change their size: scaled to that of the first")
        decoder = self._decoder
        broken = decoder.joints or decoder.damaged_packets or decoder.cut_short
        orderly = not (broken or self._clock.repaired or self._view.resized)
        return replace(self._info, notes=tuple(lines), orderly=orderly)

    def __iter__(self) -> Iterator[Frame]:
        skip, numbered = self._part.skip, enumerate(self._decoded)
        if self._part.at is not None:
            numbered, skip = enumerate(self._decoded, skip), 0
        for index, decoded in islice(numbered, skip, None):
            rgb = self._view(decoded)
            shown = (decoded.pts or 0) - self._zero
            yield Frame(rgb, shown, self._time_base, index, decoded.duration or 0)

    def _in_range(self, rate: Fraction, earlier: int) -> Iterator[av.VideoFrame]:
        """The frames of the part.  earlier: ticks of the stream to begin decoding before it."""
        length = None if self._decoder.joints else self._decoder.stream.duration
        self._clock = PtsRepair(self._base, rate, self._shift, length)
        start = None if self._from is None else self._from // self._finer - earlier
        for frame in self._deinterlacer.frames(self._placed(start)):
            pts = frame.pts or 0
            if self._end is not None and pts >= self._end:
                return
            if self._from is None or pts >= self._from:
                yield frame

    def _placed(self, start: int | None) -> Iterator[av.VideoFrame]:
        """Decoded frames, each with a pts that can be trusted."""
        for frame in self._decoder.frames(start):
            frame.pts = self._clock.place(frame.pts)
            yield frame

    def skim(self, until: int | None) -> None:
        """Read what frames up to pts `until` take (None: all of them), without decoding it."""
        self._decoder.skim(None if until is None else (self._zero + until) // self._finer)

    def close(self) -> None:
        self._decoder.close()


def _plausible_rate(stream: av.VideoStream) -> Fraction:
    """Frames per second, as far as the file tells."""
    told = (stream.average_rate, stream.guessed_rate, stream.base_rate)
    return next((rate for rate in told if rate and 0 < rate <= _MOST_RATE), _FALLBACK_RATE)
