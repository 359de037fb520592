"""A network as a fixed list of operations, there and back."""

import copy
import operator
from collections.abc import Callable, Sequence
from typing import Any, Final

import torch
from torch import Tensor, fx, nn
from torch.nn import functional as F

from livedream.dream.engines.operations import (
    Activation,
    Add,
    Average,
    Concatenate,
    Convolution,
    Operation,
    Pool,
    Values,
    taken,
)
from livedream.errors import SettingsError

__all__ = ["Schedule"]

_ADDITIONS: Final = (operator.add, torch.add)
_RELUS: Final = (F.relu, torch.relu)


class Schedule:
    """What a cut network computes, and the input gradient of it, without autograd.

    network: of `Network.truncated`; convolutions, SiLU, ReLU, ReLU6, sums, concatenations, maximal
    and average pooling and the mean over all places.  Raises SettingsError for anything else.

    gain: (3, 1, 1) what the picture was multiplied with to become the input, which `backward` puts
    into its result.  Of one thread at a time.
    """

    def __init__(
        self, network: fx.GraphModule, dtype: torch.dtype, gain: Tensor | None = None
    ) -> None:
        self._gain = gain
        self._network = network
        self._dtype = dtype
        self._numbers: dict[fx.Node, int] = {}
        self._operations: list[Operation] = []
        self._ends: tuple[int, ...] = ()
        for node in network.graph.nodes:
            self._take(node)
        self._fuse()
        self._values: Values = [None] * len(self._numbers)

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        """Activations of x, (1, 3, h, w) in the schedule's type, channels_last."""
        values = self._values
        values[0] = x
        for operation in self._operations:
            operation.forward(values)
        return tuple(taken(values, end) for end in self._ends)

    def backward(self, seeds: Sequence[Tensor]) -> Tensor:
        """The gradient at the x given last for these gradients of its activations."""
        slopes: Values = [None] * len(self._values)
        for end, seed in zip(self._ends, seeds, strict=True):
            before = slopes[end]
            slopes[end] = seed if before is None else before + seed
        for step in reversed(self._operations):
            if slopes[step.output] is not None:
                step.backward(self._values, slopes)
                slopes[step.output] = None
        self._values = [None] * len(self._values)
        return taken(slopes, 0)

    @property
    def local(self) -> bool:
        """Whether what is far away counts for nothing: no mean over all places."""
        return not any(isinstance(operation, Average) for operation in self._operations)

    def twin(self) -> "Schedule":
        """Another one on the same weights, for another thread."""
        found = copy.copy(self)
        found._operations = [copy.copy(operation) for operation in self._operations]
        found._values = [None] * len(self._values)
        return found

    def _take(self, node: fx.Node) -> None:
        if node.op == "output":
            self._ends = tuple(self._numbers[end] for end in node.args[0])  # type: ignore[index,union-attr]
            return
        number = len(self._numbers)
        if node.op == "placeholder":
            if number:
                raise _unknown(node, "a second input")
        elif node.op == "call_module":
            module = self._network.get_submodule(str(node.target))
            self._operations.append(self._module(node, module, number))
        else:
            self._operations.append(self._function(node, number))
        self._numbers[node] = number

    def _module(self, node: fx.Node, module: nn.Module, number: int) -> Operation:
        source = self._inputs(node)[0]
        if source == 0 and not isinstance(module, nn.Conv2d):
            raise _unknown(node, f"{type(module).__name__} of the picture itself")
        if isinstance(module, nn.Conv2d):
            if isinstance(module.padding, str) or module.padding_mode != "zeros":
                raise _unknown(node, f"padding {module.padding!r}, {module.padding_mode}")
            return Convolution(module, source, number, self._dtype, None if source else self._gain)
        if isinstance(module, nn.MaxPool2d | nn.AvgPool2d):
            return Pool(module, source, number)
        for kind, known in (("silu", nn.SiLU), ("relu", nn.ReLU), ("relu6", nn.ReLU6)):
            if isinstance(module, known):
                return Activation(kind, (source,), number)
        raise _unknown(node, type(module).__name__)

    def _function(self, node: fx.Node, number: int) -> Operation:
        target: str | Callable[..., Any] = node.target
        inputs = self._inputs(node)
        if 0 in inputs:
            raise _unknown(node, "anything but a convolution of the picture itself")
        if target in _ADDITIONS and len(inputs) == 2 and not node.kwargs:
            return Add(inputs, number)
        if target in _RELUS:
            return Activation("relu", inputs, number)
        dimension = node.args[1] if len(node.args) > 1 else node.kwargs.get("dim")
        if target is torch.cat and dimension == 1:
            return Concatenate(inputs, number)
        if target == "mean" and dimension in ((2, 3), [2, 3]) and not node.kwargs.get("keepdim"):
            return Average(inputs, number)
        raise _unknown(node, getattr(target, "__name__", str(target)))

    def _inputs(self, node: fx.Node) -> tuple[int, ...]:
        """Numbers of the node's inputs in their order; the same one twice counts twice."""
        first = node.args[0]
        listed = [*first, *node.args[1:]] if isinstance(first, list | tuple) else node.args
        found = tuple(self._numbers[one] for one in listed if isinstance(one, fx.Node))
        if not found:
            raise _unknown(node, "nothing to read from")
        return found

    def _fuse(self) -> None:
        """A ReLU or a sum that alone reads a convolution goes into it."""
        readers: dict[int, int] = dict.fromkeys(self._ends, 2)
        for operation in self._operations:
            for source in operation.inputs:
                readers[source] = readers.get(source, 0) + 1
        kept: list[Operation] = []
        for operation in self._operations:
            last = kept[-1] if kept else None
            open_end = isinstance(last, Convolution) and readers[last.output] == 1
            if not (open_end and _goes_into(operation, last)):
                kept.append(operation)
        self._operations = kept


def _goes_into(operation: Operation, last: Operation | None) -> bool:
    """Put an operation into the convolution right before it, if it can be."""
    if not isinstance(last, Convolution) or last.rectified or last.output not in operation.inputs:
        return False
    if isinstance(operation, Activation) and operation.kind == "relu":
        last.rectified = True
    elif isinstance(operation, Add) and len(last.inputs) == 1:
        other = sum(operation.inputs) - last.output
        last.inputs = (*last.inputs, other)
    else:
        return False
    last.output = operation.output
    return True


def _unknown(node: fx.Node, what: str) -> SettingsError:
    return SettingsError(
        f"engine: direct cannot do {what} ({node.name}); wanted convolutions, ReLU, SiLU, sums, "
        "pools; try --engine torch"
    )
