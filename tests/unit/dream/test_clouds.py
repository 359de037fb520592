from itertools import pairwise

import pytest
import torch
from torch import Tensor

from livedream.core.frame import Picture
from livedream.core.settings import DreamSettings
from livedream.dream.clouds import Clouds
from livedream.dream.dreamer import Dreamer
from livedream.dream.level import Shaping
from livedream.dream.networks.network import Network

CPU = torch.device("cpu")


def over(clouds: Clouds, wandered: float = 0.0, size: tuple[int, int] = (120, 90)) -> Tensor:
    return clouds.over(*size, wandered, CPU)


def rms(part: Tensor) -> float:
    return float(part.square().mean().sqrt())


def test_they_are_the_same_for_a_seed_and_others_for_another() -> None:
    found = over(Clouds(1), 7.3)
    assert found.shape == (1, 3, 90, 120)
    assert rms(found) == pytest.approx(7 / 255, rel=0.3)
    assert found.mean((2, 3)).abs().max() < 0.1 * rms(found)
    assert torch.equal(found, over(Clouds(1), 7.3))
    assert not torch.allclose(found, over(Clouds(2), 7.3))


def test_they_change_slowly_and_completely() -> None:
    clouds = Clouds(1)
    first = over(clouds, 3.0)
    assert over(clouds, 3.001) is first  # nothing is made anew for most frames
    seen = [over(clouds, 3.0 + step / 32) for step in range(65)]
    changes = [rms(new - old) / rms(new) for old, new in pairwise(seen)]
    assert max(changes) < 0.1
    likeness = torch.cosine_similarity(seen[0].flatten(), seen[32].flatten(), 0)
    assert abs(float(likeness)) < 0.3
    assert all(rms(sky) == pytest.approx(7 / 255, rel=0.3) for sky in seen)


def test_a_picture_has_the_same_clouds_at_every_size() -> None:
    large, small = over(Clouds(1), size=(960, 540)), over(Clouds(1), size=(480, 270))
    shrunk = torch.nn.functional.interpolate(large, (270, 480), mode="area")
    assert rms(shrunk - small) < 0.1 * rms(small)


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
    clouds = over(Clouds(1), size=(width, picture.shape[2]))
    start, residual = start_of_ascent(picture, clouds)
    flat, busy = (start - picture)[..., : width // 3], (start - picture)[..., -width // 3 :]
    assert rms(flat) > 0.8 * rms(clouds[..., : width // 3])
    assert rms(busy) < 0.6 * rms(clouds[..., -width // 3 :])
    assert not residual.any()
    assert torch.equal(start_of_ascent(picture, None)[0], picture)


def test_a_picture_in_tiles_has_none(dreamnet: Network) -> None:
    settings = DreamSettings(device="cpu", engine="torch", tile=128, octaves=1)
    dreamer = Dreamer(settings, dreamnet)
    assert dreamer.clouds(512, 512) is None
    assert dreamer.clouds(128, 128) is not None
