"""The dream's thread: as fast as the device allows, always on the newest frame.

What it finds, the residual at one frame, arrives some frames later. The loop warps it along the
accumulated flow in every frame until the next one arrives; what was shown before gives way to it
little by little (`livedream.live.newest_dream`). Nothing fades between two dreams: the half-life is
applied when the next one starts, over the time that has passed, so that level and persistence are
the same at every rate.

A frame that its own dream has caught up with needs none of this where dreams stay on a device.
"""

import logging
import threading
import time
from collections import deque
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Final

import cv2
import numpy as np
import torch

from livedream.capture.live import Captured
from livedream.core.errors import reason
from livedream.core.frame import Frame, Motion, Picture
from livedream.core.health import Health
from livedream.core.niceness import yield_processor
from livedream.core.shrink import shrunk
from livedream.core.snapshot import Snapshot
from livedream.core.supervisor import FaultLog, SupervisedThread, start_thread
from livedream.dream.ascent import Plan
from livedream.dream.compose import residual_of, steps_of
from livedream.dream.dreamer import Dreamer
from livedream.live.dreamer_pool import LiveDreamerPool
from livedream.live.governor import Governor
from livedream.live.newest_dream import Grown, NewestDream, Steps, fading, size_of
from livedream.region.planes import Planes
from livedream.warp.accumulated_flow import AccumulatedFlow, warp_steps
from livedream.warp.travel import Travel

_log = logging.getLogger(__name__)

_MICROSECOND: Final = Fraction(1, 1_000_000)
_SHORT_HALF_LIFE_S: Final = 0.3  # below, two networks in turn would flicker
_YIELDING: Final = 2  # heuristic: steps of niceness below the loop's; a frame costs little
RETRY_S: Final = 1.0  # after a fault of the device
# Heuristic: what a driver says so often in a row only a new process can mend (CUDA's own words).
_MOST_DEVICE_FAULTS: Final = 5


@dataclass(frozen=True, slots=True)
class DreamOverlay:
    """What is laid over a frame. steps: None before the first dream and after a cut.

    dreamed_s: capture time of the frame that it was dreamed on.  dreams: finished so far.
    picture: the frame with its own dream laid on it already; then there are no steps.
    """

    steps: Steps | None
    dreamed_s: float
    level: float
    dreams: int
    picture: Picture | None = None


@dataclass(frozen=True, slots=True)
class _Request:
    """A frame to dream on, with the live parameters of its moment.

    planes: of its regions.
    base, flow: the newest dream, and the flow from this frame to that dream's.
    generation: counts cuts and resets; a dream begun before one is dropped.
    """

    frame: Captured
    snapshot: Snapshot
    planes: Planes | None
    base: NewestDream | None
    flow: AccumulatedFlow
    generation: int


