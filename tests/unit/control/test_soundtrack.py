"""A film's whole sound, heard beforehand: without lag, in the live analyser's quantities."""

import numpy as np
import pytest
from music_made import RATE, song

from livedream.control.soundtrack import HEARD, listen


def tone(hertz: float, seconds: float, loud: float = 0.3) -> np.ndarray:
    times = np.arange(int(seconds * RATE)) / RATE
    return (loud * np.sin(2 * np.pi * hertz * times)).astype(np.float32)


@pytest.mark.parametrize(("hertz", "band"), [(60, "bass"), (700, "mid"), (6000, "treble")])
def test_a_tone_is_heard_in_its_band_when_it_sounds(hertz: float, band: str) -> None:
    silence = np.zeros(RATE, np.float32)
    found = listen([silence, tone(hertz, 1.0), silence])
    for time_s, low, high in ((0.95, 0, 0.05), (1.03, 0.9, 1), (1.9, 0.9, 1), (2.95, 0, 0.05)):
        assert low <= found.value(band, time_s) <= high
        assert low <= found.value("level", time_s) <= high
    assert found.value("level", 0.985) < 0.05 and found.value("level", 1.015) > 0.9
    for other in {"bass", "mid", "treble"} - {band}:
        assert found.value(other, 1.5) < 0.25
    assert [found.value(name, 99.0) for name in HEARD] == [0] * 5


def test_what_comes_later_is_known_already() -> None:
    """Live, the first quiet bars would use the whole range: louder ones were not heard yet."""
    found = listen([tone(700, 3.0, 0.03), tone(700, 3.0, 0.3)])
    assert found.value("mid", 2.5) == pytest.approx(0.316, abs=0.1)
    assert found.value("mid", 5.0) > 0.95


def test_an_onset_is_on_its_frame() -> None:
    made = song("clicks", 100, start_s=0.5)
    found = listen([made.sound])
    for beat in made.beats:
        assert found.value("onset", beat + 0.02) > 0.8
        assert found.value("onset", beat - 0.04) < 0.2
    assert listen([tone(440, 4.0)]).value("onset", 2.0) < 0.01


def test_blocks_of_any_length_give_the_same_bits() -> None:
    sound = song("rock", 120, bars=6).sound
    whole = listen([sound])
    pieces = listen(np.split(sound, np.sort(np.random.default_rng(3).integers(0, sound.size, 99))))
    assert np.array_equal(whole.levels, pieces.levels)
    assert np.array_equal(whole.beat_times, pieces.beat_times)


def test_a_part_knows_its_part() -> None:
    whole = listen([song("rock", 120, bars=6).sound])
    part = whole.part(3.0, 5.0)
    assert len(part.levels) < len(whole.levels) / 3
    for time_s in np.linspace(3.0, 5.0, 97):
        assert part.value("bass", time_s) == whole.value("bass", time_s)
        assert part.beats(time_s) == whole.beats(time_s)
    again = part.part(4.0, 5.0)
    assert again.value("bass", 4.5) == whole.value("bass", 4.5)


def test_what_is_no_sound_is_silence() -> None:
    found = listen([np.full(RATE, np.nan, np.float32), np.full(RATE, np.inf, np.float32)])
    assert not found.levels.any()
    assert listen([]).value("bass", 0.0) == 0.0
