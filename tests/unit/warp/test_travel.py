"""Travel: where the affine goes, the same at every frame rate."""

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from livedream.core.errors import SettingsError
from livedream.warp import travel as module
from livedream.warp.travel import Travel, move


def dot(x: float, y: float, width: int = 161, height: int = 121) -> Tensor:
    """A soft spot at a place, px from the centre."""
    rows = torch.arange(float(height))[:, None] - (height - 1) / 2 - y
    columns = torch.arange(float(width)) - (width - 1) / 2 - x
    return torch.exp(-(rows**2 + columns**2) / 18).expand(1, 3, -1, -1).contiguous()


def centre(picture: Tensor) -> tuple[float, float]:
    spot = picture[0, 0]
    height, width = spot.shape
    rows = torch.arange(float(height))[:, None] - (height - 1) / 2
    columns = torch.arange(float(width)) - (width - 1) / 2
    total = spot.sum()
    return float((spot * columns).sum() / total), float((spot * rows).sum() / total)


@pytest.mark.parametrize(
    ("travel", "to"),
    [
        (Travel(1.0), (20, 10)),
        (Travel(2.0), (40, 20)),
        (Travel(0.8), (16, 8)),
        (Travel(1.0, 90.0), (-10, 20)),  # clockwise, y down
        (Travel(1.0, 0.0, (0.1, -0.05)), (20 - 16.1, 10 + 8.05)),  # the view goes, the spot stays
    ],
)
def test_a_spot_goes_where_it_should(travel: Travel, to: tuple[float, float]) -> None:
    assert centre(move(dot(20, 10), travel, 1.0)) == pytest.approx(to, abs=0.1)


def test_standing_still_is_the_identity() -> None:
    picture = torch.rand(1, 3, 20, 30)
    assert torch.allclose(move(picture, Travel(1.0), 1.0), picture, atol=1e-6)


@pytest.mark.parametrize("drift", [(0.0, 0.0), (0.2, -0.1)])
@pytest.mark.parametrize("zoom", [1.0, 1.5, 0.7])
def test_the_journey_is_the_same_at_every_rate(zoom: float, drift: tuple[float, float]) -> None:
    travel = Travel(zoom, 33.0, drift)

    def after(steps: int) -> np.ndarray:  # type: ignore[type-arg]
        step = np.vstack([travel.matrix(160, 90, 1 / steps), [0, 0, 1]])
        return np.linalg.matrix_power(step, steps)

    assert np.allclose(after(1), after(25), atol=1e-6)
    assert np.allclose(after(1), after(60), atol=1e-6)


def test_both_devices_agree(monkeypatch: pytest.MonkeyPatch) -> None:
    """The path for GPUs, run on the CPU, against OpenCV's. Borders differ by a pixel's share."""
    picture = F.interpolate(torch.rand(1, 3, 12, 16), (90, 120), mode="bicubic")
    travel = Travel(1.3, 10.0, (0.05, 0.02))
    expected = move(picture, travel, 1.0)
    monkeypatch.setattr(module, "in_reach", lambda picture: False)
    found = move(picture, travel, 1.0)
    assert (found - expected)[..., 3:-3, 3:-3].abs().max() < 0.02


def test_what_comes_in_from_outside_is_mirrored() -> None:
    picture = torch.rand(1, 3, 40, 60) * 0.5 + 0.5
    assert move(picture, Travel(0.5), 1.0).min() > 0.3


@pytest.mark.parametrize(
    "wrong", [{"zoom": 0.1}, {"zoom": 9.0}, {"rotation": 400.0}, {"drift": (0.0, 5.0)}]
)
def test_a_journey_too_fast_is_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(SettingsError, match="per second"):
        Travel(**wrong)  # type: ignore[arg-type]


@pytest.mark.parametrize("size", [(1, 1), (1, 7), (9, 1), (2, 2)])
def test_the_smallest_pictures_travel(size: tuple[int, int]) -> None:
    for travel in (Travel(1.2, 5.0), Travel(0.5, 170.0, (2.0, -2.0))):
        assert move(torch.rand(1, 3, *size), travel, 1.0).isfinite().all()
