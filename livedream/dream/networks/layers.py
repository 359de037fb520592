"""What a network's layers are: channels, stride, work up to there.

Measured by sending the *shape* of a picture through the network, at two sizes: the difference
gives the stride free of what the borders take, and tells maps, which grow with the picture,
from pooled numbers, which do not.  Nothing is computed, so it takes a fraction of a second.
"""

from __future__ import annotations

import operator
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, fx, nn
from torch.func import functional_call
from torch.nn import functional as F

from livedream.dream.networks.graph import LayerGraph

# Both are multiples of 32, the largest stride known here, and well above every minimum size.
SMALL_PX, LARGE_PX = 320, 640


@dataclass(frozen=True, slots=True)
class LayerShape:
    """channels; stride: input px per activation px; macs_per_px: multiply-adds per input pixel,
    forward, of everything that the layer needs."""

    channels: int
    stride: int
    macs_per_px: float


@dataclass(frozen=True, slots=True)
class LayerInfo(LayerShape):
    """One line of ``livedream layers``.  aliases: other names.  note: what it shows, or empty."""

    name: str
    aliases: tuple[str, ...]
    note: str


def measure_layers(graph: LayerGraph) -> dict[str, LayerShape]:
    """Every layer whose activation has the shape of a picture, by its canonical name."""
    small = _ShapeRun(graph, SMALL_PX)
    large = _ShapeRun(graph, LARGE_PX)
    found: dict[str, LayerShape] = {}
    for name, node in graph.outputs.items():
        near, far = small.shapes.get(node), large.shapes.get(node)
        if near is None or far is None or len(far) != 4 or far[3] <= near[3]:
            continue
        if graph.canonical[name] != name:
            continue
        work = sum(large.macs.get(needed, 0) for needed in graph.needed([node]))
        found[name] = LayerShape(
            channels=far[1],
            stride=round((LARGE_PX - SMALL_PX) / (far[3] - near[3])),
            macs_per_px=work / LARGE_PX**2,
        )
    return found


class _ShapeRun(fx.Interpreter):
    """One run on the meta device, where tensors have shapes and nothing else."""

    def __init__(self, graph: LayerGraph, size_px: int) -> None:
        super().__init__(graph.root, garbage_collect_values=False, graph=graph.graph)
        self.shapes: dict[fx.Node, tuple[int, ...]] = {}
        self.macs: dict[fx.Node, int] = {}
        self.run(torch.empty(1, 3, size_px, size_px, device="meta"))

    def run_node(self, n: fx.Node) -> Any:
        result = super().run_node(n)
        if isinstance(result, Tensor):
            self.shapes[n] = tuple(result.shape)
            module = self.fetch_attr(str(n.target)) if n.op == "call_module" else None
            if isinstance(module, nn.Conv2d | nn.Linear):
                self.macs[n] = result.numel() * module.weight[0].numel()
        return result

    # What PyTorch would find out by itself, but only after two seconds of imports (its shapes are
    # symbols, which takes sympy and a compiler); the rest it is left to.

    def call_module(self, target: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Any:
        module = self.fetch_attr(target)
        if isinstance(module, _KEEP_SHAPE):
            return args[0]
        if isinstance(module, nn.Conv2d) and not isinstance(module.padding, str):
            return _behind(module, args[0])
        weights = {name: w.to("meta") for name, w in module.named_parameters()}
        weights |= {name: b.to("meta") for name, b in module.named_buffers()}
        return functional_call(module, weights, args, dict(kwargs))

    def call_function(self, target: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Any:
        if target in (F.relu, torch.relu):
            return args[0]
        shapes = {part.shape for part in args if isinstance(part, Tensor)}
        if target in (operator.add, torch.add) and len(shapes) == 1:
            return args[0]
        return super().call_function(target, args, dict(kwargs))

    def call_method(self, target: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Any:
        if target == "mean" and kwargs == {"dim": (2, 3)}:
            return torch.empty(args[0].shape[:2], device="meta")
        return super().call_method(target, args, dict(kwargs))


_KEEP_SHAPE = (nn.ReLU, nn.ReLU6, nn.SiLU, nn.Hardswish, nn.BatchNorm2d, nn.Identity, nn.Dropout)


def _behind(convolution: nn.Conv2d, x: Tensor) -> Tensor:
    """A tensor of the shape of a convolution's result."""
    assert not isinstance(convolution.padding, str)
    sides = [
        (side + 2 * padding - dilation * (kernel - 1) - 1) // stride + 1
        for side, kernel, stride, padding, dilation in zip(
            x.shape[2:], convolution.kernel_size, convolution.stride, convolution.padding,
            convolution.dilation, strict=True,
        )
    ]  # fmt: skip
    return torch.empty(x.shape[0], convolution.out_channels, *sides, device="meta")
