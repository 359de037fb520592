"""Keys, and the audio hand without a device."""

import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from waiting import until

from livedream.control.audio import AudioInput
from livedream.control.keys import KEYS, Keys
from livedream.control.live_parameters import LiveParameters
from livedream.control.presets import Presets
from livedream.control.show import ACTIONS, Show
from livedream.core.errors import SettingsError, SourceError
from livedream.core.live_sound import SOUND_RATE, LiveSound
from livedream.core.settings import DreamSettings


def test_every_key_means_an_action_and_is_in_the_help(tmp_path: Path) -> None:
    parameters = LiveParameters(DreamSettings())
    keys = Keys(Show(parameters, Presets(tmp_path)))
    for key, action in KEYS.items():
        assert action in ACTIONS
        assert keys.press(key)
        assert any(key.capitalize() in shown.split(", ") for shown, _ in Keys.help())


def test_space_freezes_digits_call_and_others_do_nothing(tmp_path: Path) -> None:
    parameters = LiveParameters(DreamSettings())
    show = Show(parameters, Presets(tmp_path))
    keys = Keys(show)
    assert keys.press("Space")
    assert parameters.target("freeze")
    assert keys.press("3")
    assert show.preset_name == show.presets.names[2]
    assert not any(keys.press(key) for key in ("q", "0", "", "²", "f12"))


