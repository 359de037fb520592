"""Teachers: the quickened network is the same network."""

from __future__ import annotations

import copy
from collections.abc import Callable

import pytest
import torch
from dreamnet_training.teachers import quickened
from torch import nn
from torchvision import models


@pytest.mark.parametrize(
    "build",
    [
        lambda: models.mobilenet_v2(num_classes=5),
        lambda: models.googlenet(num_classes=5, aux_logits=False, init_weights=False),
        lambda: models.squeezenet1_0(num_classes=5),
    ],
    ids=["mobilenet_v2", "googlenet", "squeezenet1_0"],
)
def test_a_quickened_network_gives_the_same_values_and_gradient(
    build: Callable[[], nn.Module],
) -> None:
    torch.manual_seed(3)
    plain = build().eval().double()
    for module in plain.modules():  # a norm that has seen nothing would hide a mistake
        if isinstance(module, nn.BatchNorm2d):
            for values in (module.running_mean, module.bias):
                assert values is not None
                values.detach().normal_(0, 0.2)
            for values in (module.running_var, module.weight):
                assert values is not None
                values.detach().uniform_(0.5, 1.5)
    quick = quickened(copy.deepcopy(plain))
    assert not any(isinstance(module, nn.BatchNorm2d) for module in quick.modules())
    x = torch.rand(2, 3, 97, 64, dtype=torch.float64)
    found = []
    for net in (plain, quick):
        picture = x.clone().requires_grad_(True)
        logits = net(picture)
        (gradient,) = torch.autograd.grad(logits.square().sum(), picture)
        found.append((logits.detach(), gradient))
    (wanted, wanted_gradient), (logits, gradient) = found
    torch.testing.assert_close(logits, wanted)
    scale = float(wanted_gradient.abs().max())
    torch.testing.assert_close(gradient / scale, wanted_gradient / scale)
