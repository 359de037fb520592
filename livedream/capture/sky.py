"""A sky of drifting clouds, painted from tileable 1/f noise.

Each layer is a pair of noise fields (a, b) made once by FFT. At phase p it is
cos(2 pi p) a + sin(2 pi p) b, whose statistics never change, shifted by a whole number of tiles
per loop: both come back at p = 1, so the loop has no seam. Light falls from the upper left: a
cloud is brighter where its density is greater than a little way toward the light.
"""

from typing import cast

import cv2
import numpy as np
from numpy.typing import NDArray

from livedream.core.frame import Picture

Field = NDArray[np.float32]

# Colours as RGB in 0..1, chosen by eye (heuristic) for a late summer afternoon.
_ZENITH = np.array([0.16, 0.33, 0.62], np.float32)
_HORIZON = np.array([0.80, 0.83, 0.83], np.float32)
_SUNLIT = np.array([1.00, 0.96, 0.88], np.float32)
_SHADED = np.array([0.47, 0.50, 0.60], np.float32)
_SPEED = 0.05  # of the picture's width per second, for the nearest layer (heuristic)


class Sky:
    """Paints the sky at any phase of its loop.

    width, height: px.  seconds: how long one loop lasts, which sets how far the clouds drift.
    """

    def __init__(self, width: int, height: int, seconds: float, seed: int) -> None:
        self._size = (width, height)
        generator = np.random.default_rng(seed)
        size = (max(16, height), max(16, width))
        # A whole number of tiles per loop, so that the end meets the beginning.
        self._layers = [
            _Layer(generator, size, slope, tiles=round(_SPEED * speed * seconds), weight=weight)
            for slope, speed, weight in ((1.9, 1.0, 0.7), (1.6, 1.7, 0.3))
        ]
        down = np.linspace(0, 1, height, dtype=np.float32)[:, None, None] ** 0.8
        self._blue = np.broadcast_to(_ZENITH + (_HORIZON - _ZENITH) * down, (height, width, 3))

    def paint(self, phase: float) -> Picture:
        """The sky at `phase` in [0, 1) of the loop, (H, W, 3) uint8."""
        far, near = (layer.at(phase) for layer in self._layers)
        density = far + near
        width, height = self._size
        toward_light = _shifted(density, 0.012 * width, 0.02 * width)
        light = np.clip(0.62 + 0.55 * (density - toward_light), 0, 1)[:height, :width, None]
        cover = np.clip((density[:height, :width, None] + 0.35) / 1.5, 0, 1)
        cover = cover * cover * (3 - 2 * cover)  # smooth at both ends
        cloud = _SHADED + (_SUNLIT - _SHADED) * light
        picture = self._blue + (cloud - self._blue) * cover
        painted: Picture = np.clip(picture * 255 + 0.5, 0, 255).astype(np.uint8)
        return painted


class _Layer:
    """A pair of noise fields that drift together and turn into one another."""

    def __init__(
        self,
        generator: np.random.Generator,
        size: tuple[int, int],
        slope: float,
        *,
        tiles: int,
        weight: float,
    ) -> None:
        rows, self._columns = size
        self._pair = [
            weight * tileable_noise(generator, rows, self._columns, slope) for _ in range(2)
        ]
        self._tiles = tiles

    def at(self, phase: float) -> Field:
        angle = 2 * np.pi * phase
        mixed = _blended(self._pair[0], np.cos(angle), self._pair[1], np.sin(angle))
        return _shifted(mixed, self._tiles * self._columns * phase % self._columns, 0)


def tileable_noise(generator: np.random.Generator, rows: int, columns: int, slope: float) -> Field:
    """Periodic Gaussian noise, amplitude falling as frequency**-slope, mean 0, variance 1."""
    vertical = np.fft.fftfreq(rows)[:, None] * rows / columns
    horizontal = np.fft.rfftfreq(columns)[None, :]
    radius = np.hypot(vertical, horizontal)
    radius[0, 0] = np.inf
    # Nothing longer than half the picture: one huge cloud would hide the sky (heuristic).
    shape = np.maximum(radius, 2 / columns) ** -slope
    shape[0, 0] = 0
    spectrum = np.fft.rfft2(generator.standard_normal((rows, columns))) * shape
    field = np.fft.irfft2(spectrum, (rows, columns)).astype(np.float32)
    return field / max(float(field.std()), 1e-6)


def coloured_noise(
    generator: np.random.Generator, rows: int, columns: int, slope: float, tint: float
) -> Field:
    """(rows, columns, 3): such noise in red, green and blue.  tint: 0: gray, 1: any colours."""
    channels = [tileable_noise(generator, rows, columns, slope) for _ in range(3)]
    stacked = np.stack(channels, -1)
    gray = stacked.sum(-1, keepdims=True) / np.sqrt(np.float32(3))
    return np.asarray(tint * stacked + (1 - tint) * gray, np.float32)


def _shifted(field: Field, x_px: float, y_px: float) -> Field:
    """The periodic field moved right and down, to a fraction of a pixel."""
    whole_x, whole_y = int(np.floor(x_px)), int(np.floor(y_px))
    moved = np.roll(field, (whole_y, whole_x), (0, 1))
    part_x, part_y = x_px - whole_x, y_px - whole_y
    if part_x:
        moved = _blended(moved, 1 - part_x, np.roll(moved, 1, 1), part_x)
    if part_y:
        moved = _blended(moved, 1 - part_y, np.roll(moved, 1, 0), part_y)
    return moved


def _blended(one: Field, share: float, other: Field, other_share: float) -> Field:
    return cast(Field, cv2.addWeighted(one, share, other, other_share, 0))
