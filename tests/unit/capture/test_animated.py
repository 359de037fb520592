"""Animated WebP, PNG and AVIF as films."""

from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from livedream.capture import open_source
from livedream.core.errors import SourceError
from livedream.core.frame import Picture

DELAYS = [100, 500, 1000, 200, 30, 700]


def pictures(count: int = 6) -> list[Picture]:
    made = [np.full((64, 96, 3), (40 * i, 255 - 40 * i, 80), np.uint8) for i in range(count)]
    for i, rgb in enumerate(made):
        rgb[10:40, 10 * i : 10 * i + 15] = 255
    return made


def save(path: Path, **how: Any) -> Path:
    first, *rest = (Image.fromarray(rgb) for rgb in pictures())
    options = {"duration": DELAYS, "loop": 0, "lossless": True, "quality": 90} | how
    first.save(path, save_all=True, append_images=rest, **options)
    return path


@pytest.mark.parametrize("suffix", [".webp", ".png", ".apng", ".avif"])
def test_an_animation_is_a_film_with_its_delays(tmp_path: Path, suffix: str) -> None:
    with open_source(save(tmp_path / f"a{suffix}")) as source:
        info, frames = source.info, list(source)
    assert (info.width, info.height, info.frames) == (96, 64, 6)
    assert [f.pts * f.time_base * 1000 for f in frames] == [sum(DELAYS[:i]) for i in range(6)]
    assert [f.duration * f.time_base * 1000 for f in frames] == DELAYS
    assert [f.index for f in frames] == list(range(6))
    assert info.rate == Fraction(6000, sum(DELAYS))
    for frame, wanted in zip(frames, pictures(), strict=True):
        assert np.abs(frame.rgb.astype(int) - wanted).mean() < 3


def test_a_range_counts_from_its_start(tmp_path: Path) -> None:
    path = save(tmp_path / "a.webp")
    with open_source(path, start_s=0.5, end_s=1.7, skip=1) as source:
        frames = list(source)
        assert (source.info.frames, source.info.begins_s) == (2, 0.5)
    assert [(f.index, f.time_s) for f in frames] == [(1, 1.1)]
    with pytest.raises(SourceError, match="no frame in the range"):
        open_source(path, start_s=9)


@pytest.mark.parametrize("suffix", [".webp", ".png", ".gif"])
def test_delays_that_no_browser_keeps_are_a_tenth_of_a_second(tmp_path: Path, suffix: str) -> None:
    path = save(tmp_path / f"a{suffix}", duration=[0, 10, 20, 40, 10, 40])
    with open_source(path) as source:
        frames = list(source)
        assert 15 <= source.info.rate <= 20  # FFmpeg guesses, of delays that differ
    assert [f.duration * f.time_base * 1000 for f in frames] == [100, 100, 20, 40, 100, 40]
    assert [f.time_s for f in frames] == pytest.approx([0, 0.1, 0.2, 0.22, 0.26, 0.36])
    with open_source(path, start_s=0.21) as source:
        assert [f.rgb.tolist() for f in source] == [f.rgb.tolist() for f in frames[3:]]


def test_a_png_shows_its_first_picture_only_where_nothing_moves(tmp_path: Path) -> None:
    path = save(tmp_path / "a.png", default_image=True, duration=40)
    with open_source(path) as source:
        frames = list(source)
    assert len(frames) == 5
    assert np.array_equal(frames[0].rgb, pictures()[1])


def test_transparency_is_dropped_with_a_note(tmp_path: Path) -> None:
    clear = [Image.fromarray(rgb).convert("RGBA") for rgb in pictures()]
    for image in clear:
        image.putalpha(128)
    clear[0].save(tmp_path / "a.png", save_all=True, append_images=clear[1:], duration=40)
    with open_source(tmp_path / "a.png") as source:
        frames = list(source)
        assert source.info.notes == ("transparency is dropped",)
    assert np.array_equal(frames[0].rgb, pictures()[0])


@pytest.mark.parametrize("suffix", [".webp", ".png", ".avif"])
def test_what_breaks_off_is_read_up_to_there(tmp_path: Path, suffix: str) -> None:
    path = save(tmp_path / f"a{suffix}")
    content = path.read_bytes()
    for share in (0.3, 0.6, 0.9, 0.99):
        path.write_bytes(content[: int(len(content) * share)])
        try:
            with open_source(path) as source:
                frames = list(source)
        except SourceError:
            continue
        assert 1 <= len(frames) <= 6


@pytest.mark.parametrize(("loop", "wanted"), [(0, 0), (1, 1), (4, 4)])
@pytest.mark.parametrize("suffix", [".webp", ".png"])
def test_how_often_it_is_shown_is_known(
    tmp_path: Path, suffix: str, loop: int, wanted: int
) -> None:
    with open_source(save(tmp_path / f"a{suffix}", loop=loop)) as source:
        assert source.info.loops == wanted


def test_a_gif_without_a_number_is_shown_once(tmp_path: Path) -> None:
    first, *rest = (Image.fromarray(rgb) for rgb in pictures())
    for name, how, wanted in (("once", {}, 1), ("ever", {"loop": 0}, 0), ("five", {"loop": 5}, 5)):
        path = tmp_path / f"{name}.gif"
        first.save(path, save_all=True, append_images=rest, duration=40, **how)
        with open_source(path) as source:
            assert source.info.loops == wanted