class DreamWorker:
    """Starts with `start`; the loop calls `advance` and `shown` for every frame."""

    def __init__(self, pool: LiveDreamerPool, governor: Governor, period_s: float) -> None:
        self._pool, self._governor, self._period_s = pool, governor, period_s
        self._changed = threading.Condition()
        # What loop and dream share, under that lock: the newest frame with its parameters and
        # planes, the newest dream, and the flow from the one to the other and to the one coming.
        self._newest: tuple[Captured, Snapshot, Planes | None] | None = None
        self._base: NewestDream | None = None
        self._flow = self._coming_flow = AccumulatedFlow()
        self._cuts = 0  # and resets
        self._stop = False
        self._dreams = 0
        self._finished: deque[float] = deque(maxlen=64)
        self._last_dreamed_s: float | None = None
        self._interval_s = period_s
        self._iterations_owed = 0.0
        self._turn = 0.0
        self._generation = 0
        self._begun = self._arrived = -1
        self.note = ""
        self.plan: Plan | None = None
        self._awaited: Plan | None = None  # to be dreamed by as soon as it is prepared
        self._slower = False  # whether the last dream took a slower way
        self._faults = FaultLog(_log, "the dream")
        self._device_faults = 0  # in a row
        self._thread: SupervisedThread | None = None

    def start(self) -> None:
        self._thread = start_thread("dream", self._work, essential=True, computes=True)

    def health(self) -> Health:
        """ "lost" while dreams fail; they are tried again."""
        return Health("dream", "lost" if self.note else "ok", self.note)

    def close(self, timeout_s: float = 0.3) -> None:
        with self._changed:
            self._stop = True
            self._changed.notify_all()
        if self._thread is not None:
            self._thread.close(timeout_s)

    def per_second(self, now_s: float) -> float:
        """Dreams finished per second, over the last two."""
        recent = [t for t in tuple(self._finished) if now_s - t <= 2.0]
        return len(recent) / 2.0

    def advance(
        self, frame: Captured, snapshot: Snapshot, motion: Motion | None, travel: Travel | None,
        seconds: float, *, planes: Planes | None = None,
    ) -> None:  # fmt: skip
        """The next frame, with its live parameters.

        motion: since the frame before.  travel: of the dream, in `seconds`.  planes: of the
        frame's regions.
        """
        with self._changed:
            if "reset" in snapshot.triggers or (motion is not None and motion.cut):
                self._cuts += 1
                self._base = None
                self._flow = self._coming_flow = AccumulatedFlow()
            else:
                flow, coming = self._flow, self._coming_flow
                self._flow = flow.step(motion, travel, seconds)
                self._coming_flow = (
                    self._flow if coming is flow else coming.step(motion, travel, seconds)
                )
            self._newest = frame, snapshot, planes
            self._changed.notify_all()

    def wait_for(self, index: int, timeout_s: float) -> None:
        """Until the dream of frame `index` has arrived, or not."""
        with self._changed:
            self._changed.wait_for(lambda: self._stop or self._arrived >= index, timeout=timeout_s)

    def shown(self, now_s: float, mix: float = 1.0) -> DreamOverlay:
        """What to lay over the newest frame. mix: how much of it."""
        with self._changed:
            base, flow, newest = self._base, self._flow, self._newest
        if base is None:
            return DreamOverlay(None, now_s, 0.0, self._dreams)
        dream, steps, picture = base.dream, None, None
        if newest is not None and newest[0].index == base.index and base.share(now_s) >= 1.0:
            picture = dream.picture
        if picture is None:
            mixed = base.blend(now_s, mix)
            steps = warp_steps(mixed, flow, size_of(mixed))
            if newest is not None and newest[2] is not None:
                steps = _held(steps, newest[2])
        return DreamOverlay(steps, base.dreamed_s, dream.level * mix, base.serial, picture)

    def _work(self) -> None:
        yield_processor(_YIELDING)  # frames come first
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._stop or self._is_new())
                if self._stop:
                    return
                assert self._newest is not None, "is new"
                request = _Request(*self._newest, self._base, self._flow, self._cuts)
                self._coming_flow = AccumulatedFlow()
            self._begun = request.frame.index
            overflowed = False
            try:
                self._dream(request)
                self.note, self._device_faults = "", 0
                self._faults.recovered()
                self._pause(self._governor.pause_s())
            except Exception as error:  # a device's fault must not end the show
                overflowed = "out of memory" in str(error).lower()
                if overflowed:
                    self._faults.failed(error, "ran out of memory", traceback=False)
                else:
                    self._faults.failed(error, "failed, trying again")
                    self.note = f"the dream failed, trying again: {reason(error)[:200]}"
                    self._device_faults += isinstance(error, torch.AcceleratorError)
                    if self._device_faults > _MOST_DEVICE_FAULTS:
                        raise
                    self._pause(RETRY_S)
            if overflowed:  # only here: the error's traceback holds what the failed dream had made
                self._free_memory()

    def _pause(self, seconds: float) -> None:
        """Wait, unless closed meanwhile."""
        if seconds > 0:
            with self._changed:
                self._changed.wait_for(lambda: self._stop, timeout=seconds)

    def _is_new(self) -> bool:
        return self._newest is not None and self._newest[0].index != self._begun

    def _free_memory(self) -> None:
        """Free the device's memory, and use less of it from now on."""
        self._governor.overflowed()
        self._awaited = None  # it may be the larger one
        self.note = "the device's memory ran out: dreaming smaller"
        if torch.cuda.is_initialized():  # type: ignore[no-untyped-call]
            torch.cuda.empty_cache()

    def _dream(self, request: _Request) -> None:
        start_s = time.perf_counter()
        if request.generation != self._generation:
            self._generation, self._last_dreamed_s = request.generation, None
            self._pool.first.reset()
        plan = self._plan(request)
        fallbacks = self._pool.fallbacks
        dream = self._grow(request, plan)
        took_s = dream.took_s if dream.picture is not None else time.perf_counter() - start_s
        self._slower = self._pool.fallbacks != fallbacks
        # Else it says nothing about dreams to come: what is made beside took its share.
        if took_s is not None and not self._slower and self._awaited is None:
            self._governor.dreamed(plan, took_s)
        now_s, captured_s = time.monotonic(), request.frame.captured_s
        with self._changed:
            if request.generation == self._cuts:
                self._dreams += 1
                self._flow = self._coming_flow
                if self._finished:
                    gap_s = now_s - self._finished[-1]
                    self._interval_s += 0.3 * (min(gap_s, 1.0) - self._interval_s)
                self._finished.append(now_s)
                self._arrived = index = request.frame.index
                fades_s = fading(dream, request.base, now_s, self._interval_s, self._period_s)
                self._base = NewestDream(dream, index, captured_s, self._dreams, fades_s)
            self._changed.notify_all()
        self._last_dreamed_s = captured_s

    def _plan(self, request: _Request) -> Plan:
        """What the governor wants, as soon as it can be dreamed at once; until then as before.

        Meanwhile steps and octaves save what the size is to save. Where there is no before, or it
        took a slower way itself, nothing is gained by waiting. What is awaited is dreamed by before
        anything else is awaited: so a ramp moves on, and every change arrives.
        """
        height, width = request.frame.rgb.shape[:2]
        wanted = self._governor.plan(request.snapshot.dream, width, height)
        awaited = self._awaited or wanted
        there = self._prepare(request.snapshot, awaited)
        if there or self.plan is None or self._slower:
            self.plan = awaited
        else:
            self.plan = self.plan.eased(awaited.cost)
        self._awaited = None if there else awaited
        return self.plan

    def _prepare(self, snapshot: Snapshot, plan: Plan) -> bool:
        """Whether all who dream now can do so by this plan at once."""
        there = self._pool.prepare(snapshot.dream.network, plan)
        if snapshot.fading is not None:
            there = self._pool.prepare(snapshot.fading.network, plan) and there
        return there

    def _grow(self, request: _Request, plan: Plan) -> Grown:
        """The next dream."""
        snapshot = request.snapshot
        plan = self._whole_steps(plan)
        dreamer = self._pool.get(snapshot.dream, plan)
        fading = dreamer if snapshot.fading is None else self._pool.get(snapshot.fading, plan)
        both = fading is not dreamer and snapshot.dream.half_life < _SHORT_HALF_LIFE_S
        chosen = dreamer
        if fading is not dreamer and not both:
            # In turn, as often as each is due: what is carried mixes them, at no cost.
            self._turn += snapshot.crossfade
            chosen = dreamer if self._turn >= 1.0 else fading
            self._turn -= 1.0 if self._turn >= 1.0 else 0.0
        passed_s = self._period_s  # since the frame dreamed on before
        if self._last_dreamed_s is not None:
            passed_s = max(0.0, request.frame.captured_s - self._last_dreamed_s)
        if not both and chosen.on_device(request.frame.rgb):
            return self._launch(request, plan, chosen, passed_s)
        planes = request.planes and request.planes.fitted(plan.size)
        small = shrunk(request.frame.rgb, *plan.size)
        picture = dreamer.picture(dreamer.ground(small, planes))
        keep = dreamer.advance(passed_s)
        before = carried = None
        if request.base is not None:
            shown = request.base.blend(time.monotonic())
            before = warp_steps(shown, request.flow, max(size_of(shown), plan.size))
            carried = warp_steps(request.base.dream.after, request.flow, plan.size)
            carried *= np.float32(keep)
            dreamer.follow(request.flow, plan.size)
        residual = dreamer.held(residual_of(carried, picture), planes)
        if both:
            levelled = dreamer.grow_both(
                picture, residual, fading, snapshot.crossfade, clip=False, planes=planes
            )
        else:
            levelled = chosen.grow(picture, residual, planes)
        steps = steps_of(levelled.residual)
        return Grown(steps if before is None else before, steps, float(levelled.level))

    def _launch(self, request: _Request, plan: Plan, dreamer: Dreamer, passed_s: float) -> Grown:
        """The next dream, all of it on the device, where the one before is still.

        The residual comes down as well, for frames that the next dream has not caught up with.
        """
        base, rgb = request.base, request.frame.rgb
        pts, index = round(request.frame.captured_s / _MICROSECOND), request.frame.index
        dreamer.resize(rgb)
        arrived = dreamer.launch(
            Frame(rgb, pts, _MICROSECOND, index), request.flow.motion() if base else None,
            passed_s, mix=request.snapshot.grade.mix,
            planes=request.planes and request.planes.fitted(plan.size),
        )  # fmt: skip
        residual = dreamer.state.residual
        assert residual is not None, "launched"
        fetched = dreamer.transfers.to_host_later((residual[0] * 255.0).permute(1, 2, 0))
        before = None
        if base is not None:
            shown = base.blend(time.monotonic())
            size = max(size_of(shown), plan.size)
            if size != plan.size or self._interval_s > 1.2 * self._period_s:
                before = warp_steps(shown, request.flow, size)
        dream, steps = arrived(), fetched()
        if dreamer.state.residual is None:  # it was lost
            steps = np.zeros_like(steps)
        return Grown(
            steps if before is None else before, steps, dream.level, dream.frame.rgb, dream.took_s
        )

    def _whole_steps(self, plan: Plan) -> Plan:
        """The plan with whole iterations: half of one is one more in every second dream."""
        self._iterations_owed += plan.iterations
        iterations = max(1, int(self._iterations_owed))
        self._iterations_owed = min(1.0, max(0.0, self._iterations_owed - iterations))
        return replace(plan, iterations=iterations)


def _held(steps: Steps, planes: Planes) -> Steps:
    """Steps as far as the planes let them be seen; they may have come there since."""
    keep = planes.fitted(steps.shape[1::-1]).keep
    return steps if keep is None else np.asarray(cv2.multiply(steps, cv2.merge([keep] * 3)))
