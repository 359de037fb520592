"""A live loop in lock-step, for `hash_dreams.py`: the real pieces, on a clock that stands still.

The loop runs in the thread that calls `play`, dreams in theirs, as in a show; yet each waits for
the other, so that the same show gives the same bytes.
"""

import threading
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, Final
from unittest.mock import patch

from livedream import Dreamer, DreamSettings
from livedream.capture.live import Captured
from livedream.control.live_parameters import LiveParameters
from livedream.control.modulation import Modulation
from livedream.control.tempo import Tempo
from livedream.core.frame import Motion, Picture
from livedream.core.health import Status
from livedream.core.latest_slot import SlotClosed
from livedream.core.snapshot import Snapshot
from livedream.dream.ascent import Plan
from livedream.flow import open_flow
from livedream.live.dream_worker import DreamOverlay, DreamWorker
from livedream.live.dreamer_pool import LiveDreamerPool
from livedream.live.governor import Governor
from livedream.live.idle import Attract, StillWatch
from livedream.live.loop import LiveLoop, Wiring
from livedream.present.live import LiveFrame
from livedream.present.live.flash import FlashLimiter
from livedream.region.planes import Planes
from livedream.warp.travel import Travel

LOST: Final = range(26, 42)  # of the pictures: those that do not come

Actions = Mapping[int, Callable[[LiveParameters], None]]  # by the number of the picture


class Clock:
    """Stands still until it is told otherwise."""

    def __init__(self) -> None:
        self.now_s = 1000.0

    def __call__(self) -> float:
        return self.now_s


class Stage:
    """A live loop in lock-step: the slot it reads from, and the gate its dreams wait at.

    The clock moves here only, while the loop and the dream's thread both wait.  pace: how many
    frames each dream takes, in turn; 0 where every dream is ready within its own frame.
    """

    period_s: Final = 0.04
    asking = ""  # the network that is to be prepared
    dropped = 0

    def __init__(self, pictures: list[Picture], actions: Actions, pace: list[int]) -> None:
        self.clock = Clock()
        self.pictures, self.actions, self.pace = pictures, actions, pace
        self.parameters: Any = None
        self.known: set[threading.Thread] = set()
        self._begun, self._go = threading.Semaphore(0), threading.Semaphore(0)
        self._at_gate = self.is_open = False
        self._newest = self._begun_at = -1
        self._waited = self._dreams = self._calls = 0

    def get(self, timeout_s: float | None = None) -> Captured | None:
        """The next picture, as `LatestSlot.get` gives it; None where the source is lost."""
        if self._newest >= 0 and self.pace != [0]:
            self._dream_on()
        for made in set(threading.enumerate()) - self.known:
            made.join(60)  # networks on their way
        self.clock.now_s += self.period_s
        index, self._calls = self._calls, self._calls + 1
        if index >= len(self.pictures):
            raise SlotClosed
        if index in self.actions:
            self.actions[index](self.parameters)
        if index in LOST:
            return None
        return Captured(self.pictures[index], self.clock.now_s, index)

    def _dream_on(self) -> None:
        """Let the dream at the gate arrive once its time is over, and the next one begin."""
        self._waited += 1
        pace = self.pace[self._dreams % len(self.pace)]
        if self._newest > self._begun_at and self._waited > pace:
            self.clock.now_s += 0.005
            self._at_gate, self._waited, self._dreams = False, 1, self._dreams + 1
            self._go.release()
            self._wait_for_gate()

    def _wait_for_gate(self) -> None:
        if not self._at_gate:
            if not self._begun.acquire(timeout=60):
                raise RuntimeError("no dream began within a minute")
            self._at_gate, self._begun_at = True, self._newest

    def dream(self) -> None:
        """In the dream's thread, before it grows."""
        if self.pace == [0]:
            self._dreams += 1
            self.clock.now_s += 0.008 if self._dreams % 12 < 9 else 0.15
        elif not self.is_open:
            self._begun.release()
            self._go.acquire(timeout=60)

    def advanced(self, dreaming: DreamWorker, index: int) -> None:
        self._newest = index
        if self.pace == [0]:
            dreaming.wait_for(index, 60)
        else:
            self._wait_for_gate()

    def close(self) -> None:
        self.is_open = True
        self._go.release()


