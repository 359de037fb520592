"""Clouds and noise: the same bytes for the same seed, no seam in time."""

from fractions import Fraction

import numpy as np
import pytest

from livedream.capture import open_source
from livedream.capture.sky import Sky, tileable_noise
from livedream.capture.synthetic import is_synthetic, open_synthetic, parse_settings
from livedream.core.errors import SourceError
from livedream.core.frame import Picture

SMALL = "synthetic:clouds?size=96x54&seconds=2&fps=10"


def pictures(text: str) -> list[Picture]:
    with open_source(text) as source:
        return [frame.rgb for frame in source]


def test_what_it_says_is_what_comes() -> None:
    with open_source("synthetic:clouds?size=97x55&fps=30000/1001&seconds=1&seed=3") as source:
        frames = list(source)
        info = source.info
    assert (info.width, info.height, info.rate) == (97, 55, Fraction(30000, 1001))
    assert info.frames == len(frames) == 30
    assert [f.pts for f in frames] == list(range(30))
    assert {f.time_base for f in frames} == {Fraction(1001, 30000)}
    assert frames[0].rgb.shape == (55, 97, 3)
    assert frames[0].rgb.dtype == np.uint8


def test_the_seed_decides() -> None:
    first, again, other = (pictures(f"{SMALL}&seed={seed}")[3] for seed in (1, 1, 2))
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)


def test_the_loop_has_no_seam() -> None:
    shown = [p.astype(int) for p in pictures("synthetic:clouds?size=160x90&seconds=8&fps=5")]
    steps = [np.abs(a - b).mean() for a, b in zip(shown, [*shown[1:], shown[0]], strict=True)]
    assert steps[-1] < 1.2 * max(steps[:-1])
    assert min(steps) > 0


def test_there_is_sky_and_there_are_clouds() -> None:
    picture = Sky(320, 180, 10.0, seed=0).paint(0.25).astype(int)
    blueness = picture[..., 2] - picture[..., 0]
    assert (blueness > 40).mean() > 0.15
    assert (blueness < 10).mean() > 0.1


def test_noise_is_tileable_and_normalised() -> None:
    field = tileable_noise(np.random.default_rng(0), 64, 96, 1.7)
    assert field.std() == pytest.approx(1, abs=1e-3)
    inside = np.abs(np.diff(field, axis=1)).mean()
    assert np.abs(field[:, 0] - field[:, -1]).mean() < 2 * inside


def test_noise_differs_from_frame_to_frame() -> None:
    one, two = pictures("noise?size=32x16&seconds=1&fps=2")
    assert not np.array_equal(one, two)
    assert abs(one.mean() - 127.5) < 10


def test_a_range_is_the_same_film() -> None:
    whole = pictures(SMALL)
    with open_source(SMALL, start_s=0.5, end_s=1.2) as source:
        part = list(source)
    assert [f.pts for f in part] == list(range(7))
    assert source.info.begins_s == 0.5
    assert all(np.array_equal(f.rgb, whole[5 + i]) for i, f in enumerate(part))


def test_skipped_frames_leave_index_and_pts() -> None:
    with open_source(SMALL, skip=15) as source:
        rest = list(source)
    assert [f.index for f in rest] == [15, 16, 17, 18, 19]
    assert [f.pts for f in rest] == [15, 16, 17, 18, 19]


@pytest.mark.parametrize("size", ["1x1", "2x900", "16x16"])
def test_any_size_can_be_painted(size: str) -> None:
    width, height = (int(side) for side in size.split("x"))
    shape = pictures(f"synthetic:clouds?size={size}&seconds=1&fps=1")[0].shape
    assert shape == (height, width, 3)


@pytest.mark.parametrize("text", ["synthetic:clouds", "synthetic:noise", "noise", "noise?seed=1"])
def test_names_of_synthetic_sources(text: str) -> None:
    assert is_synthetic(text)
    assert open_synthetic(text).info.frames == 250


@pytest.mark.parametrize("text", ["clouds.mp4", "noise.mp4", "/tmp/synthetic"])
def test_files_are_not_synthetic(text: str) -> None:
    assert not is_synthetic(text)


@pytest.mark.parametrize(
    ("query", "wanted"),
    [
        ("size=640", "640x360"),
        ("size=0x10", "640x360"),
        ("size=99999x99999", "640x360"),
        ("fps=fast", "frames per second"),
        ("fps=0", "frames per second"),
        ("fps=1/0", "frames per second"),
        ("seconds=-1", "length in seconds"),
        ("seed=x", "whole number"),
        ("colour=blue", "size, fps, seconds, seed"),
    ],
)
def test_bad_settings_say_what_is_wanted(query: str, wanted: str) -> None:
    with pytest.raises(SourceError, match=wanted):
        parse_settings(query)


def test_an_unknown_name_lists_those_there_are() -> None:
    with pytest.raises(SourceError, match="synthetic:clouds, synthetic:noise"):
        open_source("synthetic:birds")


def test_an_empty_range_is_refused() -> None:
    with pytest.raises(SourceError, match="no frame in the range"):
        open_source(SMALL, start_s=5)
