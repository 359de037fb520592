from fractions import Fraction

import numpy as np
import pytest
import torch
from torch import Tensor

from livedream.core.frame import Frame, Picture
from livedream.core.settings import DreamSettings
from livedream.dream.dreamer import Dreamer
from livedream.dream.networks.network import Network
from livedream.dream.opening import opening

SETTINGS = DreamSettings(device="cpu", engine="torch", size="source", octaves=1, headroom=0.0)


def half_flat(texture: Picture) -> Picture:
    """Gray on the left, detail on the right."""
    rgb = texture.copy()
    rgb[:, : rgb.shape[1] // 2] = 128
    return rgb


def as_tensor(rgb: Picture) -> Tensor:
    return torch.from_numpy(rgb).permute(2, 0, 1)[None].float().div(255.0)


def rms(part: Tensor) -> float:
    return float(part.square().mean().sqrt())


def test_it_lies_where_the_picture_is_flat(texture: Picture) -> None:
    found = opening(as_tensor(half_flat(texture)), 0.05, np.random.default_rng(1))
    width = found.shape[3]
    flat, busy = rms(found[..., : width // 3]), rms(found[..., -width // 3 :])
    assert flat == pytest.approx(0.05, rel=0.5)
    assert busy < 0.5 * flat


def test_it_stays_within_the_picture_s_range_and_is_gray_where_colours_are_kept() -> None:
    white = torch.ones(1, 3, 40, 60)
    found = opening(white, 0.05, np.random.default_rng(1), keep_colours=True)
    assert found.max() <= 0.0 and (found + white).min() >= 0.0
    gray = opening(0.5 * white, 0.05, np.random.default_rng(1), keep_colours=True)
    assert (gray - gray.mean(1, keepdim=True)).abs().max() < 1e-6


@pytest.mark.parametrize(
    ("warms_s", "half_life", "opens"),
    [(1.0, 0.8, True), (0.7, 0.8, False), (1.0, 2.0, False), (0.3, 0.1, False), (0.0, 0.0, False)],
)
def test_it_fades_by_half_before_anything_is_shown(
    dreamnet: Network, warms_s: float, half_life: float, opens: bool
) -> None:
    dreamer = Dreamer(SETTINGS.replace(half_life=half_life), dreamnet)
    found = dreamer.open(torch.full((1, 3, 90, 120), 0.5), warms_s)
    assert found is dreamer.state.residual
    assert bool(found.any()) == opens


def test_a_film_s_scenes_open_with_it_and_others_do_not(dreamnet: Network) -> None:
    sky = np.full((90, 120, 3), 128, np.uint8)

    def opened(warm_up_s: float | None) -> list[bool]:
        dreamer = Dreamer(SETTINGS, dreamnet)
        dreamer.warm_up_s = warm_up_s
        found = []
        for index in range(3):
            dreamer.advance(dreamer.state.seconds_to(index / 25))
            carried = dreamer.carry(dreamer.picture(sky), None, 1.0)
            found.append(bool(carried.any()))
            dreamer.state.residual = torch.zeros_like(carried)
            if index == 1:
                dreamer.reset()
        return found

    assert opened(1.0) == [True, False, True]
    assert opened(0.0) == opened(None) == [False, False, False]


def test_a_region_holds_it(dreamnet: Network) -> None:
    sky = np.full((90, 120, 3), 128, np.uint8)
    dreamer = Dreamer(SETTINGS.replace(where="left", feather=0.0), dreamnet)
    dreamer.warm_up_s = 1.0
    shown = dreamer.step(Frame(sky, 0, Fraction(1, 25), 0)).frame.rgb
    assert np.array_equal(shown[:, 60:], sky[:, 60:])
    assert not np.array_equal(shown[:, :60], sky[:, :60])
