"""A stage for the dream's thread: a dreamer made for tests, and frames to show it."""

import threading
import time
from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor
from waiting import PATIENCE_S, until

from livedream.capture.live import Captured
from livedream.core.errors import ObjectiveError
from livedream.core.frame import Motion, Picture
from livedream.core.grade import GradeSettings
from livedream.core.prefetch import StageTimer
from livedream.core.settings import DreamSettings
from livedream.core.snapshot import Snapshot
from livedream.core.supervisor import Supervisor
from livedream.dream.ascent import Plan
from livedream.dream.dreamer import Dreamer
from livedream.dream.level import LevelledDream
from livedream.dream.state import DreamState
from livedream.live.dream_worker import DreamWorker
from livedream.live.dreamer_pool import LiveDreamerPool
from livedream.live.governor import Governor
from livedream.region.planes import PlaneReader, Planes

SIZE = (64, 36)


class FakeDreamer(Dreamer):
    """Paints `value` (8-bit steps) on top of nothing; waits until it is let go on."""

    def __init__(self, settings: DreamSettings, value: float = 10.0) -> None:
        self._settings = settings
        self.state, self.timer, self.start_s = DreamState(), StageTimer(), 0.0
        self.warm_up_s = self._wanted = None
        self.planes = PlaneReader()
        self.value = value
        self.go = threading.Semaphore(0)
        self.begun = threading.Semaphore(0)
        self.carried: list[Tensor] = []
        self.momenta: list[Tensor | None] = []  # as they came
        self.device = torch.device("cpu")
        self.faults: list[Exception] = []
        self.sizes: list[tuple[int, int]] = []
        self.iterations: list[int] = []
        self.by_the_way, self.slower = 0, False
        self.unprepared: set[tuple[int, int]] = set()  # sizes
        self.asked: list[Plan] = []

    @property
    def fallbacks(self) -> int:
        return self.by_the_way

    def prepare(self, plan: Plan) -> bool:
        self.asked.append(plan)
        return plan.size not in self.unprepared

    def adopt(self, settings: DreamSettings, *_: object, plan: Plan | None = None) -> None:
        if "nothing" in settings.objective:
            raise ObjectiveError("there is none", text=settings.objective, position=0)
        self._settings = settings if plan is None else plan.applied(settings)
        self._size = None if plan is None else plan.size

    def picture(self, rgb: Picture) -> Tensor:
        assert self._size is not None
        width, height = self._size
        return torch.full((1, 3, height, width), 0.5)

    def on_device(self, rgb: Picture) -> bool:
        return False

    def grow(self, picture: Tensor, carried: Tensor, planes: Planes | None = None) -> LevelledDream:
        self.begun.release()
        assert self.go.acquire(timeout=PATIENCE_S)
        self.sizes.append((picture.shape[3], picture.shape[2]))
        self.iterations.append(self._settings.iterations)
        if self.faults:
            raise self.faults.pop(0)
        self.by_the_way += self.slower
        self.carried.append(carried.clone())
        residual = torch.zeros_like(picture)
        residual[:, :, :, : picture.shape[3] // 2] = self.value / 255.0
        self.momenta.append(self.state.momentum)
        self.state.momentum = residual.clone()
        return LevelledDream(residual, torch.tensor(self.value), torch.ones(()))


class Stage:
    """Dreaming with its loop's side in the test's hands."""

    def __init__(self, make: Callable[[DreamSettings], FakeDreamer] | None = None) -> None:
        self.settings = DreamSettings(size="64x36", half_life=1.0, iterations=1, octaves=1)
        self.dreamer = FakeDreamer(self.settings)
        self.governor = Governor(25)
        self.pool = LiveDreamerPool(self.dreamer, make or FakeDreamer)
        self.dreaming = DreamWorker(self.pool, self.governor, 0.04)
        self.index = 0
        self.supervisor = Supervisor()
        with self.supervisor.current():
            self.dreaming.start()

    def frame(
        self,
        motion: Motion | None = None,
        snapshot: Snapshot | None = None,
        planes: Planes | None = None,
    ) -> None:
        snapshot = snapshot or Snapshot(0.0, self.settings, GradeSettings())
        rgb = np.full((SIZE[1], SIZE[0], 3), 128, np.uint8)
        frame = Captured(rgb, 100.0 + 0.04 * self.index, self.index)
        self.dreaming.advance(frame, snapshot, motion, None, 0.04, planes=planes)
        self.index += 1

    def frame_dreamed(self, snapshot: Snapshot) -> None:
        """A frame, and its own dream."""
        dreams = self.dreaming.shown(time.monotonic()).dreams
        self.frame(snapshot=snapshot)
        self.dreaming.wait_for(self.index - 1, PATIENCE_S)
        assert self.dreaming.shown(time.monotonic()).dreams == dreams + 1

    def arrive(self, dreamer: FakeDreamer | None = None) -> None:
        """Let the dream in the making arrive."""
        before = self.dreaming.shown(time.monotonic()).dreams
        dreamer = dreamer or self.dreamer
        dreamer.go.release()
        until(lambda: self.dreaming.shown(time.monotonic()).dreams > before)

    def begun(self, dreamer: FakeDreamer | None = None) -> None:
        assert (dreamer or self.dreamer).begun.acquire(timeout=PATIENCE_S)

    def later(self) -> np.ndarray:
        """What is shown once the newest dream has come in fully."""
        steps = self.dreaming.shown(time.monotonic() + 10).steps
        assert steps is not None
        return steps
