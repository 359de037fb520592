"""What the tests of the dream share: one of torchvision's networks, and something to see."""

import pytest
import torch
from torch import Tensor

from livedream.dream.networks.network import Network, load_network


@pytest.fixture(scope="session")
def network() -> Network:
    """Of 1000 classes, with random weights: nothing is downloaded. Not to be changed by a test."""
    return load_network("squeezenet1_1", random_seed=0)


@pytest.fixture
def picture() -> Tensor:
    """(1, 3, 64, 96) of noise in [0, 1]."""
    return torch.rand(1, 3, 64, 96, generator=torch.Generator().manual_seed(2))
