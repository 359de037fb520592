"""Convolutions, max pooling and their input gradients as nodes of an OpenVINO graph.

OpenVINO's own transposed convolution runs in float32 on a CPU, at a third of the speed; so a
strided convolution's gradient is written as an ordinary one: every input pixel belongs to one of
stride x stride phases, and those of one phase see the gradient through the same few taps, so all
phases are channels of one small convolution without a stride, to be put side by side (sub-pixel
convolution, Shi et al. 2016).

Max pooling has no gradient in OpenVINO. It is written with slices and comparisons: each place of
the window looks whether it held the maximum (of several equal ones the first gets all, as in
PyTorch), and what belongs to one phase of the stride is added up before the phases are put side by
side.
"""

from collections import defaultdict
from itertools import product
from typing import Any, Final, TypeGuard

import numpy as np
from torch import Tensor, nn
from torch.nn import functional as F

Node = Any  # a node with one output, or one of several outputs: openvino has no types
Pair = tuple[int, int]

CHANNELS_LAST: Final = [0, 2, 3, 1]


def convolve(ops: Any, module: nn.Conv2d, weight: Tensor, x: Node) -> Node:
    """weight: the module's, or what stands for it."""
    stride, padding, dilation = _shape_of(module)
    found = _apply(ops, x, weight, stride, padding, dilation=dilation, groups=module.groups)
    if module.bias is None:
        return found
    bias = module.bias.detach().float().view(1, -1, 1, 1)
    return ops.add(found, bias.numpy())


def convolve_back(
    ops: Any,
    module: nn.Conv2d,
    weight: Tensor,
    gradient: Node,
    size: list[int],
    *,
    channels_last: bool,
) -> Node:
    """The gradient of an input of `size`, (rows, columns); channels_last: as (1, h, w, C)."""
    stride, padding, dilation = _shape_of(module)
    reach = [d * (k - 1) for d, k in zip(dilation, weight.shape[2:], strict=True)]
    if stride == (1, 1) and all(p <= r for p, r in zip(padding, reach, strict=True)):
        outer = (reach[0] - padding[0], reach[1] - padding[1])
        found = _apply(
            ops, gradient, flipped(weight, module.groups), (1, 1), outer,
            dilation=dilation, groups=module.groups,
        )  # fmt: skip
    elif module.groups == 1 and dilation == (1, 1) and stride[0] == stride[1]:
        return _strided_back(ops, gradient, weight, stride[0], padding, size, channels_last)
    else:
        found = _transposed_convolution(ops, gradient, weight, module, size)
    return ops.transpose(found, CHANNELS_LAST) if channels_last else found


def lengths(value: Node) -> list[int]:
    """A node's shape."""
    return [int(length) for length in value.shape]


