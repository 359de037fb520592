"""Cuts: another scene is one; light, noise, fades and motion are none."""

from itertools import pairwise

import numpy as np
import pytest
from scenes import moving_square, noisy, rounded, textured

from livedream.flow import Gray, gray
from livedream.flow.motion import is_cut
from livedream.warp.remap import positions, remap

FLAT = np.full((180, 320), 90, np.uint8)


@pytest.fixture(scope="module")
def here() -> Gray:
    return gray(textured(180, 320, 3))


@pytest.fixture(scope="module")
def there() -> Gray:
    return gray(textured(180, 320, 4))


def test_a_scene_is_itself(here: Gray) -> None:
    assert not is_cut(here, here)


def test_another_scene_is_a_cut(here: Gray, there: Gray) -> None:
    assert is_cut(there, here) and is_cut(here, there)


def test_another_scene_is_a_cut_however_dim(here: Gray, there: Gray) -> None:
    dim = [rounded(30 + 0.1 * (picture.astype(float) - 128)) for picture in (here, there)]
    assert is_cut(dim[1], dim[0])
    assert not is_cut(dim[0], dim[0])


@pytest.mark.parametrize(("gain", "offset"), [(0.2, 0.0), (1.6, 30.0), (0.4, 150.0), (1.0, -70.0)])
def test_light_is_no_cut(here: Gray, gain: float, offset: float) -> None:
    """Flash and fade, clipping included."""
    assert not is_cut(rounded(gain * here.astype(float) + offset), here)


@pytest.mark.parametrize("steps", [5, 15])
def test_noise_is_no_cut(here: Gray, steps: float) -> None:
    draw = np.random.default_rng(1)
    assert not is_cut(noisy(here, steps, draw), noisy(here, steps, draw))


def test_a_large_moving_body_is_no_cut() -> None:
    scene = moving_square((12, -5), camera=(-4, 2), side=130)
    before = remap(gray(scene.previous), *positions(scene.flow))
    assert not is_cut(gray(scene.current), before)


@pytest.mark.parametrize("share", [(0.3, False), (0.9, True)])
def test_most_of_the_picture_decides(here: Gray, there: Gray, share: tuple[float, bool]) -> None:
    mixed = here.copy()
    width = int(320 * share[0])
    mixed[:, :width] = there[:, :width]
    assert is_cut(mixed, here) == share[1]


def test_one_flat_gray_after_another() -> None:
    assert not is_cut(FLAT, FLAT)
    assert not is_cut(FLAT + np.uint8(20), FLAT)
    assert is_cut(FLAT + np.uint8(30), FLAT) and is_cut(FLAT - np.uint8(30), FLAT)


def test_noise_on_a_flat_gray_has_no_structure_to_compare() -> None:
    draw = np.random.default_rng(2)
    assert not is_cut(noisy(FLAT, 12, draw), noisy(FLAT, 12, draw))


def test_noise_fetched_from_between_pixels_has_none_either() -> None:
    """Interpolation takes the fine grain away, not what a quarter of the size keeps."""
    draw = np.random.default_rng(2)
    now, before = noisy(FLAT, 25, draw), noisy(FLAT, 25, draw)
    remapped = remap(before, *positions(np.full((2, 180, 320), 0.5, np.float32)))
    assert not is_cut(now, remapped)


def test_something_after_nothing_is_a_cut(here: Gray) -> None:
    assert is_cut(here, FLAT) and is_cut(FLAT, here)


def test_what_only_just_rises_above_nothing_is_a_fade(here: Gray) -> None:
    """Whole fades, to black and back, in steps of a 25th."""
    fading = [rounded(here * (1 - step / 25)) for step in range(26)]
    for one, next_one in pairwise(fading):
        assert not is_cut(next_one, one)
        assert not is_cut(one, next_one)


@pytest.mark.parametrize("size", [(1, 1), (1, 30), (3, 5)])
def test_the_smallest_pictures(size: tuple[int, int]) -> None:
    dark, light = np.zeros(size, np.uint8), np.full(size, 200, np.uint8)
    assert is_cut(light, dark) and not is_cut(light, light)
