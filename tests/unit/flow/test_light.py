"""Light: a change of exposure is found and undone, a change of content is left alone."""

import numpy as np
import pytest
from scenes import noisy, rounded, textured

from livedream.flow import Gray, gray
from livedream.flow.motion import change_of_light, match_exposure


@pytest.fixture(scope="module")
def calm() -> Gray:
    return gray(textured(180, 320, 3, contrast=25))


@pytest.mark.parametrize(
    ("gain", "offset"), [(1.3, 0.0), (0.5, 0.0), (1.0, 40.0), (1.0, -12.0), (0.7, 50.0)]
)
def test_gain_and_offset_come_back(calm: Gray, gain: float, offset: float) -> None:
    brighter = rounded(gain * calm.astype(float) + offset)
    found = change_of_light(brighter, calm)
    assert found == (pytest.approx(gain, abs=0.03), pytest.approx(offset, abs=4.0))
    assert np.abs(match_exposure(calm, found).astype(int) - brighter).mean() < 0.6


def test_a_third_of_the_picture_may_be_something_else(calm: Gray) -> None:
    brighter = rounded(1.2 * calm.astype(float) - 10)
    brighter[:, :105] = gray(textured(180, 105, 9, contrast=60))
    found = change_of_light(brighter, calm)
    assert found == (pytest.approx(1.2, abs=0.04), pytest.approx(-10, abs=5))


def test_noise_hides_a_flash_from_no_one(calm: Gray) -> None:
    draw = np.random.default_rng(0)
    brighter, before = noisy(calm + 30.0, 6, draw), noisy(calm, 6, draw)
    found = change_of_light(brighter, before)
    assert found is not None
    assert 128 * found[0] + found[1] == pytest.approx(158, abs=2)


def test_no_change_is_none(calm: Gray) -> None:
    draw = np.random.default_rng(0)
    assert change_of_light(calm, calm) is None
    assert change_of_light(noisy(calm, 8, draw), noisy(calm, 8, draw)) is None
    assert change_of_light(calm + np.uint8(1), calm) is None


def test_a_moved_body_is_no_light(calm: Gray) -> None:
    """A third of the picture brighter, the rest as it was: something moved there."""
    other = calm.copy()
    other[:, :105] = np.clip(other[:, :105].astype(int) + 60, 0, 255)
    assert change_of_light(other, calm) is None


def test_a_flat_picture_changes_by_its_offset() -> None:
    """Without contrast nothing tells gain from offset; the gain stays one."""
    first, second = np.full((90, 160), 60, np.uint8), np.full((90, 160), 90, np.uint8)
    gain, offset = change_of_light(second, first) or (0.0, 0.0)
    assert gain == pytest.approx(1.0) and offset == pytest.approx(30.0)


@pytest.mark.parametrize("size", [(1, 1), (1, 7), (3, 2)])
def test_the_smallest_pictures(size: tuple[int, int]) -> None:
    dark, light = np.full(size, 10, np.uint8), np.full(size, 200, np.uint8)
    found = change_of_light(light, dark)
    assert found is not None and (match_exposure(dark, found) == 200).all()


def test_relighting_rounds_and_stays_in_range() -> None:
    picture = np.array([[0, 1, 100, 101, 200, 255]], np.uint8)
    assert match_exposure(picture, (1.5, -2.0)).tolist() == [[0, 0, 148, 150, 255, 255]]
