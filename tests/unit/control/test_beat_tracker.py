"""The beat of what is heard, on drums made for the test and a clock of the test's own."""

from collections.abc import Callable, Iterator

import numpy as np
import pytest
from numpy.typing import NDArray

from livedream.control.audio_analyzer import AudioAnalyzer
from livedream.control.beat_tracker import LEADER, BeatTracker
from livedream.control.tempo import Tempo

STEP_S = 512 / 48000
LATE_S = 0.023  # from an onset to the end of the hop that hears it best


class Room:
    """Drums whose bass begins each bar of four, as an analyser measures them."""

    def __init__(self) -> None:
        self.now_s = 100.0
        self.tempo = Tempo(120.0, self.now_s)
        self.tracker = BeatTracker(self.tempo, lambda: self.now_s)
        self._draw = np.random.default_rng(0)
        self._next_look_s = 0.0

    def play(
        self, bpm: float, seconds: float, *, begin_s: float | None = None, beats: bool = True
    ) -> Iterator[float]:
        """Each moment's place in the bars that are played: 0 to 4."""
        begin_s = self.now_s if begin_s is None else begin_s
        for _ in range(round(seconds / STEP_S)):
            self.now_s += STEP_S
            before, after = ((self.now_s - LATE_S - d - begin_s) * bpm / 60 for d in (STEP_S, 0))
            hit = beats and np.floor(after) > np.floor(before)
            loud, flux = self._measured(hit, int(after) % 4 == 0)
            self.tracker.hear(loud, flux, STEP_S, self.now_s)
            if self.now_s >= self._next_look_s:
                self._next_look_s = self.now_s + 0.5
                self.tracker.look()
            yield (self.now_s - begin_s) * bpm / 60 % 4

    def _measured(self, hit: bool, bar: bool) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        noise = 0.02 * self._draw.random(4, np.float32)
        bands = np.array([1.0, 2.0 * bar, 1.0, 1.0], np.float32)
        return 0.1 + hit * bands + noise, 0.2 * hit * bands + noise

    def off_s(self, place: float, of: float = 4.0) -> float:
        """How far from the music's place in the bar (1: in the beat) the tempo is."""
        apart = (self.tempo.beats(self.now_s) - place + of / 2) % of - of / 2
        return abs(apart) * 60 / self.tempo.bpm


def hear(played: Iterator[float], then: Callable[[float], None] = lambda place: None) -> float:
    place = 0.0
    for place in played:
        then(place)
    return place


@pytest.mark.parametrize("bpm", [82.0, 120.0, 143.0])
def test_beat_and_bar_are_those_of_the_music(bpm: float) -> None:
    room = Room()
    place = hear(room.play(bpm, 18.0))
    assert room.tempo.leader(room.now_s) == LEADER
    assert room.tempo.bpm == pytest.approx(bpm, rel=0.01)
    assert room.off_s(place) < 0.03


def test_the_tempo_goes_on_through_a_break() -> None:
    room = Room()
    begin_s = room.now_s
    hear(room.play(100.0, 16.0))
    offs: list[float] = []
    place = hear(
        room.play(100.0, 12.0, begin_s=begin_s, beats=False), lambda p: offs.append(room.off_s(p))
    )
    assert max(offs) < 0.05
    place = hear(room.play(100.0, 4.0, begin_s=begin_s))
    assert room.off_s(place) < 0.03
    assert room.tempo.leader(room.now_s) == LEADER


def test_link_leads_after_the_music_and_not_in_a_break() -> None:
    room, led = Room(), [False]

    def link(_: float) -> None:
        led.append(room.tempo.follow("Link", 0.0, 140.0, room.now_s))

    begin_s = room.now_s
    hear(room.play(100.0, 16.0))
    hear(room.play(100.0, 12.0, begin_s=begin_s, beats=False), link)
    assert not any(led)
    hear(room.play(100.0, 28.0, begin_s=begin_s, beats=False), link)
    assert led[-1] and room.tempo.bpm == 140.0
    hear(room.play(100.0, 12.0), link)
    assert not led[-1]
    assert room.tempo.leader(room.now_s) == LEADER
    assert room.tempo.bpm == pytest.approx(100.0, rel=0.01)


