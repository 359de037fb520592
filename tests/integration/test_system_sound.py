"""What the computer itself plays: through a real sound server where there is one, else up to it.

The process that listens is always a real one; only the library may be a stand-in.
"""

import os
import shutil
import subprocess
import sys
import time
import wave
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from waiting import PATIENCE_S, until

from livedream.control.audio import AudioInput
from livedream.core.errors import SourceError
from livedream.core.live_sound import SOUND_RATE, LiveSound

# As much of SoundCard as is asked for: two outputs, of which one plays a bass.
_STAND_IN = """
import numpy as np

class Output:
    isloopback = True
    def __init__(self, name, loud):
        self.name, self._loud, self._at = name, loud, 0
    def recorder(self, rate, channels, blocksize):
        self._rate = rate
        return self
    def __enter__(self):
        return self
    def __exit__(self, *error):
        pass
    def record(self, count):
        import time
        time.sleep(count / self._rate)
        at = self._at + np.arange(count)
        self._at += count
        if self._at > self._rate * 30:
            raise RuntimeError("unplugged")
        wave = self._loud * np.sin(2 * np.pi * 60 * at / self._rate)
        return np.stack([wave, wave], 1).astype(np.float32)

def default_speaker():
    return Output("Desk", 0.0)

def all_microphones(include_loopback):
    return [Output("Monitor of Hall", 0.5), Output("Monitor of Desk", 0.0)]
"""


@pytest.fixture
def stand_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The path of the stand-in for SoundCard."""
    file = tmp_path / "soundcard.py"
    file.write_text(_STAND_IN)
    own = Path(__file__).resolve().parents[2]
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(map(str, (tmp_path, own))))
    monkeypatch.setattr("livedream.control.system_sound._FIRST_S", PATIENCE_S)
    return file


def test_one_of_the_outputs_is_heard(stand_in: Path) -> None:
    hall = AudioInput("system:hall")
    hall.start()
    try:
        until(lambda: hall.value("bass") > 0.5)
        assert hall.value("treble") < 0.1
        assert (hall.health().state, hall.health().detail) == ("ok", "48000 Hz")
    finally:
        hall.close()


def test_it_goes_along_with_the_picture(stand_in: Path) -> None:
    sound, now = LiveSound(), time.monotonic()
    hall = AudioInput("system:hall", sound)
    hall.start()
    try:
        first = round(now * SOUND_RATE)
        heard: list[float] = []

        def loud() -> bool:
            taken = sound.take(first, 5 * SOUND_RATE, first + 7 * SOUND_RATE)
            assert taken is not None
            heard[:] = [float(np.abs(taken[:, side]).max()) for side in (0, 1)]
            return min(heard) > 0.4

        until(loud)
        assert max(heard) == pytest.approx(0.5, abs=0.01)
    finally:
        hall.close()


def test_the_output_in_use_is_the_usual_one(stand_in: Path) -> None:
    desk = AudioInput("system")
    desk.start()
    try:
        until(lambda: desk.health().frames > 20)
        assert desk.value("level") == 0
    finally:
        desk.close()


@pytest.mark.parametrize(
    ("text", "device", "complaint"),
    [
        (_STAND_IN, "system:cellar", "no output 'cellar'; there are Monitor of Desk, Monitor of"),
        ("raise ImportError", "system", "SoundCard is not installed; pip install"),
        ("assert False", "system", "no PulseAudio or PipeWire to listen to"),
        (_STAND_IN.replace("self._rate * 30", "-1"), "system", "the sound server: unplugged"),
    ],
)
def test_what_cannot_be_heard_is_one_line(
    text: str, device: str, complaint: str, stand_in: Path
) -> None:
    stand_in.write_text(text)
    with pytest.raises(SourceError, match=f"audio: {complaint}"):
        AudioInput(device).start()


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[], None]]:
    """Starts a PulseAudio with nothing but a null sink, or starts it anew."""
    if shutil.which("pulseaudio") is None or shutil.which("paplay") is None:
        pytest.skip("wants pulseaudio and pulseaudio-utils")
    pytest.importorskip("cffi", reason="wants SoundCard")
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).resolve().parents[2]))
    tmp_path.chmod(0o700)
    running: list[subprocess.Popen[bytes]] = []

    quiet = subprocess.DEVNULL

    def start() -> None:
        for one in running:
            one.kill()
            one.wait()
        (tmp_path / "pulse/pid").unlink(missing_ok=True)
        running[:] = [
            subprocess.Popen(
                [
                    "pulseaudio", "-n", "--daemonize=no", "--exit-idle-time=-1",
                    "-L", "module-native-protocol-unix", "-L", "module-null-sink sink_name=hall",
                ],
                stderr=subprocess.DEVNULL,
            )
        ]  # fmt: skip
        until(lambda: not subprocess.call(["pactl", "info"], stdout=quiet, stderr=quiet))

    start()
    yield start
    for one in running:
        one.kill()
        one.wait()


@pytest.mark.slow
def test_a_sound_server_is_heard_and_heard_again_when_it_comes_back(
    server: Callable[[], None], tmp_path: Path
) -> None:
    time_s = np.arange(48000 * 20) / 48000
    bass = (np.sin(2 * np.pi * 60 * time_s) * 16000).astype("<i2")
    with wave.open(str(tmp_path / "bass.wav"), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(48000)
        file.writeframes(bass.tobytes())
    sound = AudioInput("system")

    def play() -> None:
        with subprocess.Popen(["paplay", str(tmp_path / "bass.wav")]) as player:
            until(lambda: sound.value("bass") > 0.5 and sound.value("treble") < 0.1)
            player.kill()

    sound.start()
    try:
        assert sound.value("level") == 0
        play()
        server()
        until(lambda: sound.health().reconnects == 1 and sound.health().state == "ok")
        play()
    finally:
        sound.close()


def test_the_process_ends_with_the_one_that_asked(stand_in: Path) -> None:
    child = subprocess.Popen(
        [sys.executable, "-m", "livedream.control.system_sound"], stdout=subprocess.PIPE
    )
    assert child.stdout is not None
    assert len(child.stdout.read(2048)) == 2048
    child.stdout.close()
    assert child.wait(PATIENCE_S) == 0
