"""The dream's thread: as fast as the device allows, always on the newest frame.

What it finds, the residual at one frame, arrives some frames later. The loop fetches it along the
way back to that frame (`track`) in every frame until the next one arrives; what was shown before
gives way to it over the time that a dream takes, so that nothing jumps at the dream's rate. Nothing
fades between two dreams: the half-life is applied when the next one starts, over the time that has
passed, so that level and persistence are the same at every rate.
"""

import threading
import time
from collections import deque
from dataclasses import dataclass, field
from typing import Final

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from livedream.core.frame import Motion, Picture
from livedream.core.settings import DreamSettings
from livedream.core.snapshot import Snapshot
from livedream.live.dreamer_pool import DreamerPool, LiveDreamer
from livedream.live.governor import Governor, Plan
from livedream.warp.accumulated_flow import AccumulatedFlow, fetch_steps
from livedream.warp.travel import Travel

__all__ = ["DreamOverlay", "DreamRequest", "DreamWorker"]

Steps = NDArray[np.float32]  # (h, w, 3) residual in 8-bit steps

_LONGEST_FADE_S: Final = 0.3  # a dream that comes seldom is still seen soon
_SHORT_HALF_LIFE_S: Final = 0.3  # below, two networks in turn would flicker
_YIELDING: Final = 2  # heuristic: steps of niceness below the loop's; a frame costs little
_RETRY_S: Final = 1.0  # after a fault of the device


@dataclass(frozen=True, slots=True)
class DreamRequest:
    """A frame as the loop saw it. captured_s: monotonic.  index: counts what the loop has seen."""

    rgb: Picture
    captured_s: float
    index: int
    snapshot: Snapshot


@dataclass(frozen=True, slots=True)
class DreamOverlay:
    """What is to be laid over a frame. steps: None before the first dream and after a cut.

    dreamed_s: capture time of the frame that it was dreamed on.  dreams: finished so far.
    """

    steps: Steps | None
    dreamed_s: float
    level: float
    dreams: int


@dataclass(frozen=True, slots=True)
class _Base:
    """The newest dream. before: what was shown on the same frame until then."""

    before: Steps
    after: Steps
    arrived_s: float
    dreamed_s: float
    level: float
    serial: int


@dataclass
class _Shared:
    """What loop and dream share, under the lock."""

    request: DreamRequest | None = None
    base: _Base | None = None
    shown: AccumulatedFlow = field(
        default_factory=AccumulatedFlow
    )  # from the newest frame to the base's
    coming: AccumulatedFlow = field(
        default_factory=AccumulatedFlow
    )  # from the newest frame to the one in the making
    generation: int = 0  # counts cuts and resets: a dream begun before one is let go