def test_a_device_that_is_gone_does_not_lead_by_what_it_gave_last() -> None:
    room = Room()
    hear(room.play(100.0, 16.0))
    for _ in range(80):  # 40 s in which nothing is heard
        room.now_s += 0.5
        room.tracker.look()
    assert room.tempo.follow("Link", 0.0, 140.0, room.now_s)


def test_other_music_is_followed() -> None:
    room = Room()
    hear(room.play(90.0, 15.0))
    place = hear(room.play(128.0, 25.0))
    assert room.tempo.bpm == pytest.approx(128.0, rel=0.01)
    assert room.off_s(place, 1.0) < 0.03


def test_who_taps_says_what_to_listen_for() -> None:
    """Twice as fast, and another first beat of the bar."""
    room = Room()
    begin_s = room.now_s
    hear(room.play(80.0, 15.0))
    assert room.tempo.bpm == pytest.approx(80.0, rel=0.01)
    taps = [begin_s + beat * 60 / 80 for beat in np.arange(21.0, 24.0, 0.5)]  # on the second beat

    def tap(_: float) -> None:
        while taps and room.now_s >= taps[0]:
            room.tempo.tap(room.now_s)
            taps.pop(0)

    hear(room.play(80.0, 4.0, begin_s=begin_s), tap)
    assert not taps
    place = hear(room.play(80.0, 12.0, begin_s=begin_s))
    assert room.tempo.bpm == pytest.approx(160.0, rel=0.01)
    assert room.off_s(2 * (place - 21)) < 0.04


def test_nobody_else_is_interrupted() -> None:
    room = Room()

    def clock(_: float) -> None:
        assert room.tempo.follow("MIDI clock", 0.0, 140.0, room.now_s, rank=2)

    hear(room.play(100.0, 12.0), clock)
    assert room.tempo.bpm == 140.0


def test_silence_and_noise_have_no_beat() -> None:
    room = Room()
    hear(room.play(100.0, 12.0, beats=False))
    assert room.tracker.health().detail == "no beat yet"
    assert room.tempo.leader(room.now_s) == ""


def test_a_device_that_comes_back_is_heard_anew() -> None:
    room = Room()
    hear(room.play(100.0, 12.0))
    room.now_s += 30.0
    place = hear(room.play(100.0, 9.0))
    assert room.off_s(place, 1.0) < 0.03


@pytest.mark.parametrize("late_s", [0.0, 0.4])
def test_sound_itself_is_heard(late_s: float) -> None:
    """Clicks through the analyser, in the blocks of a driver, of which some come late."""
    now = [0.0]
    tempo = Tempo()
    tracker = BeatTracker(tempo, lambda: now[0])
    analyzer = AudioAnalyzer(48000)
    analyzer.on_step = lambda loud, flux, step_s, ago_s: tracker.hear(
        loud, flux, step_s, now[0] - ago_s
    )
    draw = np.random.default_rng(0)
    sound = 0.001 * draw.normal(size=48000 * 12).astype(np.float32)
    for at in range(4800, len(sound) - 480, 48000 * 60 // 110):
        sound[at : at + 480] += 0.5 * draw.normal(size=480).astype(np.float32)
    for begin in range(0, len(sound), 1024):
        block = sound[begin : begin + 1024]
        heard_s = (begin + len(block)) / 48000
        now[0] = max(now[0], heard_s + late_s * (draw.random() < 0.05))
        analyzer.analyze(block)
    tracker.look()
    assert tempo.bpm == pytest.approx(110, rel=0.01)
    beat = (now[0] - 0.1) * 110 / 60
    assert abs((tempo.beats(now[0]) - beat + 0.5) % 1 - 0.5) * 60 / 110 < 0.03
