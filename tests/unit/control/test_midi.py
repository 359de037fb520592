"""MIDI through the library's own messages; the door to the system is one in memory."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from livedream.control.live_parameters import LiveParameters
from livedream.control.midi import MidiInput, MidiMap
from livedream.control.presets import Presets
from livedream.control.show import Show
from livedream.core.errors import SettingsError
from livedream.core.settings import DreamSettings

mido = pytest.importorskip("mido", reason="needs livedream[midi]")


class MemoryPorts:
    """Ports that are plugged in and out by hand."""

    def __init__(self, *names: str) -> None:
        self.there = list(names)
        self.told: dict[str, Callable[[Any], None]] = {}
        self.closed: list[str] = []

    def names(self) -> list[str]:
        return list(self.there)

    def open(self, name: str, told: Callable[[Any], None]) -> Any:
        self.told[name] = told
        outer = self

        class Port:
            def close(self) -> None:
                outer.closed.append(name)

        return Port()


@pytest.fixture
def ports() -> MemoryPorts:
    return MemoryPorts("nanoKONTROL2 20:0", "Through 14:0")


@pytest.fixture
def hand(tmp_path: Path, ports: MemoryPorts) -> MidiInput:
    parameters = LiveParameters(DreamSettings())
    show = Show(parameters, Presets(tmp_path))
    return MidiInput(
        parameters, show, "nanokontrol", ports=ports, mapping=MidiMap(tmp_path / "midi.toml")
    )


def control(number: int, value: int) -> Any:
    return mido.Message("control_change", channel=0, control=number, value=value)


def test_a_knob_is_learned_kept_and_moves_its_parameter(hand: MidiInput, tmp_path: Path) -> None:
    hand.learn("strength")
    assert hand.learning == "strength"
    hand.receive(control(7, 64))
    assert hand.learning is None
    assert hand._parameters.target("strength") == 14  # the move that taught does not yet move
    hand.receive(control(7, 127))
    assert hand._parameters.target("strength") == 48
    again = MidiMap(tmp_path / "midi.toml")
    assert again.targets == {"cc:1:7": "strength"}


def test_pads_act_on_being_pressed_only(hand: MidiInput) -> None:
    hand.learn("act:next")
    hand.receive(mido.Message("note_on", note=36, velocity=100))
    hand.receive(mido.Message("note_off", note=36))
    hand.receive(mido.Message("note_on", note=36, velocity=90))
    hand.receive(mido.Message("note_on", note=36, velocity=0))  # how many keyboards say off
    assert hand._show.preset_name == hand._show.presets.names[0]


def test_a_pad_switches_a_switch_over(hand: MidiInput) -> None:
    hand.mapping.bind("note:1:40", "freeze")
    for wanted in (True, False):
        hand.receive(mido.Message("note_on", note=40, velocity=100))
        hand.receive(mido.Message("note_off", note=40))
        assert hand._parameters.target("freeze") is wanted


def test_bends_programs_and_named_presets(hand: MidiInput) -> None:
    hand.mapping.bind("bend:1", "hue")
    hand.receive(mido.Message("pitchwheel", pitch=-8192))
    assert hand._parameters.target("hue") == -180
    hand.receive(mido.Message("pitchwheel", pitch=8191))
    assert hand._parameters.target("hue") == 180
    hand.mapping.bind("program:1", "preset:*")
    hand.receive(mido.Message("program_change", program=2))
    assert hand._show.preset_name == hand._show.presets.names[2]
    hand.mapping.bind("note:1:1", "preset:ink")
    hand.receive(mido.Message("note_on", note=1, velocity=1))
    assert hand._show.preset_name == "ink"


def test_what_cannot_be_learned_is_refused(hand: MidiInput) -> None:
    for target in ("objective", "seed", "act:explode", "preset:none", "", "x" * 999):
        with pytest.raises(SettingsError, match="midi"):
            hand.learn(target)


def test_a_map_of_an_older_version_ends_nothing(hand: MidiInput) -> None:
    hand.mapping.bind("cc:1:1", "gone")
    hand.mapping.bind("note:1:1", "preset:gone")
    hand.receive(control(1, 5))
    hand.receive(mido.Message("note_on", note=1, velocity=1))
    assert "gone" in hand.health().detail


def test_controllers_come_and_go(hand: MidiInput, ports: MemoryPorts) -> None:
    hand._look()
    assert list(hand._open) == ["nanoKONTROL2 20:0"]  # not the other one
    assert hand.health().state == "ok"
    ports.there = []
    hand._look()
    assert hand.health().state == "lost"
    assert ports.closed == ["nanoKONTROL2 20:0"]
    ports.there = ["nanoKONTROL2 24:0"]  # the system numbers anew
    hand._look()
    hand.mapping.bind("cc:1:3", "mix")
    ports.told["nanoKONTROL2 24:0"](control(3, 0))
    assert hand._parameters.target("mix") == 0


def test_a_damaged_map_is_one_line(tmp_path: Path) -> None:
    path = tmp_path / "midi.toml"
    path.write_text("[controls\n")
    with pytest.raises(SettingsError, match="cannot be read"):
        MidiMap(path)


def test_a_system_without_midi_is_told_of() -> None:
    """Where there is MIDI names are listed, where there is none one line says so."""
    from livedream.control.midi import RtMidiPorts

    try:
        assert isinstance(list(RtMidiPorts().names()), list)
    except SettingsError as error:
        assert str(error).startswith("midi: ")
