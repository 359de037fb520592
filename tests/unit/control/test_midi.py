"""MIDI through the library's own messages; the door to the system is one in memory."""

import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from livedream.control.live_parameters import LiveParameters
from livedream.control.midi import MidiInput, MidiMap, RtMidiPorts
from livedream.control.presets import Presets
from livedream.control.show import Show
from livedream.core.errors import SettingsError
from livedream.core.settings import DreamSettings

mido = pytest.importorskip("mido", reason="needs livedream[midi]")


class MemoryPorts:
    """Ports that are plugged in and out by hand."""

    def __init__(self, *names: str) -> None:
        self.there = list(names)
        self.receive: dict[str, Callable[[Any], None]] = {}
        self.closed: list[str] = []

    def names(self) -> list[str]:
        return list(self.there)

    def open(self, name: str, receive: Callable[[Any], None]) -> Any:
        self.receive[name] = receive
        outer = self

        class Port:
            def close(self) -> None:
                outer.closed.append(name)

        return Port()


@pytest.fixture
def ports() -> MemoryPorts:
    return MemoryPorts("nanoKONTROL2 20:0", "Through 14:0")


@pytest.fixture
def midi(tmp_path: Path, ports: MemoryPorts) -> MidiInput:
    parameters = LiveParameters(DreamSettings())
    show = Show(parameters, Presets(tmp_path))
    return MidiInput(
        parameters, show, "nanokontrol", ports=ports, mapping=MidiMap(tmp_path / "midi.toml")
    )


def control(number: int, value: int) -> Any:
    return mido.Message("control_change", channel=0, control=number, value=value)


def test_a_knob_is_learned_kept_and_moves_its_parameter(midi: MidiInput, tmp_path: Path) -> None:
    midi.learn("strength")
    assert midi.learning == "strength"
    midi.receive(control(7, 64))
    assert midi.learning is None
    assert midi.parameters.target("strength") == 14  # the move that taught does not yet move
    midi.receive(control(7, 127))
    assert midi.parameters.target("strength") == 48
    again = MidiMap(tmp_path / "midi.toml")
    assert again.targets == {"cc:1:7": "strength"}


def test_when_learning_is_over_pages_are_notified(
    midi: MidiInput, monkeypatch: pytest.MonkeyPatch
) -> None:
    midi.learn("strength")
    notified: list[str | None] = []
    midi.show.listen(lambda: notified.append(midi.learning))
    midi.poll()
    assert notified == []
    later_s = time.monotonic() + 60.0
    monkeypatch.setattr(time, "monotonic", lambda: later_s)
    midi.poll()
    midi.poll()
    assert notified == [None]


def test_pads_act_on_being_pressed_only(midi: MidiInput) -> None:
    midi.learn("act:next")
    midi.receive(mido.Message("note_on", note=36, velocity=100))
    midi.receive(mido.Message("note_off", note=36))
    midi.receive(mido.Message("note_on", note=36, velocity=90))
    midi.receive(mido.Message("note_on", note=36, velocity=0))  # how many keyboards say off
    assert midi.show.preset_name == midi.show.presets.names[0]


def test_a_pad_switches_a_switch_over(midi: MidiInput) -> None:
    midi.mapping.bind("note:1:40", "freeze")
    for wanted in (True, False):
        midi.receive(mido.Message("note_on", note=40, velocity=100))
        midi.receive(mido.Message("note_off", note=40))
        assert midi.parameters.target("freeze") is wanted


def test_bends_programs_and_named_presets(midi: MidiInput) -> None:
    midi.mapping.bind("bend:1", "hue")
    midi.receive(mido.Message("pitchwheel", pitch=-8192))
    assert midi.parameters.target("hue") == -180
    midi.receive(mido.Message("pitchwheel", pitch=8191))
    assert midi.parameters.target("hue") == 180
    midi.mapping.bind("program:1", "preset:*")
    midi.receive(mido.Message("program_change", program=2))
    assert midi.show.preset_name == midi.show.presets.names[2]
    midi.mapping.bind("note:1:1", "preset:ink")
    midi.receive(mido.Message("note_on", note=1, velocity=1))
    assert midi.show.preset_name == "ink"
    midi.mapping.bind("note:1:2", "program:drifting")
    midi.receive(mido.Message("note_on", note=2, velocity=64))
    assert midi.show.running_program is not None
    assert midi.show.running_program.name == "drifting"
    midi.mapping.bind("cc:1:3", "on")
    for value, said in ((0, "off"), (64, "bar:4"), (127, "bar:32")):
        midi.receive(mido.Message("control_change", control=3, value=value))
        assert midi.parameters.target("on") == said


def test_what_cannot_be_learned_is_refused(midi: MidiInput) -> None:
    for target in ("objective", "seed", "act:explode", "preset:none", "", "x" * 999):
        with pytest.raises(SettingsError, match="midi"):
            midi.learn(target)


def test_a_map_of_an_older_version_ends_nothing(midi: MidiInput) -> None:
    midi.mapping.bind("cc:1:1", "gone")
    midi.mapping.bind("note:1:1", "preset:gone")
    midi.receive(control(1, 5))
    midi.receive(mido.Message("note_on", note=1, velocity=1))
    assert "gone" in midi.health().detail


