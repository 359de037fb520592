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

import av
import numpy as np

from livedream.capture.animated import loops_of
from livedream.capture.decoding import Decoder
from livedream.core.closing import Closeable
from livedream.core.errors import SourceError
from livedream.core.frame import Frame, Picture, SourceInfo
from livedream.media.colour import BT709, has_alpha, tags_of, to_rgb
from livedream.media.hdr import HDR_TRANSFERS, ToneMap
from livedream.media.immersive import boxes_of
from livedream.media.timing import PtsRepair, TimeRange, shift_of

_FALLBACK_RATE = Fraction(25)
_MOST_RATE = 1000  # per second: beyond, a container has written down its clock, not its frames
_MICROSECONDS = 1_000_000  # FFmpeg's unit for the length of a container
_BT2020_PRIMARIES = 9


class VideoSource(Closeable):
    """The frames of a video file, or of a part of it.

    stream: which of its video streams, from 1 on; cover pictures are not counted.
    Raises SourceError when there is nothing to read, with what to try.
    """

    def __init__(
        self, path: Path, part: TimeRange | None = None, *, stream: int | None = None
    ) -> None:
        self._part = part or TimeRange()
        self._decoder = Decoder(path, stream)
        try:
            self._begin(path)
        except BaseException:
            self._decoder.close()
            raise

    def _begin(self, path: Path) -> None:
        stream, part = self._decoder.stream, self._part
        self._time_base = base = stream.time_base or Fraction(1, 90_000)
        rate = _plausible_rate(stream)
        origin = stream.start_time or 0
        self._shift = shift_of(self._decoder.container.start_time, stream.start_time, base)
        joints = self._decoder.joints
        length = None if joints else stream.duration
        self._clock = PtsRepair(base, rate, self._shift, length)
        start, end = part.ticks(base)
        self._start = origin + start if part.start_s else None
        self._end = None if end is None else origin + end
        decoded = self._in_range()
        first = next(decoded, None)
        if first is None:
            if part.is_all:
                raise SourceError(f"{path} contains no frame that decodes: try another file")
            raise SourceError(f"{path} has no frame in {part}: choose another range")
        self._decoded = chain([first], decoded)
        # What holds for the first frame holds for all of them.
        frame = first[0]
        self._size = (frame.width, frame.height)
        self._quarter_turns = round(frame.rotation / 90) % 4  # anticlockwise, as FFmpeg counts
        self._tags = tags_of(frame)
        # VP8, VP9 and AV1 keep transparency beside their frames; Matroska tells that it is there.
        immersive, self._views = boxes_of(frame)
        beside = {name.lower(): value for name, value in stream.metadata.items()}
        self._transparent = has_alpha(frame) or beside.get("alpha_mode") == "1"
        self._tone_map: ToneMap | None = None
        if self._tags.transfer in HDR_TRANSFERS:
            wide = self._tags.primaries == _BT2020_PRIMARIES
            self._tone_map = ToneMap(self._tags.transfer, wide=wide)
        turned = self._quarter_turns % 2 == 1
        width, height = reversed(self._size) if turned else self._size
        ratio = stream.sample_aspect_ratio or Fraction(1)
        self._info = SourceInfo(
            name=path.name,
            width=width,
            height=height,
            rate=rate,
            time_base=base,
            frames=self._estimate(rate),
            path=path,
            colour=self._tags if self._tone_map is None else BT709,
            sample_aspect_ratio=1 / ratio if turned else ratio,
            start_s=part.start_s,
            end_s=part.end_s,
            stream=stream.index,
            immersive=immersive,
            loops=loops_of(path) if path.suffix.lower() == ".gif" else 0,
            joints=self._decoder.joints,
        )

    def _estimate(self, rate: Fraction) -> int | None:
        stream, part = self._decoder.stream, self._part
        if stream.frames and part.is_all:
            return int(stream.frames)
        length_s: float | None = None
        if self._decoder.joints:
            pass  # no container knows how long its parts are together
        elif stream.duration:
            length_s = float(stream.duration * self._time_base)
        elif self._decoder.container.duration:
            length_s = self._decoder.container.duration / _MICROSECONDS
        ends = [x for x in (length_s, part.end_s) if x is not None]
        return max(1, round((min(ends) - part.start_s) * rate)) if ends else None

    @property
    def info(self) -> SourceInfo:
        """What the file is; its notes grow while frames are read."""
        lines = []
        if self._decoder.streams > 1:
            lines.append(
                f"video stream {self._decoder.number} of {self._decoder.streams} is dreamed: "
                "--stream chooses another"
            )
        lines += self._views
        if self._transparent:
            lines.append("transparency is dropped")
        if self._tone_map is not None:
            lines.append("high dynamic range is tone-mapped to BT.709 (BT.2390)")
        if self._shift and self._part.is_all:
            begin_s = float(self._shift * self._time_base)
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
        if self._clock.repaired:
            lines.append(
                f"missing or impossible timestamps that were repaired: {self._clock.repaired}"
            )
        return replace(self._info, notes=tuple(lines))

    def __iter__(self) -> Iterator[Frame]:
        skip = self._part.skip
        for index, (decoded, pts) in islice(enumerate(self._decoded), skip, None):
            rgb = self._picture(decoded)
            shown = pts - (self._shift if self._start is None else self._start)
            yield Frame(rgb, shown, self._time_base, index, decoded.duration or 0)

    def _picture(self, decoded: av.VideoFrame) -> Picture:
        if self._tone_map is not None:
            rgb: Picture = self._tone_map(to_rgb(decoded, self._tags, self._size, "rgb48le"))
        else:
            rgb = to_rgb(decoded, self._tags, self._size)
        if not self._quarter_turns:
            return rgb
        return np.ascontiguousarray(np.rot90(rgb, self._quarter_turns))

    def _in_range(self) -> Iterator[tuple[av.VideoFrame, int]]:
        for frame in self._decoder.frames(self._start):
            pts = self._clock.place(frame.pts)
            if self._end is not None and pts >= self._end:
                return
            if self._start is None or pts >= self._start:
                yield frame, pts

    def close(self) -> None:
        self._decoder.close()


def _plausible_rate(stream: av.VideoStream) -> Fraction:
    """Frames per second, as far as the file tells."""
    told = (stream.average_rate, stream.guessed_rate, stream.base_rate)
    return next((rate for rate in told if rate and 0 < rate <= _MOST_RATE), _FALLBACK_RATE)
