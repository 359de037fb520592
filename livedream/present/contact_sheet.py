"""Contact sheets: a film on one picture.

`SheetCollector` watches frames go by without knowing how many will come. It keeps every
2**k-th thumbnail, and when there are too many it drops every other one and doubles the step: the
ones it has are always evenly spread and at least half as many as asked for, until the end.
"""

from collections.abc import Sequence
from math import ceil
from typing import cast

import cv2
import numpy as np

from livedream.core.errors import SettingsError, ShapeError
from livedream.core.frame import Picture

DEFAULT_COUNT = 12
DEFAULT_COLUMNS = 4
THUMBNAIL_WIDTH_PX = 480
_GAP_PX = 4
_GAP = 16  # nearly black, in 0..255


def contact_sheet(frames: Sequence[Picture], columns: int = DEFAULT_COLUMNS) -> Picture:
    """Pictures of one size, (H, W, 3) uint8, in rows of `columns` with a thin dark gap.

    Raises ShapeError without pictures or when their sizes differ, SettingsError for columns < 1.
    """
    if columns < 1:
        raise SettingsError(f"a contact sheet of {columns} columns: must be at least 1")
    if not frames:
        raise ShapeError("a contact sheet of no pictures: must be at least 1")
    height, width = frames[0].shape[:2]
    across = min(columns, len(frames))
    down = ceil(len(frames) / across)
    shape = (down * (height + _GAP_PX) - _GAP_PX, across * (width + _GAP_PX) - _GAP_PX, 3)
    sheet = np.full(shape, _GAP, dtype=np.uint8)
    for number, frame in enumerate(frames):
        if frame.shape != frames[0].shape:
            found = f"{frame.shape[1]}x{frame.shape[0]}"
            raise ShapeError(f"picture {number} is {found}, the first one {width}x{height}")
        top = number // across * (height + _GAP_PX)
        left = number % across * (width + _GAP_PX)
        sheet[top : top + height, left : left + width] = frame
    return sheet


class SheetCollector:
    """Keeps at most `count` thumbnails, evenly spread over all frames it is shown.

    count: 2 or more.  width_px: of a thumbnail; frames that are smaller are kept as they are.
    """

    def __init__(self, count: int = DEFAULT_COUNT, width_px: int = THUMBNAIL_WIDTH_PX) -> None:
        if count < 2:
            raise SettingsError(f"a contact sheet of {count} pictures: must be at least 2")
        self._count = count
        self._width_px = width_px
        self._step = 1
        self._seen = 0
        # Twice as many as are wanted, so that at the end `count` of them are evenly spread.
        self._kept: list[Picture] = []

    def add(self, rgb: Picture) -> None:
        """Look at the next frame; most are not kept, and cost nothing."""
        if self._seen % self._step == 0:
            if len(self._kept) == 2 * self._count:
                self._kept = self._kept[::2]
                self._step *= 2
            if self._seen % self._step == 0:
                self._kept.append(self._thumbnail(rgb))
        self._seen += 1

    def _thumbnail(self, rgb: Picture) -> Picture:
        height, width = rgb.shape[:2]
        if width <= self._width_px:
            return rgb.copy()
        size = (self._width_px, max(1, round(height * self._width_px / width)))
        return cast(Picture, cv2.resize(rgb, size, interpolation=cv2.INTER_AREA))

    def sheet(self, columns: int = DEFAULT_COLUMNS) -> Picture | None:
        """The contact sheet of what was seen so far, None when that was nothing."""
        if not self._kept:
            return None
        count = min(self._count, len(self._kept))
        places = np.linspace(0, len(self._kept) - 1, count).round().astype(int)
        return contact_sheet([self._kept[place] for place in places], columns)
