"""Devices: asked for real; a camera's modes are what it answers, not what was asked."""

import json
import sys
from types import SimpleNamespace
from typing import Any

import cv2
import pytest
import torch

from livedream.cli import main
from livedream.core.settings import DEVICES
from livedream.jobs.devices import _OF_SYSTEM, SECTIONS, camera_modes, graphics
from livedream.panel import offers


class Device:
    """Gives 1280x720 at 30 fps to whoever asks for more than 640x480."""

    def __init__(self) -> None:
        self.size = [0.0, 0.0]
        self.released = False

    def isOpened(self) -> bool:  # noqa: N802
        return True

    def set(self, name: int, value: float) -> None:
        if name == cv2.CAP_PROP_FRAME_WIDTH:
            self.size = [640, 480] if value <= 640 else [1280, 720]

    def get(self, name: int) -> float:
        found = {cv2.CAP_PROP_FRAME_WIDTH: self.size[0], cv2.CAP_PROP_FRAME_HEIGHT: self.size[1]}
        return found.get(name, 30.0)

    def release(self) -> None:
        self.released = True


def test_modes_are_what_is_read_back_each_once() -> None:
    device = Device()
    assert camera_modes(lambda: device) == ["640x480 30 fps", "1280x720 30 fps"]
    assert device.released


@pytest.mark.parametrize("system", ["win32", "darwin"])
def test_what_one_system_has_is_listed_there_and_asked_for_by_the_studio(system: str) -> None:
    ((kind, senders),) = _OF_SYSTEM[system].items()
    assert offers._OF_SYSTEM[system][0] == kind  # noqa: SLF001
    assert (kind in SECTIONS) == (sys.platform == system)
    if sys.platform != system:
        assert [name for name, _ in senders()] == ["none"]


def test_every_section_answers(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["devices", "--quick", "--json"]) == 0
    found: dict[str, Any] = json.loads(capsys.readouterr().out)
    assert list(found) == list(SECTIONS)
    assert found["encoders"]["h264  libx264"] == "opens"
    assert found["encoders"]["ffv1  ffv1"] == "opens"
    assert any(name.startswith("cpu") for name in found["compute devices"])


@pytest.mark.parametrize(("visible", "other"), [(None, "1"), ("3, GPU-7f", "GPU-7f")])
def test_a_gpu_is_called_what_it_can_be_chosen_by(
    visible: str | None, other: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if visible is None:
        monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    else:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    known = SimpleNamespace(name="NVIDIA H100", total_memory=80 * 2**30)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setattr(torch.cuda, "get_device_properties", lambda index: known)
    found = graphics()
    assert found[:2] == [
        ("cuda  NVIDIA H100", "80 GB"),
        (f"cuda  NVIDIA H100, with CUDA_VISIBLE_DEVICES={other}", "80 GB"),
    ]
    assert all(name.split()[0] in DEVICES for name, _ in found)


def test_windows_of_one_title_are_all_counted(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    lines = [("Terminal", "800x600"), ("Film", "640x360"), ("Terminal", "1280x720")]
    monkeypatch.setitem(SECTIONS, "windows", lambda: lines)
    monkeypatch.setitem(SECTIONS, "MIDI ports", lambda: [("nano", ""), ("nano", "")])
    assert main(["devices", "--json", "windows", "MIDI ports"]) == 0
    assert json.loads(capsys.readouterr().out) == {
        "windows": {"Terminal": "2 alike: 800x600; 1280x720", "Film": "640x360"},
        "MIDI ports": {"nano": "2 alike"},
    }
