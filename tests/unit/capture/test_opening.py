"""The door to capture: what is no source says so in one line."""

from fractions import Fraction
from pathlib import Path

import pytest
from PIL import Image

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


def test_a_frame_rate_is_for_picture_sequences(tmp_path: Path) -> None:
    pictures = [Image.new("RGB", (32, 18), (40 * index, 0, 0)) for index in range(3)]
    for index, picture in enumerate(pictures):
        picture.save(tmp_path / f"{index}.png")
    for name in ("film.gif", "film.webp"):
        pictures[0].save(tmp_path / name, save_all=True, append_images=pictures[1:], duration=40)
    with open_source(tmp_path / "%d.png", fps=Fraction(12)) as source:
        assert source.info.rate == 12
    for text in (tmp_path / "film.gif", tmp_path / "film.webp", "synthetic:clouds", "noise"):
        with pytest.raises(SourceError, match=f"--fps is for picture sequences, and {text} is not"):
            open_source(text, fps=Fraction(12))
    with pytest.raises(SourceError, match="does not exist"):
        open_source(tmp_path / "nowhere.mp4", fps=Fraction(12))


def test_a_video_stream_is_of_a_video_file() -> None:
    with pytest.raises(SourceError, match="--stream is for video files, and noise is not one"):
        open_source("noise", stream=2)


@pytest.mark.parametrize(("start", "end"), [(-1.0, None), (2.0, 2.0), (3.0, 1.0), (0.0, 0.0)])
def test_an_impossible_range_is_refused(start: float, end: float | None) -> None:
    with pytest.raises(SourceError, match="0 <= start < end"):
        open_source("noise", start_s=start, end_s=end)
