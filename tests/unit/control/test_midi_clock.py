"""A MIDI clock is followed: tempo, beat and bar, through jitter, jumps and breaks."""

import sys
import threading

import mido
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from livedream.control.midi_clock import PULSES, MidiClock
from livedream.control.tempo import MAXIMUM_BPM, MINIMUM_BPM, Tempo


def pulses(bpm: float, beats: float, begin_s: float = 0.0, jitter_s: float = 0.0) -> list[float]:
    random = np.random.default_rng(1)
    meant = begin_s + np.arange(round(beats * PULSES)) * 60.0 / bpm / PULSES
    return [float(m + random.uniform(-jitter_s, jitter_s)) for m in meant]


def send(clock: MidiClock, times: list[float], port: str = "") -> None:
    for now_s in times:
        assert clock.receive("clock", now_s, port=port)


@pytest.mark.parametrize("bpm", [30.0, 97.5, 128.0, 174.0, 299.0])
def test_tempo_and_beat_are_known_through_jitter(bpm: float) -> None:
    tempo = Tempo()
    clock = MidiClock(tempo)
    clock.receive("start", 0.0)
    send(clock, pulses(bpm, 12, jitter_s=0.002))
    now_s = 12 * 60 / bpm
    assert tempo.bpm == pytest.approx(bpm, rel=0.003)
    assert abs(tempo.beats(now_s) - 12) * 60 / bpm < 0.005
    assert tempo.leader(now_s) == "MIDI clock"


def test_start_is_on_the_bar_and_a_song_position_within_it() -> None:
    tempo = Tempo()
    clock = MidiClock(tempo)
    send(clock, pulses(120, 3.25))
    clock.receive("start", 1.6)
    send(clock, pulses(120, 2, begin_s=1.625))
    assert tempo.beats(1.625) == pytest.approx(0, abs=0.01)
    clock.receive("songpos", 3.0, position=10)
    clock.receive("continue", 3.0)
    send(clock, pulses(120, 1, begin_s=3.0))
    assert tempo.beats(3.0) == pytest.approx(2.5, abs=0.01)


def test_another_tempo_is_followed_within_two_beats() -> None:
    tempo = Tempo()
    clock = MidiClock(tempo)
    send(clock, pulses(120, 8))
    send(clock, pulses(90, 2.1, begin_s=4.0))
    assert tempo.bpm == pytest.approx(90, rel=0.005)


def test_after_a_break_the_beat_is_where_the_clock_has_it() -> None:
    tempo = Tempo()
    clock = MidiClock(tempo)
    clock.receive("start", 0.0)
    send(clock, pulses(120, 4))
    clock.receive("stop", 2.0)
    assert tempo.beats(4.0) == pytest.approx(8, abs=0.01)  # goes on by itself
    clock.receive("start", 9.9)
    send(clock, pulses(120, 1, begin_s=10.0))
    assert tempo.beats(10.0) == pytest.approx(0, abs=0.01)


def test_of_two_ports_the_first_leads() -> None:
    tempo = Tempo()
    clock = MidiClock(tempo)
    both = [(t, "drums") for t in pulses(120, 4)] + [(t, "decks") for t in pulses(150, 5, 0.001)]
    for now_s, port in sorted(both):
        assert clock.receive("clock", now_s, port=port)
    assert tempo.bpm == pytest.approx(120, rel=0.002)
    send(clock, pulses(150, 5, begin_s=4.0), "decks")
    assert tempo.bpm == pytest.approx(150, rel=0.002)


def test_after_ten_thousand_pulses_at_once_the_clock_is_followed_again() -> None:
    tempo = Tempo()
    clock = MidiClock(tempo)
    for kind in ("clock", "start", "stop", "continue"):
        for _ in range(10_000):
            clock.receive(kind, 5.0)
    assert tempo.leader(5.0) == ""
    send(clock, pulses(97.5, 3, begin_s=5.1))
    assert tempo.bpm == pytest.approx(97.5, rel=0.003)


def test_threads_of_several_drivers_do_not_disturb_each_other() -> None:
    clock, wrong, interval_s = MidiClock(Tempo()), list[Exception](), sys.getswitchinterval()

    def drive() -> None:
        try:
            for number in range(400):
                clock.receive("clock", number * 0.02)
        except Exception as error:
            wrong.append(error)

    threads = [threading.Thread(target=drive) for _ in range(4)]
    sys.setswitchinterval(1e-6)
    try:
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    finally:
        sys.setswitchinterval(interval_s)
    assert not wrong


def test_notes_and_knobs_are_no_clock() -> None:
    clock = MidiClock(Tempo())
    for message in (mido.Message("note_on"), mido.Message("control_change")):
        assert not clock.receive(message.type, 0.0)
    assert clock.receive(mido.Message("clock").type, 0.0)


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["clock", "start", "continue", "stop", "songpos"]),
            st.floats(0, 3),
            st.sampled_from(["a", "b"]),
            st.integers(0, 16383),
        ),
        max_size=200,
    )
)
def test_whatever_comes_the_tempo_stays_in_range(
    messages: list[tuple[str, float, str, int]],
) -> None:
    tempo, now_s = Tempo(), 0.0
    clock = MidiClock(tempo)
    for kind, gap_s, port, position in messages:
        now_s += gap_s
        assert clock.receive(kind, now_s, port=port, position=position)
        assert MINIMUM_BPM <= tempo.bpm <= MAXIMUM_BPM
        assert np.isfinite(tempo.beats(now_s))
