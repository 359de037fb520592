"""NDI up to the library's door, for what no sender at hand can be made to do."""

import sys
from fractions import Fraction
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from livedream.capture.live.ndi import NdiInput, list_senders
from livedream.core.errors import SourceError
from livedream.core.live_sound import SOUND_RATE, LiveSound

ODD = "VM (Wall\x1b[31m\n<b>)"


class Network:
    """Senders by name, as cyndilib shows them; one is received."""

    def __init__(self) -> None:
        self.names, self.taken = ["VM (Wall 2)", ODD, "VM (Wall)"], ""
        self.rate, self.sound, self.pictures = Fraction(25), 0.0, True
        self.width, self.height, self.posted = 6, 4, 0.0
        self.frame_sync = self

    # A finder...

    def open(self) -> None:
        pytest.fail("two threads may not ask one finder: NDI crashes")

    def wait_for_sources(self, seconds: float) -> None:
        assert seconds == 0, "every thread waits with it"

    def get_source_names(self) -> list[str]:
        return self.names

    def get_source(self, name: str) -> str:
        return name

    # ...a receiver and its frame sync...

    def set_video_frame(self, frame: Any) -> None: ...

    def set_audio_frame(self, frame: Any) -> None: ...

    def set_source(self, name: str) -> None:
        self.taken = name

    def is_connected(self) -> bool:
        return True

    def disconnect(self) -> None: ...

    def capture_video(self) -> None:
        self.posted += self.pictures

    def audio_samples_available(self) -> int:
        return 2000

    def capture_audio(self, count: int) -> int:
        self.count = count
        return count

    # ...and its frames.

    @property
    def xres(self) -> int:
        return self.width * self.pictures

    def get_timestamp_posix(self) -> float:
        return self.posted

    def get_resolution(self) -> tuple[int, int]:
        return self.width, self.height

    def get_line_stride(self) -> int:
        return 4 * self.width + 8

    def get_frame_rate(self) -> Fraction:
        return self.rate

    def get_array(self) -> Any:
        if self.width:
            return np.full(self.height * self.get_line_stride(), 90, np.uint8)
        return None


class Sound:
    """An audio frame."""

    def __init__(self, network: Network) -> None:
        self._network = network

    def get_array(self) -> Any:
        return np.full((2, self._network.count), self._network.sound, np.float32)


@pytest.fixture
def network(monkeypatch: pytest.MonkeyPatch) -> Network:
    made = Network()
    named = {
        "finder": {"Finder": lambda: made}, "receiver": {"Receiver": lambda **_: made},
        "video_frame": {"VideoFrameSync": lambda: made},
        "audio_frame": {"AudioFrameSync": lambda: Sound(made)},
        "wrapper": {}, "wrapper.ndi_recv": {"RecvBandwidth": made, "RecvColorFormat": made},
    }  # fmt: skip
    made.highest = made.RGBX_RGBA = 0  # type: ignore[attr-defined]
    for name, parts in {"": {}, **named}.items():
        module = ModuleType(f"cyndilib.{name}".rstrip("."))
        vars(module).update(parts)
        monkeypatch.setitem(sys.modules, module.__name__, module)
    return made


def test_a_name_that_begins_another_is_itself_and_an_odd_one_can_be_typed(
    network: Network,
) -> None:
    assert list_senders(0.0) == ["VM (Wall 2)", "VM (Wall [31m <b>)", "VM (Wall)"]
    for wanted, taken in (
        ("vm (wall)", "VM (Wall)"), ("Wall", "VM (Wall 2)"), ("VM (Wall [31m <b>)", ODD),
    ):  # fmt: skip
        source = NdiInput(f"ndi:{wanted}")
        opened = source.open()
        assert network.taken == taken
        assert opened.detail.isprintable()
        source.close()


def test_without_the_package_it_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("cyndilib", "cyndilib.finder", "cyndilib.audio_frame"):
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(SourceError, match=r'pip install "livedream\[ndi\]"'):
        NdiInput("ndi").open()


@pytest.mark.parametrize("rate", [Fraction(-5), Fraction(0), Fraction(1, 100_000), Fraction(10**6)])
def test_a_rate_that_cannot_be_is_the_usual_one(rate: Fraction, network: Network) -> None:
    network.rate = rate
    assert NdiInput("ndi").open().rate == 25


def test_who_is_connected_and_sends_no_picture_is_left(
    network: Network, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("livedream.capture.live.ndi._FIRST_S", 0.0)
    monkeypatch.setattr("livedream.capture.live.ndi._WAIT_S", 0.01)
    network.pictures = False
    with pytest.raises(SourceError, match=r"ndi:\(wall\): VM \(Wall\) sends no picture"):
        NdiInput("ndi:(wall)").open()


@pytest.mark.parametrize(("sent", "heard"), [(np.nan, 0.0), (np.inf, 1.0), (-1e30, -1.0)])
def test_sound_stays_within_full_scale(sent: float, heard: float, network: Network) -> None:
    network.sound, sound = sent, LiveSound()
    source = NdiInput("ndi", sound)
    assert source.open().sound
    source.close()
    end = sound._end  # noqa: SLF001 (when it was is the clock's)
    taken = sound.take(end - 100, 100, end)
    assert taken is not None and (taken == heard).all()
    assert end > SOUND_RATE
