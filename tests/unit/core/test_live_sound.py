"""Sound on the capture clock: what was put at a time is taken at that time."""

import numpy as np
import pytest
from numpy.typing import NDArray

from livedream.core.live_sound import KEPT_S, SOUND_RATE, ArrivalClock, LiveSound, resumed

BEGIN = 5000 * SOUND_RATE  # the number of a sample


def block(first: int, count: int) -> NDArray[np.float32]:
    """Samples that tell their number, to the right with the other sign."""
    numbers = (np.arange(first, first + count) % 1000).astype(np.float32)
    return np.stack([numbers, -numbers], 1)


def put(sound: LiveSound, first: int, count: int) -> None:
    sound.put(block(first, count), (BEGIN + first) / SOUND_RATE)


def take(sound: LiveSound, first: int, count: int, now: int = 0) -> NDArray[np.float32] | None:
    return sound.take(BEGIN + first, count, BEGIN + now)


def test_what_was_put_is_taken_as_often_as_one_likes_for_ten_seconds() -> None:
    sound = LiveSound()
    for first in range(0, 30 * SOUND_RATE, 1000):
        put(sound, first, 1000)
    end = 30 * SOUND_RATE
    for first in (end - 1024, end - 300_000, end - 1024):
        np.testing.assert_array_equal(take(sound, first, 1024), block(first, 1024))
    gone = take(sound, end - 11 * SOUND_RATE, 1024)
    assert gone is not None
    assert not gone.any()


def test_what_may_still_come_is_waited_for_a_second() -> None:
    sound = LiveSound()
    put(sound, 0, 1000)
    assert take(sound, 500, 1000, now=1500) is None
    taken = take(sound, 500, 1000, now=1500 + SOUND_RATE)
    assert taken is not None
    np.testing.assert_array_equal(taken[:500], block(500, 500))
    assert not taken[500:].any()


def test_a_gap_is_silence_and_what_goes_back_takes_the_place() -> None:
    sound = LiveSound()
    put(sound, 1000 - 12 * SOUND_RATE, 12 * SOUND_RATE)  # over all that it keeps
    put(sound, 8000, 1000)
    taken = take(sound, 900, 8100)
    assert taken is not None
    np.testing.assert_array_equal(taken[:100], block(900, 100))
    assert not taken[100:7100].any()
    np.testing.assert_array_equal(taken[7100:], block(8000, 1000))
    put(sound, 500, 3000)
    np.testing.assert_array_equal(take(sound, 0, 3500), block(0, 3500))
    assert take(sound, 3000, 1000) is None


def test_what_a_computer_has_slept_through_is_not_made_up_for() -> None:
    kept = KEPT_S * SOUND_RATE
    assert resumed(BEGIN, BEGIN + kept) == BEGIN
    assert resumed(BEGIN, BEGIN + kept + 1) == BEGIN + kept + 1
    assert resumed(BEGIN + 480, BEGIN) == BEGIN + 480


def test_a_joint_is_where_it_is_and_else_blocks_that_nearly_follow_do() -> None:
    for joint in (False, True):
        sound = LiveSound()
        put(sound, 0, 1000)
        late = (BEGIN + 1100) / SOUND_RATE
        sound.put(block(1000, 1000), late, joint=joint)
        at = 1100 if joint else 1000
        np.testing.assert_array_equal(take(sound, at, 900), block(1000, 900))


@pytest.mark.parametrize("drift", [-0.0002, 0.0, 0.0002])
def test_another_clock_is_followed_without_a_gap(drift: float) -> None:
    sound, chance = LiveSound(), np.random.default_rng(3)
    count, heard = 0, []
    while count < 40 * SOUND_RATE:
        piece = np.sin(2 * np.pi * 100 * np.arange(count, count + 512) / SOUND_RATE)
        time_s = count / SOUND_RATE * (1 + drift) + chance.uniform(-0.005, 0.005)
        sound.put(np.stack([piece, piece], 1).astype(np.float32), 5000 + time_s)
        count += 512
        if not count % 5120:
            heard.append(time_s)
    end = BEGIN + round((heard[-1] - 0.1) * SOUND_RATE)
    wave = sound.take(end - 2 * SOUND_RATE, 2 * SOUND_RATE, end)
    assert wave is not None
    assert np.abs(np.diff(wave[:, 0])).max() < 0.02  # 2 pi 100 / 48000 is 0.013: no click
    crossings = np.flatnonzero((wave[:-1, 0] < 0) & (wave[1:, 0] >= 0))
    ours_s = (end - 2 * SOUND_RATE + crossings - BEGIN) / SOUND_RATE
    theirs_s = ours_s / (1 + drift)
    late_s = (theirs_s + 0.005) % 0.01 - 0.005  # from the nearest of theirs
    assert np.abs(late_s).max() < 0.003
    assert np.abs(np.diff(ours_s) / (1 + drift) - 0.01).max() < 0.0001


def test_what_comes_late_was_due_before() -> None:
    clock = ArrivalClock(0.5)
    assert clock.ours(0.0, 100.0) == 100.0
    assert clock.ours(0.1, 100.3) == pytest.approx(100.1, abs=0.001)
    assert clock.ours(0.2, 100.2) == pytest.approx(100.2, abs=0.001)
    assert clock.ours(0.3, 100.25) == pytest.approx(100.25, abs=0.001)  # earlier than all
    assert clock.ours(0.4, 100.4) == pytest.approx(100.35, abs=0.001)


def test_what_stood_still_goes_on_later_and_another_clock_begins_anew() -> None:
    clock = ArrivalClock(0.5)
    clock.ours(0.0, 100.0)
    assert clock.ours(0.1, 101.0) == 101.0
    assert clock.ours(-50.0, 101.1) == 101.1
    clock.restart()
    assert clock.offset_s is None
    assert clock.ours(-49.9, 101.3) == pytest.approx(101.3)


def test_a_slower_clock_is_followed() -> None:
    clock = ArrivalClock(0.5)
    for index in range(10_000):
        due_s = clock.ours(0.04 * index * 0.9995, 100 + 0.04 * index)
    assert due_s == pytest.approx(100 + 0.04 * 9999, abs=0.001)
