"""Time in files: the part that is wanted, where it begins, timestamps that can be trusted.

The times of an intact file are left exactly as they are. In damaged or odd files frames have no
timestamp, one that steps back, or one far behind the end of the stream; each such frame is placed
one usual step after its predecessor, and counted, so that the source can say so.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from math import ceil, floor
from typing import TYPE_CHECKING, Any

import av

from livedream.core.errors import SourceError

if TYPE_CHECKING:
    Packet = av.Packet[Any]  # generic in the stubs only
else:
    Packet = av.Packet

_LATE_S = 1  # a recording whose clock was this far on when it began is moved to 0
_CLOCK = 1_000_000  # FFmpeg's ticks per second for a whole file
_TRUST_S = 60  # beyond twice the length that a stream gives: longer is damage


@dataclass(frozen=True, slots=True)
class TimeRange:
    """A part of a film: from start_s (seconds from the first frame) up to, not including, end_s.

    end_s: None is the end of the film.  skip: how many frames at the beginning of the part need
    not be delivered, because they were before; the ones after them keep their index.
    at: the pts that the first one after them has, where it is known: a file that can be read from
    there is not decoded from its beginning. Frames keep index and pts.
    """

    start_s: float = 0.0
    end_s: float | None = None
    skip: int = 0
    at: int | None = None

    def __post_init__(self) -> None:
        if self.start_s < 0 or (self.end_s is not None and self.end_s <= self.start_s):
            raise SourceError(f"{self} is empty: must be 0 <= start < end, in seconds")

    def __str__(self) -> str:
        until = "the end" if self.end_s is None else f"{self.end_s:g} s"
        return f"the range from {self.start_s:g} s to {until}"

    @property
    def is_all(self) -> bool:
        return self.start_s == 0 and self.end_s is None

    def ticks(self, time_base: Fraction) -> tuple[int, int | None]:
        """The first tick of the part, and the first one behind it, counted from the first frame."""
        end = None if self.end_s is None else first_tick(self.end_s, time_base)
        return first_tick(self.start_s, time_base), end


def first_tick(seconds: float, time_base: Fraction) -> int:
    """The first tick at or after a time, which is taken to the microsecond."""
    # 0.8 as a binary fraction is a little more than 8 tenths.
    return ceil(Fraction(seconds).limit_denominator(1_000_000) / time_base)


def shift_of(file_start: int | None, video_start: int | None, time_base: Fraction) -> int:
    """How many ticks to take off every timestamp, so that the film begins where players look.

    file_start: when the earliest stream begins, in microseconds.  video_start: when the video
    does, in ticks of `time_base`.  Zero for ordinary files. Recordings of a running clock (TV, some
    cameras) begin hours late, some edited files before zero, which not every container holds.
    The sink that copies their sound counts in the same way.
    """
    if file_start is not None and file_start >= _LATE_S * _CLOCK:
        return floor(Fraction(file_start, _CLOCK) / time_base)
    return min(0, video_start or 0)


class PtsRepair:
    """Gives each frame, in order, a pts that is greater than the one before.

    time_base: seconds per tick.  rate: frames per second, for the usual step.
    first: earlier is not believed.  length: ticks that the stream says it lasts, None when it does
    not say; far behind that is not believed either.
    """

    def __init__(
        self, time_base: Fraction, rate: Fraction, first: int = 0, length: int | None = None
    ) -> None:
        self.repaired = 0
        self._step = max(1, round(1 / (rate * time_base)))
        self._first = first
        self._limit = None
        if length is not None:
            self._limit = first + 2 * length + round(_TRUST_S / time_base)
        self._previous: int | None = None

    def place(self, pts: int | None) -> int:
        """The pts to use for a frame that says `pts`."""
        if pts is not None and self._is_believable(pts):
            self._previous = pts
            return pts
        self.repaired += 1
        self._previous = self._first if self._previous is None else self._previous + self._step
        return self._previous

    def _is_believable(self, pts: int) -> bool:
        if pts < self._first or (self._limit is not None and pts > self._limit):
            return False
        return self._previous is None or pts > self._previous


def with_last_duration(
    packets: Iterable[Packet], stream: av.VideoStream, end: Fraction | None = None
) -> Iterator[Packet]:
    """A stream's packets; the last one lasts until `end`, in seconds, or until the stream does.

    Demuxers pass some codecs (VP9, VP8) through a parser that loses durations and guesses them by
    the frame rate, or not at all in short files. A last frame of no duration is not shown.
    """
    last: Packet | None = None
    for packet in packets:
        if packet.size:
            if last is not None:
                yield last
            last = packet
    if last is None:
        return
    if last.pts is not None:
        ends = None if end is None else round(end / last.time_base)
        if ends is None and stream.duration is not None:
            ends = (stream.start_time or 0) + stream.duration
        if ends is not None and ends > last.pts:
            last.duration = ends - last.pts
    yield last


def decoding_time(packet: Packet) -> Fraction:
    """When the packet is to be decoded, in seconds; 0 when it does not say."""
    return (packet.dts or 0) * packet.time_base


def end_time(packet: Packet) -> Fraction:
    """When what it shows ends, in seconds."""
    return ((packet.pts or 0) + (packet.duration or 0)) * packet.time_base
