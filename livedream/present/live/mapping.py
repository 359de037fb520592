"""What one window does to each picture: worked out once for a placement, then one remap and one
multiplication; where the picture is only fitted, one resize and nothing else.
"""

from collections.abc import Sequence
from functools import cached_property
from typing import Any, Final, cast

import cv2
import numpy as np
from numpy.typing import NDArray

from livedream.core.errors import SettingsError, SourceError
from livedream.core.frame import Picture
from livedream.core.user_folders import own_folder
from livedream.present.live.mesh import OUTSIDE, Points, even_points, laid, places_of
from livedream.present.live.placement import HARD, WHOLE, Placement, own_points, softened

_CELLS: Final = 32  # a side: within 2 of 255 of the remap
_NEAR_PX: Final = 12  # heuristic: two pixels where a mesh is six times as narrow as on average
_AROUND: Final = ((0, 0), (0, 1), (1, 1), (1, 0))
Rectangle = tuple[int, int, int, int]  # left, top, right, bottom, px


class Mapping:
    """A placement for pictures of one size in a window of one size.

    points: the mesh in px of the window.  crop: the part that is shown, in fractions.
    plane: (window h, window w, 3) uint8 that the window is multiplied by, None for white.
    Raises SettingsError for a mask that cannot be read.
    """

    def __init__(
        self, placement: Placement, picture: tuple[int, int], window: tuple[int, int]
    ) -> None:
        self.made_for: Any = (placement, picture, window)
        self.crop = placement.crop or WHOLE
        self.window = window
        left, top, width, height = np.array(self.crop) * (picture * 2)
        self.points = own_points(placement, (float(width), float(height)), window)
        self._cut = tuple(round(float(v)) for v in (left, top, left + width, top + height))
        whole = np.allclose(self._cut, (left, top, left + width, top + height), atol=1e-6)
        self._to = _upright(self.points) if whole else None
        edges = placement.edges or HARD
        self._map: Sequence[NDArray[np.float32]] | None = None
        self.plane: Picture | None = None
        if self._to is None or edges != HARD or placement.mask:
            places = places_of(self.points, window)
            if self._to is None:
                extent = np.ptp(self.points, axis=(0, 1)).min()
                self._map = _map(places, self.crop, picture, near=min(0.1, _NEAR_PX / extent))
            if edges != HARD or placement.mask:
                plane = softened(edges, placement.edge_gamma, places)
                if placement.mask:
                    plane *= mask_for(placement.mask, window)
                grey = np.round(255 * plane).astype(np.uint8)
                self.plane = cast(Picture, cv2.cvtColor(grey, cv2.COLOR_GRAY2RGB))

    def paint(self, rgb: Picture) -> Picture:
        """The picture laid onto black: (window h, window w, 3)."""
        if self._map is not None:
            across, down = self._map
            out = cv2.remap(rgb, across, down, cv2.INTER_LINEAR)
        else:
            assert self._to is not None, "one of both"
            left, top, right, bottom = self._cut
            out = _fitted(rgb[top:bottom, left:right], self._to, self.window)
        if self.plane is not None:
            out = cv2.multiply(out, self.plane, scale=1 / 255)
        return cast(Picture, out)

    @cached_property
    def quads(self) -> list[tuple[list[float], ...]]:
        """For a graphics card: four places in the window, px, and in the picture, fractions of it.

        Clockwise; so small that within each a perspective is as good as even. None where the mesh
        bends: by a number of quads that Python can draw it would be another picture.
        """
        if len(self.points) > 2:
            return []
        side = 2 if _upright(self.points) is not None else _CELLS + 1
        even = even_points(side)
        lie = laid(self.points, even.reshape(-1, 2)).reshape(even.shape)
        places = even * np.array(self.crop[2:]) + np.array(self.crop[:2])
        return [
            tuple(
                grid[j + down, i + right].tolist()
                for grid in (lie, places)
                for down, right in _AROUND
            )
            for j in range(side - 1)
            for i in range(side - 1)
        ]


def mask_for(name: str, window: tuple[int, int]) -> NDArray[np.float32]:
    """The mask in the user's folder, (window h, window w) in [0, 1].  Raises SettingsError."""
    from livedream.capture.pictures import read_picture

    path = own_folder() / "masks" / f"{name}.png"
    try:
        grey = cv2.cvtColor(read_picture(path), cv2.COLOR_RGB2GRAY)
    except SourceError as error:
        raise SettingsError(f"mask: {error}") from error
    small = cv2.resize(grey, window, interpolation=cv2.INTER_AREA)
    return np.divide(small, 255, dtype=np.float32)


def _map(
    places: NDArray[np.float32], crop: tuple[float, ...], picture: tuple[int, int], near: float
) -> list[NDArray[np.float32]]:
    """For `cv2.remap`: the px of the picture that each pixel of the window takes, x and y.

    near: of its edges, in fractions: more than two pixels of the window.

    The picture ends as sharply as the window can show it: outermost pixels reach to its edge, and
    run into the black around it within one pixel of the window. Where it goes on beside the part
    that is shown, that is not seen.
    """
    out = []
    for way, size in enumerate(picture):
        at, begin, part = places[way], crop[way], crop[way + 2]
        px = at * (part * size)
        px += begin * size - 0.5
        np.clip(px, 0, size - 1, out=px)
        px[np.abs(at - 0.5) > 0.5] = OUTSIDE
        row, column = np.nonzero(np.abs(np.abs(at - 0.5) - 0.5) < near)
        down, right = np.maximum(row, 1), np.maximum(column, 1)
        slope = np.hypot(
            at[row, right] - at[row, right - 1], at[down, column] - at[down - 1, column]
        )
        place = at[row, column]
        for inside, ends, edge, inwards in (
            (place, begin <= 0, -0.5, 1), (1 - place, begin + part >= 1 - 1e-9, size - 0.5, -1)
        ):  # fmt: skip
            away = inside / slope  # px of the window
            ramp = (np.abs(away) < 2) & (away < 0.5) & ends
            px[row[ramp], column[ramp]] = edge + inwards * away[ramp]
        out.append(px)
    return out


def _upright(points: Points) -> Rectangle | None:
    """A rectangle on whole px, None for anything else."""
    if len(points) != 2 or not np.allclose(points, points.round(), atol=1e-6):
        return None
    (left, top), (right, bottom) = points[0, 0], points[1, 1]
    if not (left < right and top < bottom):
        return None
    if not np.allclose(points, [[(left, top), (right, top)], [(left, bottom), (right, bottom)]]):
        return None
    return round(left), round(top), round(right), round(bottom)


def _fitted(rgb: Picture, to: Rectangle, window: tuple[int, int]) -> Any:
    left, top, right, bottom = to
    width, height = window
    smaller = right - left < rgb.shape[1]
    way = cv2.INTER_AREA if smaller else cv2.INTER_LINEAR
    scaled = cv2.resize(rgb, (right - left, bottom - top), interpolation=way)
    if to == (0, 0, width, height):
        return scaled
    out = np.zeros((height, width, 3), np.uint8)
    x0, y0, x1, y1 = max(0, left), max(0, top), min(width, right), min(height, bottom)
    out[y0:y1, x0:x1] = scaled[y0 - top : y1 - top, x0 - left : x1 - left]
    return out
