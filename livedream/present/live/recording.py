"""Recording while live: segments that survive whatever happens, within a disk budget.

Each segment is a growing file (see `livedream.present.fragmented`): every frame that was written is
on the disk. At its end the next one, which was opened beforehand, goes on with the next frame,
and the old one is finished in the background.
"""

import contextlib
import logging
import queue
import re
import shutil
import time
from collections.abc import Callable, Collection
from fractions import Fraction
from pathlib import Path
from typing import Final

from livedream.core.addresses import Address
from livedream.core.errors import SettingsError, SinkError, os_reason
from livedream.core.frame import Frame, Picture, SourceInfo
from livedream.core.live_sound import LiveSound
from livedream.core.supervisor import FaultLog, start_thread
from livedream.present.live import LiveFrame
from livedream.present.live.aac import AacTrack
from livedream.present.remux import finishing
from livedream.present.video import VideoOptions, VideoSink

_log = logging.getLogger(__name__)

_NAME: Final = re.compile(r"livedream-\d{8}-\d{6}-(dream|camera)-(\d{5,})\.mp4")
_KEPT_FREE: Final = 500 * 10**6  # bytes that are left to everybody else
_MARGIN: Final = 50  # of the budget this part stays free, for what comes until the next check
_TIME_BASE: Final = Fraction(1, 90_000)
_PREPARED: Final = 0.7  # of a segment, after which the next one is opened
_SHARE: Final = 8  # a segment takes at most this part of the budget: removing one is little
_CHECK_S: Final = 2.0  # between two checks of the budget
_AT_ONCE: Final = 64 * 10**6  # bytes that are finished within the second that an end may take
_ENDING_S: Final = 0.4
_UNFINISHED_S: Final = 60.0  # a file that has not grown for so long has nobody who writes it


def segment_name(session: str, kind: str, number: int) -> str:
    """session: `20261124-061500`.  kind: "dream" or "camera". Sorts by time within a kind."""
    return f"livedream-{session}-{kind}-{number:05d}.mp4"


class DiskBudget:
    """Keeps what lies in `folder`, by the names of segments, below `most` bytes.

    Several shows may record there: what grows and is not of our `session` may be another's.
    """

    def __init__(self, folder: Path, most: int) -> None:
        self.folder, self.most = folder, most
        self.session = ""

    def segments(self) -> list[Path]:
        """All of them, that first to which nothing was written for longest."""
        found = [p for p in self.folder.iterdir() if _NAME.fullmatch(p.name)]
        return sorted(found, key=lambda p: (_written_s(p), p.name[:25], _number(p), p.name))

    def taken(self) -> int:
        """Bytes, those of files that are just being finished included."""
        sizes = 0
        segments = self.segments()
        for path in (*segments, *map(finishing, segments)):
            try:
                sizes += path.stat().st_size
            except FileNotFoundError:  # was finished, or removed by somebody, meanwhile
                continue
        return sizes

    def has_room(self, coming: int) -> bool:
        """Whether `coming` bytes more fit, into the budget and onto the disk."""
        free = shutil.disk_usage(self.folder).free
        fits = self.taken() + coming + self.most // _MARGIN <= self.most
        return fits and free - coming >= _KEPT_FREE

    def make_room(self, coming: int, keep: Collection[Path]) -> list[Path]:
        """Remove the oldest until `coming` bytes more fit; those in `keep` stay. What went."""
        gone = self._clear_unfinished()
        for path in self.segments():
            if self.has_room(coming):
                break
            if path in keep or self._may_grow(path):
                continue
            try:
                path.unlink(missing_ok=True)
            except PermissionError:  # somebody has it open, on Windows
                continue
            gone.append(path)
            _log.info("%s was the oldest recording: removed to make room", path.name)
        return gone

    def _may_grow(self, path: Path) -> bool:
        """Whether another show may be writing it."""
        is_ours = path.name[10:25] == self.session
        # What was written in days to come was so before somebody set the clock.
        return not is_ours and abs(time.time() - _written_s(path)) < _UNFINISHED_S

    def _clear_unfinished(self) -> list[Path]:
        """Copies that a process was just making when it was killed; what they are of is whole."""
        gone = []
        for path in map(finishing, self.segments()):
            with contextlib.suppress(FileNotFoundError, PermissionError):
                if time.time() - path.stat().st_mtime > _UNFINISHED_S:
                    path.unlink()
                    gone.append(path)
        return gone


