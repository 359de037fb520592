"""A network's gradient as one OpenVINO graph: forward, the objective's grad_outputs, backward.

Written node by node, not converted: tracing and a converter would take seconds for each size. Why
at all: docs/decisions/speed-cpu.md.

Convention
    Values and gradients by the numbers of `op_list`; contributions to a gradient are added up.
    Pictures are (1, h, w, 3) float32 on both ends, as OpenCV has them; in between (1, C, h, w),
    which OpenVINO lays out as it likes.
"""

from collections.abc import Callable
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from livedream.dream.engines.openvino.grad_outputs import write_grad_outputs
from livedream.dream.engines.openvino.layers import (
    Node,
    convolve,
    convolve_back,
    lengths,
    pool,
    pool_back,
)
from livedream.dream.engines.openvino.op_list import Op, OpList
from livedream.dream.objectives.binding import BoundObjective

Array = npt.NDArray[np.float32]

_CHANNELS_FIRST: Final = (0, 3, 1, 2)
_SPATIAL: Final = (2, 3)


class InputScale:
    """How a picture becomes the network's input: ``x * gain + offset``, then its channel order.

    offset, gain: (3,), in the network's channel order.  is_bgr: the channels are reversed.
    """

    def __init__(self, offset: Array, gain: Array, *, is_bgr: bool) -> None:
        order = slice(None, None, -1) if is_bgr else slice(None)
        self.is_bgr = is_bgr
        # In the picture's own order: the first weights reverse it.
        self.offset, self.gain = offset[order].copy(), gain[order].copy()


def write_gradient(
    op_list: OpList, objective: BoundObjective, scale: InputScale, size: tuple[int, int]
) -> Any:
    """An `openvino.Model`: picture (1, height, width, 3), the objective's weights (terms,) and its
    variety (1,) to the gradient, like the picture, times some positive factor.

    size: (width, height).  objective: see `require_known_parts`.
    """
    return _Writer(op_list, objective, scale).model(*size)


class _Writer:
    def __init__(self, op_list: OpList, objective: BoundObjective, scale: InputScale) -> None:
        import openvino
        from openvino import opset14

        self._openvino, self._ops = openvino, opset14
        self._op_list, self._objective, self._scale = op_list, objective, scale
        self._values: dict[int, Node] = {}
        self._gradients: dict[int, Node] = {}

    def model(self, width: int, height: int) -> Any:
        ops = self._ops
        picture = ops.parameter([1, height, width, 3], np.float32, "picture")
        weights = ops.parameter([len(self._objective.weights)], np.float32, "weights")
        variety = ops.parameter([1], np.float32, "variety")
        gain, offset = ops.constant(self._scale.gain), ops.constant(self._scale.offset)
        normal = ops.add(ops.multiply(picture, gain), offset)
        self._values[0] = ops.transpose(normal, np.array(_CHANNELS_FIRST))
        for step in self._op_list.steps:
            self._values[step.output] = self._forward(step)
        ends = [self._values[end] for end in self._op_list.ends]
        grad_outputs = write_grad_outputs(ops, self._objective, ends, weights, variety)
        for end, gradient in zip(self._op_list.ends, grad_outputs, strict=True):
            self._accumulate(end, gradient)
        for step in reversed(self._op_list.steps):
            gradient = self._gradients.pop(step.output, None)
            if gradient is not None:
                self._backward(step, gradient)
        result = ops.result(self._gradients[0], "gradient")
        return self._openvino.Model([result], [picture, weights, variety], "gradient")

    def _forward(self, step: Op) -> Node:
        ops, inputs = self._ops, [self._values[number] for number in step.inputs]
        if isinstance(step.module, nn.Conv2d):
            return convolve(ops, step.module, self._weight(step, step.module), inputs[0])
        if isinstance(step.module, nn.MaxPool2d):
            return pool(ops, step.module, inputs[0])
        simple: dict[str, Callable[..., Node]] = {
            "silu": ops.swish, "relu": ops.relu, "add": ops.add,
            "relu6": lambda x: ops.clamp(x, 0.0, 6.0),
            "concatenate": lambda *parts: ops.concat(list(parts), 1),
            "average": lambda x: ops.reduce_mean(x, np.array(_SPATIAL), False),
        }  # fmt: skip
        return simple[step.kind](*inputs)

    def _backward(self, step: Op, gradient: Node) -> None:
        ops, source = self._ops, step.inputs[0]
        if isinstance(step.module, nn.Conv2d):
            self._accumulate(source, self._convolution_back(step, step.module, gradient))
        elif isinstance(step.module, nn.MaxPool2d):
            x, highest = self._values[source], self._values[step.output]
            self._accumulate(source, pool_back(ops, step.module, x, highest, gradient))
        elif step.kind == "average":
            self._accumulate(source, self._spread(gradient, lengths(self._values[source])))
        elif step.kind == "add":
            for number in step.inputs:
                self._accumulate(number, gradient)
        elif step.kind == "concatenate":
            channels = [lengths(self._values[number])[1] for number in step.inputs]
            parts = ops.variadic_split(gradient, np.int64(1), np.array(channels)).outputs()
            for number, part in zip(step.inputs, parts, strict=True):
                self._accumulate(number, part)
        else:
            derivative = self._derivative(step.kind, self._values[source])
            self._accumulate(source, ops.multiply(gradient, derivative))

    def _derivative(self, kind: str, x: Node) -> Node:
        """The derivative of an activation at what went into it."""
        ops = self._ops
        if kind == "silu":
            share, one = ops.sigmoid(x), ops.constant(np.float32(1))
            return ops.multiply(share, ops.add(one, ops.multiply(x, ops.subtract(one, share))))
        above = ops.convert(ops.greater(x, ops.constant(np.float32(0))), "f32")
        if kind == "relu":
            return above
        below = ops.convert(ops.less(x, ops.constant(np.float32(6))), "f32")
        return ops.multiply(above, below)

    def _spread(self, gradient: Node, shape: list[int]) -> Node:
        """(1, C) in equal parts over all places of `shape`."""
        ops = self._ops
        share = ops.constant(np.float32(1 / (shape[2] * shape[3])))
        one = ops.reshape(ops.multiply(gradient, share), np.array([*shape[:2], 1, 1]), False)
        return ops.broadcast(one, np.array(shape))

    def _convolution_back(self, step: Op, module: nn.Conv2d, gradient: Node) -> Node:
        """A convolution's input gradient; the first one's is of the picture before its gain."""
        weight, source = self._weight(step, module), step.inputs[0]
        rows, columns = lengths(self._values[source])[2:]
        if source == 0:
            weight = weight * torch.from_numpy(self._scale.gain).view(1, 3, 1, 1)
        size = (rows, columns)
        return convolve_back(self._ops, module, weight, gradient, size, channels_last=source == 0)

    def _weight(self, step: Op, module: nn.Conv2d) -> Tensor:
        weight: Tensor = module.weight.detach().float()
        return weight.flip(1) if step.inputs == (0,) and self._scale.is_bgr else weight

    def _accumulate(self, number: int, gradient: Node) -> None:
        before = self._gradients.get(number)
        self._gradients[number] = gradient if before is None else self._ops.add(before, gradient)
