"""Forward and backward of the operations that networks for dreaming are made of.

Written out, because autograd spends its time on being general: here the weights of the backward
pass are prepared once, and the input gradient of a strided convolution becomes an ordinary one.

Convention
    An operation reads and writes a list of tensors by their numbers: `values` on the way forward,
    `slopes` on the way back, where several contributions to one number are added up.  Activations
    are (1, C, h, w) in channels_last.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, Protocol

import torch
from torch import Tensor, nn
from torch.nn import functional as F

__all__ = ["Activation", "Add", "Average", "Concatenate", "Convolution", "Operation", "Pool"]

Pair = tuple[int, int]
Values = list[Tensor | None]

# From this kernel side on, a kernel is padded to a multiple of its stride rather than left to
# conv_transpose2d: measured on a CPU, bf16, 3 to 40 channels in (docs/decisions/speed-cpu.md).
_LARGE_KERNEL: Final = 5
# Weights are packed for an activation of this side. Any is right, and this one's packing is as
# quick as each size's own; without one a layer was packed so that it took twelve times as long.
_TYPICAL_PX: Final = 64
# Where a result has fewer cells, oneDNN may want another packing and fall back to a reference
# implementation: 15 ms instead of 0.2 ms. It may pack for itself there.
_FEW_CELLS: Final = 128

_aten: Final = torch.ops.aten
_mkldnn: Final = torch.ops.mkldnn


class Operation(Protocol):
    """One step of a schedule. inputs, output: numbers in the lists."""

    inputs: tuple[int, ...]
    output: int

    def forward(self, values: Values) -> None: ...

    def backward(self, values: Values, slopes: Values) -> None: ...


def taken(values: Values, number: int) -> Tensor:
    """What stands there; a schedule is in order, so something does."""
    found = values[number]
    assert found is not None
    return found


def give(slopes: Values, number: int, slope: Tensor) -> None:
    """Add a contribution; what is there may be shared with others, so it is never overwritten."""
    before = slopes[number]
    slopes[number] = slope if before is None else before + slope


class Convolution:
    """A convolution, and what may come right behind it: a ReLU or the addition of an activation.

    module: its weights are copied in `dtype`.  gain: (C, 1, 1), what the input was multiplied with
    before; the slope is that of what it was before.
    """

    def __init__(
        self,
        module: nn.Conv2d,
        source: int,
        output: int,
        dtype: torch.dtype,
        gain: Tensor | None = None,
    ) -> None:
        self.inputs: tuple[int, ...] = (source,)
        self.output = output
        self.rectified = False
        assert not isinstance(module.padding, str), "checked by the schedule"
        stride, padding, dilation = (
            _pair(value) for value in (module.stride, module.padding, module.dilation)
        )
        weight = module.weight.detach()
        self._kernel = Kernel(
            weight, module.bias, stride, padding, dtype, dilation=dilation, groups=module.groups
        )
        back = weight if gain is None else weight * gain
        self._back = _backward_of(back, stride, padding, dilation, module.groups, dtype=dtype)

    def forward(self, values: Values) -> None:
        plus = taken(values, self.inputs[1]) if len(self.inputs) > 1 else None
        x = taken(values, self.inputs[0])
        values[self.output] = self._kernel(x, rectified=self.rectified, plus=plus)

    def backward(self, values: Values, slopes: Values) -> None:
        slope = taken(slopes, self.output)
        if self.rectified:
            slope = _aten.threshold_backward(slope, taken(values, self.output), 0)
        source = self.inputs[0]
        _, _, height, width = taken(values, source).shape
        slopes[source] = self._back(slope, (height, width), slopes[source])
        for other in self.inputs[1:]:
            give(slopes, other, slope)


class Kernel:
    """One convolution with its weights laid out for it, once.

    Where PyTorch has oneDNN, its fused convolution is called, for which weights are packed and
    which adds and rectifies as it writes; elsewhere the ordinary one.
    """

    def __init__(
        self,
        weight: Tensor,
        bias: Tensor | None,
        stride: Pair,
        padding: Pair,
        dtype: torch.dtype,
        *,
        dilation: Pair = (1, 1),
        groups: int = 1,
    ) -> None:
        self._weight = weight.detach().to(dtype).contiguous(memory_format=torch.channels_last)
        self._packed = self._weight
        self._bias = None if bias is None else bias.detach().to(dtype)
        self._shape = (stride, padding, dilation, groups)
        self._fused = weight.device.type == "cpu" and _fuses(dtype)
        if self._fused:
            self._packed = _aten.mkldnn_reorder_conv2d_weight(
                self._weight.to_mkldnn(), list(padding), list(stride), list(dilation), groups,
                [1, weight.shape[1] * groups, _TYPICAL_PX, _TYPICAL_PX],
            )  # fmt: skip

    def __call__(self, x: Tensor, *, rectified: bool = False, plus: Tensor | None = None) -> Tensor:
        stride, padding, dilation, groups = self._shape
        cells = x.shape[2] * x.shape[3] // (stride[0] * stride[1])
        if not self._fused or cells < _FEW_CELLS:
            found = torch.conv2d(x, self._weight, self._bias, stride, padding, dilation, groups)
            found = found if plus is None else found + plus
            return found.relu_() if rectified else found
        behind = "relu" if rectified else None
        fused: Tensor
        if plus is None:
            fused = _mkldnn._convolution_pointwise(
                x, self._packed, self._bias, padding, stride, dilation, groups, behind or "none",
                [], "",
            )  # fmt: skip
            return fused
        fused = _mkldnn._convolution_pointwise.binary(
            x, plus, self._packed, self._bias, padding, stride, dilation, groups, "add", 1.0,
            behind, [], "",
        )  # fmt: skip
        return fused


def _fuses(dtype: torch.dtype) -> bool:
    """Whether PyTorch was built with oneDNN's fused convolution and the CPU has the type."""
    there = torch._C._has_mkldnn and hasattr(_mkldnn, "_convolution_pointwise")
    if not there:
        return False
    bf16 = dtype is torch.bfloat16 and bool(_mkldnn._is_mkldnn_bf16_supported())
    return bf16 or dtype is torch.float32


