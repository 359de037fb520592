"""What each operator of a traced step is called in ONNX.

The left side is torch's core ATen set, which every network comes down to; here are those that the
networks and objectives of livedream use. Each function gets the writer, the node's type and shape
(`Made`) and its arguments, constants as tensors, and gives the value.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

import torch
from torch import Tensor

from livedream.core.errors import NetworkError
from livedream.dream.engines.onnx_export.decompositions import pair
from livedream.dream.engines.onnx_export.writer import GraphWriter, Name, Value

_aten: Final = torch.ops.aten
_END: Final = 2**62  # a slice without an end


@dataclass(frozen=True, slots=True)
class Made:
    """dtype, shape: of what a node gives."""

    dtype: torch.dtype
    shape: tuple[int, ...]


Operator = Callable[..., Value]


def _one(operator: str) -> Operator:
    """One input, the same type out."""

    def write(to: GraphWriter, made: Made, x: Value, *_: Any, **__: Any) -> Value:
        return to.add(operator, [to.cast(x, made.dtype)], made.dtype, made.shape)

    return write


def _two(operator: str) -> Operator:
    """Two inputs, numbers allowed, in the type that comes out."""

    def write(to: GraphWriter, made: Made, a: Any, b: Any, alpha: float = 1) -> Value:
        first, second = (_typed(to, value, made.dtype) for value in (a, b))
        if alpha != 1:
            scaled = Made(made.dtype, tuple(second.shape))
            second = _two("Mul")(to, scaled, second, alpha)
        return to.add(operator, _brief(made, first, second), made.dtype, made.shape)

    return write


def _compared(operator: str) -> Operator:
    """Two inputs in the type that torch would compare them in."""

    def write(to: GraphWriter, made: Made, a: Value, b: Any) -> Value:
        wider = torch.promote_types(a.dtype, b.dtype) if isinstance(b, Value) else a.dtype
        pieces = [_typed(to, value, wider) for value in (a, b)]
        return to.add(operator, _brief(made, *pieces), torch.bool, made.shape)

    return write


def _reduced(operator: str) -> Operator:
    def write(
        to: GraphWriter, made: Made, x: Value, axes: Sequence[int] | None = None,
        keepdim: bool = False, **_: Any,
    ) -> Value:  # fmt: skip
        wanted = None if not axes else to.integers(axes)
        inputs = [to.cast(x, made.dtype), wanted]
        return to.add(operator, inputs, made.dtype, made.shape, keepdims=int(keepdim))

    return write


def _typed(to: GraphWriter, value: Any, dtype: torch.dtype) -> Value:
    if isinstance(value, Tensor | Name):
        return to.cast(value, dtype)
    return torch.tensor(value, dtype=dtype)


def _brief(made: Made, *values: Value) -> list[Value]:
    """One number that was spread out over a whole shape, as that number: the others spread it."""
    if not any(isinstance(value, Name) and value.shape == made.shape for value in values):
        return list(values)
    return [
        value[(0,) * value.dim()]
        if isinstance(value, Tensor) and value.numel() > 1 and not any(value.stride())
        else value
        for value in values
    ]


def same(to: GraphWriter, made: Made, x: Value, *_: Any, **__: Any) -> Value:
    return to.cast(x, made.dtype)


def copied(to: GraphWriter, made: Made, target: Value, source: Value, *_: Any) -> Value:
    return expanded(to, made, to.cast(source, made.dtype))


def reshaped(to: GraphWriter, made: Made, x: Value, *_: Any) -> Value:
    if tuple(x.shape) == made.shape:
        return x
    return to.add("Reshape", [x, to.integers(made.shape)], made.dtype, made.shape)


def expanded(to: GraphWriter, made: Made, x: Value, *_: Any, **__: Any) -> Value:
    return to.add("Expand", [x, to.integers(made.shape)], made.dtype, made.shape)


def permuted(to: GraphWriter, made: Made, x: Value, axes: Sequence[int]) -> Value:
    order = [axis % len(axes) for axis in axes]
    return to.add("Transpose", [x], made.dtype, made.shape, perm=order)


def joined(to: GraphWriter, made: Made, parts: Sequence[Value], axis: int = 0) -> Value:
    pieces = [to.cast(part, made.dtype) for part in parts]
    return to.add("Concat", pieces, made.dtype, made.shape, axis=axis)


def sliced(  # noqa: PLR0917 - the signature is PyTorch's
    to: GraphWriter, made: Made, x: Value, axis: int = 0, start: int | None = None,
    end: int | None = None, step: int = 1,
) -> Value:  # fmt: skip
    if made.shape == tuple(x.shape):
        return x
    end = _END if end is None else end
    bounds = [to.integers([value]) for value in (start or 0, end, axis, step)]
    return to.add("Slice", [x, *bounds], made.dtype, made.shape)


def flipped(to: GraphWriter, made: Made, x: Value, axes: Sequence[int]) -> Value:
    for axis in axes:
        order = torch.arange(made.shape[axis] - 1, -1, -1)
        x = to.add("Gather", [x, order], made.dtype, made.shape, axis=axis % len(made.shape))
    return x


def selected(to: GraphWriter, made: Made, x: Value, axis: int, index: int) -> Value:
    number = torch.tensor(index % x.shape[axis])
    return to.add("Gather", [x, number], made.dtype, made.shape, axis=axis % len(x.shape))


def indexed(to: GraphWriter, made: Made, x: Value, indices: Sequence[Value | None]) -> Value:
    """By one tensor of indices along one axis."""
    given = [(axis, index) for axis, index in enumerate(indices) if index is not None]
    if len(given) != 1 or given[0][1].dtype == torch.bool:
        raise NetworkError("the ONNX graph: indices must be one tensor of integers")
    axis, index = given[0]
    return to.add("Gather", [x, index], made.dtype, made.shape, axis=axis)


def clamped(to: GraphWriter, made: Made, x: Value, low: Any = None, high: Any = None) -> Value:
    ends = [None if end is None else _typed(to, end, made.dtype) for end in (low, high)]
    return to.add("Clip", [to.cast(x, made.dtype), *ends], made.dtype, made.shape)


def chosen(to: GraphWriter, made: Made, condition: Value, a: Value, b: Value) -> Value:
    pieces = _brief(made, condition, to.cast(a, made.dtype), to.cast(b, made.dtype))
    return to.add("Where", pieces, made.dtype, made.shape)


def padded(to: GraphWriter, made: Made, x: Value, sizes: Sequence[int], value: float = 0) -> Value:
    """sizes: before and after, the last axis first; below zero for cutting off."""
    rank = len(x.shape)
    before, after = [0] * rank, [0] * rank
    for place in range(len(sizes) // 2):
        before[rank - 1 - place], after[rank - 1 - place] = sizes[2 * place : 2 * place + 2]
    if min(before + after) < 0:
        # Cut in a node of its own: engines disagree on negative padding.
        starts = [max(0, -b) for b in before]
        ends = [size + min(0, a) for size, a in zip(x.shape, after, strict=True)]
        shape = [end - start for start, end in zip(starts, ends, strict=True)]
        x = to.add("Slice", [x, to.integers(starts), to.integers(ends)], made.dtype, shape)
    sides = [max(0, side) for side in before + after]
    if not any(sides):
        return x
    fill = torch.tensor(value, dtype=made.dtype)
    return to.add("Pad", [x, to.integers(sides), fill], made.dtype, made.shape)


def convolved(  # noqa: PLR0917 - the signature is PyTorch's
    to: GraphWriter, made: Made, x: Value, weight: Value, bias: Value | None,
    stride: Sequence[int], padding: Sequence[int], dilation: Sequence[int], transposed: bool,
    output_padding: Sequence[int], groups: int,
) -> Value:  # fmt: skip
    inputs = [x, weight] if bias is None else [x, weight, bias]
    more = {"output_padding": list(pair(output_padding))} if transposed else {}
    return to.add(
        "ConvTranspose" if transposed else "Conv", inputs, made.dtype, made.shape, group=groups,
        **_window(weight.shape[2:], stride, padding), dilations=list(pair(dilation)), **more,
    )  # fmt: skip


def _window(kernel: Sequence[int], stride: Sequence[int], padding: Sequence[int]) -> dict[str, Any]:
    sides = list(pair(padding)) * 2
    return {"kernel_shape": list(pair(kernel)), "strides": list(pair(stride)), "pads": sides}


def max_pooled(  # noqa: PLR0917 - the signature is PyTorch's
    to: GraphWriter, made: Made, x: Value, kernel: Sequence[int], stride: Sequence[int] = (),
    padding: Sequence[int] = (0,), dilation: Sequence[int] = (1,), ceil_mode: bool = False,
) -> Value:  # fmt: skip
    """Its indices are not made: `max_pool_backward` does not need them."""
    return to.add(
        "MaxPool", [x], made.dtype, made.shape, **_window(kernel, stride or kernel, padding),
        dilations=list(pair(dilation)), ceil_mode=int(ceil_mode),
    )  # fmt: skip


def average_pooled(  # noqa: PLR0917 - the signature is PyTorch's
    to: GraphWriter, made: Made, x: Value, kernel: Sequence[int], stride: Sequence[int] = (),
    padding: Sequence[int] = (0,), ceil_mode: bool = False, count_include_pad: bool = True,
    divisor_override: int | None = None,
) -> Value:  # fmt: skip
    if ceil_mode or divisor_override is not None:
        raise NetworkError(
            "the ONNX graph: average pooling must be without ceil_mode and divisor_override"
        )
    return to.add(
        "AveragePool", [x], made.dtype, made.shape, **_window(kernel, stride or kernel, padding),
        count_include_pad=int(count_include_pad),
    )  # fmt: skip


def multiplied_added(to: GraphWriter, made: Made, bias: Value, a: Value, b: Value) -> Value:
    product = to.add("MatMul", [a, b], made.dtype, made.shape)
    return to.add("Add", [product, bias], made.dtype, made.shape)


def softmax(to: GraphWriter, made: Made, x: Value, axis: int, _: bool) -> Value:
    return to.add("Softmax", [x], made.dtype, made.shape, axis=axis)


def inverse_root(to: GraphWriter, made: Made, x: Value) -> Value:
    return _one("Reciprocal")(to, made, _one("Sqrt")(to, made, x))


def highest(to: GraphWriter, made: Made, x: Value) -> Value:
    return to.add("ReduceMax", [x, None], made.dtype, made.shape, keepdims=0)


def highest_place(to: GraphWriter, made: Made, x: Value, axis: int, keepdim: bool = False) -> Value:
    return to.add("ArgMax", [x], made.dtype, made.shape, axis=axis, keepdims=int(keepdim))


OPERATORS: Final[dict[Any, Operator]] = {
    _aten.abs.default: _one("Abs"),
    _aten.add.Scalar: _two("Add"),
    _aten.add.Tensor: _two("Add"),
    _aten.addmm.default: multiplied_added,
    _aten.alias.default: same,
    _aten.amax.default: _reduced("ReduceMax"),
    _aten.argmax.default: highest_place,
    _aten.avg_pool2d.default: average_pooled,
    _aten.bitwise_and.Tensor: _two("And"),
    _aten.bitwise_or.Tensor: _two("Or"),
    _aten.bmm.default: _two("MatMul"),
    _aten.cat.default: joined,
    _aten.clamp.default: clamped,
    _aten.clone.default: same,
    _aten.constant_pad_nd.default: padded,
    _aten.convolution.default: convolved,
    _aten.copy.default: copied,
    _aten.detach_.default: same,
    _aten.detach.default: same,
    _aten.div.Scalar: _two("Div"),
    _aten.div.Tensor: _two("Div"),
    _aten.eq.Scalar: _compared("Equal"),
    _aten.eq.Tensor: _compared("Equal"),
    _aten.exp.default: _one("Exp"),
    _aten.expand.default: expanded,
    _aten.flip.default: flipped,
    _aten.ge.Scalar: _compared("GreaterOrEqual"),
    _aten.gt.Scalar: _compared("Greater"),
    _aten.hardtanh.default: clamped,
    _aten.index.Tensor: indexed,
    _aten.le.Scalar: _compared("LessOrEqual"),
    _aten.lift_fresh_copy.default: same,
    _aten.log.default: _one("Log"),
    _aten.lt.Scalar: _compared("Less"),
    _aten.max_pool2d_with_indices.default: max_pooled,
    _aten.max.default: highest,
    _aten.maximum.default: _two("Max"),
    _aten.mean.default: _reduced("ReduceMean"),
    _aten.mean.dim: _reduced("ReduceMean"),
    _aten.minimum.default: _two("Min"),
    _aten.mm.default: _two("MatMul"),
    _aten.mul.Scalar: _two("Mul"),
    _aten.mul.Tensor: _two("Mul"),
    _aten.neg.default: _one("Neg"),
    _aten.permute.default: permuted,
    _aten.pow.Tensor_Scalar: _two("Pow"),
    _aten.reciprocal.default: _one("Reciprocal"),
    _aten.relu.default: _one("Relu"),
    _aten.remainder.Scalar: _two("Mod"),
    _aten.rsqrt.default: inverse_root,
    _aten.select.int: selected,
    _aten.sigmoid.default: _one("Sigmoid"),
    _aten.slice.Tensor: sliced,
    _aten._softmax.default: softmax,
    _aten.sqrt.default: _one("Sqrt"),
    _aten.squeeze_.dim: reshaped,
    _aten.squeeze.dims: reshaped,
    _aten.sub.Tensor: _two("Sub"),
    _aten.sum.default: _reduced("ReduceSum"),
    _aten.sum.dim_IntList: _reduced("ReduceSum"),
    _aten._to_copy.default: same,
    _aten.unsqueeze.default: reshaped,
    _aten.view.default: reshaped,
    _aten._unsafe_view.default: reshaped,
    _aten.where.self: chosen,
}  # fmt: skip
