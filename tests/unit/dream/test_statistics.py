"""Hold: a picture fed back to itself keeps its colour, contrast and sharpness."""

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from livedream.core.frame import Picture
from livedream.dream.statistics import StatisticsLock


def tensor(picture: Picture) -> Tensor:
    return torch.from_numpy(picture.copy()).permute(2, 0, 1)[None].float() / 255


def held(start: Tensor, picture: Tensor, seconds: float, fps: int = 10) -> Tensor:
    hold = StatisticsLock(start)
    for _ in range(round(seconds * fps)):
        picture = hold.steer(picture, 1 / fps)
    return picture


def octave_levels(picture: Tensor) -> NDArray[np.float64]:
    """(octaves + 1, 2): RMS in 8-bit steps of grey and of colour, the finest octave first."""
    octaves = []
    while min(picture.shape[2:]) >= 12:
        coarse = F.avg_pool2d(picture, 2, ceil_mode=True, count_include_pad=False)
        octaves.append(picture - F.interpolate(coarse, picture.shape[2:], mode="bilinear"))
        picture = coarse
    octaves.append(picture - picture.mean((2, 3), keepdim=True))
    grey = [one.mean(1, keepdim=True) for one in octaves]
    parts = [(one, whole - one) for one, whole in zip(grey, octaves, strict=True)]
    return np.array([[255 * float(p.square().mean().sqrt()) for p in pair] for pair in parts])


def test_a_tint_goes(texture: Picture) -> None:
    start = tensor(texture)
    tinted = start * 0.5 + torch.tensor([0.5, 0.2, 0.0]).view(1, 3, 1, 1)
    back = held(start, tinted, 20.0)
    assert back.mean((2, 3)) == pytest.approx(start.mean((2, 3)), abs=0.01)


@pytest.mark.slow
@pytest.mark.parametrize("contrast", [0.3, 3.0])
def test_contrast_comes_back(texture: Picture, contrast: float) -> None:
    start = tensor(texture)
    mean = start.mean((2, 3), keepdim=True)
    changed = mean + (start - mean) * contrast
    levels = octave_levels(held(start, start, 20.0))
    found = octave_levels(held(start, changed, 20.0))
    assert found[3:] == pytest.approx(levels[3:], rel=0.05)


@pytest.mark.slow
def test_fine_octaves_are_quietened_but_never_amplified(texture: Picture) -> None:
    start = tensor(texture)
    sharp = start + 0.2 * torch.randn_like(start)
    target = octave_levels(held(start, sharp, 30.0))
    assert target[0, 0] < 0.5 * octave_levels(sharp)[0, 0]
    soft = F.avg_pool2d(start, 5, 1, 2, count_include_pad=False)
    assert octave_levels(held(start, soft, 10.0))[0, 0] <= 1.05 * octave_levels(soft)[0, 0]


def test_the_frame_rate_makes_no_difference(texture: Picture) -> None:
    start = tensor(texture)
    slow, fast = (held(start, start * 0.6, 3.0, fps) for fps in (10, 50))
    assert (slow - fast).abs().mean() < 0.005


@pytest.mark.parametrize("size", [(1, 1), (3, 2), (12, 12), (13, 200)])
@pytest.mark.parametrize("brightness", [0.0, 0.5, 1.0])
def test_flat_and_tiny_pictures_stay_finite(size: tuple[int, int], brightness: float) -> None:
    flat = torch.full((1, 3, *size), brightness)
    assert held(flat, flat, 1.0).isfinite().all()


def test_extremes_come_back_to_where_a_dream_can_be_seen() -> None:
    black = torch.zeros(1, 3, 60, 80)
    assert float(held(black, black, 40.0).mean()) == pytest.approx(0.36, abs=0.02)
