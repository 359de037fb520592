"""Decoding that gets everything out of a file, damaged or not.

Decoders are fastest with several frames in flight, but then an error takes undamaged neighbours
with it, at the end of a file even without a word (measured: two frames fewer from most files
that break off). So a file is decoded with frame threads until its first error, or until it
turns out that fewer frames came than packets went in; then it is read again without them, the
frames already delivered skipped, and every packet that decodes on its own is kept.
"""

from collections.abc import Iterator
from contextlib import suppress
from itertools import islice
from pathlib import Path
from typing import Final

import av

from livedream.core.errors import SourceError, missing, os_reason
from livedream.media.containers import Opener, check_reachable, films, open_container
from livedream.media.joints import OneClock, joints_of

# Packets beyond those of a frame that decoders take before it comes: 16 threads, 16 frames that
# are reordered, and as much again for two frames that a deinterlacer looks at.
_READ_AHEAD: Final = 64


class Decoder:
    """The decoded frames of one video stream, cover pictures not counted: the first, or `number`.

    file: what is read in place of the path.

    After iteration `damaged_packets` counts those that could not be decoded, `cut_short` tells
    whether the file broke off, and `late_stream` whether it has one that nobody reads, as it begins
    late.  joints: where its clock jumps; frames have closed them up.
    """

    def __init__(self, path: Path, number: int | None = None, file: Opener | None = None) -> None:
        self.path, self._file = path, file
        self.number = 1 if number is None else number
        self.damaged_packets = 0
        self.cut_short = self.late_stream = False
        self._packets = 0
        self._open()
        self.joints = joints_of(path, file)

    def _open(self) -> None:
        path = self.path
        if self._file is None and path.is_dir():
            raise SourceError(f"{path} is a folder: give a video file")
        if self._file is None and not path.exists():
            raise SourceError(missing(path))
        try:
            self.container = open_container(path, self._file)
        except (av.FFmpegError, ValueError) as error:
            raise SourceError(
                f"{path} is not a video or picture that FFmpeg can read ({os_reason(error)})"
            ) from error
        found = films(self.container)
        self.streams = len(found)
        if not found:
            self.container.close()
            raise SourceError(f"{path} has no video track, only audio or data")
        if not 1 <= self.number <= len(found):
            self.container.close()
            raise SourceError(
                f"--stream: must be 1 to {len(found)}, the video streams of {path} "
                f"(got {self.number})"
            )
        self.stream = found[self.number - 1]
        if self.stream.codec_context is None:
            self.container.close()
            raise SourceError(f"{path} uses a video codec that this build of FFmpeg cannot decode")

    def frames(self, start: int | None = None) -> Iterator[av.VideoFrame]:
        """Every frame that decodes, from the last keyframe before pts `start` on (or all)."""
        delivered = 0
        for frame in self._from(start, "AUTO"):
            delivered += 1
            yield frame
        if self.damaged_packets or delivered < self._packets:
            self.damaged_packets = 0
            self.container.close()
            self._open()
            yield from islice(self._from(start, "SLICE"), delivered, None)

    def _from(self, start: int | None, threads: str) -> Iterator[av.VideoFrame]:
        """One pass over the file; with frame threads ("AUTO") it ends at the first error."""
        if start is None or self.joints:  # seeking goes by the file's own clock
            yield from self._pass(threads)
            return
        try:
            self.container.seek(start, stream=self.stream)
        except av.FFmpegError:
            pass
        else:
            frames = self._pass(threads)
            first = next(frames, None)
            if first is not None and first.pts is not None and first.pts <= start:
                yield first
                yield from frames
                return
            self.damaged_packets = 0
        # The container cannot seek, or lands too late: count from the beginning.
        self.container.close()
        self._open()
        yield from self._pass(threads)

    def _pass(self, threads: str) -> Iterator[av.VideoFrame]:
        if not self.stream.codec_context.is_open:
            self.stream.thread_type = threads
        packets = self.container.demux(self.stream)
        clock = OneClock(self.joints)
        self._packets = 0
        while True:
            try:
                packet = next(packets)
            except StopIteration:
                return
            except IndexError:  # PyAV (18.1) at the end, after a stream that it does not know
                self.late_stream = True
                return
            except av.FFmpegError as error:
                if self._file is None:
                    check_reachable(self.path, error)
                self.cut_short = True
                with suppress(av.FFmpegError):  # what the decoder still holds
                    yield from self.stream.codec_context.decode(None)
                return
            if packet.size and not packet.is_discard:
                self._packets += 1
            clock.close_up(packet)
            try:
                frames = packet.decode()
            except av.FFmpegError:
                self.damaged_packets += 1
                if threads == "AUTO":
                    return
                continue
            yield from frames

    def skim(self, until: int | None) -> None:
        """Read on, without decoding, what frames up to pts `until` take (None: all)."""
        behind = 0
        with suppress(av.FFmpegError, IndexError):  # as `_pass`
            for packet in self.container.demux(self.stream):
                if None not in (until, packet.dts) and packet.dts > until:
                    behind += 1
                if behind > _READ_AHEAD:
                    return

    def close(self) -> None:
        self.container.close()
