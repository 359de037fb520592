"""A step's begin, the picture as the network sees it, and its end."""

# Kernels have no types that mypy could see, and Triton's decorators none at all.
# mypy: disable-error-code="untyped-decorator,no-untyped-def,no-untyped-call"

import torch
import triton
import triton.language as tl
from torch import Tensor

from livedream.core import kernels as launching
from livedream.dream.engines.kernels import layout


@triton.jit
def _mirrored(place, length):
    period = tl.maximum(2 * (length - 1), 1)
    inside = (place % period + period) % period
    return tl.minimum(tl.minimum(inside, period - inside), length - 1)


@triton.jit(do_not_specialize=layout.NUMBERS)
def _see(
    picture, before, offset, gain, out, height, width, rows, columns,
    FLIPPED: tl.constexpr, B: tl.constexpr,
):  # fmt: skip
    place = tl.program_id(0) * B + tl.arange(0, B)
    own = place < rows * columns
    y = _mirrored(place // columns - tl.load(before).to(tl.int32), height)
    x = _mirrored(place % columns - tl.load(before + 1).to(tl.int32), width)
    for channel in tl.static_range(3):
        plane = 2 - channel if FLIPPED else channel
        value = tl.load(picture + (plane * height + y) * width + x, mask=own, other=0.0)
        value = tl.load(offset + channel) + value * tl.load(gain + channel)
        tl.store(out + place * 3 + channel, value, mask=own)


def see(
    picture: Tensor, before: Tensor, size: tuple[int, int], constants: tuple[Tensor, Tensor],
    dtype: torch.dtype, *, flipped: bool,
) -> Tensor:  # fmt: skip
    """A picture with mirrored margins, normalised: what a network sees.

    picture: (1, 3, h, w) float32.  before: (2,) int64 on the device: margins above and to the left,
    px.  size: (height, width) with all margins.  constants, flipped: `Preprocessing.constants`, and
    whether channels go the other way.  Returns (1, 3, *size) of `dtype`, channels last.
    """
    out = layout.like(picture, (1, 3, *size), dtype)
    grid = (triton.cdiv(size[0] * size[1], layout.TILE),)
    launching.launch(
        _see, grid, picture, before, *constants, out, *picture.shape[2:], *size,
        FLIPPED=flipped, B=layout.TILE,
    )  # fmt: skip
    return out


@triton.jit
def _gradient_at(gradient, before, gain, place, own, width, columns, plane, FLIPPED: tl.constexpr):
    """Of the picture's own pixels, per unit of its plane."""
    y = place // width + tl.load(before).to(tl.int32)
    x = place % width + tl.load(before + 1).to(tl.int32)
    channel = 2 - plane if FLIPPED else plane
    at = (y * columns + x) * 3 + channel
    return tl.load(gradient + at, mask=own, other=0.0).to(tl.float32) * tl.load(gain + channel)


@triton.jit(do_not_specialize=layout.NUMBERS)
def _measure(
    gradient, before, gain, parts, height, width, columns,
    FLIPPED: tl.constexpr, N: tl.constexpr, B: tl.constexpr,
):  # fmt: skip
    total = tl.zeros((B,), tl.float32)
    for first in range(tl.program_id(0) * B, height * width, N * B):
        place = first + tl.arange(0, B)
        own = place < height * width
        for plane in tl.static_range(3):
            total += tl.abs(
                _gradient_at(gradient, before, gain, place, own, width, columns, plane, FLIPPED)
            )
    tl.store(parts + tl.program_id(0), tl.sum(total, 0))


@triton.jit
def _climb(
    picture, gradient, before, gain, parts, scale, height, width, columns, TINIEST: tl.constexpr,
    FLIPPED: tl.constexpr, N: tl.constexpr, B: tl.constexpr,
):  # fmt: skip
    size = tl.sum(tl.load(parts + tl.arange(0, N)), 0) / (3.0 * height * width)
    far = tl.load(scale) / tl.maximum(size, TINIEST)
    place = tl.program_id(0) * B + tl.arange(0, B)
    own = place < height * width
    for plane in tl.static_range(3):
        g = _gradient_at(gradient, before, gain, place, own, width, columns, plane, FLIPPED)
        at = picture + plane * height * width + place
        value = tl.load(at, mask=own, other=0.0) + g * far
        tl.store(at, tl.minimum(tl.maximum(value, 0.0), 1.0), mask=own)


def climb(
    picture: Tensor, gradient: Tensor, before: Tensor, gain: Tensor, scale: Tensor,
    tiniest: float, *, flipped: bool,
) -> None:  # fmt: skip
    """One step of the picture, in place: `steps.step_along` without smoothing and bands.

    gradient: at what the network saw, like `see`'s result.  gain: the second of the constants.
    scale: how far, 0-d on the device.  tiniest: the least mean size that is divided by.
    """
    gradient, _ = layout.pixels(gradient.contiguous(memory_format=torch.channels_last))
    parts = torch.empty(layout.PARTS, device=picture.device)
    height, width = picture.shape[2:]
    sizes = height, width, gradient.shape[3]
    launching.launch(
        _measure, (layout.PARTS,), gradient, before, gain, parts, *sizes,
        FLIPPED=flipped, N=layout.PARTS, B=layout.TILE,
    )  # fmt: skip
    launching.launch(
        _climb, (triton.cdiv(height * width, layout.TILE),), picture, gradient, before, gain, parts,
        scale, *sizes, TINIEST=tiniest, FLIPPED=flipped, N=layout.PARTS, B=layout.TILE,
    )  # fmt: skip
