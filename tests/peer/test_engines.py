"""Every engine dreams the dream of plain fp32 autograd."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from gradients import cosine
from installed import with_openvino
from torch import Tensor

from livedream.core.device import choose_dtype
from livedream.core.settings import DreamSettings
from livedream.dream.ascent import Ascent
from livedream.dream.networks.network import Network, load_network
from livedream.dream.networks.preprocessing import Preprocessing
from livedream.dream.objectives.binding import bind

CPU = torch.device("cpu")
QUICK = (pytest.param("openvino", marks=with_openvino),)
# Objectives that take each way through an engine: one layer, several, channels, driven away.
OBJECTIVES = (
    "creatures",
    "eyes:1,5,9 - 0.5*strokes + 0.2*creatures",
    "class:3 + weave",
    "kind:bird - 0.5*kind:cat",
)


def ascent(
    network: Network, objective: str, engine: str, dtype: torch.dtype = torch.float32, **more: int
) -> Ascent:
    settings = DreamSettings(engine=engine, **more)  # type: ignore[arg-type]
    return Ascent(network, bind(objective, network), settings, CPU, dtype)


@pytest.mark.parametrize("quick", QUICK)
@pytest.mark.parametrize("objective", OBJECTIVES)
def test_one_step_in_fp32(
    dreamnet: Network, odd_texture: Tensor, objective: str, quick: str
) -> None:
    wanted, found = (
        ascent(dreamnet, objective, engine, octaves=1, iterations=1).addition(
            odd_texture, np.random.default_rng(1)
        )
        for engine in ("torch", quick)
    )
    assert cosine(wanted, found) >= 0.9999
    assert float(found.norm()) == pytest.approx(float(wanted.norm()), rel=1e-3)


@pytest.mark.skipif(
    choose_dtype("auto", CPU) is not torch.bfloat16, reason="this CPU is not made for bf16"
)
@pytest.mark.parametrize("engine", ["torch", *QUICK])
@pytest.mark.parametrize("objective", OBJECTIVES)
def test_one_step_in_bf16(
    dreamnet: Network, odd_texture: Tensor, objective: str, engine: str
) -> None:
    wanted = ascent(dreamnet, objective, "torch").engine.gradient(odd_texture)
    found = ascent(dreamnet, objective, engine, torch.bfloat16).engine.gradient(odd_texture)
    assert cosine(wanted, found) >= 0.99


@pytest.mark.parametrize("engine", QUICK)
@pytest.mark.parametrize("precision", ["fp32", "auto"])
def test_ten_steps_rise_as_far(
    dreamnet: Network, odd_texture: Tensor, precision: str, engine: str
) -> None:
    plain = ascent(dreamnet, "creatures", "torch", iterations=10)
    dtype = choose_dtype(precision, CPU)
    quick = ascent(dreamnet, "creatures", engine, dtype, iterations=10)
    before = plain.response(odd_texture)
    wanted, found = (
        plain.response(odd_texture + ascend.addition(odd_texture, np.random.default_rng(0)))
        for ascend in (plain, quick)
    )
    assert wanted > 1.5 * before
    assert found == pytest.approx(wanted, rel=0.03)


@pytest.mark.parametrize(
    "name", ["squeezenet1_0", "googlenet", "vgg16", "resnet50", "mobilenet_v2"]
)
@pytest.mark.parametrize("quick", QUICK)
def test_torchvisions_networks(name: str, odd_texture: Tensor, quick: str) -> None:
    network = load_network(name, random_seed=1)
    objective = network.default_objective
    wanted, found = (
        ascent(network, objective, engine).engine.gradient(odd_texture)
        for engine in ("torch", quick)
    )
    assert cosine(wanted, found) >= 0.9999


@with_openvino
@pytest.mark.parametrize("layer", ["features.14.conv.0", "features.3.conv.1"])
def test_depthwise_convolutions_in_openvino(odd_texture: Tensor, layer: str) -> None:
    network = load_network("mobilenet_v2", random_seed=1)
    wanted, found = (
        ascent(network, layer, engine).engine.gradient(odd_texture)
        for engine in ("torch", "openvino")
    )
    assert cosine(wanted, found) >= 0.9999


@pytest.mark.parametrize("quick", QUICK)
def test_a_network_that_reads_bgr(dreamnet: Network, odd_texture: Tensor, quick: str) -> None:
    wants = Preprocessing((104.0, 117.0, 123.0), (50.0, 60.0, 70.0), "BGR", 255.0)
    network = replace(dreamnet, preprocessing=wants)
    wanted, found = (
        ascent(network, "eyes", engine).engine.gradient(odd_texture) for engine in ("torch", quick)
    )
    # Each channel on its own: an exchange or a missing factor would show.
    for channel in range(3):
        assert cosine(wanted[:, channel], found[:, channel]) >= 0.9999
    sizes = [x.abs().mean((0, 2, 3)) / x.abs().mean() for x in (wanted, found)]
    assert torch.allclose(*sizes, rtol=1e-3)


@with_openvino
def test_margins_may_be_larger_than_the_picture(dreamnet: Network, odd_texture: Tensor) -> None:
    small = odd_texture[:, :, :70, :66]
    wanted, found = (
        ascent(dreamnet, "strokes", engine, octaves=1, iterations=1, jitter=200).addition(
            small, np.random.default_rng(1)
        )
        for engine in ("torch", "openvino")
    )
    assert cosine(wanted, found) >= 0.9999
