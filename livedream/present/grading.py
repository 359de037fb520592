"""Hue, saturation, contrast, brightness and the blackout, as one matrix for each pixel."""

import math
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from livedream.core.frame import Picture
from livedream.core.grade import GradeSettings
from livedream.dream.compose import compose
from livedream.warp.travel import Travel

_LUMA: Final = np.array([0.2126, 0.7152, 0.0722])  # ITU-R BT.709
_MIDDLE: Final = 128.0
_BLACKOUT_S: Final = 0.4  # from the full picture to black
# Quarter turns of the hue in the plane of colours of one brightness: an orthonormal pair in it.
_GRAY: Final = np.full(3, 1 / 3**0.5)


def colour_matrix(grade: GradeSettings, light: float = 1.0) -> NDArray[np.float64] | None:
    """(3, 4): RGB in, RGB out, 8-bit steps; None where nothing is to be done.

    light: 0 is black.  The hue is turned around the gray axis, the luma kept; saturation is the
    distance from gray of the same luma; contrast turns around middle gray.
    """
    plain = grade.hue == 0.0 and grade.saturation == 1.0 and grade.contrast == 1.0
    if plain and grade.brightness * light == 1.0:
        return None
    gray = np.outer(np.ones(3), _LUMA)
    matrix = gray + grade.saturation * (np.eye(3) - gray) @ _turned(grade.hue)
    offset = np.full(3, _MIDDLE * (1.0 - grade.contrast))
    whole = np.column_stack([grade.contrast * matrix, offset])
    return np.asarray(grade.brightness * light * whole, np.float64)


def _turned(degrees: float) -> NDArray[np.float64]:
    """Rotation around the gray axis (Rodrigues)."""
    angle = math.radians(degrees)
    x, y, z = _GRAY
    cross = np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]])
    along = np.outer(_GRAY, _GRAY)
    return math.cos(angle) * np.eye(3) + math.sin(angle) * cross + (1 - math.cos(angle)) * along


class Grading:
    """Finishes pictures; keeps how dark the blackout is, and a frozen picture."""

    def __init__(self) -> None:
        self._light = 1.0
        self._frozen: Picture | None = None

    def finish(
        self, rgb: Picture, steps: NDArray[np.float32] | None, grade: GradeSettings, seconds: float
    ) -> Picture:
        """The dream (8-bit steps) on its frame, graded; while frozen, the picture of before.

        seconds: since the last picture.
        """
        picture = self._frozen
        if picture is None or not grade.freeze:
            picture = rgb if steps is None else compose(rgb, steps)
            self._frozen = picture if grade.freeze else None
        return self.apply(picture, grade, seconds)

    def apply(self, rgb: Picture, grade: GradeSettings, seconds: float) -> Picture:
        """seconds: since the last picture.  Returns `rgb` itself where nothing is to be done."""
        change = seconds / _BLACKOUT_S
        light = self._light - change if grade.blackout else self._light + change
        self._light = min(1.0, max(0.0, light))
        matrix = colour_matrix(grade, self._light)
        if matrix is not None:
            rgb = np.asarray(cv2.transform(rgb, matrix), np.uint8)
        if grade.mirror:
            rgb = np.asarray(cv2.flip(rgb, 1), np.uint8)
        return rgb


def travel_of(grade: GradeSettings) -> Travel | None:
    """Where the dream travels; None where it stays."""
    if grade.zoom == 1.0 and not (grade.rotation or grade.drift_x or grade.drift_y):
        return None
    # A travel names the drift of the view, the settings that of what is seen.
    return Travel(grade.zoom, grade.rotation, (-grade.drift_x, -grade.drift_y))
