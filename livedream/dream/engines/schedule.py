"""A network as a fixed list of operations, there and back."""

import copy
from collections.abc import Sequence

import torch
from torch import Tensor, fx, nn

from livedream.dream.engines.op_list import Op, outline
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

__all__ = ["CompiledOps"]


class CompiledOps:
    """What a cut network computes, and the input gradient of it, without autograd.

    network: of `Network.truncated`.  Raises SettingsError for what `outline` does not know.

    gain: (3, 1, 1) what the picture was multiplied with to become the input, which `backward` puts
    into its result.  Of one thread at a time.
    """

    def __init__(
        self, network: fx.GraphModule, dtype: torch.dtype, gain: Tensor | None = None
    ) -> None:
        plan = outline(network)
        self._operations = [_operation(step, dtype, gain) for step in plan.steps]
        self._ends = plan.ends
        self._fuse()
        self._values: Values = [None] * (1 + len(plan.steps))

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

    def twin(self) -> "CompiledOps":
        """Another one on the same weights, for another thread."""
        found = copy.copy(self)
        found._operations = [copy.copy(operation) for operation in self._operations]
        found._values = [None] * len(self._values)
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


def _operation(step: Op, dtype: torch.dtype, gain: Tensor | None) -> Operation:
    module = step.module
    if isinstance(module, nn.Conv2d):
        source = step.inputs[0]
        return Convolution(module, source, step.output, dtype, None if source else gain)
    if isinstance(module, nn.MaxPool2d | nn.AvgPool2d):
        return Pool(module, step.inputs[0], step.output)
    if step.kind == "add":
        return Add(step.inputs, step.output)
    if step.kind == "concatenate":
        return Concatenate(step.inputs, step.output)
    if step.kind == "average":
        return Average(step.inputs, step.output)
    return Activation(step.kind, step.inputs, step.output)
