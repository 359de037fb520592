"""The optimizer moves kernels in place, in either order of memory, and can be resumed."""

import copy

import pytest
import torch
from dreamnet_training.optimizer import Optimizer
from torch import Tensor, nn


def _net(layout: torch.memory_format = torch.contiguous_format) -> nn.Module:
    torch.manual_seed(3)
    net = nn.Sequential(nn.Conv2d(3, 8, 4, 2), nn.SiLU(), nn.Conv2d(8, 5, 1), nn.SiLU())
    return net.to(memory_format=layout)  # type: ignore[call-overload, no-any-return]


def _loss(net: nn.Module) -> Tensor:
    x = torch.rand(4, 3, 16, 16, generator=torch.Generator().manual_seed(4))
    loss: Tensor = (net(x) - 0.3).square().mean()
    return loss


def _learn(net: nn.Module, optimizer: Optimizer, steps: int) -> float:
    for _ in range(steps):
        optimizer.zero_grad()
        loss = _loss(net)
        loss.backward()
        optimizer.step(0.01)
    return float(_loss(net).detach())


def test_it_learns_and_the_order_of_memory_does_not_matter() -> None:
    nets = [_net(layout) for layout in (torch.contiguous_format, torch.channels_last)]
    before = float(_loss(nets[0]).detach())
    for net in nets:
        assert _learn(net, Optimizer(net.parameters(), 0.02), 20) < 0.5 * before
    for one, other in zip(nets[0].parameters(), nets[1].parameters(), strict=True):
        torch.testing.assert_close(one, other, rtol=0, atol=0.02)  # its matrices are in bf16


def test_a_kernel_moves_by_an_orthogonal_matrix_of_adams_size() -> None:
    net = _net(torch.channels_last)
    before = copy.deepcopy(net)
    _learn(net, Optimizer(net.parameters(), weight_decay=0.0), 1)
    weight, bias = (
        (net.get_parameter(name) - before.get_parameter(name)).detach()
        for name in ("0.weight", "0.bias")
    )
    stretched = torch.linalg.svdvals(weight.flatten(1)) / (0.01 * 0.2 * 48**0.5)
    assert 0.4 < float(stretched.min()) <= float(stretched.max()) < 1.3
    torch.testing.assert_close(bias.abs(), torch.full_like(bias, 0.01), rtol=0.01, atol=0)


def test_decay_is_for_matrices_only() -> None:
    net = _net()
    before = copy.deepcopy(net)
    optimizer = Optimizer(net.parameters(), weight_decay=0.5)
    optimizer.zero_grad()
    (_loss(net) * 0).backward()
    optimizer.step(0.1)
    for name, value in net.named_parameters():
        kept = 0.95 if value.ndim > 1 else 1.0
        torch.testing.assert_close(value, before.get_parameter(name) * kept)


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_a_resumed_run_is_the_same(layout: torch.memory_format) -> None:
    whole, resumed = _net(layout), _net(layout)
    _learn(whole, Optimizer(whole.parameters(), 0.02), 6)
    first = Optimizer(resumed.parameters(), 0.02)
    _learn(resumed, first, 3)
    second = Optimizer(resumed.parameters(), 0.02)
    second.load_state_dict(copy.deepcopy(first.state_dict()))
    _learn(resumed, second, 3)
    for one, other in zip(whole.parameters(), resumed.parameters(), strict=True):
        torch.testing.assert_close(one, other, rtol=0, atol=0)