def test_a_key_whose_preset_cannot_be_dreamed_says_why(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    show = Show(LiveParameters(DreamSettings()), Presets(tmp_path))
    name = show.presets.names[0]
    (tmp_path / f"{name}.toml").write_text('[dream]\nwhere = "mask(gone.png)"\n')
    show.presets.read()
    number = show.presets.names.index(name) + 1
    assert Keys(show).press(str(number))
    assert f"key {number}: preset {name}: where: " in caplog.text
    assert show.preset_name == ""


class Device:
    """What PortAudio would say, and a stream that sends when told."""

    PortAudioError = type("PortAudioError", (Exception,), {})

    def __init__(self) -> None:
        self.devices = [
            {"name": "Speakers", "max_input_channels": 0, "default_samplerate": 48000.0},
            {"name": "USB Mixer", "max_input_channels": 2, "default_samplerate": 44100.0},
        ]
        self.streams: list[Any] = []

    def query_devices(self, device: int | None = None, kind: str | None = None) -> Any:
        return self.devices if kind is None else self.devices[1]

    def InputStream(self, **options: Any) -> Any:  # noqa: N802
        stream = SimpleNamespace(options=options, start=lambda: None, close=lambda: None)
        self.streams.append(stream)
        return stream

    def _terminate(self) -> None: ...

    def _initialize(self) -> None: ...


@pytest.fixture
def device(monkeypatch: pytest.MonkeyPatch) -> Device:
    made = Device()
    monkeypatch.setitem(sys.modules, "sounddevice", made)  # type: ignore[arg-type]
    return made


def test_what_a_device_sends_is_heard(device: Device) -> None:
    now = [0.0]
    hand = AudioInput("mixer", clock=lambda: now[0])
    hand.start()
    try:
        options = device.streams[0].options
        assert options["device"] == 1
        assert options["samplerate"] == 44100
        time_s = np.arange(22050) / 44100
        tone = np.sin(2 * np.pi * 80 * time_s).astype(np.float32) * 0.4
        options["callback"](np.stack([tone, tone], 1), len(tone), None, None)
        assert hand.value("bass") > 0.9
        assert hand.value("treble") < 0.2
        assert hand.health().state == "ok"
        now[0] += 10  # the cable was pulled
        assert hand.value("bass") == 0
        assert hand.health().state == "lost"
    finally:
        hand.close()


def test_a_device_that_falls_silent_is_lost_until_it_is_heard_and_logged(
    device: Device, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    def begun(name: str, work: Callable[[], None], **_: Any) -> Any:
        turns.append(work)  # of the thread, here by a clock of the test's
        return SimpleNamespace(close=lambda: None)

    turns: list[Callable[[], None]] = []
    monkeypatch.setattr("livedream.control.audio.start_thread", begun)
    caplog.set_level("INFO")
    now = [0.0]
    audio = AudioInput("mixer", clock=lambda: now[0])
    audio.start()
    (watch,) = turns
    try:
        for _ in range(20):  # opens each time, and says nothing
            now[0] += 1.0
            watch()
            if now[0] > 2.0:
                assert (audio.health().state, audio.health().detail) == ("lost", "no sound comes")
        assert len(device.streams) > 2
        device.devices = device.devices[:1]
        device.query_devices = lambda *_: device.devices  # type: ignore[method-assign]
        now[0] += 3.0
        watch()
        assert "no input 'mixer'; there are none" in audio.health().detail
        audio.receive(np.zeros((441, 2), np.float32))
        watch()
        assert audio.health().state == "ok"
    finally:
        audio.close()
    assert caplog.messages[0] == "audio mixer is lost: no sound comes"
    assert caplog.messages[-1].startswith("audio mixer is back")


@pytest.mark.parametrize("age_s", [None, 0.0, 0.03])
def test_what_a_device_sends_goes_along_when_it_was_heard(
    device: Device, age_s: float | None
) -> None:
    """age_s: of a block when it comes, as the driver says; 0 where it says nothing at all."""
    now, sound = [5000.0], LiveSound()
    hand = AudioInput("mixer", sound, clock=lambda: now[0])
    hand.start()
    try:
        receive = device.streams[0].options["callback"]
        late_s = age_s or 441 / 44100
        chance = np.random.default_rng(1)
        for index in range(100):
            block = np.zeros((441, 1), np.float32)
            block[200:] = 0.5 * (index == 50)
            now[0] = 5000 + index / 100 + late_s
            if not age_s:
                now[0] += chance.uniform(0, 0.004)  # a driver that is not punctual
            when = (
                age_s
                if age_s is None
                else SimpleNamespace(
                    currentTime=70.0, inputBufferAdcTime=70.0 - age_s if age_s else 0.0
                )
            )
            receive(block, len(block), when, None)
        taken = sound.take(5000 * SOUND_RATE, SOUND_RATE // 2 + 2000, 0)
        assert taken is not None
        np.testing.assert_array_equal(taken[:, 0], taken[:, 1])
        begins_s = np.flatnonzero(taken[:, 0] > 0.25)[0] / SOUND_RATE
        assert begins_s == pytest.approx(0.5 + 200 / 44100, abs=0.003)
    finally:
        hand.close()


def test_what_is_measured_goes_on_to_who_follows_the_beat(device: Device) -> None:
    now, said = [7000.0], list[tuple[int, float, float]]()
    audio = AudioInput("mixer", clock=lambda: now[0])
    audio.on_step = lambda loud, flux, step_s, at_s: said.append((len(flux), step_s, at_s))
    audio.start()
    try:
        device.streams[0].options["callback"](np.zeros((1200, 1), np.float32), 1200, None, None)
    finally:
        audio.close()
    step_s = 512 / 44100
    assert said == [(4, step_s, 7000.0 - 688 / 44100), (4, step_s, 7000.0 - 176 / 44100)]


def test_a_fault_in_the_drivers_thread_is_logged_and_in_the_health(
    device: Device, caplog: pytest.LogCaptureFixture
) -> None:
    audio = AudioInput("mixer", clock=lambda: 0.0)
    audio.start()
    try:
        receive = device.streams[0].options["callback"]
        receive(np.zeros((2, 2, 2), np.float32), 2, None, None)
        assert audio.health().state == "lost"
        assert audio.health().detail.startswith("ShapeError: audio: shape must be (n,)")
        assert [record.exc_info is not None for record in caplog.records] == [True]
        receive(np.zeros((2, 2), np.float32), 2, None, None)
        assert audio.health().state == "ok"
        assert audio.health().detail == "44100 Hz"
    finally:
        audio.close()


def test_garbage_of_a_driver_is_no_number_and_forgotten(device: Device) -> None:
    audio, sound = AudioInput("mixer", clock=lambda: 0.0), LiveSound()
    heard = AudioInput("mixer", sound, clock=lambda: 9000.0)
    for one in (audio, heard):
        one.start()
    try:
        chance = np.random.default_rng(1)
        for garbage in (
            chance.integers(0, 2**32, (4410, 2), np.uint32).view(np.float32),
            np.full((4410, 2), np.nan, np.float32), np.full((4410, 2), 3e38, np.float32),
            np.array([[np.inf, -np.inf]] * 4410, np.float32), np.zeros((4410, 2), np.float32),
        ):  # fmt: skip
            audio.receive(garbage)
            heard.receive(garbage)
            assert all(0 <= audio.value(name) <= 1 for name in ("level", "treble", "onset"))
        assert (audio.health().state, audio.value("bass")) == ("ok", pytest.approx(0, abs=0.7))
        taken = sound.take(9000 * SOUND_RATE - 48_000, 96_000, 9003 * SOUND_RATE)
        assert taken is not None and np.abs(taken).max() == 1.0
        bass = 0.5 * np.sin(np.arange(44_100) * 60 * 2 * np.pi / 44_100, dtype=np.float32)
        for _ in range(20):  # the loudest is forgotten within a while
            audio.receive(bass[:, None])
        assert audio.value("bass") > 0.5 > audio.value("treble")
    finally:
        audio.close()
        heard.close()


def test_an_unknown_device_names_those_there_are(device: Device) -> None:
    with pytest.raises(SettingsError, match="there are USB Mixer"):
        AudioInput("violin").start()


def test_without_the_library_its_install_command_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "sounddevice", None)
    with pytest.raises(SettingsError, match=r'pip install "livedream\[audio\]"'):
        AudioInput().start()


def test_what_a_mac_plays_takes_a_driver(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "darwin")
    with pytest.raises(SourceError, match="a loopback driver: install one, such as BlackHole"):
        AudioInput("system").start()


def test_a_sound_system_that_does_not_start_again_at_once_is_tried_until_it_does(
    device: Device, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As PortAudio has it: ended twice is an error, too."""
    faults = 2
    running = True

    def terminate() -> None:
        nonlocal running
        if not running:
            raise device.PortAudioError("PortAudio not initialized")
        running = False

    def initialize() -> None:
        nonlocal faults, running
        faults -= 1
        if faults >= 0:
            raise device.PortAudioError("no sound server")
        running = True

    monkeypatch.setattr(device, "_terminate", terminate)
    monkeypatch.setattr(device, "_initialize", initialize)
    monkeypatch.setattr("livedream.control.audio._POLL_S", 0.01)
    now = 100.0
    audio = AudioInput(clock=lambda: now)
    audio.start()
    try:
        audio.receive(np.ones((480, 1), np.float32))
        now = 103.0
        until(lambda: audio.health().reconnects == 1)
        assert (
            running and len(device.streams) == 2 and not audio.health().detail.startswith("audio:")
        )
    finally:
        audio.close()
