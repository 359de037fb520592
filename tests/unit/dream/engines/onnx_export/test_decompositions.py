"""Backward passes from forward operators, against PyTorch's own, number by number."""

from itertools import product

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from livedream.core.errors import NetworkError
from livedream.dream.engines.onnx_export.decompositions import (
    average_pool_backward,
    convolution_backward,
    max_pool_backward,
)

KERNELS = list(product([1, 2, 3, 5], [1, 2, 3]))  # side, stride


def values(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def wanted(x: Tensor, out: Tensor, grad: Tensor) -> Tensor:
    (found,) = torch.autograd.grad(out, x, grad)
    return found


@pytest.mark.parametrize(("side", "stride"), KERNELS)
@pytest.mark.parametrize("padding", [0, 1, 2])
@pytest.mark.parametrize(("groups", "dilation"), [(1, 1), (2, 1), (1, 2)])
def test_convolutions(side: int, stride: int, padding: int, groups: int, dilation: int) -> None:
    for height, width in ((11, 14), (12, 13)):
        x = values(2, 4, height, width).requires_grad_()
        weight = values(6, 4 // groups, side, side, seed=1)
        out = F.conv2d(x, weight, None, stride, padding, dilation, groups)
        grad = values(*out.shape, seed=2)
        found, *rest = convolution_backward(
            grad, x.detach(), weight, None, [stride], [padding], [dilation], False, [0], groups,
            [True, False, False],
        )  # fmt: skip
        assert rest == [None, None] and found is not None
        assert torch.allclose(found, wanted(x, out, grad), atol=1e-12)


@pytest.mark.parametrize(("side", "stride"), KERNELS)
@pytest.mark.parametrize(("padding", "ceil"), [(0, False), (0, True), (1, False), (1, True)])
def test_max_pools(side: int, stride: int, padding: int, ceil: bool) -> None:
    padding = min(padding, side // 2)  # PyTorch allows no more
    for height, width in ((11, 14), (12, 13)):
        # Few values, so that many are equal: the first one counts.
        x = values(2, 3, height, width).mul(2).round().requires_grad_()
        out, indices = F.max_pool2d(x, side, stride, padding, ceil_mode=ceil, return_indices=True)
        grad = values(*out.shape, seed=2)
        found = max_pool_backward(grad, x.detach(), [side], [stride], [padding], [1], ceil, indices)
        assert torch.allclose(found, wanted(x, out, grad), atol=1e-12)


@pytest.mark.parametrize(("side", "stride"), KERNELS)
@pytest.mark.parametrize("ceil", [False, True])
@pytest.mark.parametrize(("padding", "counted"), [(0, True), (1, True), (1, False)])
def test_average_pools(side: int, stride: int, padding: int, ceil: bool, counted: bool) -> None:
    padding = min(padding, side // 2)  # PyTorch allows no more
    for height, width in ((11, 14), (12, 13)):
        x = values(2, 3, height, width).requires_grad_()
        out = F.avg_pool2d(x, side, stride, padding, ceil, counted)
        grad = values(*out.shape, seed=2)
        found = average_pool_backward(
            grad, x.detach(), [side], [stride], [padding], ceil, counted, None
        )
        assert torch.allclose(found, wanted(x, out, grad), atol=1e-12)


def test_what_no_graph_is_written_of_is_refused() -> None:
    x, weight = values(1, 2, 5, 5), values(2, 2, 3, 3)
    with pytest.raises(NetworkError, match="transposed"):
        convolution_backward(x, x, weight, None, [1], [1], [1], True, [0], 1, [True, False, False])
    with pytest.raises(NetworkError, match="dilated"):
        max_pool_backward(x, x, [2], [1], [0], [2], False, x)
    with pytest.raises(NetworkError, match="divisor_override"):
        average_pool_backward(x, x, [2], [1], [0], False, True, 3)
