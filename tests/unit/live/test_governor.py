"""The governor on machines made of figures: it holds the dream's time and does not hunt."""

from itertools import pairwise

import pytest

from livedream.core.settings import DreamSettings
from livedream.dream.ascent import Plan
from livedream.live.governor import Governor, ladder


class Machine:
    """Dreams one after the other. cost_s: seconds for a cost of a million."""

    def __init__(self, cost_s: float, settings: DreamSettings | None = None) -> None:
        self.now = 0.0
        self.cost_s = cost_s
        self.settings = settings or DreamSettings()
        self.governor = Governor(25, lambda: self.now)
        self.taken: list[tuple[float, float, Plan]] = []

    def run(self, seconds: float, busy: float = 0.5) -> None:
        end = self.now + seconds
        while self.now < end:
            plan = self.governor.plan(self.settings, 640, 360)
            took = 0.004 + plan.cost * self.cost_s / 1e6
            frames = max(1, round(took / 0.04))
            self.now += max(took, 0.04)
            self.governor.dreamed(plan, took)
            for _ in range(frames):
                self.governor.shown(0.04 * busy)
            self.taken.append((self.now, took, plan))

    def times(self, after: float) -> list[float]:
        return [took for at, took, _ in self.taken if at > after]

    def plans(self, after: float) -> list[Plan]:
        return [plan for at, _, plan in self.taken if at > after]


@pytest.mark.parametrize("momentum", [0.0, 0.06])
def test_the_ladder_goes_from_what_is_asked_down_and_each_rung_is_cheaper(
    momentum: float,
) -> None:
    rungs = ladder(DreamSettings(octaves=3, iterations=4, momentum=momentum), 1280, 720)
    assert rungs[0].size == (640, 360)
    assert (rungs[0].octaves, rungs[0].iterations) == (3, 4.0)
    costs = [rung.cost for rung in rungs]
    assert costs == sorted(costs, reverse=True)
    ratios = [low / high for high, low in pairwise(costs)]
    assert min(ratios) > 0.6
    assert rungs[-1].octaves == (2 if momentum else 1)  # in turn, two cost less than one
    assert min(rungs[-1].size) >= 96
    assert costs[-1] < costs[0] / 20


def test_a_plan_is_eased_by_iterations_first_then_by_octaves_and_never_by_its_size() -> None:
    plan = Plan((640, 360), 3, 4.0, 1.4, 16)
    assert plan.eased(2 * plan.cost) == plan
    half = plan.eased(plan.cost / 2)
    assert (half.octaves, half.iterations) == (3, 2.0)
    less = plan.eased(plan.cost / 4.5)
    assert (less.octaves, less.iterations) == (2, 1.0)
    assert 0.9 * plan.cost / 4.5 < less.cost <= plan.cost / 4.5
    least = plan.eased(0.0)
    assert (least.size, least.octaves, least.iterations) == ((640, 360), 1, 1.0)


def test_a_picture_smaller_than_the_dream_is_the_limit() -> None:
    assert ladder(DreamSettings(size="360p"), 160, 90)[0].size == (160, 90)


@pytest.mark.parametrize("cost_s", [0.02, 0.1, 0.3, 0.8])
def test_dreams_come_twelve_times_a_second_or_so_and_stay_there(cost_s: float) -> None:
    machine = Machine(cost_s)
    machine.run(60)
    late = machine.times(20)
    assert max(late) < 0.110
    if machine.plans(20)[-1] != ladder(machine.settings, 640, 360)[0]:
        assert min(late) > 0.035
    changes = sum(a != b for a, b in pairwise(machine.plans(20)))
    assert changes <= 4


@pytest.mark.parametrize("share", [1.05, 1.5])
def test_every_frame_gets_a_dream_as_long_as_its_size_is_a_good_part_of_what_is_asked(
    share: float,
) -> None:
    asked = ladder(DreamSettings(), 640, 360)[0]
    machine = Machine(1e6 * 0.036 * share / asked.cost)  # what is asked takes so much too long
    machine.run(60)
    assert max(machine.times(20)) < 0.043
    assert 0.7 * 360 < machine.plans(20)[-1].size[1] < 360


def test_where_a_smaller_dream_would_be_needed_they_come_less_often_instead() -> None:
    asked = ladder(DreamSettings(), 640, 360)[0]
    machine = Machine(1e6 * 0.036 * 3 / asked.cost)
    machine.run(60)
    assert 0.05 < machine.times(20)[-1] < 0.09
    assert machine.plans(20)[-1].size[1] > 0.65 * 360


def test_a_fast_camera_does_not_make_the_dream_smaller_than_a_slow_one_does() -> None:
    machine = Machine(0.1)
    machine.governor = Governor(120, lambda: machine.now)
    machine.run(60, busy=0.1)
    assert machine.plans(20)[-1].size[1] > 0.7 * 360


