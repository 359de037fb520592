"""Timestamps: left alone when sound, repaired one by one when not."""

from fractions import Fraction
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from livedream.media.timing import PtsRepair, shift_of

TICK = Fraction(1, 1000)


def placed(
    times: list[int | None], first: int = 0, length: int | None = None
) -> tuple[list[int], int]:
    clock = PtsRepair(TICK, Fraction(25), first, length)
    return [clock.place(t) for t in times], clock.repaired


def test_sound_times_are_left_alone() -> None:
    assert placed([-5, 0, 17, 18, 900], first=-5) == ([-5, 0, 17, 18, 900], 0)


def test_a_missing_time_is_one_usual_step_on() -> None:
    assert placed([0, None, 80]) == ([0, 40, 80], 1)


def test_the_first_time_missing_is_zero() -> None:
    assert placed([None, 40]) == ([0, 40], 1)


def test_a_step_back_is_repaired() -> None:
    assert placed([0, 40, 30, 120]) == ([0, 40, 80, 120], 1)


def test_a_time_far_behind_the_end_is_not_believed() -> None:
    assert placed([0, 40, 10_000_000, 120], length=2000) == ([0, 40, 80, 120], 1)
    assert placed([0, 40, 3000, 9000], length=2000) == ([0, 40, 3000, 9000], 0)


def test_a_time_before_the_beginning_is_not_believed() -> None:
    assert placed([90, 140], first=100) == ([100, 140], 1)


def test_ordinary_files_are_not_moved() -> None:
    assert shift_of(0, 0, TICK) == 0
    assert shift_of(-21_333, 0, TICK) == 0
    assert shift_of(80_000, 80, TICK) == 0
    assert shift_of(None, None, TICK) == 0


def test_a_late_clock_and_an_early_picture_are_moved_to_zero() -> None:
    assert shift_of(3_600_000_500, 3_600_040, TICK) == 3_600_000
    assert shift_of(-80_000, -80, TICK) == -80


@given(st.lists(st.none() | st.integers(-(10**6), 10**6), max_size=40))
def test_times_always_rise(times: list[int | None]) -> None:
    result, _ = placed(times, first=-(10**6))
    assert all(a < b for a, b in pairwise(result))


@given(st.lists(st.integers(-(10**6), 10**6), max_size=40, unique=True).map(sorted))
def test_rising_times_are_never_touched(times: list[int]) -> None:
    assert placed([*times], first=-(10**6)) == (times, 0)