Back = Callable[[Tensor, Pair, Tensor | None], Tensor]
"""A slope, the size of the input, and what to add, to the input's gradient."""


def _backward_of(
    weight: Tensor, stride: Pair, padding: Pair, dilation: Pair, groups: int, *, dtype: torch.dtype
) -> Back:
    kernel = (weight.shape[2], weight.shape[3])
    plain = groups == 1 and dilation == (1, 1)
    outer = (kernel[0] - 1 - padding[0], kernel[1] - 1 - padding[1])
    if plain and stride == (1, 1) and min(outer) >= 0:
        turned = Kernel(weight.flip(2, 3).transpose(0, 1), None, (1, 1), outer, dtype)
        return lambda slope, size, before: turned(slope, plus=before)
    if plain and all(k % s == 0 or k >= _LARGE_KERNEL for k, s in zip(kernel, stride, strict=True)):
        return _Phases(weight, stride, padding, dtype)
    laid = weight.to(dtype).contiguous(memory_format=torch.channels_last)

    def general(slope: Tensor, size: Pair, before: Tensor | None) -> Tensor:
        # What of the input the kernel never reached stays zero.
        extra = [
            size[i] - (slope.shape[2 + i] - 1) * stride[i] + 2 * padding[i]
            - dilation[i] * (kernel[i] - 1) - 1
            for i in (0, 1)
        ]  # fmt: skip
        found = torch.conv_transpose2d(slope, laid, None, stride, padding, extra, groups, dilation)
        return found if before is None else found + before

    return general


