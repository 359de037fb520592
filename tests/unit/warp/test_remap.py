"""Fetching, halving, the gray of a picture and its median."""

import cv2
import numpy as np
import pytest

from livedream.flow import flow_halved, gray, halved, median, quartered, sampled_median
from livedream.warp.remap import positions, remap


def test_positions_are_pixels_plus_flow() -> None:
    flow = np.zeros((2, 3, 5), np.float32)
    flow[0], flow[1] = 0.5, -2.0
    x, y = positions(flow)
    assert x[2].tolist() == [0.5, 1.5, 2.5, 3.5, 4.5]
    assert y[:, 0].tolist() == [-2.0, -1.0, 0.0]


def test_what_is_added_to_positions_does_not_stay() -> None:
    """The grid behind them is kept from call to call."""
    zero = np.zeros((2, 4, 4), np.float32)
    first, _ = positions(zero)
    first += 7
    assert positions(zero)[0][0].tolist() == [0, 1, 2, 3]


def test_fetching_interpolates_and_continues_the_border() -> None:
    picture = np.arange(0, 250, 10, dtype=np.uint8).reshape(5, 5)
    flow = np.zeros((2, 5, 5), np.float32)
    flow[0] = 0.5
    assert remap(picture, *positions(flow))[1].tolist() == [55, 65, 75, 85, 90]
    flow[1] = 100
    assert remap(picture, *positions(flow))[0].tolist() == [205, 215, 225, 235, 240]


@pytest.mark.parametrize("shape", [(1, 16), (16, 1), (1, 1)])
def test_a_single_row_or_column_comes_to_an_end(shape: tuple[int, int]) -> None:
    picture = np.linspace(0.0, 1.0, shape[0] * shape[1], dtype=np.float32).reshape(shape)
    flow = np.full((2, *shape), 0.5, np.float32)
    found = remap(picture, *positions(flow), border=cv2.BORDER_REFLECT_101, sharp=True)
    assert found.shape == shape and -0.1 < found.min() <= found.max() < 1.1


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
def test_typical_is_the_median(size: tuple[int, int]) -> None:
    plane = np.full(size, 3.0, np.float32)
    plane[: size[0] // 3] = 99.0
    assert sampled_median(plane) == 3.0
