"""What an exported step needs in operators that every inference engine has: convolutions, slices,
products, comparisons.

ONNX has no operator for the gradient of a convolution or of a pooling. What stands here rewrites
each of them, for `torch.fx.experimental.proxy_tensor.make_fx`, into forward operators; they were
run with ONNX Runtime alone. Neither scatters nor needs a pooling's indices: `scatter_add` is not
there in fp16 on ONNX Runtime's CPU provider, and TensorRT has no pooling that gives indices. And
resizing is two products of matrices: TensorRT is reported to refuse a `Resize` that averages.

Convention
    Pictures are (N, C, H, W) of known size, gradients like what they are the gradient of. Only the
    gradient of a picture is made; the weights are frozen and theirs is never asked for.
"""

from collections.abc import Callable, Sequence
from itertools import product
from typing import Any, Final

import torch
from torch import Tensor
from torch._decomp import core_aten_decompositions
from torch.nn import functional as F

from livedream.core.errors import NetworkError
from livedream.dream.engines.openvino.layers import flipped

Pair = Sequence[int]
_aten: Final = torch.ops.aten


def decompositions() -> dict[Any, Callable[..., Any]]:
    """torch's own core decompositions, and those of this module over them."""
    table: dict[Any, Callable[..., Any]] = dict(core_aten_decompositions())
    table[_aten.convolution_backward.default] = convolution_backward
    table[_aten.max_pool2d_with_indices_backward.default] = max_pool_backward
    table[_aten.avg_pool2d_backward.default] = average_pool_backward
    for resizing in (_aten.upsample_bilinear2d, _aten._upsample_bilinear2d_aa):
        table[resizing.vec] = table[resizing.default] = resized
    return table


def convolution_backward(  # noqa: PLR0917 - the signature is PyTorch's
    grad: Tensor, x: Tensor, weight: Tensor, bias_sizes: Pair | None, stride: Pair, padding: Pair,
    dilation: Pair, transposed: bool, output_padding: Pair, groups: int, output_mask: list[bool],
) -> tuple[Tensor | None, None, None]:  # fmt: skip
    """As `aten.convolution_backward`, for the input alone."""
    if transposed or any(output_mask[1:]):
        raise NetworkError("the ONNX graph: convolutions must not be transposed")
    if not output_mask[0]:
        return None, None, None
    dilation, stride, padding = pair(dilation), pair(stride), pair(padding)
    reach = [d * (k - 1) for d, k in zip(dilation, weight.shape[2:], strict=True)]
    if stride == (1, 1) and all(p <= r for p, r in zip(padding, reach, strict=True)):
        back = (reach[0] - padding[0], reach[1] - padding[1])
        found = F.conv2d(grad, flipped(weight, groups), None, 1, back, dilation, groups)
        return found, None, None
    # What the last window did not reach comes back as zeros: that is `output_padding`.
    left = [
        size - ((out - 1) * s - 2 * p + r + 1)
        for size, out, s, p, r in zip(
            x.shape[2:], grad.shape[2:], stride, padding, reach, strict=True
        )
    ]
    found = F.conv_transpose2d(
        grad, weight, None, stride, padding, (left[0], left[1]), groups, dilation
    )
    return found, None, None


def max_pool_backward(  # noqa: PLR0917 - the signature is PyTorch's
    grad: Tensor, x: Tensor, kernel: Pair, stride: Pair, padding: Pair, dilation: Pair,
    ceil_mode: bool, indices: Tensor,
) -> Tensor:  # fmt: skip
    """As `aten.max_pool2d_with_indices_backward`; of equal values the first gets all, as there."""
    if pair(dilation) != (1, 1):
        raise NetworkError("the ONNX graph: pooling must not be dilated")
    kernel, padding = pair(kernel), pair(padding)
    stride = pair(stride) if stride else kernel
    out = grad.shape[2], grad.shape[3]
    # What the windows see around x; below zero what none sees.
    reached = [(o - 1) * s + k - p for o, s, k, p in zip(out, stride, kernel, padding, strict=True)]
    frame = [padding[1], reached[1] - x.shape[3], padding[0], reached[0] - x.shape[2]]
    # Not -inf: TensorRT may turn it into NaN; no activation is below this.
    framed = _pad_or_cut(x, frame, float(torch.finfo(x.dtype).min))
    views = [
        framed[:, :, i : i + stride[0] * (out[0] - 1) + 1 : stride[0],
               j : j + stride[1] * (out[1] - 1) + 1 : stride[1]]
        for i, j in product(range(kernel[0]), range(kernel[1]))
    ]  # fmt: skip
    highest = views[0]
    for view in views[1:]:
        highest = torch.maximum(highest, view)
    parts, zero = [], torch.zeros((), dtype=grad.dtype, device=grad.device)
    rest = grad
    for view in views:
        is_first = view == highest
        parts.append(torch.where(is_first, rest, zero))
        rest = torch.where(is_first, zero, rest)  # given away: a later equal value gets nothing
    return _spread(torch.stack(parts, 2), x, kernel, stride, padding)


