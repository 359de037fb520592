"""The closed loop: what is added is scaled so that the level comes out as wanted."""

import numpy as np
import pytest
import torch
from torch import Tensor

from livedream.core.device import resident
from livedream.core.frame import Picture
from livedream.core.settings import DreamSettings
from livedream.dream.dreamer import Dreamer
from livedream.dream.level import scale_to_level
from livedream.dream.networks.network import Network
from livedream.region.planes import Planes


def rms(x: Tensor) -> float:
    return float(x.square().mean().sqrt()) * 255


@pytest.fixture
def noise() -> Tensor:
    return torch.randn(1, 3, 40, 60, generator=torch.Generator().manual_seed(1)) / 50


def grey() -> Tensor:
    return torch.full((1, 3, 40, 60), 0.5)


@pytest.mark.parametrize("target", [0.0, 2.0, 14.0, 60.0])
@pytest.mark.parametrize("brightness", [0.0, 0.1, 0.5, 1.0])
def test_the_level_is_what_was_wanted(noise: Tensor, target: float, brightness: float) -> None:
    picture = torch.full_like(noise, brightness)
    levelled = scale_to_level(picture, torch.zeros_like(noise), noise, target)
    assert float(levelled.level) == pytest.approx(target, rel=0.01)
    assert rms(levelled.residual) == pytest.approx(float(levelled.level), abs=1e-3)
    shown = picture + levelled.residual
    assert shown.min() >= 0 and shown.max() <= 1


def test_half_a_white_picture_still_has_its_level(noise: Tensor) -> None:
    picture = grey()
    picture[..., :30] = 1.0
    levelled = scale_to_level(picture, torch.zeros_like(noise), noise, 60.0)
    assert float(levelled.level) == pytest.approx(60, rel=0.03)


def test_what_is_carried_is_never_scaled(noise: Tensor) -> None:
    carried = noise.flip(3)
    levelled = scale_to_level(grey(), carried, noise, 14.0)
    assert torch.allclose(levelled.residual - carried, noise * levelled.gain, atol=1e-6)


def test_above_the_target_nothing_is_added(noise: Tensor) -> None:
    carried = noise * 20 / rms(noise)
    levelled = scale_to_level(grey(), carried, -noise, 14.0)
    assert levelled.gain == 0
    assert torch.allclose(levelled.residual, carried, atol=1e-6)


def test_nothing_to_add_leaves_what_is_carried(noise: Tensor) -> None:
    levelled = scale_to_level(grey(), noise, torch.zeros_like(noise), 14.0)
    assert levelled.gain == 0 and torch.allclose(levelled.residual, noise, atol=1e-6)


def test_the_level_is_measured_inside_the_mask(noise: Tensor) -> None:
    weight = torch.zeros(1, 1, 40, 60)
    weight[..., 15:] = 1
    levelled = scale_to_level(grey(), torch.zeros_like(noise), noise * weight, 14.0, weight)
    assert rms(levelled.residual[..., 15:]) == pytest.approx(14, rel=0.01)
    assert levelled.residual[..., :15].abs().max() == 0


def test_what_is_carried_outside_the_mask_does_not_count(noise: Tensor) -> None:
    weight = torch.zeros(1, 1, 40, 60)
    weight[..., 15:] = 1
    carried = 3 * noise * (1 - weight)
    levelled = scale_to_level(grey(), carried, noise * weight, 14.0, weight)
    assert rms(levelled.residual[..., 15:]) == pytest.approx(14, rel=0.01)
    assert torch.allclose(levelled.residual[..., :15], carried[..., :15], atol=1e-6)


def test_a_black_mask_gives_nothing(noise: Tensor) -> None:
    weight = torch.zeros(1, 1, 40, 60)
    levelled = scale_to_level(grey(), torch.zeros_like(noise), noise * weight, 14.0, weight)
    assert levelled.level == 0 and levelled.residual.abs().max() == 0


def test_kept_colours_are_kept_where_it_clips(noise: Tensor) -> None:
    picture = torch.rand(1, 3, 40, 60, generator=torch.Generator().manual_seed(3))
    added = noise.mean(1, keepdim=True).expand_as(noise).contiguous()
    levelled = scale_to_level(picture, noise, added, 40.0, keep_colours=True)
    assert levelled.residual.sub(levelled.residual.mean(1, keepdim=True)).abs().max() < 1e-6
    assert float(levelled.level) == pytest.approx(40, rel=0.03)
    shown = picture + levelled.residual
    assert shown.min() >= -1e-6 and shown.max() <= 1 + 1e-6


@pytest.mark.parametrize("target", [0.0, 4.0, 14.0, 60.0])
@pytest.mark.parametrize("keep_colours", [False, True])
def test_as_fixed_rounds_it_finds_the_same(
    noise: Tensor, target: float, keep_colours: bool
) -> None:
    """On a device the rounds that are not needed any more run all the same."""
    picture = torch.rand(noise.shape, generator=torch.Generator().manual_seed(4))
    added = noise.roll(7, 3)
    wanted = scale_to_level(picture, noise, added, target, keep_colours=keep_colours)
    with resident():
        goal = torch.tensor(target, dtype=torch.float64)
        found = scale_to_level(picture, noise, added, goal, keep_colours=keep_colours)
    assert float(found.level) == pytest.approx(float(wanted.level), abs=1e-9)
    assert torch.equal(found.residual, wanted.residual)
    assert torch.equal(found.figures(noise), wanted.figures(noise))


def test_two_dreams_in_a_mask_are_mixed_at_the_mask_s_level(
    dreamnet: Network, texture: Picture
) -> None:
    """Frame after frame: what is carried is theirs too, and must not be scaled up with it."""
    new = Dreamer(DreamSettings(size="90p", rise=0.0, octaves=2, precision="fp32"), dreamnet)
    old = Dreamer(new.settings.replace(objective="eyes"), dreamnet)
    old.share_state(new)
    picture = new.picture(texture)
    quarter = np.zeros((picture.shape[2], picture.shape[3]), np.float32)
    quarter[:45, :80] = 1.0
    planes = Planes(quarter, quarter, {})
    for n in range(20):
        carried = new.carry(picture, None, new.advance(0.04), planes)
        levelled = new.grow_both(picture, carried, old, n / 20, planes=planes)
    assert rms(levelled.residual[..., :45, :80]) == pytest.approx(14.0, rel=0.05)
    assert levelled.residual[..., 45:, :].abs().max() == 0
