"""Crop and turn: where a pixel ends up."""

import numpy as np
import pytest

from livedream.capture.live.worker import Orientation
from livedream.core.errors import SettingsError


def numbered() -> np.ndarray:
    picture = np.zeros((2, 3, 3), np.uint8)
    picture[..., 0] = np.arange(6).reshape(2, 3)
    return picture


@pytest.mark.parametrize(
    ("options", "wanted"),
    [
        ({}, [[0, 1, 2], [3, 4, 5]]),
        ({"rotate": 90}, [[3, 0], [4, 1], [5, 2]]),
        ({"rotate": 180}, [[5, 4, 3], [2, 1, 0]]),
        ({"crop": "2x1+1+1"}, [[4, 5]]),
        ({"crop": "1x2"}, [[1], [4]]),
        ({"crop": "2x2+9+9", "rotate": 270}, [[2, 5], [1, 4]]),
    ],
)
def test_where_pixels_go(options: dict[str, object], wanted: list[list[int]]) -> None:
    orientation = Orientation.parse(**options)  # type: ignore[arg-type]
    found = orientation.apply(numbered())
    assert found[..., 0].tolist() == wanted
    assert orientation.size(3, 2) == (found.shape[1], found.shape[0])
    assert found.flags.c_contiguous


@pytest.mark.parametrize("options", [{"rotate": 45}, {"crop": "big"}, {"crop": "0x10"}])
def test_what_makes_no_sense_is_refused(options: dict[str, object]) -> None:
    with pytest.raises(SettingsError):
        Orientation.parse(**options)  # type: ignore[arg-type]
