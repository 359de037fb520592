"""Max pooling, with the place of each maximum in a byte."""

# Kernels have no types that mypy could see, and Triton's decorators none at all.
# mypy: disable-error-code="untyped-decorator,no-untyped-def,no-untyped-call"

from typing import Any

import torch
import triton
import triton.language as tl
from torch import Tensor
from torch.nn import functional as F

from livedream.core import kernels as launching
from livedream.dream.engines.kernels import layout


@triton.jit(do_not_specialize=layout.NUMBERS)
def _pool(
    x, y, places, pixels, channels, height, width, rows, columns, pitch,
    SIDE: tl.constexpr, STRIDE: tl.constexpr, PADDING: tl.constexpr,
    V: tl.constexpr, P: tl.constexpr, C: tl.constexpr,
):  # fmt: skip
    channels, pitch = channels * V, pitch * V
    pixel = tl.program_id(0) * P + tl.arange(0, P)[:, None]
    channel = tl.program_id(1) * C + tl.arange(0, C)[None, :]
    own = (pixel < pixels) & (channel < channels)
    picture = pixel // (rows * columns)
    top = pixel // columns % rows * STRIDE - PADDING
    left = pixel % columns * STRIDE - PADDING
    best = tl.full((P, C), float("-inf"), tl.float32)
    place = tl.full((P, C), -1, tl.int32)
    for down in tl.static_range(SIDE):
        for across in tl.static_range(SIDE):
            row, column = top + down, left + across
            inside = own & (row >= 0) & (row < height) & (column >= 0) & (column < width)
            at = ((picture * height + row) * width + column) * pitch + channel
            value = tl.load(x + at, mask=inside, other=0.0).to(tl.float32)
            # The first maximum, and NaN wins, as in ATen.
            better = inside & ((value > best) | (value != value) | (place < 0))
            best = tl.where(better, value, best)
            place = tl.where(better, down * SIDE + across, place)
    at = pixel * channels + channel
    tl.store(y + at, best, mask=own)
    tl.store(places + at, place, mask=own)


@triton.jit(do_not_specialize=layout.NUMBERS)
def _pool_back(
    gradient, places, out, pixels, channels, height, width, rows, columns, pitch,
    SIDE: tl.constexpr, STRIDE: tl.constexpr, PADDING: tl.constexpr,
    V: tl.constexpr, P: tl.constexpr, C: tl.constexpr,
):  # fmt: skip
    channels, pitch = channels * V, pitch * V
    pixel = tl.program_id(0) * P + tl.arange(0, P)[:, None]
    channel = tl.program_id(1) * C + tl.arange(0, C)[None, :]
    own = (pixel < pixels) & (channel < channels)
    picture = pixel // (height * width)
    y = pixel // width % height + PADDING
    x = pixel % width + PADDING
    total = tl.zeros((P, C), tl.float32)
    # The windows that a pixel lies in, from the first, as ATen adds them up on a CPU.
    windows: tl.constexpr = (SIDE + STRIDE - 1) // STRIDE
    for up in tl.static_range(windows):
        row = y // STRIDE - (windows - 1 - up)
        down = y - row * STRIDE
        for back in tl.static_range(windows):
            column = x // STRIDE - (windows - 1 - back)
            across = x - column * STRIDE
            inside = own & (row >= 0) & (row < rows) & (column >= 0) & (column < columns)
            inside = inside & (down < SIDE) & (across < SIDE)
            at = (picture * rows + row) * columns + column
            place = tl.load(places + at * channels + channel, mask=inside, other=255).to(tl.int32)
            g = tl.load(gradient + at * pitch + channel, mask=inside, other=0.0).to(tl.float32)
            total += tl.where(place == down * SIDE + across, g, 0.0)
    tl.store(out + pixel * channels + channel, total, mask=own)


class _MaxPool(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, x: Tensor, side: int, stride: int, padding: int, rounded_up: bool
    ) -> Tensor:
        x, pitch = layout.pixels(x)
        count, channels, height, width = x.shape
        rows, columns = (
            _windows(length, side, stride, padding, rounded_up) for length in (height, width)
        )
        y = layout.like(x, (count, channels, rows, columns))
        places = layout.like(y, y.shape, torch.uint8)
        constants = {"SIDE": side, "STRIDE": stride, "PADDING": padding}
        unit = layout.unit(channels, pitch)
        launching.launch(
            _pool, layout.grid(y), x, y, places, count * rows * columns, channels // unit, height,
            width, rows, columns, pitch // unit, V=unit, **constants, **layout.tile(channels),
        )  # fmt: skip
        ctx.save_for_backward(places)
        ctx.shape, ctx.constants = x.shape, constants
        return y

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        (places,) = ctx.saved_tensors
        count, channels, height, width = ctx.shape
        gradient, pitch = layout.pixels(gradient)
        out = layout.like(gradient, ctx.shape)
        unit = layout.unit(channels, pitch)
        launching.launch(
            _pool_back, layout.grid(out), gradient, places, out, count * height * width,
            channels // unit, height, width, *gradient.shape[2:], pitch // unit, V=unit,
            **ctx.constants, **layout.tile(channels),
        )  # fmt: skip
        return out, None, None, None, None


def max_pool(x: Tensor, side: int, stride: int, padding: int, *, rounded_up: bool) -> Tensor:
    """`F.max_pool2d` of square windows, at most 15 px, `rounded_up` its ceil_mode.

    To the bit, gradients in fp32 included, on a CPU; where windows overlap, sums in half precision
    are rounded once and not at every step.
    """
    if x.numel() >= layout.MOST:
        return F.max_pool2d(x, side, stride, padding, ceil_mode=rounded_up)
    found: Tensor = _MaxPool.apply(x, side, stride, padding, rounded_up)
    return found


def _windows(length: int, side: int, stride: int, padding: int, rounded_up: bool) -> int:
    """How many windows: none begins in the padding behind the picture."""
    count = (length + 2 * padding - side + (stride - 1 if rounded_up else 0)) // stride + 1
    return count - int(rounded_up and (count - 1) * stride >= length + padding)
