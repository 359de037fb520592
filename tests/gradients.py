"""What tests of objectives and engines compare: activations, and which way gradients point."""

import torch
from torch import Tensor

from livedream.dream.networks.network import Network
from livedream.dream.objectives.binding import BoundObjective


def activations(bound: BoundObjective, network: Network, picture: Tensor) -> tuple[Tensor, ...]:
    """The activations of the objective's layers.  picture: (1, 3, H, W) in [0, 1]."""
    cut = network.truncated(bound.layers)
    found: tuple[Tensor, ...] = cut(network.preprocessing.normalise(picture))
    return found


def cosine(one: Tensor, other: Tensor) -> float:
    """Of the angle between two tensors of one shape: 1 where they point the same way."""
    flat = one.double().flatten(), other.double().flatten()
    return float(torch.nn.functional.cosine_similarity(*flat, dim=0))
