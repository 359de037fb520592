"""A network's gradient as one OpenVINO graph: forward, the objective's seeds, and back.

Written node by node, not converted: tracing and a converter would take seconds for each size. Why
at all: docs/decisions/speed-cpu.md.

Convention
    As in `operations`: values and slopes by their numbers, contributions to a slope are added up.
    Pictures are (1, h, w, 3) float32 on both ends, as OpenCV has them; in between (1, C, h, w),
    which OpenVINO lays out as it likes.
"""

from collections.abc import Callable
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from livedream.core.errors import SettingsError
from livedream.dream.engines.op_list import Op, OpList
from livedream.dream.engines.openvino.convolutions import (
    Node,
    convolve,
    convolve_back,
    lengths,
)
from livedream.dream.engines.openvino.pools import is_known_pool, pool, pool_back
from livedream.dream.engines.openvino.seeds import require_parts, write_seeds
from livedream.dream.objectives.binding import BoundObjective

__all__ = ["InputNotes", "require_words", "write_gradient"]

Array = npt.NDArray[np.float32]

_KNOWN: Final = frozenset({"convolution", "silu", "relu", "relu6", "add", "concatenate", "average"})
_CHANNELS_FIRST: Final = (0, 3, 1, 2)
_PLACES: Final = (2, 3)


class InputNotes:
    """How a picture becomes the network's input: ``x * gain + offset``, then its channel order.

    offset, gain: (3,), in the network's channel order.  is_bgr: that is turned round.
    """

    def __init__(self, offset: Array, gain: Array, *, is_bgr: bool) -> None:
        order = slice(None, None, -1) if is_bgr else slice(None)
        self.is_bgr = is_bgr
        # In the picture's own order: the first weights turn it round.
        self.offset, self.gain = offset[order].copy(), gain[order].copy()


def require_words(outlined: OpList, objective: BoundObjective) -> None:
    """Raises SettingsError for what cannot be written here: average pools, and guides."""
    for step in outlined.steps:
        if step.kind not in _KNOWN and not is_known_pool(step.module):
            raise SettingsError(
                f"engine: openvino has no {type(step.module).__name__}; try --engine direct"
            )
    require_parts(objective)


def write_gradient(
    outlined: OpList, objective: BoundObjective, notes: InputNotes, size: tuple[int, int]
) -> Any:
    """An `openvino.Model`: picture (1, height, width, 3), the objective's weights (terms,) and its
    variety (1,) to the slope, like the picture, times some positive factor.

    size: (width, height).  What can be written: `require_words`.
    """
    return _Writer(outlined, objective, notes).model(*size)


class _Writer:
    def __init__(self, outlined: OpList, objective: BoundObjective, notes: InputNotes) -> None:
        import openvino
        from openvino import opset14

        self._openvino, self._ops = openvino, opset14
        self._outline, self._objective, self._notes = outlined, objective, notes
        self._values: dict[int, Node] = {}
        self._slopes: dict[int, Node] = {}

    def model(self, width: int, height: int) -> Any:
        ops = self._ops
        picture = ops.parameter([1, height, width, 3], np.float32, "picture")
        weights = ops.parameter([len(self._objective.weights)], np.float32, "weights")
        variety = ops.parameter([1], np.float32, "variety")
        gain, offset = ops.constant(self._notes.gain), ops.constant(self._notes.offset)
        normal = ops.add(ops.multiply(picture, gain), offset)
        self._values[0] = ops.transpose(normal, np.array(_CHANNELS_FIRST))
        for step in self._outline.steps:
            self._values[step.output] = self._forward(step)
        ends = [self._values[end] for end in self._outline.ends]
        seeds = write_seeds(ops, self._objective, ends, weights, variety)
        for end, seed in zip(self._outline.ends, seeds, strict=True):
            self._give(end, seed)
        for step in reversed(self._outline.steps):
            slope = self._slopes.pop(step.output, None)
            if slope is not None:
                self._backward(step, slope)
        result = ops.result(self._slopes[0], "slope")
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
            "average": lambda x: ops.reduce_mean(x, np.array(_PLACES), False),
        }  # fmt: skip
        return simple[step.kind](*inputs)

    def _backward(self, step: Op, slope: Node) -> None:
        ops, source = self._ops, step.inputs[0]
        if isinstance(step.module, nn.Conv2d):
            self._give(source, self._through(step, step.module, slope))
        elif isinstance(step.module, nn.MaxPool2d):
            x, highest = self._values[source], self._values[step.output]
            self._give(source, pool_back(ops, step.module, x, highest, slope))
        elif step.kind == "average":
            self._give(source, self._spread(slope, lengths(self._values[source])))
        elif step.kind == "add":
            for number in step.inputs:
                self._give(number, slope)
        elif step.kind == "concatenate":
            channels = [lengths(self._values[number])[1] for number in step.inputs]
            parts = ops.variadic_split(slope, np.int64(1), np.array(channels)).outputs()
            for number, part in zip(step.inputs, parts, strict=True):
                self._give(number, part)
        else:
            bend = self._bend(step.kind, self._values[source])
            self._give(source, ops.multiply(slope, bend))

    def _bend(self, kind: str, x: Node) -> Node:
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

    def _spread(self, slope: Node, shape: list[int]) -> Node:
        """(1, C) in equal parts over all places of `shape`."""
        ops = self._ops
        share = ops.constant(np.float32(1 / (shape[2] * shape[3])))
        one = ops.reshape(ops.multiply(slope, share), np.array([*shape[:2], 1, 1]), False)
        return ops.broadcast(one, np.array(shape))

    def _through(self, step: Op, module: nn.Conv2d, slope: Node) -> Node:
        """Back through a convolution; of the picture, to what it was before its gain."""
        weight, source = self._weight(step, module), step.inputs[0]
        rows, columns = lengths(self._values[source])[2:]
        if source == 0:
            weight = weight * torch.from_numpy(self._notes.gain).view(1, 3, 1, 1)
        size = (rows, columns)
        return convolve_back(self._ops, module, weight, slope, size, channels_last=source == 0)

    def _weight(self, step: Op, module: nn.Conv2d) -> Tensor:
        weight: Tensor = module.weight.detach().float()
        return weight.flip(1) if step.inputs == (0,) and self._notes.is_bgr else weight

    def _give(self, number: int, slope: Node) -> None:
        before = self._slopes.get(number)
        self._slopes[number] = slope if before is None else self._ops.add(before, slope)
