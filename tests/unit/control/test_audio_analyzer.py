"""Envelopes and onsets, from sounds made of formulas."""

import numpy as np
import pytest

from livedream.control.audio_analyzer import AudioAnalyzer
from livedream.core.errors import SettingsError, ShapeError

RATE = 48000


def tone(hertz: float, seconds: float, loud: float = 0.3) -> np.ndarray:
    return (loud * np.sin(2 * np.pi * hertz * np.arange(int(seconds * RATE)) / RATE)).astype(
        np.float32
    )


def clicks(seconds: float, bpm: float) -> np.ndarray:
    """Short decaying bursts of noise, one on each beat, over a faint hiss."""
    rng = np.random.default_rng(1)
    sound = rng.normal(size=int(seconds * RATE)) * 0.002
    for beat in np.arange(0.5, seconds, 60 / bpm):
        at = int(beat * RATE)
        length = min(4800, len(sound) - at)
        sound[at : at + length] += rng.normal(size=length) * 0.3 * np.exp(-np.arange(length) / 1000)
    return sound.astype(np.float32)


@pytest.mark.parametrize(("hertz", "band"), [(60, "bass"), (700, "mid"), (6000, "treble")])
def test_a_tone_is_heard_in_its_band_only(hertz: float, band: str) -> None:
    analyzer = AudioAnalyzer(RATE)
    values = analyzer.analyze(tone(hertz, 1.0))
    assert values[band] > 0.9
    assert all(values[other] < 0.2 for other in {"bass", "mid", "treble"} - {band})


def test_loud_and_quiet_rooms_use_the_same_range() -> None:
    for loud in (0.5, 0.02):
        assert AudioAnalyzer(RATE).analyze(tone(700, 1.0, loud))["level"] > 0.9
    assert max(AudioAnalyzer(RATE).analyze(tone(700, 1.0, 1e-5)).values()) < 0.05


def test_an_envelope_rises_at_once_and_falls_slowly() -> None:
    analyzer = AudioAnalyzer(RATE)
    analyzer.analyze(np.zeros(RATE, np.float32))
    risen = analyzer.analyze(tone(700, 0.06))["mid"]
    analyzer.analyze(tone(700, 1.0))
    fallen = analyzer.analyze(np.zeros(int(0.15 * RATE), np.float32))["mid"]
    silent = analyzer.analyze(np.zeros(2 * RATE, np.float32))["mid"]
    assert risen > 0.8
    assert 0.3 < fallen < 0.9
    assert silent < 0.01


@pytest.mark.parametrize("bpm", [70, 120, 174])
def test_every_beat_is_one_onset(bpm: float) -> None:
    analyzer = AudioAnalyzer(RATE)
    sound = clicks(10, bpm)
    expected = len(np.arange(0.5, 10, 60 / bpm))
    moments = []
    for start in range(0, len(sound), 480):
        before = analyzer.onsets
        analyzer.analyze(sound[start : start + 480])
        if analyzer.onsets > before:
            moments.append((start + 480) / RATE)
    assert len(moments) == expected
    late = np.array(moments) - np.arange(0.5, 10, 60 / bpm)[: len(moments)]
    assert late.min() >= 0
    assert late.max() < 0.04


def test_a_steady_tone_and_steady_noise_have_no_onsets() -> None:
    for sound in (
        tone(440, 5.0),
        np.random.default_rng(2).normal(size=5 * RATE).astype(np.float32) * 0.1,
    ):
        analyzer = AudioAnalyzer(RATE)
        analyzer.analyze(sound[:RATE])
        begun = analyzer.onsets
        analyzer.analyze(sound[RATE:])
        assert analyzer.onsets == begun


def test_blocks_of_any_length_give_the_same() -> None:
    sound = clicks(2, 120)
    whole, pieces = AudioAnalyzer(RATE), AudioAnalyzer(RATE)
    whole.analyze(sound)
    at = 0
    for length in np.random.default_rng(3).integers(1, 3000, 500):
        pieces.analyze(sound[at : at + length])
        at += length
    assert at > len(sound)
    assert pieces.values == pytest.approx(whole.values)


def test_what_is_no_sound_is_silence_or_an_error() -> None:
    analyzer = AudioAnalyzer(RATE)
    analyzer.analyze(np.full(4800, np.nan, np.float32))
    assert all(0 <= value <= 1 for value in analyzer.values.values())
    with pytest.raises(ShapeError):
        analyzer.analyze(np.zeros((4, 2), np.float32))
    with pytest.raises(SettingsError):
        AudioAnalyzer(100)