class _Phases:
    """The input gradient of a strided convolution, as an ordinary convolution.

    Every input pixel belongs to one of stride x stride phases, and those of one phase see the
    slope through the same few taps. So all phases are channels of one small convolution without a
    stride, and what is left is to put them side by side (sub-pixel convolution, Shi et al. 2016).
    A kernel that is no multiple of its stride gets zeros.
    """

    def __init__(self, weight: Tensor, stride: Pair, padding: Pair, dtype: torch.dtype) -> None:
        self._stride, self._padding = stride, padding
        outputs, self._inputs, *kernel = weight.shape
        taps = [-(-k // s) for k, s in zip(kernel, stride, strict=True)]
        missing = [t * s - k for t, s, k in zip(taps, stride, kernel, strict=True)]
        full = F.pad(weight, (0, missing[1], 0, missing[0]))
        split = full.reshape(outputs, self._inputs, taps[0], stride[0], taps[1], stride[1])
        phases = split.permute(3, 5, 1, 0, 2, 4).reshape(-1, outputs, *taps).flip(2, 3)
        self._kernel = Kernel(phases, None, (1, 1), (taps[0] - 1, taps[1] - 1), dtype)

    def __call__(self, slope: Tensor, size: Pair, before: Tensor | None) -> Tensor:
        phases = self._kernel(slope)
        rows, columns = phases.shape[2:]
        down, across = self._stride
        apart = phases.permute(0, 2, 3, 1).reshape(rows, columns, down, across * self._inputs)
        together = apart.transpose(1, 2).reshape(1, rows * down, columns * across, self._inputs)
        whole = together.permute(0, 3, 1, 2)
        top, left = self._padding
        seen = whole[:, :, top : top + size[0], left : left + size[1]]
        missing = size[0] - seen.shape[2], size[1] - seen.shape[3]
        found = F.pad(seen, (0, missing[1], 0, missing[0])) if max(missing) > 0 else seen
        return found if before is None else found + before


@dataclass
class Activation:
    """SiLU, ReLU or ReLU6.  kind: `silu`, `relu`, `relu6`."""

    kind: str
    inputs: tuple[int, ...]
    output: int

    def forward(self, values: Values) -> None:
        x = taken(values, self.inputs[0])
        values[self.output] = _ACTIVATIONS[self.kind](x)

    def backward(self, values: Values, slopes: Values) -> None:
        slope, x = taken(slopes, self.output), taken(values, self.inputs[0])
        if self.kind == "silu":
            found = _aten.silu_backward(slope, x)
        elif self.kind == "relu":
            found = _aten.threshold_backward(slope, x, 0)
        else:
            found = _aten.hardtanh_backward(slope, x, 0.0, 6.0)
        give(slopes, self.inputs[0], found)


_ACTIVATIONS: Final[dict[str, Callable[[Tensor], Tensor]]] = {
    "silu": F.silu, "relu": torch.relu, "relu6": F.relu6,
}  # fmt: skip


@dataclass
class Add:
    """The sum of two activations of one shape."""

    inputs: tuple[int, ...]
    output: int

    def forward(self, values: Values) -> None:
        values[self.output] = taken(values, self.inputs[0]) + taken(values, self.inputs[1])

    def backward(self, values: Values, slopes: Values) -> None:
        slope = taken(slopes, self.output)
        for source in self.inputs:
            give(slopes, source, slope)


@dataclass
class Concatenate:
    """Activations of one size behind each other along their channels."""

    inputs: tuple[int, ...]
    output: int

    def forward(self, values: Values) -> None:
        values[self.output] = torch.cat([taken(values, source) for source in self.inputs], 1)

    def backward(self, values: Values, slopes: Values) -> None:
        slope = taken(slopes, self.output)
        counts = [taken(values, source).shape[1] for source in self.inputs]
        for source, part in zip(self.inputs, torch.split(slope, counts, 1), strict=True):
            give(slopes, source, part)


class Pool:
    """Maximal or average pooling, as the module wants it."""

    def __init__(self, module: nn.MaxPool2d | nn.AvgPool2d, source: int, output: int) -> None:
        self.inputs: tuple[int, ...] = (source,)
        self.output = output
        self._module = module
        self._places: Tensor | None = None

    def forward(self, values: Values) -> None:
        x, module = taken(values, self.inputs[0]), self._module
        if isinstance(module, nn.MaxPool2d):
            values[self.output], self._places = _aten.max_pool2d_with_indices(x, *_window(module))
        else:
            values[self.output] = module(x)

    def backward(self, values: Values, slopes: Values) -> None:
        x, slope, module = (
            taken(values, self.inputs[0]), taken(slopes, self.output), self._module,
        )  # fmt: skip
        if isinstance(module, nn.MaxPool2d):
            found = _aten.max_pool2d_with_indices_backward(slope, x, *_window(module), self._places)
        else:
            found = _aten.avg_pool2d_backward(
                slope, x, _pair(module.kernel_size), _pair(module.stride), _pair(module.padding),
                module.ceil_mode, module.count_include_pad, module.divisor_override,
            )  # fmt: skip
        give(slopes, self.inputs[0], found)


@dataclass
class Average:
    """The mean over all places: (1, C, h, w) to (1, C)."""

    inputs: tuple[int, ...]
    output: int

    def forward(self, values: Values) -> None:
        values[self.output] = taken(values, self.inputs[0]).mean((2, 3))

    def backward(self, values: Values, slopes: Values) -> None:
        x = taken(values, self.inputs[0])
        slope = taken(slopes, self.output)[:, :, None, None] / (x.shape[2] * x.shape[3])
        give(
            slopes, self.inputs[0], slope.expand_as(x).contiguous(memory_format=torch.channels_last)
        )


def _window(module: nn.MaxPool2d) -> tuple[Pair, Pair, Pair, Pair, bool]:
    kernel, stride = _pair(module.kernel_size), _pair(module.stride)
    return kernel, stride, _pair(module.padding), _pair(module.dilation), module.ceil_mode


def _pair(value: int | Sequence[int]) -> Pair:
    return (value, value) if isinstance(value, int) else (value[0], value[1])
