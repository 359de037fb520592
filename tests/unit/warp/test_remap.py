"""Fetching along a flow: places, between pixels, beyond the border."""

import cv2
import numpy as np
import pytest

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