class DreamWorker:
    """Starts with `start`; the loop calls `advance` and `shown` for every frame."""

    def __init__(
        self, pool: DreamerPool, first: LiveDreamer, governor: Governor, period_s: float
    ) -> None:
        self._pool, self._governor, self._period_s = pool, governor, period_s
        self._state = first.state
        self._shared = _Shared()
        self._changed = threading.Condition()
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
        self._thread = threading.Thread(target=self._work, name="livedream-dream", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def close(self, timeout_s: float = 0.5) -> None:
        with self._changed:
            self._stop = True
            self._changed.notify_all()
        if self._thread.is_alive():
            self._thread.join(timeout_s)

    def per_second(self, now_s: float) -> float:
        """Dreams finished per second, over the last two."""
        recent = [t for t in tuple(self._finished) if now_s - t <= 2.0]
        return len(recent) / 2.0

    def advance(
        self, request: DreamRequest, motion: Motion | None, travel: Travel | None, seconds: float
    ) -> None:
        """The next frame. motion: since the frame before.  travel: of the dream, in `seconds`."""
        with self._changed:
            shared = self._shared
            if "reset" in request.snapshot.triggers or (motion is not None and motion.cut):
                shared.generation += 1
                shared.base = None
                shared.shown = shared.coming = AccumulatedFlow()
            else:
                same = shared.coming is shared.shown
                shared.shown = shared.shown.step(motion, travel, seconds)
                shared.coming = (
                    shared.shown if same else shared.coming.step(motion, travel, seconds)
                )
            shared.request = request
            self._changed.notify_all()

    def wait_for(self, index: int, timeout_s: float) -> None:
        """Until the dream of frame `index` has arrived, or not."""
        with self._changed:
            self._changed.wait_for(lambda: self._stop or self._arrived >= index, timeout=timeout_s)

    def shown(self, now_s: float, mix: float = 1.0) -> DreamOverlay:
        """What to lay over the newest frame. mix: how much of it."""
        with self._changed:
            base, track = self._shared.base, self._shared.shown
        if base is None:
            return DreamOverlay(None, now_s, 0.0, self._dreams)
        size = base.after.shape[1], base.after.shape[0]
        steps = fetch_steps(self._blend(base, now_s, mix), track, size)
        return DreamOverlay(steps, base.dreamed_s, base.level * mix, base.serial)

    def _blend(self, base: _Base, now_s: float, mix: float) -> Steps:
        fade_s = min(self._interval_s, _LONGEST_FADE_S)
        share = 1.0
        if fade_s > 1.2 * self._period_s:
            share = min(1.0, max(0.0, (now_s - base.arrived_s + self._period_s) / fade_s))
        if share >= 1.0 and mix >= 1.0:
            return base.after
        mixed = cv2.addWeighted(base.before, mix * (1.0 - share), base.after, mix * share, 0.0)
        return np.asarray(mixed, np.float32)

    def _work(self) -> None:
        _yield_to_frames()
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._stop or self._is_new())
                if self._stop:
                    return
                request = self._shared.request
                assert request is not None
                base, track = self._shared.base, self._shared.shown
                generation = self._shared.generation
                self._shared.coming = AccumulatedFlow()
            self._begun = request.index
            try:
                self._dream(request, base, track, generation)
                self.note = ""
                self._rest(self._governor.pause_s())
            except torch.OutOfMemoryError:
                self._relieve()
            except Exception as error:  # a device's fault must not end the show
                if "out of memory" in str(error).lower():
                    self._relieve()
                    continue
                self.note = f"the dream failed, trying again: {' '.join(str(error).split())[:200]}"
                self._rest(_RETRY_S)

    def _rest(self, seconds: float) -> None:
        """Wait, unless it is to end."""
        if seconds > 0:
            with self._changed:
                self._changed.wait_for(lambda: self._stop, timeout=seconds)

    def _is_new(self) -> bool:
        return self._shared.request is not None and self._shared.request.index != self._begun

    def _relieve(self) -> None:
        """Give memory back, and ask for less of it."""
        self._governor.overflowed()
        self._awaited = None  # it may be the larger one
        self.note = "the device's memory ran out: dreaming smaller"
        if torch.cuda.is_available():
            torch.cuda.empty_cache()

    def _dream(
        self, request: DreamRequest, base: _Base | None, track: AccumulatedFlow, generation: int
    ) -> None:
        start_s = time.perf_counter()
        if generation != self._generation:
            self._generation, self._state.age_s, self._last_dreamed_s = generation, 0.0, None
        plan = self._plan(request)
        passed_s = self._passed(request)
        self._state.age_s += passed_s
        size = plan.size
        carried, before = self._carried(base, track, size, passed_s, request)
        fallbacks = self._pool.fallbacks
        joined_steps, level = self._grow(request, plan, carried)
        self._slower = self._pool.fallbacks != fallbacks
        # Else it says nothing about dreams to come: what is made beside took its share.
        if not self._slower and self._awaited is None:
            self._governor.dreamed(plan, time.perf_counter() - start_s)
        now_s = time.monotonic()
        with self._changed:
            if generation == self._shared.generation:
                self._dreams += 1
                shown = joined_steps if before is None else before
                self._shared.base = _Base(
                    shown, joined_steps, now_s, request.captured_s, level, self._dreams
                )
                self._shared.shown = self._shared.coming
                self._note_arrival(now_s, request.index)
            self._changed.notify_all()
        self._last_dreamed_s = request.captured_s

    def _note_arrival(self, now_s: float, index: int) -> None:
        if self._finished:
            gap_s = now_s - self._finished[-1]
            self._interval_s += 0.3 * (min(gap_s, 1.0) - self._interval_s)
        self._finished.append(now_s)
        self._arrived = index

    def _plan(self, request: DreamRequest) -> Plan:
        """What the governor wants, as soon as it can be dreamed at once; until then as before.

        Meanwhile steps and octaves save what the size is to save. Where there is no before, or it
        took a slower way itself, nothing is gained by waiting. What is awaited is dreamed by before
        anything else is awaited: so a glide moves on, and every change arrives.
        """
        height, width = request.rgb.shape[:2]
        wanted = self._governor.plan(request.snapshot.dream, width, height)
        awaited = self._awaited or wanted
        there = self._prepare(request, awaited)
        if there or self.plan is None or self._slower:
            self.plan = awaited
        else:
            self.plan = self.plan.eased(awaited.cost)
        self._awaited = None if there else awaited
        return self.plan

    def _prepare(self, request: DreamRequest, plan: Plan) -> bool:
        """Whether all who dream now can do so by this plan at once."""
        height, width = request.rgb.shape[:2]
        wanted, previous = _by(plan, request.snapshot.dream), request.snapshot.previous
        there = self._pool.prepare(wanted, width, height)
        if previous is not None and request.snapshot.crossfade < 1.0:
            fading = wanted.replace(network=previous.network, objective=previous.objective)
            there = self._pool.prepare(fading, width, height) and there
        return there

    def _passed(self, request: DreamRequest) -> float:
        """Seconds since the frame dreamed on before."""
        if self._last_dreamed_s is None:
            return self._period_s
        return max(0.0, request.captured_s - self._last_dreamed_s)

    def _carried(
        self, base: _Base | None, track: AccumulatedFlow, size: tuple[int, int], passed_s: float,
        request: DreamRequest,
    ) -> tuple[Steps | None, Steps | None]:  # fmt: skip
        """What of the last dream goes into the next, faded; and what is shown of it now."""
        if base is None:
            return None, None
        before = fetch_steps(self._blend(base, time.monotonic(), 1.0), track, size)
        carried = fetch_steps(base.after, track, size)
        half_life_s = request.snapshot.dream.half_life
        keep = 0.5 ** (passed_s / half_life_s) if half_life_s > 0 else 0.0
        carried *= np.float32(keep)
        return carried, before

    def _grow(
        self, request: DreamRequest, plan: Plan, carried: Steps | None
    ) -> tuple[Steps, float]:
        snapshot = request.snapshot
        self._iterations_owed += plan.iterations
        iterations = max(1, int(self._iterations_owed))
        self._iterations_owed = min(1.0, max(0.0, self._iterations_owed - iterations))
        wanted = _by(plan, snapshot.dream).replace(iterations=iterations)
        dreamer = self._pool.ready(wanted) or self._pool.last(wanted)
        fading: LiveDreamer | None = None
        if snapshot.previous is not None and snapshot.crossfade < 1.0:
            fading = self._pool.ready(
                wanted.replace(
                    network=snapshot.previous.network, objective=snapshot.previous.objective
                )
            )
        picture = dreamer.picture(request.rgb)
        residual = _on(picture, carried)
        if fading is None or fading is dreamer:
            joined = dreamer.grow(picture, residual)
            return _steps(joined.residual), joined.level
        if wanted.half_life >= _SHORT_HALF_LIFE_S:
            # In turn, as often as each is due: what is carried mixes them, at no cost.
            self._turn += snapshot.crossfade
            chosen = dreamer if self._turn >= 1.0 else fading
            self._turn -= 1.0 if self._turn >= 1.0 else 0.0
            joined = chosen.grow(picture, residual)
            return _steps(joined.residual), joined.level
        old, new = fading.grow(picture, residual.clone()), dreamer.grow(picture, residual)
        mixed = torch.lerp(old.residual, new.residual, snapshot.crossfade)
        level = float(mixed.square().mean().sqrt()) * 255.0
        wanted_level = old.level + (new.level - old.level) * snapshot.crossfade
        if level > 0:
            mixed *= wanted_level / level
        return _steps(mixed), wanted_level