class StagedDreamer(Dreamer):
    """A dreamer that waits at the gate, and is never prepared when it is first asked."""

    def __init__(self, settings: DreamSettings, stage: Stage) -> None:
        super().__init__(settings)
        self._stage = stage
        self._asked: set[tuple[object, ...]] = set()

    def prepare(self, plan: Plan) -> bool:
        asked = (self._stage.asking, plan.size, plan.octaves)
        there = asked in self._asked
        self._asked.add(asked)
        return there and super().prepare(plan)

    def _grow(self, picture: Any, carried: Any, planes: Any) -> Any:  # a crossfade does so twice
        self._stage.dream()
        return super()._grow(picture, carried, planes)


class StagedPool(LiveDreamerPool):
    """Makes dreamers for the stage, and says for which network one is asked to prepare."""

    def __init__(self, settings: DreamSettings, stage: Stage) -> None:
        super().__init__(StagedDreamer(settings, stage), partial(StagedDreamer, stage=stage))
        self._stage = stage

    def prepare(self, network: str, plan: Plan) -> bool:
        self._stage.asking = network
        return super().prepare(network, plan)


class StagedDreaming(DreamWorker):
    """Tells the stage of every frame, and `told` of everything that is laid over it."""

    stage: Stage
    told: Callable[..., None]

    def advance(
        self, frame: Captured, snapshot: Snapshot, motion: Motion | None, travel: Travel | None,
        seconds: float, *, planes: Planes | None = None,
    ) -> None:  # fmt: skip
        super().advance(frame, snapshot, motion, travel, seconds, planes=planes)
        self.stage.advanced(self, frame.index)

    def shown(self, now_s: float, mix: float = 1.0) -> DreamOverlay:
        found = super().shown(now_s, mix)
        self.told(found.steps, found.dreamed_s, found.level, found.dreams)
        if self.plan is not None:
            self.told(self.plan.size, self.plan.octaves, self.plan.iterations)
        return found


def play(
    settings: DreamSettings, pictures: list[Picture], actions: Actions, pace: list[int],
    told: Callable[..., None],
) -> None:  # fmt: skip
    """A show of these pictures; see `Stage`. told: of all that is shown, arrays and figures."""
    stage = Stage(pictures, actions, pace)
    height, width = pictures[0].shape[:2]
    with patch("time.monotonic", stage.clock), patch("time.perf_counter", stage.clock):
        governor = Governor(1 / stage.period_s, stage.clock)
        pool = StagedPool(settings, stage)
        dreaming = StagedDreaming(pool, governor, stage.period_s)
        dreaming.stage, dreaming.told = stage, told
        # No ramp from a network's own objective: what one is may be corrected, dreams stay.
        stage.parameters = LiveParameters(
            settings, clock=stage.clock, own_objective=lambda network: ""
        )
        published: list[Status] = []

        def offer(frame: LiveFrame) -> None:
            told(frame.rgb, frame.captured_s, frame.index)

        wiring = Wiring(
            slot=stage, parameters=stage.parameters, publish=published.append, dreaming=dreaming,  # type: ignore[arg-type]
            governor=governor, flow=open_flow(settings.flow, device=settings.device),
            picture_size=(width, height),
            fps=1 / stage.period_s,
            offers=(offer,), limiter=FlashLimiter(), still=StillWatch(0.5),
            attract=Attract(Modulation(stage.parameters, Tempo(), clock=stage.clock).move).step,
        )  # fmt: skip
        dreaming.start()
        stage.known = set(threading.enumerate())
        try:
            LiveLoop(wiring).run(threading.Event())
        finally:
            stage.close()
            dreaming.close(60)
    if dreaming.note or pool.notes:
        raise RuntimeError(f"live: {dreaming.note} {pool.notes}")
