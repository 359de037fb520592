"""NDI up to its package's door: what sound goes along with the picture."""

import sys
from fractions import Fraction
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from livedream.core.addresses import parse_address
from livedream.core.live_sound import LiveSound
from livedream.present.live import LiveFrame
from livedream.present.live.sharing import NdiOutput

BEGIN_S = 5000.0  # of the capture clock


class Door:
    """As much of cyndilib as is called; blocks: how many of sound were sent."""

    RGBA = RGBX = 0

    def __init__(self) -> None:
        self.blocks = 0

    def __call__(self, *settings: Any, **more: Any) -> "Door":
        return self

    def set_resolution(self, *size: int) -> None: ...

    def set_frame_rate(self, rate: Fraction) -> None: ...

    def set_fourcc(self, fourcc: int) -> None: ...

    def set_video_frame(self, frame: Any) -> None: ...

    def set_audio_frame(self, frame: Any) -> None: ...

    def open(self) -> None: ...

    def write_video(self, pixels: Any) -> bool:
        return True

    def write_audio(self, block: Any) -> None:
        self.blocks += 1


@pytest.fixture
def door(monkeypatch: pytest.MonkeyPatch) -> Door:
    door = Door()
    libraries: dict[str, dict[str, object]] = {
        "cyndilib": {},
        "cyndilib.audio_frame": {"AudioSendFrame": door},
        "cyndilib.sender": {"Sender": door},
        "cyndilib.video_frame": {"VideoSendFrame": door},
        "cyndilib.wrapper": {},
        "cyndilib.wrapper.ndi_structs": {"FourCC": door},
    }
    for name, contents in libraries.items():
        library = ModuleType(name)
        library.__dict__.update(contents)
        monkeypatch.setitem(sys.modules, name, library)
    return door


def test_ndi_does_not_make_up_for_what_the_computer_has_slept_through(door: Door) -> None:
    output = NdiOutput(parse_address("ndi"), 32, 18, Fraction(25), LiveSound())
    output.open()
    picture = np.zeros((18, 32, 3), np.uint8)
    output.write(LiveFrame(picture, BEGIN_S, 0))
    output.write(LiveFrame(picture, BEGIN_S + 3.0, 1))
    assert door.blocks == 200  # the third second may still come
    output.write(LiveFrame(picture, BEGIN_S + 3600.0, 2))
    output.write(LiveFrame(picture, BEGIN_S + 3603.0, 3))
    assert door.blocks == 400
