"""The loop: frame in, flow, warp, composition, frame out, at the camera's rate.

The dream grows beside it (`dream_worker`). Where a dream is quick enough to be ready within the
frame that it was dreamed on, the loop waits for it, and both rates are one.
"""

import contextlib
import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final

import cv2
import numpy as np

from livedream.capture.live import Captured
from livedream.capture.live.beside import LivePictures
from livedream.control.live_parameters import LiveParameters
from livedream.core.errors import reason
from livedream.core.frame import Picture
from livedream.core.health import Status
from livedream.core.latest_slot import LatestSlot, SlotClosed
from livedream.core.shrink import fitted
from livedream.core.supervisor import FaultLog
from livedream.dream.headroom import with_headroom
from livedream.flow import FlowEstimator
from livedream.flow.motion import MotionEstimator
from livedream.live.dream_worker import DreamOverlay, DreamWorker
from livedream.live.governor import Governor
from livedream.live.idle import StillWatch
from livedream.live.regions import LiveRegions
from livedream.present.grading import Grading, travel_of
from livedream.present.live import LiveFrame
from livedream.present.live.flash import FlashLimiter
from livedream.warp.remap import Plane
from livedream.warp.travel import Travel

_log = logging.getLogger(__name__)

_LOST_S: Final = 0.5  # without a frame for so long the loop goes on with the last one
_STATUS_S: Final = 0.25
_MOST_LEFT_OUT_S: Final = 2.0  # heuristic: so long without a picture is no show
_SPARE_S: Final = 0.004  # of a frame's time, left over where the loop waits for its dream
# Without a source the last dream drifts: heuristic, slow enough to look at for hours.
_ADRIFT: Final = Travel(zoom=1.03, rotation=1.5, drift=(0.004, 0.002))
_WINDOW_S: Final = 2.0  # in which frames per second are counted
_TICK_S: Final = 0.001  # between pictures at least: every clock that they are written by sees it
_EASE: Final = 0.1  # share of a new figure in its mean


@dataclass(frozen=True, slots=True)
class Composed:
    """A finished picture's figures, for whoever watches. Times are monotonic seconds.

    dreamed_s: when the frame was captured that the newest part of its dream was dreamed on.
    """

    index: int
    captured_s: float
    composed_s: float
    dreamed_s: float
    dreams: int
    level: float
    live: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Wiring:
    """What the loop is connected to.

    publish: called with the loop's own figures a few times a second.
    offers: called with every picture; must not block.
    picture_size: (width, height) px of what goes out; frames of another size are fitted to it.
    pictures: live sources beside the show's own.  begun_s: when the show began, monotonic: masks
    that move count from then.
    """

    slot: LatestSlot[Captured]
    parameters: LiveParameters
    publish: Callable[[Status], None]
    dreaming: DreamWorker
    governor: Governor
    flow: FlowEstimator | None
    picture_size: tuple[int, int]
    fps: float
    offers: tuple[Callable[[LiveFrame], None], ...] = ()
    limiter: FlashLimiter | None = None
    still: StillWatch | None = None
    attract: Callable[[bool, float], None] | None = None
    watch: Callable[[Composed], None] | None = None
    pictures: LivePictures | None = None
    begun_s: float = field(default_factory=time.monotonic)


class LoopMeter:
    """Frames per second over the last two, and eased means of stages and latencies, in ms."""

    def __init__(self) -> None:
        self._times: deque[float] = deque()
        self._means: dict[str, float] = {}
        self.frames = 0

    def frame(self, now_s: float) -> None:
        self.frames += 1
        self._times.append(now_s)
        while now_s - self._times[0] > _WINDOW_S:
            self._times.popleft()

    def fps(self, now_s: float) -> float:
        times = tuple(t for t in self._times if now_s - t <= _WINDOW_S)
        if len(times) < 2:
            return 0.0
        return (len(times) - 1) / max(times[-1] - times[0], now_s - times[0] - 0.1, 1e-6)

    def ease(self, name: str, milliseconds: float) -> None:
        before = self._means.get(name, milliseconds)
        self._means[name] = before + _EASE * (milliseconds - before)

    def mean(self, name: str) -> float:
        return self._means.get(name, 0.0)

    def means(self, *names: str) -> Mapping[str, float]:
        return {name: round(self._means[name], 2) for name in names if name in self._means}

    @contextlib.contextmanager
    def stage(self, name: str) -> Iterator[None]:
        start = time.perf_counter()
        try:
            yield
        finally:
            self.ease(name, 1000.0 * (time.perf_counter() - start))


