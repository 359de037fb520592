"""The quick SiLU: torch's values and its derivatives, once and twice."""

from __future__ import annotations

import torch
from dreamnet_training.silu import SiLU, quicken, silu
from torch import Tensor, nn
from torch.nn import functional


def _twice(function: object, x: Tensor, outer: Tensor) -> list[Tensor]:
    assert callable(function)
    x = x.clone().requires_grad_(True)
    upstream = torch.linspace(-1, 2, x.numel(), dtype=x.dtype).requires_grad_(True)
    value = function(x)
    (first,) = torch.autograd.grad(value, x, upstream, create_graph=True)
    return [value, first, *torch.autograd.grad(first, (x, upstream), outer)]


def test_value_and_both_derivatives_are_those_of_torch() -> None:
    x = torch.linspace(-9, 9, 301, dtype=torch.float64)
    outer = torch.sin(x * 3)
    for own, reference in zip(
        _twice(silu, x, outer), _twice(functional.silu, x, outer), strict=True
    ):
        torch.testing.assert_close(own, reference, rtol=1e-12, atol=1e-12)
    assert torch.autograd.gradgradcheck(silu, (x[::30].clone().requires_grad_(True),))


def test_it_takes_the_place_of_every_silu_and_nothing_else() -> None:
    net = nn.Sequential(nn.Conv2d(3, 4, 1), nn.SiLU(), nn.Sequential(nn.ReLU(), nn.SiLU()))
    x = torch.rand(2, 3, 5, 5)
    before, names = net(x), list(net.state_dict())
    quicken(net)
    assert [type(m) for m in net.modules() if not list(m.children())] == [
        nn.Conv2d,
        SiLU,
        nn.ReLU,
        SiLU,
    ]
    assert list(net.state_dict()) == names
    torch.testing.assert_close(net(x), before)
    assert torch.fx.symbolic_trace(net)(x).equal(net(x))
