"""What decoding and encoding on the card would save: the part that a processor can measure."""

import gpu_video
import pytest
import torch

CPU = torch.device("cpu")


def test_a_film_is_written_read_and_turned_to_rgb() -> None:
    (found,) = gpu_video.video(CPU, small=True)
    assert found["libx264, ms"] > 0 and found["decoded by the processor, ms"] > 0
    assert found["turned to RGB, ms"] > 0 and found["RGB from NV12 is the same"] is True
    assert not [name for name in found if "NVDEC" in name]


def test_without_pyav_it_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    assert gpu_video.video(CPU) == "skipped: PyAV is not here"
