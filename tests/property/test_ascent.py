"""What holds for every ascent: it climbs, stays in range, repeats itself, touches nothing."""

from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from torch import Tensor

from livedream.core.frame import Picture
from livedream.core.settings import DreamSettings
from livedream.dream.ascent import Ascent
from livedream.dream.networks.network import Network, load_network
from livedream.dream.objectives.binding import bind

CPU = torch.device("cpu")
LAYERS = ("strokes", "weave", "mosaic", "eyes", "fur", "faces", "beasts", "creatures")
FEW = settings(max_examples=12, suppress_health_check=[HealthCheck.function_scoped_fixture])


def as_tensor(picture: Picture, width: int = 192) -> Tensor:
    cut = np.ascontiguousarray(picture[:108, :width])
    return torch.from_numpy(cut).permute(2, 0, 1)[None].float() / 255


def ascend(network: Network, objective: str, **wanted: object) -> Ascent:
    found = DreamSettings(**wanted)  # type: ignore[arg-type]
    return Ascent(network, bind(objective, network), found, CPU, torch.float32)


@pytest.mark.parametrize("layer", LAYERS)
def test_every_layer_rises(dreamnet: Network, texture: Picture, layer: str) -> None:
    picture = as_tensor(texture)
    ascent = ascend(dreamnet, layer, iterations=3)
    added = ascent.addition(picture, np.random.default_rng(0))
    assert ascent.response(picture + added) > 1.04 * ascent.response(picture)


def test_a_pretrained_network_rises(shared: Path, texture: Picture) -> None:
    weights = shared / "weights" / "squeezenet1_0-imagenet-caffe.safetensors"
    ascent = ascend(load_network(weights=weights, name="squeezenet1_0"), "features.12")
    picture = as_tensor(texture)
    added = ascent.addition(picture, np.random.default_rng(0))
    assert ascent.response(picture + added) > 1.05 * ascent.response(picture)


def test_a_negative_weight_sinks(dreamnet: Network, texture: Picture) -> None:
    picture = as_tensor(texture)
    towards = ascend(dreamnet, "eyes", iterations=3)
    away = ascend(dreamnet, "-1*eyes", iterations=3)
    added = away.addition(picture, np.random.default_rng(0))
    assert towards.response(picture + added) < 0.97 * towards.response(picture)


@FEW
@given(
    width=st.integers(1, 150),
    height=st.integers(1, 150),
    brightness=st.floats(0, 1),
    contrast=st.floats(0, 1),
    octaves=st.integers(1, 5),
    jitter=st.integers(0, 200),
    step_size=st.floats(0.01, 50),
    seed=st.integers(0, 2**31 - 1),
)
def test_finite_in_range_untouched_and_repeatable(
    *, dreamnet: Network, width: int, height: int, brightness: float, contrast: float,
    octaves: int, jitter: int, step_size: float, seed: int,
) -> None:  # fmt: skip
    noise = np.random.default_rng(seed).normal(brightness, contrast, (1, 3, height, width))
    picture = torch.from_numpy(noise.clip(0, 1)).float()
    before = picture.clone()
    ascent = ascend(dreamnet, "strokes", octaves=octaves, jitter=jitter, step_size=step_size)
    added = ascent.addition(picture, np.random.default_rng(seed))
    assert torch.equal(picture, before)
    assert added.shape == picture.shape and added.dtype == torch.float32
    assert added.isfinite().all()
    dreamed = picture + added
    assert dreamed.min() >= -1e-5 and dreamed.max() <= 1 + 1e-5
    assert torch.equal(added, ascent.addition(picture, np.random.default_rng(seed)))


def test_another_seed_gives_another_dream(dreamnet: Network, texture: Picture) -> None:
    picture = as_tensor(texture)
    ascent = ascend(dreamnet, "strokes")
    one, other = (ascent.addition(picture, np.random.default_rng(seed)) for seed in (1, 2))
    assert not torch.equal(one, other)
