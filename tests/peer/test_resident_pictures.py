"""What torch makes of a picture on the device, against what OpenCV makes of it."""

import numpy as np
import pytest
import torch

from livedream.core.frame import Picture
from livedream.core.shrink import shrunk
from livedream.core.shrink_tensor import shrunk_tensor
from livedream.dream.compose import compose, compose_tensor, steps_of


@pytest.mark.parametrize(
    "size",
    [(640, 360), (480, 270), (320, 180), (213, 120), (160, 90), (131, 47), (300, 359), (150, 300)],
)
@pytest.mark.parametrize("cropped", [0, 1])
def test_shrunk(clouds: Picture, size: tuple[int, int], cropped: int) -> None:
    rgb = np.ascontiguousarray(clouds[cropped:, cropped:])
    wanted = shrunk(rgb, *size)
    found = shrunk_tensor(torch.from_numpy(rgb), *size)
    assert found.shape == (1, 3, size[1], size[0]) and found.dtype == torch.float32
    assert torch.equal(found, found.round())
    gap = np.abs(found[0].permute(1, 2, 0).numpy() - wanted)
    assert gap.max() <= 1 and gap.mean() < 0.15


@pytest.mark.parametrize("size", [(640, 360), (480, 270), (213, 120), (64, 36), (700, 400)])
@pytest.mark.parametrize(("strength", "mix"), [(0.05, 1.0), (0.6, 1.0), (0.2, 0.3)])
def test_composed(clouds: Picture, size: tuple[int, int], strength: float, mix: float) -> None:
    generator = torch.Generator().manual_seed(size[0])
    residual = torch.randn(1, 3, size[1], size[0], generator=generator) * strength
    wanted = compose(clouds, steps_of(residual, mix))
    scale = torch.tensor(255.0 * mix, dtype=torch.float64)
    found = compose_tensor(torch.from_numpy(clouds), residual, scale)
    assert found.dtype == torch.uint8 and found.is_contiguous() and found.shape == wanted.shape
    gap = np.abs(found.numpy().astype(int) - wanted)
    assert gap.max() <= 1 and gap.mean() < 0.01
