from fractions import Fraction
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from livedream.core.frame import Frame, Picture
from livedream.core.settings import DreamSettings
from livedream.dream.clouds import Clouds
from livedream.dream.dreamer import Dreamer
from livedream.dream.level import Shaping
from livedream.dream.networks.network import Network

CPU = torch.device("cpu")


def over(
    clouds: Clouds, wandered: float = 0.0, size: tuple[int, int] = (480, 270), seed: int = 1
) -> Tensor:
    found = clouds.over(*size, seed, wandered, CPU)
    assert found is not None
    return found


def rms(part: Tensor) -> float:
    return float(part.square().mean().sqrt())


def test_they_are_the_same_for_a_seed_and_others_for_another() -> None:
    found = over(Clouds(), 7.3)
    assert found.shape == (1, 3, 270, 480)
    assert rms(found) == pytest.approx(7 / 255, rel=0.3)
    assert found.mean((2, 3)).abs().max() < 0.1 * rms(found)  # the whole of it
    assert torch.equal(found, over(Clouds(), 7.3))
    assert not torch.allclose(found, over(Clouds(), 7.3, seed=2))


def test_they_change_slowly_and_completely() -> None:
    clouds = Clouds()
    first = over(clouds, 3.0)
    assert over(clouds, 3.001) is first  # nothing is made anew for most frames
    seen = [over(clouds, 3.0 + step / 32) for step in range(65)]
    changes = [rms(new - old) / rms(new) for old, new in pairwise(seen)]
    assert max(changes) < 0.1
    likeness = torch.cosine_similarity(seen[0].flatten(), seen[32].flatten(), 0)
    assert abs(float(likeness)) < 0.3
    assert all(rms(sky) == pytest.approx(7 / 255, rel=0.3) for sky in seen)


@pytest.mark.parametrize("size", [(640, 360), (467, 262), (340, 191), (240, 135), (1280, 720)])
def test_a_picture_has_the_same_clouds_at_every_size(size: tuple[int, int]) -> None:
    """A live show changes it at every step of the governor."""
    found = torch.nn.functional.interpolate(over(Clouds(), size=size), (90, 160), mode="area")
    usual = torch.nn.functional.interpolate(over(Clouds()), (90, 160), mode="area")
    assert rms(found - usual) < 0.25 * rms(usual)  # of others it would be 1.4


@pytest.mark.parametrize("size", [(1, 1), (1, 900), (900, 1), (5000, 10)])
def test_odd_sizes(size: tuple[int, int]) -> None:
    found = over(Clouds(), size=size)
    assert found.shape == (1, 3, size[1], size[0]) and found.isfinite().all()


def start_of_ascent(picture: Tensor, clouds: Tensor | None) -> tuple[Tensor, Tensor]:
    """What the network sees first, and the residual of a network that adds nothing."""
    seen: list[Tensor] = []

    def climb(start: Tensor) -> Tensor:
        seen.append(start.clone())
        return torch.zeros_like(start)

    dream, _ = Dreamer.grown(
        DreamSettings(momentum=0.0), picture, torch.zeros_like(picture), None, None,
        clouds=clouds, climb=climb, target=14.0, remains=0.0, weight=1.0,
        shaping=Shaping(0.9, 0.4, 0.5),
    )  # fmt: skip
    return seen[0], dream.residual


def test_only_the_network_sees_them_and_only_where_the_picture_is_flat(texture: Picture) -> None:
    picture = torch.from_numpy(texture).permute(2, 0, 1)[None].float().div(255.0)
    width = picture.shape[3]
    picture[..., : width // 2] = 0.5
    clouds = over(Clouds(), size=(width, picture.shape[2]))
    start, residual = start_of_ascent(picture, clouds)
    flat, busy = (start - picture)[..., : width // 3], (start - picture)[..., -width // 3 :]
    assert rms(flat) > 0.8 * rms(clouds[..., : width // 3])
    assert rms(busy) < 0.6 * rms(clouds[..., -width // 3 :])
    assert not residual.any()
    assert torch.equal(start_of_ascent(picture, None)[0], picture)


def test_the_dream_is_grown_on_them(dreamnet: Network, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = DreamSettings(device="cpu", engine="torch", size="source", octaves=1)
    dreamer, seen = Dreamer(settings, dreamnet), []
    grown = Dreamer.grown

    def watched(*args: Any, clouds: Tensor | None, **more: Any) -> Any:
        seen.append(clouds)
        return grown(*args, clouds=clouds, **more)

    monkeypatch.setattr(dreamer, "grown", watched)
    for index in range(3):
        sky = np.full((72, 96, 3), 128, np.uint8)
        dreamer.step(Frame(sky, index, Fraction(1), index))  # a thirtieth of a sky each
    assert torch.equal(seen[0], over(Clouds(), 0.0, (96, 72), 0))
    assert len({id(one) for one in seen}) > 1
    dreamer.adopt(settings.replace(seed=4))
    assert torch.equal(dreamer.clouds(96, 72), over(Clouds(), dreamer.state.wandered, (96, 72), 4))


def test_a_very_large_picture_has_none() -> None:
    assert Clouds().over(3840, 2160, 1, 0.0, CPU) is None
