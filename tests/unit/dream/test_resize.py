"""One way to change a picture's size."""

import cv2
import numpy as np
import pytest
import torch

from livedream.dream.resize import resize


def test_the_same_size_is_the_same_tensor() -> None:
    x = torch.rand(1, 3, 7, 5)
    assert resize(x, (5, 7)) is x


@pytest.mark.parametrize("size", [(20, 14), (9, 3), (3, 30), (1, 1)])
def test_a_flat_picture_stays_flat(size: tuple[int, int]) -> None:
    made = resize(torch.full((1, 3, 7, 10), 0.3), size)
    assert made.shape == (1, 3, size[1], size[0])
    assert made.sub(0.3).abs().max() < 1e-6


def test_going_down_averages() -> None:
    stripes = torch.zeros(1, 1, 8, 64)
    stripes[..., ::2] = 1
    assert resize(stripes, (8, 8))[..., 1:-1].sub(0.5).abs().max() < 0.05


def test_pixels_keep_their_places() -> None:
    ramp = torch.arange(32.0).expand(1, 1, 8, 32)
    twice = resize(ramp, (64, 8))[0, 0, 0]
    # Pixel i of 64 lies at (i + 0.5) / 2 - 0.5 of 32.
    assert torch.allclose(twice[2:-2], (torch.arange(64.0)[2:-2] + 0.5) / 2 - 0.5, atol=1e-5)


@pytest.mark.parametrize("size", [(10, 8), (23, 7), (64, 100), (11, 9)])
@pytest.mark.parametrize("channels", [1, 3])
def test_growing_is_torchs_own(size: tuple[int, int], channels: int) -> None:
    x = torch.randn(1, channels, 7, 10, generator=torch.Generator().manual_seed(0))
    wanted = torch.nn.functional.interpolate(x, size[::-1], mode="bilinear", align_corners=False)
    assert torch.allclose(resize(x, size), wanted, atol=1e-5)
    assert torch.allclose(
        resize(x.contiguous(memory_format=torch.channels_last), size), wanted, atol=1e-5
    )


@pytest.mark.parametrize("size", [(343, 193), (245, 138), (400, 270), (240, 135)])
def test_going_down_a_little_is_nearly_torchs_antialiasing(size: tuple[int, int]) -> None:
    """Of a picture without grain within a hundredth of its contrast or three, and no darker."""
    draw = np.random.default_rng(2)
    smooth = cv2.GaussianBlur(draw.normal(size=(270, 480, 3)).astype(np.float32), (0, 0), 1.5)
    x = torch.from_numpy(smooth / smooth.std()).permute(2, 0, 1)[None]
    wanted = torch.nn.functional.interpolate(
        x, size[::-1], mode="bilinear", align_corners=False, antialias=True
    )
    found = resize(x, size)
    assert (found - wanted).square().mean().sqrt() < 0.035
    assert found.mean() == pytest.approx(float(wanted.mean()), abs=1e-3)
    assert found.std() == pytest.approx(float(wanted.std()), rel=0.005)
