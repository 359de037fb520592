"""Where a file's clock jumps, as in recordings that were joined byte by byte, and how far.

Transport and program streams are made to be cut and joined anywhere, so their players follow a
clock that jumps. A file that is written needs one clock: as FFmpeg's tools do, what follows a
jump is moved to where the part before it ended, sound and picture together by the same time.
"""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from fractions import Fraction
from functools import lru_cache
from pathlib import Path
from typing import Any

import av
from av.format import Flags
from av.stream import Disposition

from livedream.media.containers import Opener, check_reachable, open_container
from livedream.media.timing import Packet

_TS_DISCONT: Any = Flags.ts_discont
_AHEAD_S = 10  # FFmpeg's dts_delta_threshold: further on than this is a jump
_BACK_S = Fraction(1, 10)  # and so is further back than this (ts_discontinuity_detect)
_TOGETHER_S = 1  # a stream that goes on for longer without a jump shows that there is no joint


@dataclass(frozen=True, slots=True)
class Joint:
    """A place where the clock jumps.

    position: the first byte behind it; positions: the same for single streams, by their index,
    as a multiplexer does not change all of them at the same byte.  offset_s: to add to every time
    behind it.
    """

    position: int
    positions: Mapping[int, int]
    offset_s: Fraction


@dataclass(slots=True)
class _Clock:
    """The times of one stream in its ticks: of its last packet, and where that ends."""

    base: Fraction
    ahead: int
    back: int
    last: int
    end: int

    def jumps_to(self, time: int) -> bool:
        return abs(time - self.end) > self.ahead or time + self.back < self.last


@dataclass(slots=True)
class _Search:
    """What has been seen of a file so far.

    open: the streams that jumped at the newest joint: where each one's old part ended, where its
    new part begins, and at which byte.  going_on: for how long others have not jumped since.
    """

    streams: int
    joints: list[Joint] = field(default_factory=list)
    offset_s: Fraction = Fraction(0)
    clocks: dict[int, _Clock] = field(default_factory=dict)
    open: dict[int, tuple[Fraction, Fraction, int]] = field(default_factory=dict)
    going_on: dict[int, Fraction] = field(default_factory=dict)

    def see(self, packet: Packet, time: int, position: int) -> None:
        stream, length = packet.stream_index, packet.duration or 0
        clock = self.clocks.get(stream)
        if clock is None:
            base = packet.time_base
            ahead, back = round(_AHEAD_S / base), round(_BACK_S / base)
            self.clocks[stream] = _Clock(base, ahead, back, time, time + length)
            return
        if clock.jumps_to(time):
            if stream in self.open:
                self.close()
            self.open[stream] = (clock.end * clock.base, time * clock.base, position)
            if len(self.open) == self.streams:
                self.close()
        elif self.open and stream not in self.open:
            passed = self.going_on.get(stream, Fraction(0)) + (time - clock.last) * clock.base
            self.going_on[stream] = passed
            if passed > _TOGETHER_S:  # one stream's own fault
                self.open, self.going_on = {}, {}
        clock.end = time + (length or max(time - clock.last, 0))
        clock.last = time

    def close(self) -> None:
        """Take what is open for a joint: nothing in the new part begins before the old one ends."""
        if self.open:
            self.offset_s += max(end - begin for end, begin, _ in self.open.values())
            positions = {stream: place for stream, (_, _, place) in self.open.items()}
            self.joints.append(Joint(min(positions.values()), positions, self.offset_s))
        self.open, self.going_on = {}, {}


def joints_of(path: Path, file: Opener | None = None) -> tuple[Joint, ...]:
    """The joints of a file, in order; only files of kinds that have them are read through, once.

    file: what is read in place of the path.  Raises SourceError where its disk or share has gone.
    """
    if file is not None:
        return _search(path, file)
    known = path.stat()
    return _searched(path, known.st_size, known.st_mtime_ns)


@lru_cache(maxsize=16)
def _searched(path: Path, _: int, __: int) -> tuple[Joint, ...]:
    return _search(path)


def _search(path: Path, file: Opener | None = None) -> tuple[Joint, ...]:
    try:
        with open_container(path, file) as container:
            if not container.format.flags & _TS_DISCONT.value:
                return ()
            timed = [s for s in container.streams if _is_timed(s)]
            search, place = _Search(len(timed)), 0
            with suppress(IndexError):  # PyAV (18.1) at the end, after streams that began late
                for packet in container.demux(timed):
                    time = packet.dts if packet.dts is not None else packet.pts
                    if packet.size and time is not None:
                        place = packet.pos if packet.pos is not None else place
                        search.see(packet, time, place)
    except (av.FFmpegError, ValueError) as error:
        if file is None:
            check_reachable(path, error)
        return ()  # damage: the decoder says what there is to say
    search.close()
    return tuple(search.joints)


class OneClock:
    """Moves packets, in the order of a file, to one clock for the whole of it."""

    def __init__(self, joints: Sequence[Joint]) -> None:
        self._joints = joints
        self._behind: dict[int, int] = {}  # how many joints each stream is behind

    def close_up(self, packet: Packet) -> None:
        if not self._joints:
            return
        stream, count = packet.stream_index, self._behind.get(packet.stream_index, 0)
        if packet.pos is not None:  # only the first of those that were written together knows it
            while count < len(self._joints) and packet.pos >= self._begin(count, stream):
                count += 1
            self._behind[stream] = count
        if count:
            ticks = round(self._joints[count - 1].offset_s / packet.time_base)
            if packet.pts is not None:
                packet.pts += ticks
            if packet.dts is not None:
                packet.dts += ticks

    def _begin(self, number: int, stream: int) -> int:
        joint = self._joints[number]
        return joint.positions.get(stream, joint.position)


def _is_timed(stream: Any) -> bool:
    cover = stream.disposition & Disposition.attached_pic
    return stream.type in ("audio", "video") and not cover
