"""Keep the statistics of a picture that is fed back to itself, for as long as it goes on.

A zoom makes everything larger and softer, a dream adds contrast and colour: left alone, such a
picture greys, blurs, burns or drifts to one hue within a minute. Here its mean colour and the
levels of its octaves are measured in every frame, brightness and colour apart, and each is moved
gently towards a target: a loop that scales, never one that clips.

Photographs hold about the same contrast in each octave (Field, "Relations between the statistics
of natural images", 1987), and such is the target, as strong and as colourful as the start picture
within limits.
"""

import math
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

# RMS in 8-bit steps of each octave, the finest first, and of what is coarser than all of them:
# photographs at 640x360 (measured); crisper, more colourful, softer in the coarsest (by eye).
_GREY: Final = (11.0, 14.0, 16.0, 17.0, 18.0, 20.0)
_GREY_COARSEST: Final = 24.0
_COLOUR: Final = (4.5, 6.0, 6.5, 7.0, 7.0, 8.0)
_COLOUR_COARSEST: Final = 11.0
# A start picture may ask for this much less or more of both.
_SCALE: Final = (0.8, 1.25)
_MEAN_GREY: Final = (0.36, 0.60)  # beyond, much of what is dreamed would be clipped
_COARSEST_PX: Final = 12  # of the shorter side, below which there are no more octaves
_GLIDE_S: Final = 4.0  # from the start picture's levels to the target's
_RATE: Final = 3.0  # per second: how firmly a level is held
_DOWN: Final = 3.0  # fastest change of a level, e-folds per second
_UP: Final = 1.0
# The finest octaves are only ever quietened: amplified, they show the ringing of the warp.
_NOT_UP: Final = 3
_FAINTEST: Final = 1 / 20  # of the target: a flat start picture has no level to glide from
_TINY: Final = 1e-6

# Grey, red against blue, green against both: orthonormal.
_AXES: Final = np.array([[1, 1, 1], [1, 0, -1], [1, -2, 1]]) / np.sqrt([[3], [2], [6]])

Levels = NDArray[np.float64]  # (octaves + 1, 2): grey and colour, the finest first


class StatisticsLock:
    """Steers one picture after the other; made from the first.  start: (1, 3, H, W) in [0, 1]."""

    def __init__(self, start: Tensor) -> None:
        self._age_s = 0.0
        _, mean, levels = _decompose(start)
        self._start_mean, self._mean = mean, mean.copy()
        darkest, brightest = (grey * math.sqrt(3) for grey in _MEAN_GREY)
        self._mean[0] = min(max(mean[0], darkest), brightest)
        target = _photographic(len(levels))
        wanted = np.sqrt((levels**2).sum(0) / (target**2).sum(0))
        self._levels = target * wanted.clip(*_SCALE)
        self._start_levels = np.maximum(levels, self._levels * _FAINTEST)

    def steer(self, picture: Tensor, seconds: float) -> Tensor:
        """The picture, `seconds` after the last one, a little nearer to the target.

        (1, 3, H, W); may leave [0, 1] by a little.
        """
        self._age_s += seconds
        octaves, mean, levels = _decompose(picture)
        left = math.exp(-self._age_s / _GLIDE_S)
        wanted = np.exp((1 - left) * np.log(self._levels) + left * np.log(self._start_levels))
        pull = _RATE * np.log(wanted / np.maximum(levels, _TINY))
        most = np.full(levels.shape, _UP)
        most[:_NOT_UP] = 0.0
        most[-1] = _UP
        gains = np.exp(pull.clip(-_DOWN, most) * seconds)
        shift = (1 - left) * self._mean + left * self._start_mean - mean
        return _recompose(octaves, gains, shift * (1 - math.exp(-_RATE * seconds)))


def _photographic(octaves: int) -> Levels:
    chosen = np.minimum(np.arange(octaves), len(_GREY) - 1)
    levels = np.stack([np.array(_GREY)[chosen], np.array(_COLOUR)[chosen]], 1)
    levels[-1] = _GREY_COARSEST, _COLOUR_COARSEST
    return levels


def _axes(picture: Tensor) -> Tensor:
    return torch.from_numpy(_AXES).float().to(picture.device)


def _decompose(picture: Tensor) -> tuple[list[Tensor], NDArray[np.float64], Levels]:
    """Octaves in grey and colour axes (mean still in the last), the mean, the octaves' levels."""
    rest = torch.einsum("ij,njhw->nihw", _axes(picture), picture)
    octaves = []
    while min(rest.shape[2:]) >= _COARSEST_PX:
        coarse = F.avg_pool2d(rest, 2, ceil_mode=True, count_include_pad=False)
        octaves.append(rest - _grown(coarse, rest))
        rest = coarse
    octaves.append(rest)
    mean = rest.mean((2, 3), keepdim=True)
    squares = [part.square().mean((0, 2, 3)) for part in (*octaves[:-1], rest - mean)]
    # One copy from the device for all of them.
    found = torch.stack([mean.flatten(), *squares]).cpu().double().numpy()
    energy = np.stack([found[1:, 0], found[1:, 1:].sum(1)], 1)
    return octaves, found[0], np.sqrt(energy / 3) * 255


def _recompose(octaves: list[Tensor], gains: Levels, shift: NDArray[np.float64]) -> Tensor:
    like = octaves[0]
    scales = torch.from_numpy(gains[:, [0, 1, 1], None, None]).float().to(like.device)
    moved = torch.from_numpy(shift[:, None, None]).float().to(like.device)
    rest = octaves[-1]
    mean = rest.mean((2, 3), keepdim=True)
    whole = (rest - mean) * scales[-1] + mean + moved
    for octave, scale in zip(reversed(octaves[:-1]), reversed(scales[:-1]), strict=True):
        whole = _grown(whole, octave) + octave * scale
    return torch.einsum("ij,nihw->njhw", _axes(whole), whole)


def _grown(coarse: Tensor, like: Tensor) -> Tensor:
    return F.interpolate(coarse, size=like.shape[2:], mode="bilinear", align_corners=False)
