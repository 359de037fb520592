"""What of the last dream goes on: moved, faded, where it is seen, as far as it can be shown."""

import numpy as np
import pytest
import torch
from torch import Tensor

from livedream.core.frame import Motion
from livedream.warp.residual import carry

HEIGHT, WIDTH = 24, 36


@pytest.fixture
def residual() -> Tensor:
    """Small enough to be shown whole on a gray picture."""
    draw = torch.Generator().manual_seed(2)
    return 0.4 * (torch.rand(1, 3, HEIGHT, WIDTH, generator=draw) - 0.5)


@pytest.fixture
def gray() -> Tensor:
    return torch.full((1, 3, HEIGHT, WIDTH), 0.5)


def motion(x: float = 0.0, y: float = 0.0, seen: float = 1.0) -> Motion:
    flow = np.empty((2, HEIGHT, WIDTH), np.float32)
    flow[0], flow[1] = x, y
    return Motion(flow, np.full((HEIGHT, WIDTH), seen, np.float32))


def carried(residual: Tensor, moving: Motion | None, picture: Tensor, keep: float) -> Tensor:
    return carry(residual, None, moving, picture, keep)[0]


@pytest.mark.parametrize("keep", [1.0, 0.75, 0.0])
@pytest.mark.parametrize("moving", [None, motion()])
def test_it_fades(residual: Tensor, gray: Tensor, keep: float, moving: Motion | None) -> None:
    assert torch.allclose(carried(residual, moving, gray, keep), residual * keep, atol=1e-6)


def test_it_moves(residual: Tensor, gray: Tensor) -> None:
    found = carried(residual, motion(-5, 2), gray, 1.0)
    assert torch.allclose(found[..., :-2, 5:], residual[..., 2:, :-5], atol=1e-6)
    assert found[..., :5].abs().max() < 1e-6 and found[..., -2:, :].abs().max() < 1e-6


def test_only_what_the_last_frame_showed_goes_on(residual: Tensor, gray: Tensor) -> None:
    moving = motion()
    moving.visibility[:, :12] = 0.0
    moving.visibility[:, 12:24] = 0.25
    found = carried(residual, moving, gray, 0.8)
    assert found[..., :12].abs().max() < 1e-6
    assert torch.allclose(found[..., 12:24], 0.2 * residual[..., 12:24], atol=1e-6)
    assert torch.allclose(found[..., 24:], 0.8 * residual[..., 24:], atol=1e-6)


def test_a_smaller_motion_serves(residual: Tensor, gray: Tensor) -> None:
    """Its visibility is resized, its flow scaled."""
    flow = np.zeros((2, HEIGHT // 2, WIDTH // 2), np.float32)
    flow[0] = -2.0
    seen = np.ones((HEIGHT // 2, WIDTH // 2), np.float32)
    seen[:6] = 0.0
    found = carried(residual, Motion(flow, seen), gray, 1.0)
    assert found[..., :11, :].abs().max() < 1e-6
    assert torch.allclose(found[..., 13:, 4:], residual[..., 13:, :-4], atol=1e-5)


def test_motion_of_one_pixel_is_standing_still(residual: Tensor, gray: Tensor) -> None:
    still = Motion(np.zeros((2, 1, 1), np.float32), np.ones((1, 1), np.float32))
    assert torch.allclose(carried(residual, still, gray, 1.0), residual, atol=1e-6)


@pytest.mark.parametrize("moving", [None, motion()])
def test_what_cannot_be_shown_is_forgotten(gray: Tensor, moving: Motion | None) -> None:
    """A ghost would else come back once the place is darker again."""
    bright = torch.full_like(gray, 0.3)
    white = torch.full_like(gray, 0.9)
    found = carried(bright, moving, white, 1.0)
    assert torch.allclose(found, torch.full_like(gray, 0.1), atol=1e-6)
    found = carried(-bright, moving, 1 - white, 1.0)
    assert torch.allclose(found, torch.full_like(gray, -0.1), atol=1e-6)


@pytest.mark.parametrize("moving", [None, motion(1.5, -0.5, 0.7)])
def test_the_sum_can_be_shown(residual: Tensor, moving: Motion | None) -> None:
    picture = torch.rand(1, 3, HEIGHT, WIDTH, generator=torch.Generator().manual_seed(3))
    shown = picture + carried(residual * 8, moving, picture, 0.9)
    assert shown.min() >= -1e-6 and shown.max() <= 1 + 1e-6


@pytest.mark.parametrize("moving", [None, motion(), motion(1.5, 0.0)])
def test_what_is_given_stays_as_it_is(
    residual: Tensor, gray: Tensor, moving: Motion | None
) -> None:
    """The pipeline keeps both for the next frame."""
    kept, kept_gray = residual.clone(), gray.clone()
    carried(residual, moving, gray, 0.5).zero_()
    assert torch.equal(residual, kept) and torch.equal(gray, kept_gray)
