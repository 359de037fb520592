"""A network's gradient as one OpenVINO graph: forward, the objective's grad_outputs, backward.

Written node by node, not converted: tracing and a converter would take seconds for each size. Why
at all: docs/decisions/speed-cpu.md.

Convention
    Pictures are (1, h, w, 3) float32 on both ends, as OpenCV has them; in between (1, C, h, w),
    which OpenVINO lays out as it likes.
"""

import operator
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import torch
from torch import fx, nn
from torch.nn import functional as F

from livedream.core.errors import SettingsError
from livedream.dream.engines.openvino.grad_outputs import (
    KNOWN_PARTS,
    placed_layers,
    write_grad_outputs,
)
from livedream.dream.engines.openvino.layers import (
    Node,
    convolve,
    convolve_back,
    is_supported_pool,
    lengths,
    pool,
    pool_back,
)
from livedream.dream.networks.preprocessing import Preprocessing
from livedream.dream.objectives.binding import BoundObjective


@dataclass(frozen=True, slots=True)
class _Rule:
    """An operation.  forward: (ops, *inputs) to its value.  backward: (ops, gradient, value,
    *inputs) to the gradient of each input.
    """

    forward: Callable[..., Node]
    backward: Callable[..., Sequence[Node]]


class GradientGraph:
    """Writes a network's graph for any size.

    Raises SettingsError for sentences and for anything but convolutions, SiLU, ReLU, ReLU6, sums,
    concatenations, max pooling (one stride for both axes, not dilated) and the mean over all
    places.
    """

    def __init__(
        self, network: fx.GraphModule, objective: BoundObjective, preprocessing: Preprocessing
    ) -> None:
        if not all(type(part) in KNOWN_PARTS for parts in objective.parts for part in parts):
            raise SettingsError("engine: openvino reads no sentences; try --engine torch")
        self._objective = objective
        offset, gain = preprocessing.constants(torch.device("cpu"), torch.float32)
        self._is_bgr = preprocessing.channel_order == "BGR"
        # In the picture's own order: the first weights reverse it.
        self._offset, self._gain = (
            (values.flip(1) if self._is_bgr else values).view(3) for values in (offset, gain)
        )
        self._picture, *nodes, end = network.graph.nodes
        self._ends: Sequence[fx.Node] = end.args[0]
        self._steps = [(node, *self._step(network, node)) for node in nodes]

    def model(self, width: int, height: int) -> Any:
        """An `openvino.Model`: picture (1, height, width, 3), the objective's dials and the planes
        for `placed_layers` to the gradient, like the picture, times some positive factor.
        """
        from openvino import Model
        from openvino import opset14 as ops

        picture = ops.parameter([1, height, width, 3], np.float32, "picture")
        dials = [ops.parameter(list(dial.shape), np.float32) for dial in self._objective.dials]
        normal = ops.add(ops.multiply(picture, self._gain.numpy()), self._offset.numpy())
        values = {self._picture: ops.transpose(normal, [0, 3, 1, 2])}
        for node, inputs, rule in self._steps:
            values[node] = rule.forward(ops, *(values[one] for one in inputs))
        gradients: dict[fx.Node, Node] = {}

        def accumulate(nodes: Sequence[fx.Node], parts: Sequence[Node]) -> None:
            for node, part in zip(nodes, parts, strict=True):
                gradients[node] = ops.add(gradients[node], part) if node in gradients else part

        ends = [values[end] for end in self._ends]
        planes = {
            (layer, region): ops.parameter([1, 1, *lengths(ends[layer])[2:]], np.float32)
            for layer, region in placed_layers(self._objective)
        }
        seeds = write_grad_outputs(ops, self._objective, ends, dials, planes)
        accumulate(self._ends, seeds)
        for node, inputs, rule in reversed(self._steps):
            if node in gradients:
                found = [values[one] for one in (node, *inputs)]
                accumulate(inputs, rule.backward(ops, gradients.pop(node), *found))
        result = ops.result(gradients[self._picture], "gradient")
        return Model([result], [picture, *dials, *planes.values()], "gradient")

    def _step(self, network: fx.GraphModule, node: fx.Node) -> tuple[list[fx.Node], _Rule]:
        """What the node reads, the same one twice where it does so twice, and what it does."""
        inputs: list[fx.Node] = []
        fx.node.map_arg(node.args, inputs.append)
        module = network.get_submodule(str(node.target)) if node.op == "call_module" else None
        name = type(module).__name__ if module else getattr(node.target, "__name__", node.target)
        found = None
        if isinstance(module, nn.Conv2d):
            found = self._convolution(module, is_first=inputs == [self._picture])
        elif self._picture in inputs:
            name = f"{name} of the picture itself"
        elif inputs:
            found = _of_function(node, len(inputs)) if module is None else _of_module(module)
        if found is None:
            raise SettingsError(f"engine: openvino has no {name} ({node.name}); try --engine torch")
        return inputs, found

    def _convolution(self, module: nn.Conv2d, *, is_first: bool) -> _Rule | None:
        """The first one's gradient is of the picture before its gain."""
        if isinstance(module.padding, str) or module.padding_mode != "zeros":
            return None
        weight = module.weight.detach().float()
        weight = weight.flip(1) if is_first and self._is_bgr else weight
        back = weight * self._gain.view(1, 3, 1, 1) if is_first else weight
        return _Rule(
            lambda ops, x: convolve(ops, module, weight, x),
            lambda ops, gradient, _, x: [
                convolve_back(ops, module, back, gradient, lengths(x)[2:], channels_last=is_first)
            ],
        )