def average_pool_backward(  # noqa: PLR0917 - the signature is PyTorch's
    grad: Tensor, x: Tensor, kernel: Pair, stride: Pair, padding: Pair, ceil_mode: bool,
    count_include_pad: bool, divisor_override: int | None,
) -> Tensor:  # fmt: skip
    """As `aten.avg_pool2d_backward`."""
    if divisor_override is not None:  # which the exporter would leave out
        raise NetworkError("the ONNX graph: average pooling must be without divisor_override")
    kernel, padding = pair(kernel), pair(padding)
    stride = pair(stride) if stride else kernel
    # What each window was divided by: what it saw of the picture.
    rows, columns = (
        [min(o * s - p + k, size + beyond) - max(o * s - p, -beyond) for o in range(out)]
        for out, s, p, k, size, beyond in zip(
            grad.shape[2:], stride, padding, kernel, x.shape[2:],
            padding if count_include_pad else (0, 0), strict=True,
        )
    )  # fmt: skip
    counts = torch.outer(torch.tensor(rows), torch.tensor(columns))
    shared = grad / counts.to(device=grad.device, dtype=grad.dtype)
    area = kernel[0] * kernel[1]
    parts = shared[:, :, None].expand(-1, -1, area, -1, -1)
    return _spread(parts, x, kernel, stride, padding)


def _spread(parts: Tensor, x: Tensor, kernel: Pair, stride: Pair, padding: Pair) -> Tensor:
    """Each window's shares, added up where they belong.

    parts: (N, C, kernel area, h, w), in the order of the window's places.  Returns like `x`.
    """
    n, channels, area, height, width = parts.shape
    if tuple(stride) == tuple(kernel):
        # Windows that do not overlap: a change of axes is all.
        tiles = parts.reshape(n, channels, kernel[0], kernel[1], height, width)
        whole = tiles.permute(0, 1, 4, 2, 5, 3)
        whole = whole.reshape(n, channels, height * kernel[0], width * kernel[1])
    else:
        one_hot = torch.eye(area, dtype=parts.dtype, device=parts.device)
        one_hot = one_hot.reshape(area, 1, *kernel).repeat(channels, 1, 1, 1)
        flat = parts.reshape(n, channels * area, height, width)
        whole = F.conv_transpose2d(flat, one_hot, None, tuple(stride), groups=channels)
    bottom = x.shape[2] + padding[0] - whole.shape[2]
    right = x.shape[3] + padding[1] - whole.shape[3]
    # What the padding got is cut off; what no window reached is filled up.
    return _pad_or_cut(whole, [-padding[1], right, -padding[0], bottom], 0.0)


def _pad_or_cut(x: Tensor, sides: list[int], value: float) -> Tensor:
    """sides: left, right, top, bottom, px; below zero cuts, in slices: engines disagree on that."""
    left, right, top, bottom = (max(0, -side) for side in sides)
    x = x[:, :, top : x.shape[2] - bottom, left : x.shape[3] - right]
    return F.pad(x, [max(0, side) for side in sides], value=value)


def pair(values: Pair) -> tuple[int, int]:
    """One number for both axes, or two."""
    return (values[0], values[0]) if len(values) == 1 else (values[0], values[1])


def resized(x: Tensor, size: Pair, *_: object) -> Tensor:
    """As `aten.upsample_bilinear2d`, and its averaging sister to a smaller size.

    Neither with aligned corners; the scales follow from the sizes.
    """
    rows, columns = (
        _triangles(length, wanted) for length, wanted in zip(x.shape[2:], size, strict=True)
    )
    # Products from the right: one from the left would repeat its matrix for each channel.
    return ((x @ columns).transpose(2, 3) @ rows).transpose(2, 3)


def _triangles(length: int, wanted: int) -> Tensor:
    """(length, wanted): how much each place of a line gives to those of another one."""
    ratio = length / wanted
    centres = ((torch.arange(wanted) + 0.5) * ratio).clamp(0.5, length - 0.5)
    places = torch.arange(length) + 0.5
    weights = (1 - (places[:, None] - centres).abs() / max(1.0, ratio)).clamp_min(0.0)
    return weights / weights.sum(0)
