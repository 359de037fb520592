"""The source's sound for a file that is still growing, handed out as the video goes on.

It is there to be heard if that file has to be played as it is; the finished file takes all of
its sound from the source again.
"""

from collections.abc import Iterator
from fractions import Fraction

import av

from livedream.core.errors import SinkError
from livedream.core.frame import SourceInfo
from livedream.media.packets import Packet
from livedream.present.stream_copy import Companion, Window, companions_of, merged, window_of


class SoundTracks:
    """The audio streams of `info.path`, if it has any.

    streams: to set up a muxer with.  window: the part of the source that is copied.
    """

    def __init__(self, info: SourceInfo, *, wanted: bool) -> None:
        self.window = Window()
        self._tracks: list[Companion] = []
        if wanted and info.path is not None:
            self._open(info)
        self._held_back = [0] * len(self._tracks)
        self._packets = self._playable()
        self._waiting: tuple[Fraction, int, Packet] | None = None
        self._begun = False

    def _open(self, info: SourceInfo) -> None:
        assert info.path is not None
        try:
            self.window = window_of(info)
            companions = companions_of(info.path)
        except (av.FFmpegError, ValueError, StopIteration) as error:
            raise SinkError(f"{info.path} cannot be read for its sound: {error}") from error
        for companion in companions:
            if companion.kind == "audio":
                self._tracks.append(companion)
            else:
                companion.close()

    @property
    def tracks(self) -> list[Companion]:
        return list(self._tracks)

    def skip(self, counts: list[int]) -> None:
        """Leave out the first packets of each track: a file that is resumed has them."""
        self._held_back = counts

    def until(self, end: Fraction) -> list[tuple[int, Packet]]:
        """(track number, packet) of those that begin before `end` and were not handed out yet."""
        if not self._begun:
            self._begun = True
            self._waiting = next(self._packets, None)
        due = []
        while self._waiting is not None and self._waiting[0] < end:
            due.append(self._waiting[1:])
            self._waiting = next(self._packets, None)
        return due

    def _playable(self) -> Iterator[tuple[Fraction, int, Packet]]:
        for item in merged(self._tracks, self.window):
            if item[0] < 0:
                continue
            if self._held_back[item[1]]:
                self._held_back[item[1]] -= 1
                continue
            yield item

    def leave_out(self) -> None:
        """Hand out nothing: the growing container cannot hold this sound."""
        self.close()
        self._tracks = []

    def close(self) -> None:
        for track in self._tracks:
            track.close()
