"""The dream's thread, with a dreamer made for the test: arrival, memory, faults, two networks."""

import threading
import time
from collections.abc import Callable, Iterator
from itertools import pairwise

import numpy as np
import pytest
import torch
from torch import Tensor

from livedream.dream.strength import Joined
from livedream.errors import NetworkError, ObjectiveError
from livedream.frame import Motion, Picture
from livedream.live.board import Snapshot
from livedream.live.cast import Cast
from livedream.live.dreaming import Dreaming, Moment
from livedream.live.governor import Governor, Plan
from livedream.live.look import LookSettings
from livedream.pipeline import DreamState
from livedream.settings import DreamSettings

SIZE = (64, 36)


class FakeDreamer:
    """Paints `value` (8-bit steps) on top of nothing; waits until it is let go on."""

    def __init__(self, settings: DreamSettings, value: float = 10.0) -> None:
        self._settings = settings
        self.state = DreamState()
        self.value = value
        self.go = threading.Semaphore(0)
        self.begun = threading.Semaphore(0)
        self.carried: list[Tensor] = []
        self.faults: list[Exception] = []
        self.sizes: list[tuple[int, int]] = []
        self.iterations: list[int] = []
        self.by_the_way, self.slower = 0, False
        self.unprepared: set[str] = set()  # sizes
        self.asked: list[DreamSettings] = []

    @property
    def settings(self) -> DreamSettings:
        return self._settings

    @property
    def detours(self) -> int:
        return self.by_the_way

    def prepare(self, settings: DreamSettings, width: int, height: int) -> bool:
        self.asked.append(settings)
        return settings.size not in self.unprepared

    def adopt(self, settings: DreamSettings) -> None:
        if "nothing" in settings.objective:
            raise ObjectiveError("there is none", text=settings.objective, position=0)
        self._settings = settings

    def picture(self, rgb: Picture) -> Tensor:
        width, height = (int(part) for part in self._settings.size.split("x"))
        return torch.full((1, 3, height, width), 0.5)

    def grow(self, picture: Tensor, carried: Tensor) -> Joined:
        self.begun.release()
        assert self.go.acquire(timeout=5)
        self.sizes.append((picture.shape[3], picture.shape[2]))
        self.iterations.append(self._settings.iterations)
        if self.faults:
            raise self.faults.pop(0)
        self.by_the_way += self.slower
        self.carried.append(carried.clone())
        residual = torch.zeros_like(picture)
        residual[:, :, :, : picture.shape[3] // 2] = self.value / 255.0
        return Joined(residual, self.value, 1.0)


class Stage:
    """Dreaming with its loop's side in the test's hands."""

    def __init__(self, make: Callable[[DreamSettings], FakeDreamer] | None = None) -> None:
        self.settings = DreamSettings(size="64x36", half_life=1.0, iterations=1, octaves=1)
        self.dreamer = FakeDreamer(self.settings)
        self.governor = Governor(25)
        self.cast = Cast(self.dreamer, make or FakeDreamer)
        self.dreaming = Dreaming(self.cast, self.dreamer, self.governor, 0.04)
        self.index = 0
        self.dreaming.start()

    def frame(self, motion: Motion | None = None, snapshot: Snapshot | None = None) -> None:
        snapshot = snapshot or Snapshot(0.0, self.settings, LookSettings())
        rgb = np.full((SIZE[1], SIZE[0], 3), 128, np.uint8)
        moment = Moment(rgb, 100.0 + 0.04 * self.index, self.index, snapshot)
        self.dreaming.advance(moment, motion, None, 0.04)
        self.index += 1

    def arrive(self, dreamer: FakeDreamer | None = None) -> None:
        """Let the dream in the making arrive."""
        before = self.dreaming.shown(time.monotonic()).dreams
        dreamer = dreamer or self.dreamer
        dreamer.go.release()
        until = time.monotonic() + 5
        while self.dreaming.shown(time.monotonic()).dreams == before:
            assert time.monotonic() < until
            time.sleep(0.002)

    def begun(self, dreamer: FakeDreamer | None = None) -> None:
        assert (dreamer or self.dreamer).begun.acquire(timeout=5)

    def later(self) -> np.ndarray:
        """What is shown once the newest dream has come in fully."""
        steps = self.dreaming.shown(time.monotonic() + 10).steps
        assert steps is not None
        return steps


@pytest.fixture
def stage() -> Iterator[Stage]:
    stage = Stage()
    yield stage
    for _ in range(20):
        stage.dreamer.go.release()
    stage.dreaming.close(5.0)
    assert not stage.dreaming._thread.is_alive()


def shift(x: float) -> Motion:
    flow = np.zeros((2, SIZE[1], SIZE[0]), np.float32)
    flow[0] = -x
    return Motion(flow, np.ones((SIZE[1], SIZE[0]), np.float32))


def test_a_late_dream_is_shown_where_its_frame_has_moved_to(stage: Stage) -> None:
    stage.frame()
    stage.begun()
    assert stage.dreaming.shown(time.monotonic()).steps is None
    for _ in range(4):
        stage.frame(shift(2.0))
    stage.arrive()
    shown = stage.later()
    assert shown[18, 36, 0] == pytest.approx(10, abs=0.5)
    assert abs(shown[18, 44, 0]) < 0.5


def test_the_newest_frame_is_dreamed_next_with_what_has_faded_meanwhile(stage: Stage) -> None:
    stage.frame()
    stage.begun()
    for _ in range(25):
        stage.frame()
    stage.arrive()
    stage.begun()
    stage.arrive()
    carried = stage.dreamer.carried[1]
    # One second and a half-life of one.
    assert float(carried[0, 0, 18, 10]) * 255 == pytest.approx(5.0, abs=0.1)
    assert stage.dreaming.shown(time.monotonic()).dreamed_s == pytest.approx(101.0)


def test_between_two_dreams_nothing_fades(stage: Stage) -> None:
    stage.frame()
    stage.begun()
    stage.arrive()
    first = stage.later()[18, 10, 0]
    for _ in range(50):
        stage.frame()
    assert stage.later()[18, 10, 0] == first


def test_a_cut_leaves_nothing_and_a_dream_begun_before_it_is_let_go(stage: Stage) -> None:
    stage.frame()
    stage.begun()
    stage.arrive()
    stage.frame()
    stage.begun()
    cut = Motion(np.zeros((2, 36, 64), np.float32), np.zeros((36, 64), np.float32), cut=True)
    stage.frame(cut)
    stage.dreamer.go.release()
    stage.begun()
    assert stage.dreaming.shown(time.monotonic()).steps is None
    stage.arrive()
    assert float(stage.dreamer.carried[-1].abs().max()) == 0.0


def test_reset_does_the_same(stage: Stage) -> None:
    stage.frame()
    stage.begun()
    stage.arrive()
    stage.frame(
        snapshot=Snapshot(0.0, stage.settings, LookSettings(), triggers=frozenset(["reset"]))
    )
    assert stage.dreaming.shown(time.monotonic()).steps is None


def test_a_new_dream_comes_in_without_a_jump(stage: Stage) -> None:
    stage.frame()
    stage.begun()
    stage.arrive()
    stage.dreaming._interval_s = 0.25
    stage.dreamer.value = 20.0
    stage.frame()
    stage.begun()
    stage.arrive()
    now = stage.dreaming._shared.base.arrived_s  # type: ignore[union-attr]
    values = []
    for share in (0.0, 0.2, 0.4, 0.6, 0.8, 1.0):
        steps = stage.dreaming.shown(now + 0.25 * share).steps
        assert steps is not None
        values.append(float(steps[18, 10, 0]))
    assert 10.0 <= values[0] < 13.0
    assert values[-1] == pytest.approx(20.0)
    assert max(b - a for a, b in pairwise(values)) < 4.0


def test_memory_that_runs_out_makes_the_next_dream_smaller(stage: Stage) -> None:
    stage.settings = stage.settings.replace(size="360p", iterations=3)
    stage.dreamer.faults = [torch.OutOfMemoryError("out of memory")]
    stage.governor._warm = 10
    snapshot = Snapshot(0.0, stage.settings, LookSettings())
    rgb = np.full((360, 640, 3), 128, np.uint8)
    stage.governor.plan(stage.settings, 640, 360)
    stage.governor._level = 0
    for index in range(2):
        stage.dreaming.advance(Moment(rgb, 100.0 + index, index, snapshot), None, None, 0.04)
        stage.begun()
        stage.dreamer.go.release()
    stage.dreaming.close(5.0)
    assert len(stage.dreamer.sizes) == 2
    assert stage.dreamer.sizes[0] == (640, 360)
    assert "memory" in stage.governor.words()


def test_what_a_dream_took_by_the_slower_way_says_nothing(stage: Stage) -> None:
    told: list[float] = []
    stage.governor.dreamed = lambda plan, seconds: told.append(seconds)  # type: ignore[method-assign]
    for slower, count in ((True, 0), (True, 0), (False, 1)):
        stage.dreamer.slower = slower
        stage.frame()
        stage.begun()
        stage.arrive()
        assert len(told) == count


class Wanting:
    """A governor that wants what the test wants, and remembers what it was told."""

    def __init__(self, stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
        self.plan = Plan((64, 36), 2, 2.0, 1.4, 16)
        self.told: list[Plan] = []
        monkeypatch.setattr(stage.governor, "plan", lambda *_: self.plan)
        monkeypatch.setattr(stage.governor, "dreamed", lambda plan, _: self.told.append(plan))
        self._stage = stage

    def dream(self, snapshot: Snapshot | None = None) -> tuple[tuple[int, int], int]:
        """One more: its size and its octaves."""
        self._stage.frame(snapshot=snapshot)
        self._stage.begun()
        self._stage.arrive()
        return self._stage.dreamer.sizes[-1], self._stage.dreamer.settings.octaves

    def want(self, width: int, height: int, octaves: int = 2, iterations: float = 2.0) -> Plan:
        self.plan = Plan((width, height), octaves, iterations, 1.4, 16)
        return self.plan


@pytest.fixture
def wanting(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> Wanting:
    return Wanting(stage, monkeypatch)


def test_another_size_is_waited_for_and_comes(stage: Stage, wanting: Wanting) -> None:
    assert wanting.dream() == ((64, 36), 2)
    stage.dreamer.unprepared = {"48x27"}
    before, after = wanting.plan, wanting.want(48, 27)
    for _ in range(3):
        assert wanting.dream() == ((64, 36), 2)
    # What was dreamed meanwhile had the old price, with a graph made beside.
    assert wanting.told == [before]
    stage.dreamer.unprepared = set()
    assert wanting.dream() == ((48, 27), 2)
    assert wanting.told == [before, after]


def test_meanwhile_steps_and_octaves_save_what_the_size_is_to_save(
    stage: Stage, wanting: Wanting
) -> None:
    wanting.dream()
    stage.dreamer.unprepared = {"48x27"}
    wanting.want(48, 27, octaves=1, iterations=1.0)
    assert wanting.dream() == ((64, 36), 1)
    assert stage.dreamer.iterations == [2, 1]


def test_what_is_to_be_more_comes_with_the_size(stage: Stage, wanting: Wanting) -> None:
    wanting.dream()
    stage.dreamer.unprepared = {"60x34"}
    wanting.want(60, 34, octaves=3, iterations=4.0)
    assert wanting.dream() == ((64, 36), 2)
    stage.dreamer.unprepared = set()
    assert wanting.dream() == ((60, 34), 3)
    assert stage.dreamer.iterations == [2, 2, 4]


def test_iterations_alone_change_at_once(stage: Stage, wanting: Wanting) -> None:
    wanting.dream()
    stage.dreamer.unprepared = {"48x27"}
    wanting.want(64, 36, iterations=5.0)
    wanting.dream()
    assert stage.dreamer.iterations == [2, 5]


@pytest.mark.parametrize("start", [True, False])
def test_nothing_is_waited_for_where_there_is_nothing_to_go_on_with(
    stage: Stage, wanting: Wanting, start: bool
) -> None:
    """At the start, and where the dream before took the slower way itself."""
    stage.dreamer.slower, stage.dreamer.unprepared = True, {"48x27"}
    if not start:
        wanting.dream()
    wanting.want(48, 27)
    assert wanting.dream() == ((48, 27), 2)


def test_what_is_awaited_comes_before_what_is_wanted_next(stage: Stage, wanting: Wanting) -> None:
    """A glide that never rests would otherwise never move."""
    wanting.dream()
    reached = []
    for width in range(62, 46, -2):
        wanting.want(width, 30)
        stage.dreamer.unprepared = {f"{width}x30"}  # what was wanted before has been made by now
        reached.append(wanting.dream()[0][0])
    assert reached == [64, 62, 62, 58, 58, 54, 54, 50]


def test_a_plan_has_the_octave_scale_and_the_jitter_that_it_was_prepared_with(
    stage: Stage, wanting: Wanting
) -> None:
    wanting.dream()
    stage.dreamer.unprepared = {"48x27"}
    wanting.plan = Plan((48, 27), 2, 2.0, 1.8, 30)
    wanting.dream()
    assert (stage.dreamer.settings.octave_scale, stage.dreamer.settings.jitter) == (1.4, 16)
    stage.dreamer.unprepared = set()
    wanting.dream()
    assert (stage.dreamer.settings.octave_scale, stage.dreamer.settings.jitter) == (1.8, 30)


def test_two_networks_that_fade_both_have_to_be_prepared(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    other: list[FakeDreamer] = []

    def make(settings: DreamSettings) -> FakeDreamer:
        other.append(FakeDreamer(settings))
        other[-1].go = threading.Semaphore(100)
        return other[-1]

    stage = Stage(make)
    stage.dreamer.go = threading.Semaphore(100)
    wanting = Wanting(stage, monkeypatch)
    fading = Snapshot(
        0.0, stage.settings.replace(network="other"), LookSettings(), stage.settings, 0.5
    )

    def until(true: Callable[[], bool]) -> None:
        until_s = time.monotonic() + 5
        while not true():
            assert time.monotonic() < until_s
            stage.frame(snapshot=fading)
            time.sleep(0.01)

    def was_asked(dreamer: FakeDreamer) -> bool:
        return dreamer.asked[-1].size == "48x27"

    try:
        until(lambda: bool(other) and bool(other[0].sizes))
        both = stage.dreamer, other[0]
        for waiting in both:
            waiting.unprepared = {"48x27"}
        after = wanting.want(48, 27)
        for waiting in both:
            until(lambda: all(was_asked(one) for one in both))
            dreams = stage.dreaming.shown(0.0).dreams
            until(lambda so_far=dreams: stage.dreaming.shown(0.0).dreams > so_far + 2)  # type: ignore[misc]
            assert stage.dreaming.plan is not None and stage.dreaming.plan.size == (64, 36)
            waiting.unprepared = set()
        until(lambda: stage.dreaming.plan == after)
    finally:
        stage.dreaming.close(5.0)


def test_a_fault_is_told_and_the_dream_goes_on(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("livedream.live.dreaming._RETRY_S", 0.05)
    stage.dreamer.faults = [RuntimeError("device lost")]
    stage.frame()
    stage.begun()
    stage.dreamer.go.release()
    until = time.monotonic() + 5
    while not stage.dreaming.note:
        assert time.monotonic() < until
        time.sleep(0.002)
    assert "device lost" in stage.dreaming.note
    stage.frame()
    stage.begun()
    stage.arrive()


def test_an_objective_that_is_not_there_leaves_the_one_before(stage: Stage) -> None:
    wrong = stage.settings.replace(objective="nothing")
    stage.frame(snapshot=Snapshot(0.0, wrong, LookSettings()))
    stage.begun()
    stage.arrive()
    assert "there is none" in stage.cast.notes["objective"]
    assert stage.dreamer.settings.objective == ""


def test_two_networks_dream_in_turn_as_often_as_each_is_due() -> None:
    other: list[FakeDreamer] = []

    def make(settings: DreamSettings) -> FakeDreamer:
        other.append(FakeDreamer(settings, 30.0))
        other[-1].go = threading.Semaphore(100)
        return other[-1]

    stage = Stage(make)
    stage.dreamer.go = threading.Semaphore(100)
    try:
        new = stage.settings.replace(network="other")
        fading = Snapshot(0.0, new, LookSettings(), stage.settings, 0.25)
        for _ in range(60):
            stage.frame(snapshot=fading)
            time.sleep(0.01)
        first, second = len(stage.dreamer.carried), len(other[0].carried)
        assert second > 5
        assert 0.15 < second / (first + second) < 0.3
        assert other[0].state is stage.dreamer.state
    finally:
        stage.dreaming.close(5.0)


def test_a_network_that_cannot_be_had_is_told_and_the_old_one_dreams_on() -> None:
    def make(settings: DreamSettings) -> FakeDreamer:
        raise NetworkError("no such network")

    stage = Stage(make)
    stage.dreamer.go = threading.Semaphore(100)
    try:
        wanted = Snapshot(0.0, stage.settings.replace(network="other"), LookSettings())
        for _ in range(20):
            stage.frame(snapshot=wanted)
            time.sleep(0.01)
        assert len(stage.dreamer.carried) > 5
        assert "no such network" in stage.cast.notes["network"]
    finally:
        stage.dreaming.close(5.0)
