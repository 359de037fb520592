"""Convolutions and their input gradients as nodes of an OpenVINO graph.

OpenVINO's own transposed convolution runs in float32 on a CPU, at a third of the speed; so a
strided convolution's gradient is written as an ordinary one (`operations._Phases`).
"""

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from torch import Tensor, nn
from torch.nn import functional as F

__all__ = ["CHANNELS_LAST", "Node", "convolve", "convolve_back", "lengths"]

Node = Any  # a node with one output, or one of several outputs: openvino has no types
Pair = tuple[int, int]

CHANNELS_LAST: Final = (0, 2, 3, 1)


@dataclass(frozen=True, slots=True)
class _Place:
    """Where a strided convolution's phases lie.  size: of its input, (rows, columns)."""

    stride: int
    padding: Pair
    size: Pair
    channels_last: bool


def convolve(ops: Any, module: nn.Conv2d, weight: Tensor, x: Node) -> Node:
    """weight: the module's, or what stands for it."""
    stride, padding, dilation = _shape_of(module)
    found = _apply(ops, x, weight, stride, padding, dilation=dilation, groups=module.groups)
    if module.bias is None:
        return found
    bias = module.bias.detach().float().view(1, -1, 1, 1)
    return ops.add(found, ops.constant(bias.numpy()))


def convolve_back(
    ops: Any, module: nn.Conv2d, weight: Tensor, slope: Node, size: Pair, *, channels_last: bool
) -> Node:
    """The gradient of an input of `size`, (rows, columns); channels_last: as (1, h, w, C)."""
    stride, padding, dilation = _shape_of(module)
    reach = [d * (k - 1) for d, k in zip(dilation, weight.shape[2:], strict=True)]
    if stride == (1, 1) and all(p <= r for p, r in zip(padding, reach, strict=True)):
        outer = (reach[0] - padding[0], reach[1] - padding[1])
        turned = _turned(weight, module.groups)
        found = _apply(ops, slope, turned, (1, 1), outer, dilation=dilation, groups=module.groups)
    elif module.groups == 1 and dilation == (1, 1) and stride[0] == stride[1]:
        place = _Place(stride[0], padding, size, channels_last)
        return _phases(ops, slope, weight, place)
    else:
        found = _scattered(ops, slope, weight, module, size)
    return ops.transpose(found, np.array(CHANNELS_LAST)) if channels_last else found


def lengths(value: Node) -> list[int]:
    """A node's shape."""
    shape = value.get_output_shape(0) if hasattr(value, "get_output_shape") else value.get_shape()
    return [int(length) for length in shape]


def _phases(ops: Any, slope: Node, weight: Tensor, place: _Place) -> Node:
    """One channel for each phase of the stride, then side by side."""
    stride = place.stride
    outputs, inputs, *kernel = weight.shape
    taps = [-(-k // stride) for k in kernel]
    missing = [t * stride - k for t, k in zip(taps, kernel, strict=True)]
    full = F.pad(weight, (0, missing[1], 0, missing[0]))
    split = full.reshape(outputs, inputs, taps[0], stride, taps[1], stride)
    phases = split.permute(3, 5, 1, 0, 2, 4).reshape(-1, outputs, *taps).flip(2, 3)
    apart = _apply(ops, slope, phases, (1, 1), (taps[0] - 1, taps[1] - 1))
    if not place.channels_last:
        return _seen(ops, ops.depth_to_space(apart, "blocks_first", stride), place)
    # The same in the order of memory, so that it is turned round only once.
    rows, columns = lengths(apart)[2:]
    cells = ops.transpose(apart, np.array(CHANNELS_LAST))
    shape = np.array([rows, columns, stride, stride * inputs])
    together = ops.transpose(ops.reshape(cells, shape, False), np.array([0, 2, 1, 3]))
    shape = np.array([1, rows * stride, columns * stride, inputs])
    return _seen(ops, ops.reshape(together, shape, False), place)


def _seen(ops: Any, whole: Node, place: _Place) -> Node:
    """What of the phases side by side lies in the input; zero what no kernel reached."""
    axes = [1, 2] if place.channels_last else [2, 3]
    begins = np.array(place.padding)
    ends = np.minimum(begins + place.size, [lengths(whole)[axis] for axis in axes])
    seen = ops.slice(whole, begins, ends, np.array([1, 1]), np.array(axes))
    short = place.size - (ends - begins)
    if short.max() <= 0:
        return seen
    after = np.zeros(4, np.int64)
    after[axes] = short
    return ops.pad(seen, np.zeros(4, np.int64), after, "constant", np.float32(0))


def _scattered(ops: Any, slope: Node, weight: Tensor, module: nn.Conv2d, size: Pair) -> Node:
    """By OpenVINO's transposed convolution: what is left, such as strided depthwise ones."""
    stride, padding, dilation = _shape_of(module)
    shape = lengths(slope)[2:]
    extra = [
        size[i] - (shape[i] - 1) * stride[i] + 2 * padding[i]
        - dilation[i] * (weight.shape[2 + i] - 1) - 1
        for i in (0, 1)
    ]  # fmt: skip
    common: dict[str, Any] = {
        "strides": list(stride), "dilations": list(dilation), "output_padding": extra,
        "pads_begin": list(padding), "pads_end": list(padding),
    }  # fmt: skip
    if module.groups == 1:
        kernel = ops.constant(weight.contiguous().numpy())
        return ops.convolution_backprop_data(slope, kernel, **common)
    return ops.group_convolution_backprop_data(
        slope, _grouped(ops, weight, module.groups), **common
    )


def _apply(
    ops: Any,
    x: Node,
    weight: Tensor,
    stride: Pair,
    padding: Pair,
    *,
    dilation: Pair = (1, 1),
    groups: int = 1,
) -> Node:
    shape = (list(stride), list(padding), list(padding), list(dilation))
    if groups == 1:
        return ops.convolution(x, ops.constant(weight.contiguous().numpy()), *shape)
    return ops.group_convolution(x, _grouped(ops, weight, groups), *shape)


def _grouped(ops: Any, weight: Tensor, groups: int) -> Node:
    return ops.constant(weight.reshape(groups, -1, *weight.shape[1:]).contiguous().numpy())


def _shape_of(module: nn.Conv2d) -> tuple[Pair, Pair, Pair]:
    """stride, padding, dilation."""
    assert not isinstance(module.padding, str), "checked by the outline"
    stride, padding, dilation = (
        (value[0], value[1]) for value in (module.stride, module.padding, module.dilation)
    )
    return stride, padding, dilation


def _turned(weight: Tensor, groups: int) -> Tensor:
    """A convolution's weights (out, in / groups, h, w) turned round: (in, out / groups, h, w)."""
    out, inner, height, width = weight.shape
    split = weight.reshape(groups, out // groups, inner, height, width).transpose(1, 2)
    return split.flip((3, 4)).reshape(groups * inner, out // groups, height, width)
