"""Teachers: quickened they are the same networks, and their grad_outputs those of the cut maps."""

from __future__ import annotations

import copy
from collections.abc import Callable

import pytest
import torch
from dreamnet_training.teachers import LOGITS, Teacher, quickened
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


@pytest.mark.parametrize(
    ("name", "build", "layers"),
    [
        (
            "mobilenet_v2",
            lambda: models.mobilenet_v2(num_classes=5),
            ["features.9.conv.0", "features.14.conv.0"],
        ),
        ("squeezenet1_0", lambda: models.squeezenet1_0(num_classes=5), ["features.4"]),
    ],
    ids=["mobilenet_v2", "squeezenet1_0"],
)
def test_slopes_are_those_of_the_mean_squares_within_the_border(
    name: str, build: Callable[[], nn.Module], layers: list[str]
) -> None:
    torch.manual_seed(4)
    teacher = Teacher(name, quickened(build().eval()), layers, background=None).double()
    x = torch.rand(2, 3, 64, 96, dtype=torch.float64, requires_grad=True)
    maps = teacher.whole_maps(x)
    (found,) = torch.autograd.grad(
        [maps[layer] for layer in layers], x, teacher.grad_outputs(maps, layers)
    )
    cut = teacher(x)
    ascended = sum(cut[layer].square().mean(dim=(1, 2, 3)) for layer in layers) * 5_000
    assert isinstance(ascended, torch.Tensor)
    (wanted,) = torch.autograd.grad(ascended.sum(), x)
    scale = float(wanted.abs().max())
    torch.testing.assert_close(found / scale, wanted / scale)
    assert cut[LOGITS].shape == maps[LOGITS].shape == (2, 5, *cut[LOGITS].shape[2:])
