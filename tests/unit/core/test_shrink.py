"""Pictures made smaller: as area averaging has them, places kept."""

import cv2
import numpy as np
import pytest

from livedream.core.frame import Picture
from livedream.core.shrink import fitted, shrunk


@pytest.mark.parametrize(
    "size", [(640, 360), (480, 270), (320, 180), (200, 113), (100, 57), (160, 360), (37, 21)]
)
def test_it_is_near_the_area_average(clouds: Picture, size: tuple[int, int]) -> None:
    found = shrunk(clouds, *size)
    wanted = cv2.resize(clouds, size, interpolation=cv2.INTER_AREA)
    assert found.shape == (size[1], size[0], 3) and found.dtype == np.uint8
    gap = np.abs(found.astype(int) - wanted)
    assert gap.mean() < 1.5 and gap.max() <= 16


def test_the_same_size_is_the_same_picture(clouds: Picture) -> None:
    assert shrunk(clouds, 640, 360) is clouds


@pytest.mark.parametrize("shape", [(1, 1), (2, 1), (1, 300), (301, 7)])
def test_pictures_of_any_size(shape: tuple[int, int]) -> None:
    assert shrunk(np.full((*shape, 3), 90, np.uint8), 1, 1).tolist() == [[[90] * 3]]


def test_fine_stripes_become_gray_not_a_pattern() -> None:
    stripes = np.zeros((270, 1281, 3), np.uint8)
    stripes[:, ::2] = 255
    assert np.abs(shrunk(stripes, 480, 270).astype(int) - 127).max() < 60
    even = np.ascontiguousarray(stripes[:, :1280])
    assert np.abs(shrunk(even, 320, 67).astype(int) - 127).max() <= 1


@pytest.mark.parametrize("size", [(1280, 720), (960, 540), (1280, 360), (1280, 180), (700, 300)])
def test_a_side_that_grows_is_interpolated(clouds: Picture, size: tuple[int, int]) -> None:
    found = fitted(clouds, *size)
    assert np.array_equal(found, cv2.resize(clouds, size, interpolation=cv2.INTER_CUBIC))
    edge = np.zeros((4, 8, 3), np.uint8)
    edge[:, 4:] = 255
    assert set(fitted(edge, 16, 8).ravel().tolist()) - {0, 255}, "pixels are only doubled"


def test_a_picture_that_only_shrinks_is_averaged(clouds: Picture) -> None:
    wanted = cv2.resize(clouds, (300, 360), interpolation=cv2.INTER_AREA)
    assert np.array_equal(fitted(clouds, 300, 360), wanted)
