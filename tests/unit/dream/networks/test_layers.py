"""Layers: found, measured, named."""

import pytest
import torch

from livedream.dream.networks.network import describe_layers, network_without_weights
from livedream.dream.networks.registry import find_spec, registry

TORCHVISION = [name for name, spec in registry().items() if spec.weights]


# Forward only, a 224 px picture; our own figures are of a larger one, where borders weigh less.
@pytest.mark.parametrize(
    ("name", "layer", "macs_per_px", "stride", "channels"),
    [
        ("googlenet", "inception4c", 22_200, 16, 512),
        ("vgg16", "relu4_3", 278_000, 8, 512),
        ("squeezenet1_0", "fire8", 13_900, 8, 512),
        ("squeezenet1_1", "fire8", 4_570, 16, 512),
    ],
)
def test_work_agrees_with_what_others_counted(
    name: str, layer: str, macs_per_px: int, stride: int, channels: int
) -> None:
    network = network_without_weights(name)
    shape = network.layers[network.resolve(layer)]
    assert shape.macs_per_px == pytest.approx(macs_per_px, rel=0.06)
    assert (shape.stride, shape.channels) == (stride, channels)


@pytest.mark.parametrize("name", TORCHVISION)
def test_every_alias_and_the_default_lead_to_a_layer(name: str) -> None:
    network = network_without_weights(name)
    spec = find_spec(name)
    assert network.aliases == spec.aliases
    for alias, layer in spec.aliases.items():
        assert network.resolve(alias) == network.resolve(layer)
    assert network.resolve(network.default_objective) in network.layers


@pytest.mark.parametrize("name", TORCHVISION)
def test_a_layer_s_work_grows_along_the_network_and_strides_are_powers_of_two(name: str) -> None:
    layers = list(network_without_weights(name).layers.values())
    assert all(layer.stride in (1, 2, 4, 8, 16, 32) for layer in layers)
    assert layers[-1].macs_per_px == max(layer.macs_per_px for layer in layers)
    assert layers[0].macs_per_px > 0


def test_blocks_and_leaves_are_there_once_each_with_the_field_s_names() -> None:
    found = {layer.name: layer for layer in describe_layers(network_without_weights("googlenet"))}
    names = list(found)
    assert names.index("conv1") < names.index("inception4c") < names.index("inception5b")
    assert {"inception4c", "inception4c.branch1", "inception4c.branch1.conv"} <= found.keys()
    assert {"inception_4c/output", "mixed4c"} <= set(found["inception4c"].aliases)
    graph = network_without_weights("googlenet").graph
    assert len({graph.outputs[name] for name in names}) == len(names)


def test_what_has_no_picture_s_shape_is_no_layer() -> None:
    for name, pooled in (("vgg16", "avgpool"), ("resnet50", "avgpool"), ("googlenet", "fc")):
        assert pooled not in network_without_weights(name).layers
    squeeze = network_without_weights("mobilenet_v3_large")
    assert not [name for name in squeeze.layers if ".fc" in name or name.endswith("avgpool")]


def test_outlines_take_no_memory() -> None:
    weights = network_without_weights("vgg19").graph.root.parameters()
    assert all(weight.device == torch.device("meta") for weight in weights)
