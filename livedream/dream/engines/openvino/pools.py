"""Maximal pooling there and back as nodes of an OpenVINO graph, which has no gradient of it.

Written with slices and comparisons: each place of the window looks whether it held the maximum
(of several equal ones the first gets all, as in PyTorch), and what belongs to one phase of the
stride is added up before the phases are put side by side.
"""

from collections import defaultdict
from itertools import product
from typing import Any

import numpy as np
from torch import nn

from livedream.dream.engines.openvino.convolutions import Node, lengths

__all__ = ["is_known_pool", "pool", "pool_back"]

Pair = tuple[int, int]


def is_known_pool(module: nn.Module | None) -> bool:
    """Maximal, the same stride both ways, not dilated."""
    if not isinstance(module, nn.MaxPool2d):
        return False
    _, stride, _ = _shape_of(module)
    return stride[0] == stride[1] and module.dilation in (1, (1, 1))


def pool(ops: Any, module: nn.MaxPool2d, x: Node) -> Node:
    kernel, stride, padding = _shape_of(module)
    rounding = "ceil_torch" if module.ceil_mode else "floor"
    both = list(padding)
    return ops.max_pool(x, list(stride), [1, 1], both, both, list(kernel), rounding, None).output(0)


def pool_back(ops: Any, module: nn.MaxPool2d, x: Node, highest: Node, slope: Node) -> Node:
    """The input's gradient.  highest: what the pooling gave for x."""
    kernel, (stride, _), padding = _shape_of(module)
    size, out = lengths(x)[2:], lengths(highest)[2:]
    reached = [(o - 1) * stride + k - p for o, k, p in zip(out, kernel, padding, strict=True)]
    framed = _framed(ops, x, padding, [max(0, r - s) for r, s in zip(reached, size, strict=True)])
    cells = [o + (k - 1) // stride for o, k in zip(out, kernel, strict=True)]
    phases: dict[Pair, Node] = defaultdict(lambda: None)
    rest = slope
    for i, j in product(range(kernel[0]), range(kernel[1])):
        ends = [at + stride * (o - 1) + 1 for at, o in zip((i, j), out, strict=True)]
        here = ops.slice(
            framed, np.array([i, j]), np.array(ends), np.array([stride] * 2), np.array([2, 3])
        )
        part = ops.select(ops.equal(here, highest), rest, ops.constant(np.float32(0)))
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
    order = [(i, j) for i in range(stride) for j in range(stride)]
    if any(phases[place] is None for place in order):  # a stride that leaves some pixels out
        some = next(found for found in phases.values() if found is not None)
        nothing = ops.multiply(some, ops.constant(np.float32(0)))
        phases = {place: phases[place] or nothing for place in order}
    whole = phases[0, 0]
    if stride > 1:
        joined = ops.concat([phases[place] for place in order], 1)
        whole = ops.depth_to_space(joined, "blocks_first", stride)
    begins = np.array(padding)
    ends = np.minimum(begins + size, lengths(whole)[2:])
    seen = ops.slice(whole, begins, ends, np.array([1, 1]), np.array([2, 3]))
    short = np.array(size) - (ends - begins)
    if short.max() <= 0:
        return seen
    return ops.pad(seen, np.zeros(4, np.int64), np.array([0, 0, *short]), "constant", np.float32(0))


def _framed(ops: Any, x: Node, before: Pair, after: list[int]) -> Node:
    """With a margin that is never the highest."""
    if not any(before) and not any(after):
        return x
    lowest = np.float32(-1e30)  # representable in bf16 as well
    return ops.pad(x, np.array([0, 0, *before]), np.array([0, 0, *after]), "constant", lowest)


def _shape_of(module: nn.MaxPool2d) -> tuple[Pair, Pair, Pair]:
    """kernel, stride, padding."""
    kernel = _pair(module.kernel_size)
    return kernel, _pair(module.stride or kernel), _pair(module.padding)


def _pair(value: Any) -> Pair:
    return (value, value) if isinstance(value, int) else (value[0], value[1])