def _number(path: Path) -> int:
    found = _NAME.fullmatch(path.name)
    return int(found[2]) if found else 0


def _written_s(path: Path) -> float:
    """When something was last written to it, 0 where it is gone."""
    try:
        return path.stat().st_mtime
    except OSError:
        return 0.0


class BackgroundWriter:
    """A thread for what takes long: opens, finishes and removes segments, one after the other."""

    def __init__(self) -> None:
        self._jobs: queue.SimpleQueue[Callable[[], None] | None] = queue.SimpleQueue()
        self._faults = FaultLog(_log, "recording")
        self._thread = start_thread("recording", self._run)

    def do(self, job: Callable[[], None]) -> None:
        self._jobs.put(job)

    def close(self, timeout_s: float) -> bool:
        """Do what is left; False when that takes longer."""
        self._jobs.put(None)
        return self._thread.close(timeout_s)

    def _run(self) -> None:
        while (job := self._jobs.get()) is not None:
            try:
                job()
            except Exception as error:  # the next job may do
                self._faults.failed(error, traceback=not isinstance(error, OSError))


_Segment = tuple[VideoSink, AacTrack | None]


class _Segments:
    """The segments of one kind of picture, one after the other."""

    def __init__(
        self, recording: "RecordingOutput", kind: str, session: str, background: BackgroundWriter
    ) -> None:
        self._recording, self._kind, self._session = recording, kind, session
        self._background = background
        self._number = 0
        self._sink: VideoSink | None = None
        self._shape: tuple[int, ...] = ()
        self._begun_s = 0.0
        self._prepared: queue.SimpleQueue[tuple[int, _Segment]] = queue.SimpleQueue()
        self._preparing = self._closed = False

    def write(self, rgb: Picture, frame: LiveFrame) -> None:
        if self._sink is None or self._is_full(frame) or rgb.shape != self._shape:
            self._begin_next(rgb, frame)
        assert self._sink is not None, "a segment was begun"
        pts = round((frame.captured_s - self._begun_s) / float(_TIME_BASE))
        self._sink.write(Frame(rgb, pts, _TIME_BASE, frame.index))
        lived_s = frame.captured_s - self._begun_s
        if lived_s > _PREPARED * self._recording.segment_s and not self._preparing:
            self._preparing = True
            self._number += 1
            number, shape = self._number, self._shape
            self._background.do(lambda: self._prepare(number, shape))

    def _is_full(self, frame: LiveFrame) -> bool:
        assert self._sink is not None, "asked of an open segment"
        if frame.captured_s - self._begun_s >= self._recording.segment_s:
            return True
        return self._sink.path.stat().st_size > self._recording.budget.most // _SHARE

    def _begin_next(self, rgb: Picture, frame: LiveFrame) -> None:
        """Begin the next segment with this frame."""
        before, shape, recording = self._sink, rgb.shape, self._recording
        following = self._take_prepared()
        if following is not None and shape != self._shape:
            self._drop(following)
            following = None
        if following is None:
            self._number += 1
            following = self._open(self._number, shape)
        self._sink, sound = following
        self._shape, self._begun_s = shape, frame.captured_s
        if sound is not None:
            sound.begin(frame.captured_s)
        self._preparing = False
        if recording.began is not None:
            recording.began(self._kind, self._sink.path, frame.captured_s)
        if before is not None:
            self._background.do(lambda: self._finish(before))

    def _prepare(self, number: int, shape: tuple[int, ...]) -> None:
        self._prepared.put((number, self._open(number, shape)))
        if self._closed:  # meanwhile: nobody will take it
            self._drop_prepared()

    def _drop_prepared(self) -> None:
        with contextlib.suppress(queue.Empty):
            while True:
                self._drop(self._prepared.get_nowait()[1])

    def _take_prepared(self) -> _Segment | None:
        """The next one, if it is there in time; one that came too late for its turn is let go."""
        with contextlib.suppress(queue.Empty):
            while True:
                number, segment = self._prepared.get_nowait()
                if number == self._number:
                    return segment
                self._drop(segment)
        return None

    def _drop(self, segment: _Segment) -> None:
        """Let go of one that no frame was written to; nothing of it stays."""
        segment[0].close()
        self._recording.being_written.discard(segment[0].path)

    def _open(self, number: int, shape: tuple[int, ...]) -> _Segment:
        recording = self._recording
        name = segment_name(self._session, self._kind, number)
        info = SourceInfo(
            name=name, width=shape[1], height=shape[0], rate=recording.rate, time_base=_TIME_BASE
        )
        began = time.strftime("%Y-%m-%dT%H:%M:%S")
        options = VideoOptions(quality=recording.quality, metadata={"date": began})
        sound = None if recording.sound is None else AacTrack(recording.sound)
        # One that is killed before its first frame came leaves no file that nothing plays.
        sink = VideoSink(recording.folder / name, info, options, late=True, sound=sound)
        recording.being_written.add(sink.path)
        return sink, sound

    def _finish(self, sink: VideoSink) -> None:
        """Turn it into an ordinary file, for which it is needed twice for a moment.

        Where there is no room for that it stays a growing file, which plays as well.
        """
        try:
            coming = sink.path.stat().st_size
            self._recording.make_room(coming)
            if self._recording.budget.has_room(coming):
                sink.close()
            else:
                sink.abandon()
        finally:
            self._recording.being_written.discard(sink.path)

    def close(self) -> None:
        """Finish what is small; what is large stays a growing file, which plays as well."""
        self._closed = True
        self._drop_prepared()
        sink, self._sink = self._sink, None
        if sink is None:
            return
        try:
            if sink.frames_written and sink.path.stat().st_size > _AT_ONCE:
                sink.abandon()
            else:
                sink.close()
        finally:
            self._recording.being_written.discard(sink.path)


