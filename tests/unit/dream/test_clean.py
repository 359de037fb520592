"""Flat places stay clean of fine detail; nothing else is touched."""

import numpy as np
import pytest
import torch
from torch import Tensor

from livedream.core.device import resident
from livedream.core.frame import Picture
from livedream.core.settings import DreamSettings
from livedream.dream.clean import cleaned, flatness
from livedream.dream.dreamer import Dreamer
from livedream.dream.networks.network import Network
from livedream.jobs.flat_places import FlatPlaces
from livedream.jobs.image import dreamed

HEIGHT, WIDTH = 96, 160
SKY = torch.full((1, 3, HEIGHT, WIDTH), 0.6)
GRASS = torch.rand(1, 3, HEIGHT, WIDTH, generator=torch.Generator().manual_seed(2))


def _waves(period_px: float) -> Tensor:
    x = torch.arange(WIDTH) * (2 * np.pi / period_px)
    return x.cos().expand(1, 3, HEIGHT, WIDTH).clone()


def _left(added: Tensor, picture: Tensor, clean: float = 1.0) -> float:
    """The share of its level that an addition keeps, away from the border."""
    inside = np.s_[..., 8:-8, 8:-8]
    shaped = cleaned(added.clone(), flatness(picture), clean)
    return float(shaped[inside].std() / added[inside].std())


def test_a_net_is_left_out_of_a_flat_place() -> None:
    assert _left(_waves(3), SKY) < 0.3


def test_large_forms_stay_there() -> None:
    assert _left(_waves(32), SKY) > 0.95


def test_where_the_picture_has_detail_so_has_the_dream() -> None:
    assert _left(_waves(3), GRASS) > 0.97


def test_each_place_is_judged_by_itself() -> None:
    picture = SKY.clone()
    picture[..., WIDTH // 2 :] = GRASS[..., WIDTH // 2 :]
    shaped = cleaned(_waves(3), flatness(picture), 1.0)
    assert shaped[..., 8 : WIDTH // 2 - 32].std() < 0.25
    assert shaped[..., WIDTH // 2 + 32 : -8].std() > 0.65


def test_places_are_flatter_the_less_detail_they_have() -> None:
    found = [float(flatness(0.6 + (GRASS - 0.5) * size).mean()) for size in (0.0, 0.05, 0.1, 0.4)]
    assert found[0] == pytest.approx(1.0, abs=1e-3)
    assert found == sorted(found, reverse=True)
    assert found[-1] < 0.1


def test_half_of_it_leaves_half_of_the_detail() -> None:
    added = GRASS - 0.5
    entirely = cleaned(added.clone(), flatness(SKY), 1.0)
    half = cleaned(added.clone(), flatness(SKY), 0.5)
    assert torch.allclose(half, (added + entirely) / 2, atol=1e-6)
    assert torch.equal(cleaned(added.clone(), flatness(SKY), 0.0), added)


def test_it_works_in_place() -> None:
    added = _waves(3)
    assert cleaned(added, flatness(SKY), 1.0) is added


def test_a_very_large_picture_is_cleaned_alike(monkeypatch: pytest.MonkeyPatch) -> None:
    added = GRASS - 0.5
    quick = cleaned(added.clone(), flatness(SKY), 1.0)
    monkeypatch.setattr("livedream.dream.clean.COPIED", 0)
    assert torch.allclose(quick, cleaned(added.clone(), flatness(SKY), 1.0), atol=1e-6)


@pytest.mark.parametrize("size", [(96, 160), (97, 161), (135, 240)])
def test_on_a_device_it_cleans_alike(size: tuple[int, int]) -> None:
    generator = torch.Generator().manual_seed(size[0])
    added = torch.randn(1, 3, *size, generator=generator)
    picture = 0.5 + 0.05 * torch.randn(1, 3, *size, generator=generator)
    picture[..., :60] = 0.5
    wanted = cleaned(added.clone(), flatness(picture), 1.0)
    with resident():
        found = cleaned(added.clone(), flatness(picture), 1.0)
    assert (found - wanted).abs().mean() < 0.01 * wanted.abs().mean()


@pytest.mark.parametrize("size", [(1, 1), (1, 40), (2, 3), (7, 5)])
def test_pictures_of_any_size(size: tuple[int, int]) -> None:
    added = torch.randn(1, 3, *size, generator=torch.Generator().manual_seed(0))
    assert cleaned(added, flatness(torch.full((1, 3, *size), 0.5)), 1.0).isfinite().all()


def _sky() -> Picture:
    slope = np.linspace(150, 190, 135)[:, None, None]
    return np.broadcast_to(slope, (135, 240, 3)).astype(np.uint8)


def _fine(settings: DreamSettings, dreamnet: Network) -> float:
    sky = _sky()
    flat = FlatPlaces()
    flat.add(sky, dreamed(Dreamer(settings, dreamnet), sky, 6))
    assert flat.fine is not None
    return flat.fine


def test_a_dreamed_sky_is_cleaner_than_without(dreamnet: Network) -> None:
    settings = DreamSettings(size="source", octaves=1, precision="fp32", device="cpu")
    assert _fine(settings, dreamnet) < 0.7 * _fine(settings.replace(clean=0.0), dreamnet)
