"""Times that a muxer takes, for packets that come from many containers."""

from fractions import Fraction
from typing import Any, Final

from av.container.output import OutputContainer
from av.format import Flags

from livedream.media.timing import Packet

_TS_NONSTRICT: Final[Any] = Flags.ts_nonstrict


class InOrder:
    """Makes each stream's times fit for a muxer, as FFmpeg's own tools do.

    out: a container whose header is written.  first: no time may be earlier.  Times must not step
    back; they may be equal where the format says so, and otherwise move on by its shortest tick.
    """

    def __init__(self, out: OutputContainer, first: int | None = None) -> None:
        self._step = 0 if out.format.flags & _TS_NONSTRICT.value else 1
        self._first = first
        self._last: dict[int, int] = {}

    def place(self, packet: Packet, target: Any, kind: str) -> None:
        packet.stream = target
        if packet.dts is None or packet.pts is None:
            return
        base = target.time_base
        pts, dts, duration = packet.pts, packet.dts, packet.duration or 0
        if packet.time_base != base:
            scale = packet.time_base / base
            pts, dts, duration = (_nearest(ticks * scale) for ticks in (pts, dts, duration))
        if self._first is not None:
            pts, dts = max(pts, self._first), max(dts, self._first)
        step = 0 if kind in ("subtitle", "data") else self._step
        least = self._last.get(target.index)
        if least is not None:
            dts = max(dts, least + step)
        packet.time_base = base
        packet.pts, packet.dts, packet.duration = max(pts, dts), dts, duration
        self._last[target.index] = dts


def _nearest(ticks: Fraction) -> int:
    return (2 * ticks.numerator + ticks.denominator) // (2 * ticks.denominator)