class LiveLoop:
    """Runs in whatever thread calls `run`, until stopped."""

    def __init__(self, wiring: Wiring) -> None:
        self._wiring = wiring
        self._period_s = 1.0 / wiring.fps
        self._meter = LoopMeter()
        self._grading = Grading()
        self._motion = MotionEstimator(wiring.flow)
        self._regions = LiveRegions(wiring.pictures, wiring.begun_s)
        self._last: Captured | None = None
        self._index = 0
        self._last_moment_s = self._due_s = self._started_s = time.monotonic()
        self._status_s = self._shown_s = self._came_s = 0.0
        self._dropped = 0
        self._flipped: tuple[Plane, Plane] | None = None  # a region, and it mirrored
        self._fault = ""
        self._faults = FaultLog(_log, "the loop")

    def run(self, stop: threading.Event) -> None:
        """Until `stop` is set or the slot is closed. A frame that fails is left out.

        Raises the last frame's fault when two seconds of them have failed.
        """
        self._started_s = self._due_s = self._last_moment_s = time.monotonic()
        failing_s: float | None = None  # since when
        with contextlib.suppress(SlotClosed):
            while not stop.is_set():
                captured, live = self._next(stop)
                if captured is None:
                    continue
                try:
                    self._frame(captured, live)
                    self._fault, failing_s = "", None
                    self._faults.recovered()
                except Exception as error:  # the next frame may be a better one
                    self._faults.failed(error, "skipped a frame")
                    self._fault = f"a frame was skipped: {reason(error)[:200]}"
                    failing_s = failing_s or time.monotonic()
                    if time.monotonic() - failing_s > _MOST_LEFT_OUT_S:
                        raise

    def _next(self, stop: threading.Event) -> tuple[Captured | None, bool]:
        """The newest frame, and whether it is a new one; the last again where none comes."""
        wiring, now_s = self._wiring, time.monotonic()
        # Sooner than this a frame would be more than --fps asks for; a little early is on time.
        early_s = self._due_s - 0.3 * self._period_s - now_s
        if early_s > 0:
            stop.wait(early_s)
        lost = self._last is not None and now_s - self._came_s >= _LOST_S
        most_s = max(0.0, self._due_s - time.monotonic()) if lost else min(0.2, 2 * self._period_s)
        captured = wiring.slot.get(most_s)
        now_s = time.monotonic()
        if captured is not None:
            self._due_s = max(self._due_s + self._period_s, now_s - self._period_s)
            self._last, self._came_s = captured, now_s
            return captured, True
        if self._last is None or now_s - self._came_s < _LOST_S:
            self._publish(now_s)
            return None, False
        self._due_s = max(self._due_s + self._period_s, now_s)
        return self._last, False

    def _frame(self, captured: Captured, live: bool) -> None:
        wiring, meter = self._wiring, self._meter
        start_s = time.monotonic()
        snapshot = wiring.parameters.snapshot(start_s)
        rgb = self._fitted(captured.rgb)
        # A source that comes back may have pictures from before those that stood in for them.
        captured_s = max(captured.captured_s if live else start_s, self._shown_s + _TICK_S)
        self._shown_s = captured_s
        passed_s = min(0.5, max(0.0, start_s - self._last_moment_s))
        self._last_moment_s = start_s
        with meter.stage("flow"):
            size = wiring.governor.flow_size(snapshot.dream, *wiring.picture_size)
            motion = self._motion.step(rgb, size) if live else None
        frame = Captured(rgb, captured_s, self._index)
        with meter.stage("regions"):
            planes = self._regions.step(snapshot, rgb, motion, passed_s)
        # Without a source the dream drifts a little by itself.
        travel = travel_of(snapshot.grade) or (None if live else _ADRIFT)
        wiring.dreaming.advance(frame, snapshot, motion, travel, passed_s, planes=planes)
        if wiring.attract is not None:
            wanted = wiring.still is not None and wiring.still.update(rgb, motion, start_s)
            wiring.attract(wanted, start_s)
        waited_s = self._wait_for_dream(start_s)
        with meter.stage("warp"):
            shown = wiring.dreaming.shown(time.monotonic(), snapshot.grade.mix)
        region = None if planes is None else planes.grow
        with meter.stage("compose"):
            ground = shown.picture
            if ground is None:
                ground = with_headroom(rgb, snapshot.dream, region, snapshot.grade.mix)
            picture = self._grading.finish(ground, shown.steps, snapshot.grade, passed_s)
            if wiring.limiter is not None:
                picture = wiring.limiter.apply(picture, time.monotonic())
        mirrored = snapshot.grade.mirror
        if mirrored and region is not None:
            region = self._mirrored(region)
        finished = LiveFrame(picture, captured_s, self._index, rgb, region, mirrored)
        self._index += 1
        for offer in wiring.offers:
            offer(finished)
        self._measure(start_s, waited_s, finished, shown, live)

    def _wait_for_dream(self, start_s: float) -> float:
        """Seconds spent waiting, where this frame's own dream will be ready in time."""
        wiring = self._wiring
        dream_s = wiring.governor.dream_s
        now_s = time.monotonic()
        after_s = 0.001 * (self._meter.mean("warp") + self._meter.mean("compose")) + _SPARE_S
        left_s = self._period_s - (now_s - start_s) - after_s
        if not 0.0 < 1.2 * dream_s < left_s:
            return 0.0
        wiring.dreaming.wait_for(self._index, left_s)
        return time.monotonic() - now_s

    def _mirrored(self, region: Plane) -> Plane:
        """The same object as before for the same region: by that the panel knows a new one."""
        if self._flipped is None or self._flipped[0] is not region:
            self._flipped = region, np.asarray(cv2.flip(region, 1), np.float32)
        return self._flipped[1]

    def _fitted(self, rgb: Picture) -> Picture:
        """Cut to the picture's shape, then scaled; a source may come back with another size."""
        width, height = self._wiring.picture_size
        found_height, found_width = rgb.shape[:2]
        scale = max(width / found_width, height / found_height)
        cut_width = min(found_width, round(width / scale))
        cut_height = min(found_height, round(height / scale))
        x, y = (found_width - cut_width) // 2, (found_height - cut_height) // 2
        part = rgb[y : y + cut_height, x : x + cut_width]
        return fitted(part, width, height)

    def _measure(
        self, start_s: float, waited_s: float, frame: LiveFrame, shown: DreamOverlay, live: bool
    ) -> None:
        wiring, meter = self._wiring, self._meter
        now_s = time.monotonic()
        busy_s = now_s - start_s - waited_s
        dropped = wiring.slot.dropped
        # Frames that `_next` leaves out on purpose, for --fps, are no sign of too much work.
        late = now_s - waited_s > self._due_s
        wiring.governor.shown(busy_s, missed=late and dropped > self._dropped)
        self._dropped = dropped
        meter.frame(now_s)
        meter.ease("frame", 1000.0 * busy_s)
        meter.ease("latency", 1000.0 * (now_s - frame.captured_s))
        meter.ease("age", 1000.0 * (now_s - shown.dreamed_s))
        meter.ease("level", shown.level)
        if wiring.watch is not None:
            wiring.watch(
                Composed(
                    frame.index, frame.captured_s, now_s, shown.dreamed_s, shown.dreams,
                    shown.level, live,
                )
            )  # fmt: skip
        self._publish(now_s)

    def _publish(self, now_s: float) -> None:
        if now_s - self._status_s < _STATUS_S:
            return
        self._status_s = now_s
        wiring, meter = self._wiring, self._meter
        plan = wiring.dreaming.plan
        dream_ms = {"dream": round(1000.0 * wiring.governor.dream_s, 2)}
        notes = tuple(n for n in (wiring.dreaming.note, self._regions.note, self._fault) if n)
        wiring.publish(
            Status(
                time_s=now_s,
                fps=meter.fps(now_s),
                dreams_per_s=wiring.dreaming.per_second(now_s),
                latency_ms=meter.mean("latency"),
                dream_age_ms=meter.mean("age"),
                stages_ms={**meter.means("flow", "regions", "warp", "compose"), **dream_ms},
                level=meter.mean("level"),
                governor=wiring.governor.words(),
                dream_size=plan.size if plan else (0, 0),
                octaves=plan.octaves if plan else 0,
                iterations=round(plan.iterations) if plan else 0,
                frames=meter.frames,
                uptime_s=now_s - self._started_s,
                notes=notes,
            )
        )
