"""Interlaced frames become whole ones, by FFmpeg's bwdif.

An interlaced frame holds two moments, one in the odd lines and one in the even. Shown as it is,
whatever moves has combs. Only frames that are flagged as interlaced are touched, in the order of
fields that they carry: progressive film, and film with repeated fields (telecine) by flags, pass
as they are. bwdif looks at the frames before and after, never further: so a part of a film, and
a render that goes on, have the same pictures as the whole.
"""

from collections.abc import Iterable, Iterator
from fractions import Fraction

import av
from av.filter import Graph

from livedream.core.settings import DEINTERLACE
from livedream.media.filters import linked

_MODES = {"auto": "send_frame", "fields": "send_field"}


class Deinterlacer:
    """Frames of one stream, in their order, none of them interlaced.

    mode: "auto", one frame from the two fields of each; "fields", a frame from each field, twice
    as many; "off", as they are.  given: the stream's seconds per tick.
    time_base: that of the frames which come out.  found: whether there was something to do.
    Raises SettingsError for another mode.
    """

    def __init__(self, mode: str, given: Fraction) -> None:
        self._mode = DEINTERLACE.check(mode)
        self._given = given
        self._finer = 2 if mode == "fields" else 1  # ticks out for one tick in
        self.time_base = given / self._finer
        self.found = False
        self._graph: Graph | None = None
        self._superfluous = 0
        self._before: av.VideoFrame | None = None

    @property
    def makes_fields(self) -> bool:
        """Whether twice as many frames come out as go in."""
        return self.found and self._mode == "fields"

    def frames(self, decoded: Iterable[av.VideoFrame]) -> Iterator[av.VideoFrame]:
        """The frames to show; pts and duration of both kinds in ticks."""
        for frame in decoded:
            yield from self.push(frame)
        yield from self._finish()

    def push(self, frame: av.VideoFrame) -> Iterator[av.VideoFrame]:
        """The frames to show that are ready once this one is decoded."""
        before = self._before
        if before is not None and _size(frame) != _size(before):
            yield from self._finish()
            before = None
        self._before = frame
        if self._graph is None and not (frame.interlaced_frame and self._mode != "off"):
            yield self._timed(frame, frame.pts, frame.duration, self._finer)
            return
        if self._graph is None:
            self._begin(frame, before)
        assert self._graph is not None
        self._graph.vpush(frame)
        yield from self._ready()

    def _begin(self, frame: av.VideoFrame, before: av.VideoFrame | None) -> None:
        self.found = True
        options = f"mode={_MODES[self._mode]}:deint=interlaced"
        self._graph = linked(frame, self._given, ("bwdif", options))
        self._superfluous = 0
        if before is not None:  # it was shown; here it is only what came before
            again = before.pts
            before.pts = None if again is None else again // self._finer
            self._graph.vpush(before)
            self._superfluous = 1

    def _ready(self) -> Iterator[av.VideoFrame]:
        """What bwdif has finished: it is one frame behind."""
        assert self._graph is not None
        while True:
            try:
                frame = self._graph.vpull()
            except (av.BlockingIOError, av.EOFError):
                return
            if self._superfluous:
                self._superfluous -= 1
                continue
            # bwdif counts in half ticks.
            yield self._timed(frame, frame.pts, frame.duration, Fraction(self._finer, 2))

    def _timed(
        self, frame: av.VideoFrame, pts: int | None, duration: int | None, factor: Fraction | int
    ) -> av.VideoFrame:
        if factor != 1:
            frame.pts = None if pts is None else int(pts * factor)
            frame.duration = int((duration or 0) * factor)
        return frame

    def _finish(self) -> Iterator[av.VideoFrame]:
        if self._graph is not None:
            self._graph.vpush(None)
            yield from self._ready()
            self._graph = None


def _size(frame: av.VideoFrame) -> tuple[int, int, str]:
    return frame.width, frame.height, frame.format.name