def _of_module(module: nn.Module) -> _Rule | None:
    if is_supported_pool(module):
        return _Rule(
            lambda ops, x: pool(ops, module, x),
            lambda ops, gradient, highest, x: [pool_back(ops, module, x, highest, gradient)],
        )
    return next((rule for known, rule in _ACTIVATIONS.items() if isinstance(module, known)), None)


def _of_function(node: fx.Node, inputs: int) -> _Rule | None:
    target: str | Callable[..., object] = node.target
    dimension = node.args[1] if len(node.args) > 1 else node.kwargs.get("dim")
    if target in (operator.add, torch.add) and inputs == 2 and not node.kwargs:
        return _ADD
    if target in (F.relu, torch.relu):
        return _ACTIVATIONS[nn.ReLU]
    if target is torch.cat and dimension == 1:
        return _CONCATENATE
    if target == "mean" and dimension in ((2, 3), [2, 3]) and not node.kwargs.get("keepdim"):
        return _AVERAGE
    return None


def _silu_back(ops: Any, gradient: Node, _: Node, x: Node) -> list[Node]:
    share, one = ops.sigmoid(x), np.float32(1)
    slope = ops.multiply(share, ops.add(one, ops.multiply(x, ops.subtract(one, share))))
    return [ops.multiply(gradient, slope)]


def _relu_back(ops: Any, gradient: Node, _: Node, x: Node) -> list[Node]:
    return [ops.multiply(gradient, ops.convert(ops.greater(x, np.float32(0)), "f32"))]


def _relu6_back(ops: Any, gradient: Node, _: Node, x: Node) -> list[Node]:
    above = ops.convert(ops.greater(x, np.float32(0)), "f32")
    below = ops.convert(ops.less(x, np.float32(6)), "f32")
    return [ops.multiply(gradient, ops.multiply(above, below))]


def _concatenate_back(ops: Any, gradient: Node, _: Node, *parts: Node) -> Sequence[Node]:
    channels = [lengths(part)[1] for part in parts]
    found: Sequence[Node] = ops.variadic_split(gradient, np.int64(1), channels).outputs()
    return found


def _average_back(ops: Any, gradient: Node, _: Node, x: Node) -> list[Node]:
    """(1, C) in equal parts over all places."""
    shape = lengths(x)
    share = ops.multiply(gradient, np.float32(1 / (shape[2] * shape[3])))
    return [ops.broadcast(ops.reshape(share, [*shape[:2], 1, 1], False), shape)]


_ADD: Final = _Rule(lambda ops, a, b: ops.add(a, b), lambda ops, gradient, *_: [gradient, gradient])
_CONCATENATE: Final = _Rule(lambda ops, *parts: ops.concat(list(parts), 1), _concatenate_back)
_AVERAGE: Final = _Rule(lambda ops, x: ops.reduce_mean(x, [2, 3], False), _average_back)
_ACTIVATIONS: Final[dict[type[nn.Module], _Rule]] = {
    nn.SiLU: _Rule(lambda ops, x: ops.swish(x), _silu_back),
    nn.ReLU: _Rule(lambda ops, x: ops.relu(x), _relu_back),
    nn.ReLU6: _Rule(lambda ops, x: ops.clamp(x, 0.0, 6.0), _relu6_back),
}