def test_what_a_control_is_refused_is_said_until_it_works_and_logged_once(
    midi: MidiInput, caplog: pytest.LogCaptureFixture
) -> None:
    midi.mapping.bind("cc:1:1", "gone")
    midi.poll()
    for value in (5, 6):
        midi.receive(control(1, value))
    assert midi.health().state == "ok"
    assert midi.health().detail.startswith("nanoKONTROL2 20:0; cc:1:1 refused: midi: target must")
    assert [one.getMessage()[:19] for one in caplog.records] == ["MIDI cc:1:1 refused"]
    midi.mapping.bind("cc:1:1", "mix")
    midi.receive(control(1, 7))
    assert midi.health().detail == "nanoKONTROL2 20:0"
    midi.mapping.bind("note:1:1", "preset:gone")
    midi.receive(mido.Message("note_on", note=1, velocity=1))
    midi.receive(mido.Message("note_off", note=1))
    assert "note:1:1 refused" in midi.health().detail


def test_targets_that_are_not_there_are_named_at_the_start(
    midi: MidiInput, caplog: pytest.LogCaptureFixture
) -> None:
    for number, target in enumerate(("gone", "act:gone", "mix", "preset:ink", "preset:gone")):
        midi.mapping.bind(f"cc:1:{number}", target)
    midi.start()
    midi.close()
    named = [one.getMessage().partition("there is no ")[2] for one in caplog.records]
    assert named == ["gone", "act:gone", "preset:gone"]


def test_a_port_that_cannot_be_opened_is_said_beside_one_that_is_open(
    midi: MidiInput, ports: MemoryPorts, monkeypatch: pytest.MonkeyPatch
) -> None:
    def busy(name: str, receive: Callable[[Any], None]) -> Any:
        if "24" in name:
            raise OSError("busy")
        return MemoryPorts.open(ports, name, receive)

    monkeypatch.setattr(ports, "open", busy)
    ports.there = ["nanoKONTROL2 20:0", "nanoKONTROL2 24:0"]
    midi.poll()
    assert midi.health().detail == "nanoKONTROL2 20:0; nanoKONTROL2 24:0: busy"
    monkeypatch.undo()
    midi.poll()
    assert midi.health().detail == "nanoKONTROL2 20:0; nanoKONTROL2 24:0"


def test_controllers_come_and_go(midi: MidiInput, ports: MemoryPorts) -> None:
    midi.poll()
    assert midi.health().detail == "nanoKONTROL2 20:0"  # not the other one
    assert midi.health().state == "ok"
    ports.there = []
    midi.poll()
    assert midi.health().state == "lost"
    assert ports.closed == ["nanoKONTROL2 20:0"]
    ports.there = ["nanoKONTROL2 24:0"]  # the system numbers anew
    midi.poll()
    midi.mapping.bind("cc:1:3", "mix")
    ports.receive["nanoKONTROL2 24:0"](control(3, 0))
    assert midi.parameters.target("mix") == 0


def test_a_controller_that_is_lost_and_comes_back_is_logged(
    midi: MidiInput, ports: MemoryPorts, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    for there in (ports.there, [], ["nanoKONTROL2 24:0"]):
        ports.there = there
        midi.poll()
    assert caplog.messages == [
        "MIDI nanoKONTROL2 is lost: unplugged, or switched off", "MIDI nanoKONTROL2 is back",
    ]  # fmt: skip
    assert midi.reconnects == 1


def test_a_controller_that_was_out_between_two_looks_is_opened_again(
    midi: MidiInput, ports: MemoryPorts, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As on Linux, by its device's file, which is another then."""
    monkeypatch.setattr("livedream.control.midi._NODES", tmp_path)
    node = tmp_path / "midiC1D0"
    node.touch()
    midi.poll()
    (tmp_path / "midiC2D0").touch()  # another is plugged in, which is none of ours
    midi.poll()
    assert ports.closed == []
    node.rename(tmp_path / "was")  # so that its inode is not given anew
    node.touch()
    for _ in range(2):
        midi.poll()
    assert ports.closed == ["nanoKONTROL2 20:0"]
    assert midi.reconnects == 1 and midi.health().state == "ok"


def test_a_damaged_map_is_one_line(tmp_path: Path) -> None:
    path = tmp_path / "midi.toml"
    path.write_text("[controls\n")
    with pytest.raises(SettingsError, match="cannot be read"):
        MidiMap(path)


def test_without_its_library_one_line_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "mido.backends.rtmidi", None)
    with pytest.raises(SettingsError, match=r'^midi: .* pip install "livedream\[midi\]"$'):
        RtMidiPorts()


def test_a_system_without_midi_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    class RtMidiError(Exception):
        pass

    def names() -> list[str]:
        raise RtMidiError("no ALSA sequencer")

    monkeypatch.setitem(sys.modules, "rtmidi", SimpleNamespace(RtMidiError=RtMidiError))
    monkeypatch.setitem(sys.modules, "mido.backends.rtmidi", ModuleType("rtmidi"))
    monkeypatch.setattr("mido.get_input_names", names)
    with pytest.raises(SettingsError, match=r"^midi: the system has no MIDI \(no ALSA sequencer"):
        RtMidiPorts().names()


def test_a_fault_in_the_drivers_thread_is_logged_and_in_the_health(
    midi: MidiInput, ports: MemoryPorts, caplog: pytest.LogCaptureFixture,
) -> None:  # fmt: skip
    midi.mapping.bind("cc:1:7", "strength")
    midi.poll()
    receive = ports.receive["nanoKONTROL2 20:0"]

    def broken(change: object) -> None:
        raise RuntimeError("a listener broke")

    stop = midi.parameters.listen(broken)
    receive(control(7, 64))
    assert (midi.health().state, midi.health().detail) == ("lost", "RuntimeError: a listener broke")
    assert [record.exc_info is not None for record in caplog.records] == [True]
    stop()
    receive(control(7, 127))
    assert midi.health().state == "ok"
