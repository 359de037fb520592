"""SiLU whose second derivative is cheap, for the matching of gradients.

With ``create_graph`` torch writes SiLU's derivative, and the derivative of that, as many passes
over memory; here they are its own fused first derivative, twice, and six passes.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd import Function
from torch.nn import functional


class _Slope(Function):
    """``upstream * silu'(x)``."""

    @staticmethod
    def forward(ctx: Any, upstream: Tensor, x: Tensor) -> Tensor:
        ctx.save_for_backward(upstream, x)
        return torch.ops.aten.silu_backward(upstream, x)  # type: ignore[no-any-return]

    @staticmethod
    def backward(ctx: Any, *outer: Tensor) -> tuple[Tensor, Tensor]:
        (outer_,) = outer
        upstream, x = ctx.saved_tensors
        # silu'' = s (1 - s) (2 + x - 2 x s), s the sigmoid.
        sigmoid = x.sigmoid()
        derivative = torch.add(x, x * sigmoid, alpha=-2).add_(2)
        curve = torch.ops.aten.sigmoid_backward(outer_ * upstream, sigmoid).mul_(derivative)
        return torch.ops.aten.silu_backward(outer_, x), curve


class _SiLU(Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        ctx.save_for_backward(x)
        return functional.silu(x)

    @staticmethod
    def backward(ctx: Any, *outer: Tensor) -> Tensor:
        result: Tensor = _Slope.apply(*outer, *ctx.saved_tensors)
        return result


@torch.fx.wrap
def silu(x: Tensor) -> Tensor:
    """``x * sigmoid(x)``, as torch's."""
    result: Tensor = _SiLU.apply(x)
    return result


class SiLU(nn.Module):
    """In place of ``nn.SiLU``."""

    def forward(self, x: Tensor) -> Tensor:
        return silu(x)


def quicken(net: nn.Module) -> None:
    """Replaces every ``nn.SiLU`` in place."""
    for parent in net.modules():
        for name, child in list(parent.named_children()):
            if isinstance(child, nn.SiLU):
                setattr(parent, name, SiLU())
