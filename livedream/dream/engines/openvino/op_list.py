"""What a network computes, as a list of operations that `graph` writes forward and backward."""

import operator
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import torch
from torch import fx, nn
from torch.nn import functional as F

from livedream.core.errors import SettingsError
from livedream.dream.engines.openvino.layers import is_supported_pool

_ADDITIONS: Final = (operator.add, torch.add)
_RELUS: Final = (F.relu, torch.relu)
_ACTIVATIONS: Final = (("silu", nn.SiLU), ("relu", nn.ReLU), ("relu6", nn.ReLU6))


@dataclass(frozen=True, slots=True)
class Op:
    """One operation. kind: `convolution`, `pool`, `silu`, `relu`, `relu6`, `add`, `concatenate`
    (along the channels), `average` (over all places).

    inputs, output: numbers of values; 0 is the picture.  module: of a convolution or a pool.
    """

    kind: str
    inputs: tuple[int, ...]
    output: int
    module: nn.Module | None = None


@dataclass(frozen=True, slots=True)
class OpList:
    """steps: in order of execution.  ends: numbers of the values that the network gives."""

    steps: tuple[Op, ...]
    ends: tuple[int, ...]


def op_list_of(network: fx.GraphModule) -> OpList:
    """The operations of a network of `Network.truncated`.

    Raises SettingsError for anything but convolutions, SiLU, ReLU, ReLU6, sums, concatenations,
    max pooling (one stride for both axes, not dilated) and the mean over all places.
    """
    numbers: dict[fx.Node, int] = {}
    steps: list[Op] = []
    ends: tuple[int, ...] = ()
    for node in network.graph.nodes:
        if node.op == "output":
            ends = tuple(numbers[end] for end in node.args[0])
            continue
        number = len(numbers)
        if node.op == "placeholder":
            if number:
                raise _unknown(node, "a second input")
        elif node.op == "call_module":
            module = network.get_submodule(str(node.target))
            steps.append(_of_module(node, module, _inputs(node, numbers), number))
        else:
            steps.append(_of_function(node, _inputs(node, numbers), number))
        numbers[node] = number
    return OpList(tuple(steps), ends)


def _of_module(node: fx.Node, module: nn.Module, inputs: tuple[int, ...], number: int) -> Op:
    source = inputs[:1]
    if source == (0,) and not isinstance(module, nn.Conv2d):
        raise _unknown(node, f"{type(module).__name__} of the picture itself")
    if isinstance(module, nn.Conv2d):
        if isinstance(module.padding, str) or module.padding_mode != "zeros":
            raise _unknown(node, f"padding {module.padding!r}, {module.padding_mode}")
        return Op("convolution", source, number, module)
    if is_supported_pool(module):
        return Op("pool", source, number, module)
    for kind, known in _ACTIVATIONS:
        if isinstance(module, known):
            return Op(kind, source, number)
    raise _unknown(node, type(module).__name__)


def _of_function(node: fx.Node, inputs: tuple[int, ...], number: int) -> Op:
    target: str | Callable[..., object] = node.target
    if 0 in inputs:
        raise _unknown(node, "anything but a convolution of the picture itself")
    if target in _ADDITIONS and len(inputs) == 2 and not node.kwargs:
        return Op("add", inputs, number)
    if target in _RELUS:
        return Op("relu", inputs, number)
    dimension = node.args[1] if len(node.args) > 1 else node.kwargs.get("dim")
    if target is torch.cat and dimension == 1:
        return Op("concatenate", inputs, number)
    if target == "mean" and dimension in ((2, 3), [2, 3]) and not node.kwargs.get("keepdim"):
        return Op("average", inputs, number)
    raise _unknown(node, getattr(target, "__name__", str(target)))


def _inputs(node: fx.Node, numbers: dict[fx.Node, int]) -> tuple[int, ...]:
    """Numbers of the node's inputs in their order; the same one twice counts twice."""
    first = node.args[0]
    listed = [*first, *node.args[1:]] if isinstance(first, list | tuple) else node.args
    found = tuple(numbers[one] for one in listed if isinstance(one, fx.Node))
    if not found:
        raise _unknown(node, "nothing to read from")
    return found


def _unknown(node: fx.Node, what: str) -> SettingsError:
    return SettingsError(f"engine: openvino has no {what} ({node.name}); try --engine torch")
