"""The dream's thread waits for what another size needs, and goes on meanwhile as before."""

import threading
from collections.abc import Callable

import pytest
from live_stage import FakeDreamer, Stage
from waiting import PATIENCE_S, until

from livedream.core.grade import GradeSettings
from livedream.core.settings import DreamSettings
from livedream.core.snapshot import Snapshot
from livedream.dream.ascent import Plan


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
    stage.dreamer.unprepared = {(48, 27)}
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
    stage.dreamer.unprepared = {(48, 27)}
    wanting.want(48, 27, octaves=1, iterations=1.0)
    assert wanting.dream() == ((64, 36), 1)
    assert stage.dreamer.iterations == [2, 1]


def test_what_is_to_be_more_comes_with_the_size(stage: Stage, wanting: Wanting) -> None:
    wanting.dream()
    stage.dreamer.unprepared = {(60, 34)}
    wanting.want(60, 34, octaves=3, iterations=4.0)
    assert wanting.dream() == ((64, 36), 2)
    stage.dreamer.unprepared = set()
    assert wanting.dream() == ((60, 34), 3)
    assert stage.dreamer.iterations == [2, 2, 4]


def test_iterations_alone_change_at_once(stage: Stage, wanting: Wanting) -> None:
    wanting.dream()
    stage.dreamer.unprepared = {(48, 27)}
    wanting.want(64, 36, iterations=5.0)
    wanting.dream()
    assert stage.dreamer.iterations == [2, 5]


@pytest.mark.parametrize("start", [True, False])
def test_nothing_is_waited_for_where_there_is_nothing_to_go_on_with(
    stage: Stage, wanting: Wanting, start: bool
) -> None:
    """At the start, and where the dream before took the slower way itself."""
    stage.dreamer.slower, stage.dreamer.unprepared = True, {(48, 27)}
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
        stage.dreamer.unprepared = {(width, 30)}  # what was wanted before has been made by now
        reached.append(wanting.dream()[0][0])
    assert reached == [64, 62, 62, 58, 58, 54, 54, 50]


def test_a_plan_has_the_octave_scale_and_the_jitter_that_it_was_prepared_with(
    stage: Stage, wanting: Wanting
) -> None:
    wanting.dream()
    stage.dreamer.unprepared = {(48, 27)}
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
        0.0, stage.settings.replace(network="other"), GradeSettings(), stage.settings, 0.5
    )

    def until_dreamed(true: Callable[[], bool]) -> None:
        until(lambda: stage.frame(snapshot=fading) or true())  # type: ignore[func-returns-value]

    def was_asked(dreamer: FakeDreamer) -> bool:
        return dreamer.asked[-1].size == (48, 27)

    try:
        until_dreamed(lambda: bool(other) and bool(other[0].sizes))
        both = stage.dreamer, other[0]
        for waiting in both:
            waiting.unprepared = {(48, 27)}
        after = wanting.want(48, 27)
        for waiting in both:
            until_dreamed(lambda: all(was_asked(one) for one in both))
            dreams = stage.dreaming.shown(0.0).dreams
            until_dreamed(lambda so_far=dreams: stage.dreaming.shown(0.0).dreams > so_far + 2)  # type: ignore[misc]
            assert stage.dreaming.plan is not None and stage.dreaming.plan.size == (64, 36)
            waiting.unprepared = set()
        until_dreamed(lambda: stage.dreaming.plan == after)
    finally:
        stage.dreaming.close(PATIENCE_S)
