"""Planes at half and a quarter of their size, their median, and the gray of a picture."""

import numpy as np
import pytest

from livedream.flow import flow_halved, gray, halved, median, quartered, sampled_median


@pytest.mark.parametrize(
    ("shape", "wanted"), [((1, 1), (1, 1)), ((1, 9), (1, 4)), ((7, 6), (3, 3))]
)
def test_half_a_plane_is_never_nothing(shape: tuple[int, int], wanted: tuple[int, int]) -> None:
    found = halved(np.full(shape, 9, np.uint8))
    assert found.shape == wanted and found.dtype == np.float32 and (found == 9).all()


def test_half_a_plane_is_the_mean_of_four() -> None:
    plane = np.array([[1, 2, 3, 4], [5, 6, 7, 8]], np.float32)
    assert halved(plane).tolist() == [[3.5, 5.5]]


@pytest.mark.parametrize(
    ("shape", "wanted"),
    [((1, 1), (1, 1)), ((1, 9), (1, 2)), ((7, 6), (1, 1)), ((270, 480), (67, 120))],
)
def test_a_quarter_of_a_plane_is_never_nothing(
    shape: tuple[int, int], wanted: tuple[int, int]
) -> None:
    found = quartered(np.full(shape, 9, np.uint8))
    assert found.shape == wanted and found.dtype == np.uint8 and (found == 9).all()


def test_a_quarter_of_a_plane_is_the_mean_of_sixteen() -> None:
    plane = np.random.default_rng(0).integers(0, 256, (64, 96), dtype=np.uint8)
    means = plane.reshape(16, 4, 24, 4).mean((1, 3))
    assert np.abs(quartered(plane) - means).max() <= 1.0


def test_a_flow_halved_keeps_its_px() -> None:
    flow = np.zeros((2, 4, 6), np.float32)
    flow[0], flow[1] = 5.0, -2.0
    found = flow_halved(flow)
    assert found.shape == (2, 2, 3) and (found[0] == 5).all() and (found[1] == -2).all()


@pytest.mark.parametrize("count", [1, 2, 7, 8])
def test_the_median_is_one_of_the_values(count: int) -> None:
    values = np.random.default_rng(count).permutation(count).astype(np.float64)
    assert median(values) == count // 2


def test_gray_is_that_of_rgb() -> None:
    red, green, blue = np.eye(3, dtype=np.uint8)[:, None, None, :] * 255
    assert [int(gray(colour)[0, 0]) for colour in (red, green, blue)] == [76, 150, 29]  # BT.601


@pytest.mark.parametrize("size", [(1, 1), (1, 9), (40, 60)])
def test_a_plane_s_median_is_that_of_most_of_it(size: tuple[int, int]) -> None:
    plane = np.full(size, 3.0, np.float32)
    plane[: size[0] // 3] = 99.0
    assert sampled_median(plane) == 3.0
