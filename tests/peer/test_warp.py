"""The warp against others: its formula written out, grid_sample, cv2.remap."""

import cv2
import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch.nn import functional as F

from livedream.core.frame import FlowField
from livedream.warp import residual as module
from livedream.warp.residual import warp

Planes = NDArray[np.float64]
A = -0.75
CUBIC = 0.65  # and the rest linear


def keys(x: NDArray[np.float64]) -> NDArray[np.float64]:
    """Keys (1981), equation 15, with a free."""
    x = np.abs(x)
    near = (A + 2) * x**3 - (A + 3) * x**2 + 1
    far = A * x**3 - 5 * A * x**2 + 8 * A * x - 4 * A
    return np.where(x <= 1, near, np.where(x < 2, far, 0.0))


def hat(x: NDArray[np.float64]) -> NDArray[np.float64]:
    """Linear interpolation."""
    return np.maximum(0.0, 1.0 - np.abs(x))


def written_out(residual: Planes, flow: FlowField) -> Planes:
    """(C, H, W) fetched along the flow, sixteen neighbours each, zero outside; float64."""
    height, width = residual.shape[1:]
    row, column = np.mgrid[0:height, 0:width]
    x, y = column + flow[0].astype(np.float64), row + flow[1].astype(np.float64)
    total = np.zeros_like(residual)
    for down in range(-1, 3):
        for across in range(-1, 3):
            at_x, at_y = np.floor(x).astype(int) + across, np.floor(y).astype(int) + down
            inside = (at_x >= 0) & (at_x < width) & (at_y >= 0) & (at_y < height)
            value = residual[:, at_y.clip(0, height - 1), at_x.clip(0, width - 1)] * inside
            cubic, linear = (kernel(x - at_x) * kernel(y - at_y) for kernel in (keys, hat))
            total += value * (CUBIC * cubic + (1 - CUBIC) * linear)
    return total


def case(height: int, width: int, seed: int, step: float) -> tuple[Planes, FlowField]:
    """A residual, and a rough flow in multiples of `step` px that leaves the picture too."""
    draw = np.random.default_rng(seed)
    flow = draw.normal(0, 6, (2, height, width))
    flow = np.rint(flow / step) * step
    return draw.normal(size=(3, height, width)), flow.astype(np.float32)


SIZES = [(1, 1), (1, 17), (13, 1), (9, 14), (40, 60)]


@pytest.mark.parametrize("size", SIZES)
def test_against_the_formula(size: tuple[int, int]) -> None:
    """At 32nds of a pixel, to which OpenCV rounds."""
    residual, flow = case(*size, seed=1, step=1 / 32)
    found = warp(torch.from_numpy(residual[None]).float(), flow)[0].numpy()
    assert np.abs(found - written_out(residual, flow)).max() < 2e-4


def test_between_the_32nds() -> None:
    """Rounding a place moves a smooth residual by next to nothing."""
    residual, flow = case(60, 80, seed=2, step=1e-3)
    smooth = np.stack([cv2.GaussianBlur(plane, (0, 0), 2.0) for plane in residual])
    found = warp(torch.from_numpy(smooth[None]).float(), flow)[0].numpy()
    assert np.abs(found - written_out(smooth, flow)).max() < 0.02 * np.abs(smooth).max()


@pytest.mark.parametrize("size", SIZES)
def test_the_path_for_gpus_against_the_formula(size: tuple[int, int]) -> None:
    """In grid_sample's coordinates a side of one pixel has no outside: no motion along it."""
    residual, flow = case(*size, seed=3, step=1e-3)
    for axis, side in enumerate(reversed(size)):
        if side == 1:
            flow[axis] = 0.0
    found = module.warp_torch(torch.from_numpy(residual[None]), torch.from_numpy(flow))[0].numpy()
    assert np.abs(found - written_out(residual, flow)).max() < 1e-4


def test_against_grid_sample_and_remap_called_plainly() -> None:
    """In their own words: align_corners, -1 to 1; map_x, map_y."""
    residual, flow = case(40, 60, seed=5, step=1 / 32)
    given = torch.from_numpy(residual[None]).float()
    row, column = np.mgrid[0:40, 0:60]
    x, y = (column + flow[0]).astype(np.float32), (row + flow[1]).astype(np.float32)
    grid = torch.from_numpy(np.stack([x / 59 * 2 - 1, y / 39 * 2 - 1], -1)[None])
    cubic, linear = (
        F.grid_sample(given, grid, mode, "zeros", align_corners=True)
        for mode in ("bicubic", "bilinear")
    )
    sampled = CUBIC * cubic + (1 - CUBIC) * linear
    assert torch.allclose(warp(given, flow), sampled, atol=5e-4)
    for channel in range(3):
        plane = residual[channel].astype(np.float32)
        cubic_plane, linear_plane = (
            cv2.remap(plane, x, y, method, borderMode=cv2.BORDER_CONSTANT)
            for method in (cv2.INTER_CUBIC, cv2.INTER_LINEAR)
        )
        remapped = CUBIC * cubic_plane + (1 - CUBIC) * linear_plane
        assert np.abs(warp(given, flow)[0, channel].numpy() - remapped).max() < 1e-5
