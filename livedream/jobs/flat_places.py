"""How clean a dream is where its source is flat: in the sky, on a wall, on a tablecloth.

There everything fine is the dream's own, and what is no motif shows as a net of lines and as dots.
"""

from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from livedream.core.frame import Picture
from livedream.core.shrink import shrunk
from livedream.warp.remap import Plane

_WIDTH: Final = 480  # px, at which everything is measured
_AROUND: Final = 25  # px, side of the square that has to be flat...
_VARIANCE: Final = 25.0  # ...and below which it is: 5 steps of 255, squared
_FINE: Final = 0.2  # cycles per px: a period of 5 px
_SPOT: Final = 24.0  # 8-bit steps


class FlatPlaces:
    """Adds up frames; a figure is None as long as there was no dream in a flat place."""

    def __init__(self) -> None:
        self._area = self._spots = self._energy = self._fine_energy = 0.0

    def add(self, source: Picture, dream: Picture) -> None:
        """source, dream: (H, W, 3) uint8, of one size."""
        # Even, as OpenCV's cosine transform wants it.
        size = _WIDTH, max(2, 2 * round(source.shape[0] * _WIDTH / source.shape[1] / 2))
        source, dream = shrunk(source, *size), shrunk(dream, *size)
        flat = is_flat(source)
        residual = dream.astype(np.float32) - source.astype(np.float32)
        luma = np.asarray(cv2.cvtColor(residual, cv2.COLOR_RGB2GRAY), np.float32)
        self._area += float(flat.sum())
        self._energy += float(np.square(luma)[flat].sum())
        self._fine_energy += float(np.square(_fine(luma))[flat].sum())
        self._spots += float(_is_spot(residual)[flat].sum())

    @property
    def fine(self) -> float | None:
        """Share of the residual's energy (luma) above 0.2 cycles per px."""
        return self._fine_energy / self._energy if self._energy > 0 else None

    @property
    def spots(self) -> float | None:
        """Share of pixels more than 24 of 255 off the median of the residual around them, 5x5 px,
        in any channel."""
        return self._spots / self._area if self._energy > 0 else None


def is_flat(picture: Picture) -> NDArray[np.bool_]:
    """(H, W): where the luma of a (H, W, 3) uint8 picture hardly varies."""
    luma = np.asarray(cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY), np.float32)
    mean, square = (cv2.blur(x, (_AROUND, _AROUND)) for x in (luma, luma * luma))
    return np.asarray(square - mean * mean < _VARIANCE, np.bool_)


def _fine(plane: Plane) -> Plane:
    """What lies above `_FINE`. By cosines, which continue a picture mirrored: no seam, no edge."""
    height, width = plane.shape
    across, down = (np.arange(n, dtype=np.float32) / (2 * n) for n in (width, height))
    spectrum = cv2.dct(plane)
    spectrum[np.hypot(down[:, None], across) <= _FINE] = 0.0
    return np.asarray(cv2.idct(spectrum), np.float32)


def _is_spot(residual: Plane) -> NDArray[np.bool_]:
    off = [np.abs(plane - cv2.medianBlur(plane, 5)) for plane in cv2.split(residual)]
    return np.asarray(np.max(off, 0) > _SPOT, np.bool_)
