"""The dream's thread, with a dreamer made for the test: arrival, memory, faults, two networks."""

import sys
import threading
import time
from itertools import pairwise
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from live_stage import SIZE, FakeDreamer, Stage
from waiting import PATIENCE_S, until

from livedream.capture.live import Captured
from livedream.core.errors import NetworkError
from livedream.core.frame import Motion
from livedream.core.grade import GradeSettings
from livedream.core.settings import DreamSettings
from livedream.core.snapshot import Snapshot
from livedream.region.planes import Planes


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


def test_the_momentum_goes_where_its_frame_has_moved_to_and_ends_at_a_cut(stage: Stage) -> None:
    stage.frame()
    stage.begun()
    for _ in range(4):
        stage.frame(shift(2.0))
    stage.arrive()
    stage.begun()
    stage.arrive()
    first, moved = stage.dreamer.momenta
    assert first is None and moved is not None
    assert float(moved[0, 0, 18, 36]) * 255 == pytest.approx(10.0, abs=0.1)
    assert float(moved[0, 0, 18, 44].abs()) < 1e-3
    stage.frame(Motion(np.zeros((2, 36, 64), np.float32), np.zeros((36, 64), np.float32), cut=True))
    stage.begun()
    stage.arrive()
    assert stage.dreamer.momenta[-1] is None


def test_regions_hold_what_is_shown_and_what_is_carried(stage: Stage) -> None:
    """At the frame's own moment, whatever they were when its dream began."""
    top = np.zeros((SIZE[1], SIZE[0]), np.float32)
    top[: SIZE[1] // 2] = 1
    held, free = Planes(top, top, {}), Planes(None, None, {})
    stage.frame()
    stage.begun()
    stage.frame(planes=held)
    stage.arrive()
    shown = stage.later()
    assert (shown[:18, :30] == 10).all() and (shown[18:] == 0).all()
    stage.begun()
    stage.arrive()
    (_, carried) = stage.dreamer.carried
    assert carried[..., :18, :30].min() > 0 and carried[..., 18:, :].abs().max() == 0
    stage.frame(planes=free)
    assert (stage.later()[18:, :30] == 10).all()


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
        snapshot=Snapshot(0.0, stage.settings, GradeSettings(), triggers=frozenset(["reset"]))
    )
    assert stage.dreaming.shown(time.monotonic()).steps is None


