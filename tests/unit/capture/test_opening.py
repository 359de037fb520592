"""The door to capture: what is no source says so in one line."""

import subprocess
import sys
from pathlib import Path

import pytest

from livedream.capture import open_source
from livedream.core.errors import SourceError


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("nowhere.mp4", None, "does not exist"),
        ("text.mp4", b"Dear diary, today I dreamed of video.\n" * 20, "not a video or picture"),
        ("empty.mp4", b"", "not a video or picture"),
        ("zeros.mkv", bytes(4096), "not a video or picture"),
    ],
)
def test_what_is_no_video(tmp_path: Path, name: str, content: bytes | None, message: str) -> None:
    path = tmp_path / name
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(SourceError, match=message) as caught:
        open_source(path)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(("start", "end"), [(-1.0, None), (2.0, 2.0), (3.0, 1.0), (0.0, 0.0)])
def test_an_impossible_range_is_refused(start: float, end: float | None) -> None:
    with pytest.raises(SourceError, match="0 <= start < end"):
        open_source("noise", start_s=start, end_s=end)


def test_importing_the_doors_is_cheap() -> None:
    code = (
        "import sys, livedream.capture, livedream.present, livedream.jobs.checkpoint\n"
        "print([m for m in ('av', 'cv2', 'torch', 'safetensors') if m in sys.modules])"
    )
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert result.stdout.strip() == "[]"
