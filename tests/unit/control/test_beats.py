"""Beats and bars of music whose own are known."""

import numpy as np
import pytest
from music_made import Song, song

from livedream.control.beats import find_bars, find_beats
from livedream.control.soundtrack import Soundtrack, listen


def hit(found: np.ndarray, wanted: np.ndarray) -> float:
    """The share of `wanted` that is met to 50 ms."""
    return float(np.mean(np.abs(found[None] - wanted[:, None]).min(axis=1) <= 0.05))


def inside(found: Soundtrack, made: Song) -> np.ndarray:
    beats = found.beat_times
    return beats[(beats > made.beats[0] - 0.1) & (beats < made.beats[-1] + 0.1)]


CASES = [
    ("clicks", 90, {}),
    ("clicks", 140, {}),
    ("rock", 76, {}),
    ("rock", 120, {"faster": 0.1}),
    ("rock", 110, {"silent": range(5, 13), "bars": 20}),
    ("syncopated", 104, {"faster": -0.1}),
    ("syncopated", 96, {}),
    ("waltz", 132, {"bars": 20}),
]


@pytest.mark.parametrize(("pattern", "bpm", "more"), CASES)
def test_beats_and_bars_are_where_they_were_put(
    pattern: str, bpm: float, more: dict[str, object]
) -> None:
    made = song(pattern, bpm, **more)  # type: ignore[arg-type]
    found = listen([made.sound])
    beats = inside(found, made)
    assert hit(beats, made.beats) > 0.97, "missed"
    assert hit(made.beats, beats) > 0.97, "invented"
    tempo = 60 / np.diff(beats).mean()
    assert tempo == pytest.approx(60 / np.diff(made.beats).mean(), rel=0.005)
    assert found.bar == made.bar
    assert hit(found.beat_times[found.first :: found.bar], made.beats[:: made.bar]) > 0.9


def test_the_tempo_can_be_said() -> None:
    """Fast music is heard at half its tempo, unless one says better."""
    made = song("rock", 174)
    assert hit(inside(listen([made.sound], bpm=170), made), made.beats) > 0.97
    assert hit(inside(listen([made.sound], bpm=87), made), made.beats) < 0.6


def test_the_bar_can_be_said() -> None:
    made = song("rock", 120)
    for beat in (3, 6):
        found = listen([made.sound], bar=5, bar_at_s=made.beats[beat] + 0.04)
        assert found.bar == 5
        assert (found.beats(made.beats[beat]) + 1) % 5 == pytest.approx(1, abs=0.1)
    late = np.pad(
        made.sound, (3 * 48000, 0)
    )  # what begins with a rest: its bar is said all the same
    for before in (1, 2, 3):
        at_s = 3 + made.beats[0] - before * 0.5
        found = listen([late], bar=4, bar_at_s=at_s)
        assert found.beat_times[0] > at_s + 0.3
        assert (found.beats(at_s) + 1) % 4 == pytest.approx(1, abs=0.1)


def test_a_bar_longer_than_the_music_begins_with_it() -> None:
    flux = np.tile(np.eye(50, 3, dtype=np.float32), (20, 1))
    beats = np.arange(20) * 0.5
    assert find_bars(beats, flux, flux, 0.01, 32) == (32, 0)


def test_what_has_no_beat_has_none() -> None:
    assert listen([]).beat_times.size == 0
    assert listen([np.zeros(48000 * 8, np.float32)]).beat_times.size == 0
    assert find_beats(np.ones((40, 3), np.float32), 0.0107).size == 0


def test_beats_are_counted_between_them_and_beyond() -> None:
    found = Soundtrack(0.01, np.zeros((0, 5), np.float32), np.array([1.0, 1.5, 2.0, 3.0]), 4, 1)
    seen = [found.beats(t) for t in (1.5, 1.75, 2.5, 3.0)]
    assert seen == [0, 0.5, 1.5, 2]
    for beat in (-3.0, -1.0, 0.0, 0.25, 1.5, 2.0, 2.5, 9.0):
        assert found.beats(found.time_of(beat)) == pytest.approx(beat)
    steady = Soundtrack.steady(120)
    assert steady.beats(30.25) == pytest.approx(60.5)
    assert steady.time_of(32) == 16.0