def test_a_new_dream_comes_in_without_a_jump(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    now = [1000.0]
    clock = SimpleNamespace(monotonic=lambda: now[0], perf_counter=time.perf_counter)
    monkeypatch.setattr("livedream.live.dream_worker.time", clock)
    for value in (*[10.0] * 20, 20.0):  # four a second
        now[0] += 0.25
        stage.dreamer.value = value
        stage.frame()
        stage.begun()
        stage.arrive()
    values = []
    for share in (0.0, 0.2, 0.4, 0.6, 0.8, 1.0):
        steps = stage.dreaming.shown(now[0] + 0.25 * share).steps
        assert steps is not None
        values.append(float(steps[18, 10, 0]))
    assert 10.0 <= values[0] < 13.0
    assert values[-1] == pytest.approx(20.0)
    assert max(b - a for a, b in pairwise(values)) < 4.0


def test_a_smaller_dream_comes_in_without_a_jump(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [1000.0]
    clock = SimpleNamespace(monotonic=lambda: now[0], perf_counter=time.perf_counter)
    monkeypatch.setattr("livedream.live.dream_worker.time", clock)
    seen = []
    for size, value in (*[("64x36", 20.0)] * 15, *[("32x18", 10.0)] * 10):  # one for every frame
        now[0] += 0.04
        stage.settings, stage.dreamer.value = stage.settings.replace(size=size), value
        stage.frame()
        stage.begun()
        stage.arrive()
        steps = stage.dreaming.shown(now[0]).steps
        assert steps is not None
        seen.append((steps.shape[1], float(steps[steps.shape[0] // 2, 5, 0])))
    sizes, values = zip(*seen, strict=True)
    assert values[14] == pytest.approx(20.0)
    assert values[-1] == pytest.approx(10.0)
    assert max(before - after for before, after in pairwise(values)) < 4.0
    assert sizes[15] == 64  # what it had of detail goes little by little
    assert sizes[-1] == 32


def test_memory_that_runs_out_makes_the_next_dream_smaller(
    stage: Stage, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    held: list[BaseException | None] = []
    monkeypatch.setattr(torch.cuda, "is_initialized", lambda: True)
    monkeypatch.setattr(torch.cuda, "empty_cache", lambda: held.append(sys.exception()))
    stage.settings = stage.settings.replace(size="360p", iterations=3)
    stage.dreamer.faults = [torch.OutOfMemoryError("out of memory")]
    snapshot = Snapshot(0.0, stage.settings, GradeSettings())
    rgb = np.full((360, 640, 3), 128, np.uint8)
    for _ in range(3):  # quick ones, so that everything is dared
        stage.governor.dreamed(stage.governor.plan(stage.settings, 640, 360), 1e-6)
    for index in range(2):
        frame = Captured(rgb, 100.0 + index, index)
        stage.dreaming.advance(frame, snapshot, None, None, 0.04)
        stage.begun()
        stage.dreamer.go.release()
    stage.dreaming.close(PATIENCE_S)
    assert len(stage.dreamer.sizes) == 2
    assert stage.dreamer.sizes[0] == (640, 360)
    assert stage.dreamer.iterations[1] < stage.dreamer.iterations[0] == 3
    assert "memory" in stage.governor.words()
    assert "ran out of memory" in caplog.text
    assert held == [None]  # an error holds what the failed dream had made


def test_what_a_dream_took_by_the_slower_way_says_nothing(stage: Stage) -> None:
    told: list[float] = []
    stage.governor.dreamed = lambda plan, seconds: told.append(seconds)  # type: ignore[method-assign]
    for slower, count in ((True, 0), (True, 0), (False, 1)):
        stage.dreamer.slower = slower
        stage.frame()
        stage.begun()
        stage.arrive()
        assert len(told) == count


def test_a_fault_is_told_and_the_dream_goes_on(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("livedream.live.dream_worker.RETRY_S", 0.05)
    stage.dreamer.faults = [RuntimeError("device lost")]
    stage.frame()
    stage.begun()
    stage.dreamer.go.release()
    until(lambda: stage.dreaming.note)
    assert "device lost" in stage.dreaming.note
    assert stage.dreaming.health().state == "lost"
    stage.frame()
    stage.begun()
    stage.arrive()


def test_a_device_that_only_a_new_process_can_mend_ends_the_show(
    stage: Stage, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("livedream.live.dream_worker.RETRY_S", 0.01)
    stage.dreamer.faults = [torch.AcceleratorError("an illegal memory access") for _ in range(9)]
    for _ in range(9):
        stage.dreamer.go.release()
    until(lambda: stage.frame() or stage.supervisor.failure)  # type: ignore[func-returns-value]
    assert "illegal memory" in str(stage.supervisor.failure)
    assert stage.dreaming.health().state == "lost"
    assert any(record.exc_info for record in caplog.records)


def test_an_objective_that_is_not_there_leaves_the_one_before(stage: Stage) -> None:
    wrong = stage.settings.replace(objective="nothing")
    stage.frame(snapshot=Snapshot(0.0, wrong, GradeSettings()))
    stage.begun()
    stage.arrive()
    assert "there is none" in stage.pool.notes["objective"]
    assert stage.dreamer.settings.objective == ""


def test_two_networks_dream_in_turn_as_often_as_each_is_due() -> None:
    other: list[FakeDreamer] = []

    def make(settings: DreamSettings) -> FakeDreamer:
        other.append(FakeDreamer(settings, 30.0))
        other[-1].go = threading.Semaphore(10_000)
        return other[-1]

    stage = Stage(make)
    stage.dreamer.go = threading.Semaphore(10_000)
    try:
        new = stage.settings.replace(network="other")
        fading = Snapshot(0.0, new, GradeSettings(), stage.settings, 0.25)
        while not (other and other[0].carried):  # it is loaded beside the dream
            stage.frame_dreamed(fading)
        first, second = len(stage.dreamer.carried), len(other[0].carried)
        for _ in range(40):
            stage.frame_dreamed(fading)
        assert len(other[0].carried) - second == pytest.approx(10, abs=1)
        assert len(stage.dreamer.carried) - first == pytest.approx(30, abs=1)
        assert other[0].state is stage.dreamer.state
    finally:
        stage.dreaming.close(PATIENCE_S)


def test_a_network_that_cannot_be_had_is_told_and_the_old_one_dreams_on() -> None:
    def make(settings: DreamSettings) -> FakeDreamer:
        raise NetworkError("no such network")

    stage = Stage(make)
    stage.dreamer.go = threading.Semaphore(10_000)
    try:
        wanted = Snapshot(0.0, stage.settings.replace(network="other"), GradeSettings())
        while "network" not in stage.pool.notes:
            stage.frame_dreamed(wanted)
        assert "no such network" in stage.pool.notes["network"]
        before = len(stage.dreamer.carried)
        for _ in range(5):
            stage.frame_dreamed(wanted)
        assert len(stage.dreamer.carried) == before + 5
    finally:
        stage.dreaming.close(PATIENCE_S)