def test_one_dream_that_is_late_by_a_little_changes_nothing() -> None:
    machine = Machine(0.1)
    machine.run(20)
    plan = machine.plans(19)[-1]
    machine.governor.dreamed(plan, 0.07)
    assert machine.governor.plan(machine.settings, 640, 360) == plan


def test_on_a_device_of_its_own_a_dream_takes_six_tenths_of_a_frame_s_time() -> None:
    asked = ladder(DreamSettings(), 640, 360)[0]
    for fps, wanted_s in ((25, 0.024), (50, 0.012)):
        machine = Machine(1e6 * (1.5 * wanted_s - 0.004) / asked.cost)
        machine.governor = Governor(fps, lambda m=machine: m.now, shared=False)  # type: ignore[misc]
        machine.run(60, busy=0.1)
        assert max(machine.times(20)) < 1.2 * wanted_s
        assert 0.7 * 360 < machine.plans(20)[-1].size[1] < 360


def test_a_fast_device_gets_everything_at_once() -> None:
    machine = Machine(0.002)
    machine.run(2.0)
    assert machine.plans(1.5)[-1] == ladder(machine.settings, 640, 360)[0]
    assert machine.governor.words() == "full quality"


def test_when_half_of_the_machine_is_taken_it_steps_down_within_two_dreams_and_comes_back() -> None:
    machine = Machine(0.2)
    machine.run(20)
    before = machine.plans(19)[-1]
    machine.cost_s = 0.45
    machine.run(10)
    slow = [took for at, took, _ in machine.taken if at > 20 and took > 0.11]
    assert len(slow) <= 3
    assert max(machine.times(22)) < 0.115
    machine.cost_s = 0.2
    machine.run(30)
    assert machine.plans(58)[-1].cost >= 0.8 * before.cost


def test_frames_that_take_too_long_get_a_smaller_flow_and_later_a_larger_one() -> None:
    machine = Machine(0.2)
    machine.run(5, busy=0.95)
    small = machine.governor.flow_size(machine.settings, 640, 360)
    assert small < (640, 360)
    machine.run(30, busy=0.3)
    assert machine.governor.flow_size(machine.settings, 640, 360) == (640, 360)


def test_memory_that_runs_out_halves_the_dream_and_is_not_tried_again_for_a_minute() -> None:
    machine = Machine(0.002)
    machine.run(3)
    full = machine.plans(2)[-1]
    machine.governor.overflowed()
    machine.run(30)
    assert machine.plans(32)[-1].cost <= 0.5 * full.cost
    assert "memory" in machine.governor.words()
    machine.run(60)
    assert machine.plans(90)[-1].cost == full.cost
    machine.governor.overflowed()
    machine.cost_s = 60.0  # hours later it is the speed that is wanting
    machine.run(600)
    assert "memory" not in machine.governor.words()


def test_what_it_saves_is_said_in_plain_words() -> None:
    machine = Machine(0.5)
    machine.run(10)
    height = machine.plans(9)[-1].size[1]
    assert height < 360
    assert machine.governor.words() == f"reduced to {height}p to keep the frame rate"
    machine.run(5, busy=0.95)
    assert "p and 64% of the flow size to keep" in machine.governor.words()
    machine = Machine(60.0)
    machine.run(60)
    assert machine.governor.words().endswith("still too slow")


def test_other_settings_go_on_at_what_the_machine_can() -> None:
    machine = Machine(0.6)
    machine.run(10)
    cost = machine.plans(9)[-1].cost
    machine.settings = DreamSettings(size="720p", iterations=6)
    plan = machine.governor.plan(machine.settings, 1280, 720)
    assert plan.cost < 1.1 * cost


def test_without_momentum_octaves_no_longer_take_turns() -> None:
    machine = Machine(60.0, DreamSettings(momentum=0.06))
    machine.run(60)
    machine.settings = DreamSettings(momentum=0.0)
    machine.run(60)
    assert machine.plans(119)[-1].octaves == 1


def test_strength_and_half_life_are_no_part_of_a_plan() -> None:
    wanted = {"size", "octaves", "iterations", "octave_scale", "jitter", "in_turn"}
    assert set(Plan.__slots__) == wanted


def test_dreams_rest_where_frames_come_late_on_the_same_processor() -> None:
    for shared, wanted in ((True, True), (False, False)):
        machine = Machine(0.02)
        machine.governor = Governor(25, lambda m=machine: m.now, shared=shared)  # type: ignore[misc]
        machine.run(5, busy=0.5)
        assert machine.governor.pause_s() == 0.0
        machine.run(10, busy=1.2)
        assert (machine.governor.pause_s() > 0.0) is wanted
        assert machine.governor.pause_s() < 0.11
