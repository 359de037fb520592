"""Clouds in a clear sky, which only the network sees.

Where a picture is flat, as in a sky or on a wall, a network has nothing to begin with: it draws
rings and arches, and these stay. In soft noise it sees animals, as people do in clouds. So the
picture that the ascent starts from has some where it is flat; what is shown has none. They change
slowly, as the kinds of animals do. Figures: docs/decisions/clouds.md.
"""

import math
from functools import lru_cache
from typing import Final

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from livedream.capture.sky import tileable_noise

# By eye, as are the proportions of noise that stills are made from.
_SLOPE: Final = 1.4  # amplitude falls as frequency to this power
_COLOUR: Final = 0.6
_LEVEL: Final = 7 / 255  # RMS
_LINES: Final = 180  # they are soft: more would look the same
_MOMENTS: Final = 32  # from one sky to the next


class Clouds:
    """The clouds of one seed."""

    def __init__(self, seed: int) -> None:
        self._seed = seed
        self._key: tuple[int, int, int, torch.device] | None = None
        self._found = torch.empty(0)

    def over(self, width: int, height: int, wandered: float, device: torch.device) -> Tensor:
        """(1, 3, height, width) float32, in units of the picture, with a mean of 0.

        wandered: see `DreamState`; with every whole number they are entirely others.
        The same object until they have changed.
        """
        key = width, height, int(wandered * _MOMENTS), device
        if key != self._key:
            self._key = key
            self._found = torch.from_numpy(self._made(width, height, key[2])).to(device)
        return self._found

    def _made(self, width: int, height: int, moment: int) -> NDArray[np.float32]:
        rows = min(height, _LINES)
        columns = max(2, round(rows * width / height))
        sky, passed = divmod(moment, _MOMENTS)
        old, new = (_sky(self._seed, n, rows, columns) for n in (sky, sky + 1))
        turn = passed / _MOMENTS * math.pi / 2  # neither is weaker than the other
        mixed = math.cos(turn) * old + math.sin(turn) * new
        size = width, height
        planes = [cv2.resize(plane, size, interpolation=cv2.INTER_CUBIC) for plane in mixed]
        return np.asarray(planes, np.float32)[None]


@lru_cache(maxsize=4)
def _sky(seed: int, number: int, rows: int, columns: int) -> NDArray[np.float32]:
    """(3, rows, columns)."""
    generator = np.random.default_rng([seed, number, _LINES])
    channels = np.stack([tileable_noise(generator, rows, columns, _SLOPE) for _ in range(3)])
    gray = channels.sum(0, keepdims=True) / np.float32(3**0.5)
    mixed = _COLOUR * channels + (1 - _COLOUR) * gray
    return np.asarray(mixed * (_LEVEL / np.sqrt(np.square(mixed).mean())), np.float32)
