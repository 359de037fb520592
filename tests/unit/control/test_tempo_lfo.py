"""Tempo from taps, and the waves."""

import math
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from livedream.control.modulation import SHAPES, Modulator, parse_modulator, wave
from livedream.control.tempo import Tempo
from livedream.core.errors import SettingsError


def test_taps_set_tempo_and_beat() -> None:
    tempo = Tempo()
    for beat in range(5):
        tempo.tap(10 + beat * 0.6)  # 100 beats per minute
    assert tempo.bpm == pytest.approx(100)
    assert tempo.beats(12.4) % 1 == pytest.approx(0, abs=1e-9)
    assert tempo.beats(12.7) % 1 == pytest.approx(0.5)


def test_a_doubled_tap_does_not_spoil_the_tempo() -> None:
    tempo = Tempo()
    for moment in (0, 0.5, 1.0, 1.5, 1.55, 2.0, 2.5):
        tempo.tap(moment)
    assert tempo.bpm == pytest.approx(120, rel=0.02)


@pytest.mark.parametrize(
    ("beats", "bpm"),
    [
        *((beats, 120.0) for beats in (math.nan, math.inf, -math.inf, 1e10)),
        *((4.0, bpm) for bpm in (math.nan, math.inf, 0.0, -120.0, 19.9, 999.0)),
    ],
)
def test_a_clock_that_cannot_be_is_not_followed(beats: float, bpm: float) -> None:
    tempo = Tempo(90.0)
    before = tempo.beats(7.0)
    assert not tempo.follow("Link", beats, bpm, 7.0)
    assert (tempo.bpm, tempo.beats(7.0), tempo.leader(7.0)) == (90.0, before, "")
    assert tempo.follow("Link", -3.5, 120.0, 7.0)


def test_after_a_pause_taps_begin_anew() -> None:
    tempo = Tempo()
    for moment in (0, 0.5, 1.0, 20.0, 21.0):
        tempo.tap(moment)
    assert tempo.bpm == pytest.approx(60)


def test_another_tempo_keeps_the_place_in_the_beat() -> None:
    tempo = Tempo(120)
    before = tempo.beats(3.1) % 1
    tempo.set_bpm(75, 3.1)
    assert tempo.beats(3.1) % 1 == pytest.approx(before)
    with pytest.raises(SettingsError, match="20 to 300"):
        tempo.set_bpm(1000, 0)


@given(st.sampled_from(SHAPES), st.floats(-1e6, 1e6), st.integers(0, 5))
def test_every_wave_stays_in_range(shape: str, cycles: float, seed: int) -> None:
    assert -1 <= wave(shape, cycles, seed) <= 1


def test_the_waves_have_their_shapes() -> None:
    assert wave("sine", 0.25) == pytest.approx(1)
    assert wave("triangle", 0.0) == pytest.approx(0)
    assert wave("triangle", 0.25) == pytest.approx(1)
    assert wave("triangle", 0.75) == pytest.approx(-1)
    assert wave("ramp", 0.75) == pytest.approx(0.5)
    assert wave("saw", 0.75) == pytest.approx(-0.5)
    assert (wave("square", 0.4), wave("square", 0.6)) == (1, -1)


def test_random_holds_and_wander_meets_it_at_each_period() -> None:
    assert wave("random", 7.1) == wave("random", 7.9) != wave("random", 8.1)
    for period in range(20):
        assert wave("wander", period) == pytest.approx(wave("random", period))
    steps = [wave("wander", x / 500) for x in range(5000)]
    assert max(abs(a - b) for a, b in pairwise(steps)) < 0.01


def test_no_number_is_no_movement() -> None:
    assert wave("sine", math.inf) == 0
    with pytest.raises(SettingsError, match="sine, triangle"):
        wave("cosine", 0)


