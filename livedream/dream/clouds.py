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

from livedream.capture.sky import coloured_noise

# By eye, as are the proportions of noise that stills are made from.
_SLOPE: Final = 1.4  # amplitude falls as frequency to this power
_COLOUR: Final = 0.6
_LEVEL: Final = 7 / 255  # RMS
_GRID: Final = 180, 320  # they are soft: more would look the same; repeated in a wide picture
_WIDEST: Final = 4  # times that; wider ones stretch it
_MOMENTS: Final = 32  # from one sky to the next
_MOST_PX: Final = 1 << 22  # of a picture with clouds; they would take as much memory as it does


class Clouds:
    """The clouds of pictures of one size after the other."""

    def __init__(self) -> None:
        self._key: tuple[int, int, int, int, torch.device] | None = None
        self._found = torch.empty(0)

    def over(
        self, width: int, height: int, seed: int, wandered: float, device: torch.device
    ) -> Tensor | None:
        """(1, 3, height, width) float32, in units of the picture; None for one that is too large.

        wandered: see `DreamState`; with every whole number they are entirely others.
        The same object until they have changed, and the same clouds at every size.
        """
        if width * height > _MOST_PX:
            return None
        key = width, height, seed, int(wandered * _MOMENTS), device
        if key != self._key:
            self._key = key
            found = torch.from_numpy(_made(width, height, seed, key[3]))
            self._found = found.permute(2, 0, 1)[None].to(device)  # as pictures lie in memory
        return self._found


def _made(width: int, height: int, seed: int, moment: int) -> NDArray[np.float32]:
    """(height, width, 3)."""
    rows, across = _GRID
    columns = max(1, min(_WIDEST * across, round(rows * width / height)))
    seen = np.arange(columns) + (across - columns) // 2
    sky, passed = divmod(moment, _MOMENTS)
    old, new = (_sky(seed, number).take(seen, 1, mode="wrap") for number in (sky, sky + 1))
    turn = passed / _MOMENTS * math.pi / 2  # neither is weaker than the other
    mixed = np.float32(math.cos(turn)) * old + np.float32(math.sin(turn)) * new
    method = cv2.INTER_CUBIC if height >= rows else cv2.INTER_AREA
    return np.asarray(cv2.resize(mixed, (width, height), interpolation=method), np.float32)


@lru_cache(maxsize=4)
def _sky(seed: int, number: int) -> NDArray[np.float32]:
    generator = np.random.default_rng([seed, number, *_GRID])
    noise = coloured_noise(generator, *_GRID, _SLOPE, _COLOUR)
    return np.asarray(noise * (_LEVEL / np.sqrt(np.square(noise).mean())), np.float32)
