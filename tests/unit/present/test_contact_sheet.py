"""Contact sheets: evenly spread, however long the film is."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from livedream.core.errors import SettingsError, ShapeError
from livedream.core.frame import Picture
from livedream.present.contact_sheet import SheetCollector, contact_sheet


def numbered(number: int, width: int = 4, height: int = 2) -> Picture:
    return np.full((height, width, 3), number % 256, np.uint8)


def test_rows_and_columns() -> None:
    sheet = contact_sheet([numbered(100 + i) for i in range(5)], columns=3)
    assert sheet.shape == (2 + 4 + 2, 3 * 4 + 2 * 4, 3)
    assert sheet[0, 0, 0] == 100
    assert sheet[0, 8, 0] == 101
    assert sheet[6, 8, 0] == 104
    assert sheet[6, 16, 0] == 16
    assert sheet[0, 4, 0] == 16


def test_fewer_pictures_than_columns_leave_no_hole() -> None:
    assert contact_sheet([numbered(1), numbered(2)], columns=4).shape == (2, 12, 3)


def test_bad_sheets_are_refused() -> None:
    with pytest.raises(ShapeError, match="no pictures"):
        contact_sheet([])
    with pytest.raises(ShapeError, match="picture 1 is 5x2, the first one 4x2"):
        contact_sheet([numbered(0), numbered(0, width=5)])
    with pytest.raises(SettingsError, match="at least 1"):
        contact_sheet([numbered(0)], columns=0)
    with pytest.raises(SettingsError, match="at least 2"):
        SheetCollector(1)


def test_nothing_seen_is_no_sheet() -> None:
    assert SheetCollector().sheet() is None


@given(st.integers(1, 700), st.integers(2, 12))
def test_thumbnails_are_evenly_spread(seen: int, count: int) -> None:
    collector = SheetCollector(count)
    for index in range(seen):
        rgb = np.zeros((1, 1, 3), np.uint8)
        rgb[0, 0] = (index // 256, index % 256, 0)
        collector.add(rgb)
    sheet = collector.sheet(columns=count)
    assert sheet is not None
    shown = sheet[0, ::5].astype(int)
    places = shown[:, 0] * 256 + shown[:, 1]
    assert len(places) == min(seen, count)
    assert places[0] == 0
    if len(places) > 1:
        steps = np.diff(places)
        assert steps.min() > 0
        assert steps.max() <= 2 * steps.min() + 1
        assert places[-1] >= seen - 1 - steps.max()


def test_large_frames_become_thumbnails_and_none_is_held() -> None:
    frame = np.zeros((720, 1280, 3), np.uint8)
    collector = SheetCollector(2)
    collector.add(frame)
    frame[:] = 255
    sheet = collector.sheet()
    assert sheet is not None
    assert sheet.shape == (270, 480, 3)
    assert sheet.max() == 0