class RecordingOutput:
    """`record:FOLDER?of=dream&minutes=10&budget=20GB&quality=80`.

    of: "dream", "camera" (the picture before it is dreamed on) or "both".  minutes: of a
    segment.  budget: of the folder's recordings together; the oldest go first.
    began: called with each segment's kind, path and capture time of its first frame; may be set.
    """

    delay_ms = 0.0
    reached = True

    def __init__(
        self, address: Address, width: int, height: int, rate: Fraction,
        sound: LiveSound | None = None,
    ) -> None:  # fmt: skip
        self.sound = sound
        if not address.rest:
            raise SettingsError(f"{address.shown}: must name a folder, such as record:shows")
        self.folder = Path(address.rest).expanduser()
        self.name = f"record {self.folder}"
        of = address.word("of", "dream", ("dream", "camera", "both"))
        self.kinds = ("dream", "camera") if of == "both" else (of,)
        self.segment_s = address.number("minutes", 10, 0.01, 24 * 60) * 60
        self.quality = address.number("quality", 80, 0, 100)
        most = round(address.number("budget", 20e9, 1e6, 1e15))
        address.finish()
        self._faults = FaultLog(_log, self.name)
        self.began: Callable[[str, Path, float], None] | None = None
        self.rate = rate.limit_denominator(100_000)
        self.budget = DiskBudget(self.folder, most)
        self.being_written: set[Path] = set()  # segments that must not be removed to make room
        self._segments: dict[str, _Segments] = {}
        self._background: BackgroundWriter | None = None
        self._checked_s = 0.0

    def open(self) -> None:
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise SinkError(f"{self.folder} cannot be made: {os_reason(error)}") from error
        session = time.strftime("%Y%m%d-%H%M%S")
        while any(p.name[10:25] == session for p in self.budget.segments()):
            time.sleep(0.1)  # opened twice within a second
            session = time.strftime("%Y%m%d-%H%M%S")
        self.budget.session = session
        self._background = BackgroundWriter()
        self._segments = {k: _Segments(self, k, session, self._background) for k in self.kinds}

    def write(self, frame: LiveFrame) -> None:
        for kind, segments in self._segments.items():
            picture = frame.rgb if kind == "dream" else frame.camera
            if picture is not None:
                segments.write(picture, frame)
        if time.monotonic() - self._checked_s > _CHECK_S and self._background is not None:
            self._checked_s = time.monotonic()
            self._background.do(lambda: self.make_room(0))

    def make_room(self, coming: int) -> None:
        """Keep the budget, with `coming` bytes more; segments that are being written stay."""
        self.budget.make_room(coming, self.being_written)

    def close(self) -> None:
        if self._background is not None:
            if not self._background.close(_ENDING_S):
                _log.info("%s: the second-to-last segment stays unfinished, but plays", self.name)
            self._background = None
        for segments in self._segments.values():
            try:
                segments.close()
            except Exception as error:
                own = isinstance(error, OSError)
                self._faults.failed(error, "could not be finished", traceback=not own)
        self._segments = {}