def test_modulators_as_text() -> None:
    found = parse_modulator("strength:bass:0.4")
    assert found == Modulator(parameter="strength", source="bass", depth=0.4)
    found = parse_modulator("half-life:wander:-0.1:20s")
    assert found == Modulator(parameter="half_life", shape="wander", depth=-0.1, period_s=20.0)
    found = parse_modulator("zoom:triangle:0.05:8beats")
    assert found == Modulator(parameter="zoom", shape="triangle", depth=0.05, beats=8.0)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("strength", "PARAMETER:SOURCE:DEPTH"),
        ("strength:bas:0.4", "did you mean bass"),
        ("strength:bass:loud", "not a number"),
        ("strength:bass:4", "must be -1 to 1"),
        ("strength:bass:0.4:8s", "of a wave"),
        ("hue:sine:0.4:8", "8s or 4beats"),
        ("hue:sine:0.4:-8s", "period_s"),
        ("hue:sine:nan", "depth"),
    ],
)
def test_modulators_that_make_no_sense(text: str, why: str) -> None:
    with pytest.raises(SettingsError, match=why):
        parse_modulator(text)


def test_a_series_of_taps_begins_on_the_bar() -> None:
    tempo = Tempo()
    for moment in (10.0, 10.5, 11.0, 11.5, 11.55, 12.0):
        tempo.tap(moment)
    assert tempo.beats(12.0) == pytest.approx(4)
    tempo.tap(20.0)
    assert tempo.beats(20.0) == pytest.approx(0)


def test_taps_count_while_another_clock_is_followed() -> None:
    """In a Link session what is tapped here is told to all, and what all have comes back."""
    tempo = Tempo(now_s=0.0)
    for number in range(4):
        at_s = 10 + number * 0.6
        tempo.tap(at_s)
        assert tempo.beats(at_s) == pytest.approx(number)
        for later_s in (0.02, 0.3):
            assert tempo.follow("Link", tempo.beats(at_s + later_s), tempo.bpm, at_s + later_s)
    assert tempo.bpm == pytest.approx(100)


def test_of_two_clocks_that_of_the_higher_rank_leads() -> None:
    """Link never falls silent: what was followed before a break would never lead again."""
    tempo = Tempo()
    assert tempo.follow("The music", 0.0, 128.0, 10.0, rank=1)
    assert not tempo.follow("Link", 0.0, 98.0, 10.9)
    assert tempo.follow("Link", 0.0, 98.0, 11.1)
    assert tempo.follow("The music", 0.0, 128.0, 11.2, rank=1)
    assert tempo.follow("MIDI clock", 0.0, 140.0, 11.3, rank=2)
    assert not tempo.follow("The music", 0.0, 128.0, 11.4, rank=1)
    assert tempo.bpm == 140.0


def test_who_leads_may_be_silent_for_a_while() -> None:
    tempo = Tempo()
    tempo.follow("The music", 0.0, 128.0, 10.0)
    for tenth in range(5, 60, 5):
        tempo.hold("The music", 10 + tenth / 10)
        tempo.hold("Link", 10 + tenth / 10)
    assert tempo.leader(16.0) == "The music"
    assert tempo.beats(16.0) == pytest.approx(6.0 * 128 / 60)
    tempo.hold("The music", 17.0)  # too late
    assert tempo.leader(17.0) == ""


def test_one_clock_leads_until_it_falls_silent() -> None:
    tempo = Tempo()
    assert tempo.follow("Link", 7.25, 98.0, 10.0)
    assert not tempo.follow("MIDI clock", 3.0, 140.0, 10.9)
    assert (tempo.leader(10.9), tempo.bpm) == ("Link", 98.0)
    assert tempo.beats(10.0 + 60 / 98) == pytest.approx(8.25)
    assert tempo.leader(11.1) == ""
    assert tempo.follow("MIDI clock", 3.0, 140.0, 11.1)
    assert not tempo.follow("MIDI clock", 3.0, 1000.0, 11.2)
    assert tempo.bpm == 140.0
