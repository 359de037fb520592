"""Mirror, quarter turns and crop of a live picture."""

import re
from dataclasses import dataclass
from typing import Final, Self

import cv2
import numpy as np

from livedream.core.errors import SettingsError
from livedream.core.frame import Picture

_TURNS: Final = {
    0: None,
    90: cv2.ROTATE_90_CLOCKWISE,
    180: cv2.ROTATE_180,
    270: cv2.ROTATE_90_COUNTERCLOCKWISE,
}


@dataclass(frozen=True, slots=True)
class Orientation:
    """Applied in this order: crop, rotate, mirror.

    crop: (width, height, x, y) in px of the camera's picture, None for all of it.
    rotate: degrees clockwise, a multiple of 90.  mirror: left and right swapped.
    """

    mirror: bool = False
    rotate: int = 0
    crop: tuple[int, int, int, int] | None = None

    def __post_init__(self) -> None:
        if self.rotate not in _TURNS:
            raise SettingsError(f"rotate: must be 0, 90, 180 or 270 (got {self.rotate})")

    @classmethod
    def parse(cls, *, mirror: bool = False, rotate: int = 0, crop: str = "") -> Self:
        """crop: "640x360+10+20", the offset optional (then the middle is cut out)."""
        if not crop:
            return cls(mirror, rotate)
        match = re.fullmatch(r"(\d{1,5})x(\d{1,5})(?:\+(\d{1,5})\+(\d{1,5}))?", crop)
        if not match or not int(match[1]) or not int(match[2]):
            raise SettingsError(f"crop: must be 640x360 or 640x360+X+Y (got {crop!r})")
        x, y = (-1, -1) if match[3] is None else (int(match[3]), int(match[4]))
        return cls(mirror, rotate, (int(match[1]), int(match[2]), x, y))

    def size(self, width: int, height: int) -> tuple[int, int]:
        """(width, height) px of what becomes of a picture of this size."""
        _, _, width, height = self._cut(width, height)
        return (height, width) if self.rotate in (90, 270) else (width, height)

    def apply(self, rgb: Picture) -> Picture:
        """(H, W, 3) contiguous uint8; the picture itself where nothing is to be done."""
        if self.crop is not None:
            x, y, width, height = self._cut(rgb.shape[1], rgb.shape[0])
            rgb = rgb[y : y + height, x : x + width]
        turn = _TURNS[self.rotate]
        if turn is not None:
            rgb = np.asarray(cv2.rotate(rgb, turn), np.uint8)
        if self.mirror:
            rgb = np.asarray(cv2.flip(rgb, 1), np.uint8)
        return np.ascontiguousarray(rgb)

    def _cut(self, width: int, height: int) -> tuple[int, int, int, int]:
        """x, y, width, height px, held inside the picture."""
        if self.crop is None:
            return 0, 0, width, height
        wide, high = min(self.crop[0], width), min(self.crop[1], height)
        x, y = self.crop[2:]
        x = (width - wide) // 2 if x < 0 else min(x, width - wide)
        y = (height - high) // 2 if y < 0 else min(y, height - high)
        return x, y, wide, high