def _strided_back(  # noqa: PLR0917
    ops: Any, gradient: Node, weight: Tensor, stride: int, padding: Pair, size: list[int],
    channels_last: bool,
) -> Node:  # fmt: skip
    """One channel for each phase of the stride, then side by side."""
    outputs, inputs, *kernel = weight.shape
    taps = [-(-k // stride) for k in kernel]
    missing = [t * stride - k for t, k in zip(taps, kernel, strict=True)]
    full = F.pad(weight, (0, missing[1], 0, missing[0]))
    split = full.reshape(outputs, inputs, taps[0], stride, taps[1], stride)
    phases = split.permute(3, 5, 1, 0, 2, 4).reshape(-1, outputs, *taps).flip(2, 3)
    apart = _apply(ops, gradient, phases, (1, 1), (taps[0] - 1, taps[1] - 1))
    if not channels_last:
        whole = ops.depth_to_space(apart, "blocks_first", stride)
        return _cropped(ops, whole, padding, size, axes=[2, 3])
    # The same in the order of memory, so that it is transposed only once.
    rows, columns = lengths(apart)[2:]
    cells = ops.transpose(apart, CHANNELS_LAST)
    shape = [rows, columns, stride, stride * inputs]
    together = ops.transpose(ops.reshape(cells, shape, False), [0, 2, 1, 3])
    shape = [1, rows * stride, columns * stride, inputs]
    return _cropped(ops, ops.reshape(together, shape, False), padding, size, axes=[1, 2])


def _cropped(ops: Any, whole: Node, padding: Pair, size: list[int], *, axes: list[int]) -> Node:
    """What of the phases side by side lies in the input; zero what no kernel reached."""
    begins = np.array(padding)
    ends = np.minimum(begins + size, [lengths(whole)[axis] for axis in axes])
    seen = ops.slice(whole, begins, ends, [1, 1], axes)
    short = np.array(size) - (ends - begins)
    if short.max() <= 0:
        return seen
    after = np.zeros(4, np.int64)
    after[axes] = short
    return ops.pad(seen, np.zeros(4, np.int64), after, "constant", np.float32(0))


def _transposed_convolution(
    ops: Any, gradient: Node, weight: Tensor, module: nn.Conv2d, size: list[int]
) -> Node:
    """By OpenVINO's transposed convolution: what is left, such as strided depthwise ones."""
    stride, padding, dilation = _shape_of(module)
    shape = lengths(gradient)[2:]
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
        return ops.convolution_backprop_data(gradient, weight.contiguous().numpy(), **common)
    kernel = _grouped(weight, module.groups)
    return ops.group_convolution_backprop_data(gradient, kernel, **common)


def _apply(
    ops: Any, x: Node, weight: Tensor, stride: Pair, padding: Pair, *,
    dilation: Pair = (1, 1), groups: int = 1,
) -> Node:  # fmt: skip
    shape = (list(stride), list(padding), list(padding), list(dilation))
    if groups == 1:
        return ops.convolution(x, weight.contiguous().numpy(), *shape)
    return ops.group_convolution(x, _grouped(weight, groups), *shape)


def _grouped(weight: Tensor, groups: int) -> Any:
    return weight.reshape(groups, -1, *weight.shape[1:]).contiguous().numpy()


def _shape_of(module: nn.Conv2d) -> tuple[Pair, Pair, Pair]:
    """stride, padding, dilation."""
    assert not isinstance(module.padding, str), "checked by `GradientGraph`"
    stride, padding, dilation = (
        (value[0], value[1]) for value in (module.stride, module.padding, module.dilation)
    )
    return stride, padding, dilation


def flipped(weight: Tensor, groups: int) -> Tensor:
    """A convolution's weights (out, in / groups, h, w) flipped: (in, out / groups, h, w)."""
    out, inner, height, width = weight.shape
    split = weight.reshape(groups, out // groups, inner, height, width).transpose(1, 2)
    return split.flip((3, 4)).reshape(groups * inner, out // groups, height, width)


def is_supported_pool(module: nn.Module) -> TypeGuard[nn.MaxPool2d]:
    """Maximal, the same stride both ways, not dilated."""
    if not isinstance(module, nn.MaxPool2d):
        return False
    _, stride, _ = _pool_shape(module)
    return stride[0] == stride[1] and module.dilation in (1, (1, 1))


def pool(ops: Any, module: nn.MaxPool2d, x: Node) -> Node:
    kernel, stride, padding = _pool_shape(module)
    rounding = "ceil_torch" if module.ceil_mode else "floor"
    both = list(padding)
    return ops.max_pool(x, list(stride), [1, 1], both, both, list(kernel), rounding, None).output(0)


def pool_back(ops: Any, module: nn.MaxPool2d, x: Node, highest: Node, gradient: Node) -> Node:
    """The input's gradient.  highest: what the pooling gave for x."""
    kernel, (stride, _), padding = _pool_shape(module)
    size, out = lengths(x)[2:], lengths(highest)[2:]
    reached = [(o - 1) * stride + k - p for o, k, p in zip(out, kernel, padding, strict=True)]
    after = [max(0, r - s) for r, s in zip(reached, size, strict=True)]
    framed = x
    if any(padding) or any(after):
        lowest = np.float32(-1e30)  # never the highest; representable in bf16 as well
        framed = ops.pad(x, [0, 0, *padding], [0, 0, *after], "constant", lowest)
    cells = [o + (k - 1) // stride for o, k in zip(out, kernel, strict=True)]
    phases: dict[Pair, Node] = defaultdict(lambda: None)
    rest = gradient
    for i, j in product(range(kernel[0]), range(kernel[1])):
        ends = [at + stride * (o - 1) + 1 for at, o in zip((i, j), out, strict=True)]
        here = ops.slice(framed, [i, j], ends, [stride] * 2, [2, 3])
        part = ops.select(ops.equal(here, highest), rest, np.float32(0))
        rest = ops.subtract(rest, part)  # given away: a later equal value gets nothing
        begin = np.array([0, 0, i // stride, j // stride])
        end = np.array([0, 0, *cells]) - begin - np.array([0, 0, *out])
        placed = ops.pad(part, begin, end, "constant", np.float32(0))
        before = phases[i % stride, j % stride]
        phases[i % stride, j % stride] = placed if before is None else ops.add(before, placed)
    return _together(ops, phases, stride, padding, size)


def _together(
    ops: Any, phases: dict[Pair, Node], stride: int, padding: Pair, size: list[int]
) -> Node:
    order = list(product(range(stride), range(stride)))
    if any(phases[place] is None for place in order):  # a stride that leaves some pixels out
        some = next(found for found in phases.values() if found is not None)
        nothing = ops.multiply(some, np.float32(0))
        phases = {place: phases[place] or nothing for place in order}
    whole = phases[0, 0]
    if stride > 1:
        joined = ops.concat([phases[place] for place in order], 1)
        whole = ops.depth_to_space(joined, "blocks_first", stride)
    return _cropped(ops, whole, padding, size, axes=[2, 3])


def _pool_shape(module: nn.MaxPool2d) -> tuple[Pair, Pair, Pair]:
    """kernel, stride, padding."""
    kernel = _pair(module.kernel_size)
    return kernel, _pair(module.stride or kernel), _pair(module.padding)


def _pair(value: Any) -> Pair:
    return (value, value) if isinstance(value, int) else (value[0], value[1])