def _by(plan: Plan, dream: DreamSettings) -> DreamSettings:
    """The sizes of the plan, everything else as it is set."""
    return dream.replace(
        size=f"{plan.size[0]}x{plan.size[1]}", octaves=plan.octaves,
        octave_scale=plan.octave_scale, jitter=plan.jitter,
    )  # fmt: skip


def _on(picture: Tensor, carried: Steps | None) -> Tensor:
    """The carried residual as the dreamer takes it, as far as it can be shown on `picture`."""
    if carried is None or carried.shape[:2] != tuple(picture.shape[2:]):
        return torch.zeros_like(picture)
    residual = torch.from_numpy(carried).to(picture.device).permute(2, 0, 1)[None].contiguous()
    # What cannot be shown would come back as a ghost.
    return residual.div_(255.0).add_(picture).clamp_(0.0, 1.0).sub_(picture)


def _steps(residual: Tensor) -> Steps:
    """(1, 3, h, w) in units of the picture as (h, w, 3) in 8-bit steps, in main memory."""
    found = (residual[0] * 255.0).permute(1, 2, 0).contiguous().cpu().numpy()
    return np.asarray(found, np.float32)


def _yield_to_frames() -> None:
    """Frames come first where the processor is shared: Linux has a niceness for each thread."""
    import os
    import sys

    if sys.platform == "linux":
        me = threading.get_native_id()
        nice = os.getpriority(os.PRIO_PROCESS, me) + _YIELDING
        os.setpriority(os.PRIO_PROCESS, me, min(19, nice))
