"""Bias, residual and activation behind a convolution."""

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

Spans = tuple[tuple[int, int], ...]


@triton.jit(do_not_specialize=layout.NUMBERS)
def _activate(
    x, bias, residual, y, pixels, channels, second, third, pitch, residual_pitch,
    SILU: tl.constexpr, RESIDUAL: tl.constexpr, PIECES: tl.constexpr,
    V: tl.constexpr, P: tl.constexpr, C: tl.constexpr,
):  # fmt: skip
    channels, second, third = channels * V, second * V, third * V
    pixel = tl.program_id(0) * P + tl.arange(0, P)[:, None]
    channel = tl.program_id(1) * C + tl.arange(0, C)[None, :]
    own = (pixel < pixels) & (channel < channels)
    z = tl.load(x + pixel * (pitch * V) + channel, mask=own, other=0.0).to(tl.float32)
    z += tl.load(bias + channel, mask=channel < channels, other=0.0).to(tl.float32)
    if RESIDUAL:
        at = residual + pixel * (residual_pitch * V) + channel
        z += tl.load(at, mask=own, other=0.0).to(tl.float32)
    z = z * tl.sigmoid(z) if SILU else tl.where(z < 0, 0.0, z)
    # Pieces of the channels lie one behind another.
    tl.store(y + pixel * second + channel, z, mask=own & (channel < second))
    if PIECES > 1:
        at = y + second * pixels + pixel * (third - second) + channel - second
        tl.store(at, z, mask=own & (channel >= second) & (channel < third))
    if PIECES > 2:
        at = y + third * pixels + pixel * (channels - third) + channel - third
        tl.store(at, z, mask=own & (channel >= third))


@triton.jit
def _part(gradient, begin, end, pitch, pixel, channel, own, V: tl.constexpr):
    mine = own & (channel >= begin * V) & (channel < end * V)
    at = gradient + pixel * (pitch * V) + channel - begin * V
    return tl.load(at, mask=mine, other=0.0).to(tl.float32)


@triton.jit(do_not_specialize=layout.NUMBERS)
def _activate_back(
    g1, g2, g3, begin1, begin2, begin3, end1, end2, end3, pitch1, pitch2, pitch3,
    x, bias, residual, out, pixels, channels, pitch, residual_pitch,
    GRADIENTS: tl.constexpr, SILU: tl.constexpr, RESIDUAL: tl.constexpr,
    V: tl.constexpr, P: tl.constexpr, C: tl.constexpr,
):  # fmt: skip
    channels = channels * V
    pixel = tl.program_id(0) * P + tl.arange(0, P)[:, None]
    channel = tl.program_id(1) * C + tl.arange(0, C)[None, :]
    own = (pixel < pixels) & (channel < channels)
    g = _part(g1, begin1, end1, pitch1, pixel, channel, own, V)
    if GRADIENTS > 1:
        g += _part(g2, begin2, end2, pitch2, pixel, channel, own, V)
    if GRADIENTS > 2:
        g += _part(g3, begin3, end3, pitch3, pixel, channel, own, V)
    # Reckoned again: reading what it comes from costs less than writing and reading it.
    z = tl.load(x + pixel * (pitch * V) + channel, mask=own, other=0.0).to(tl.float32)
    z += tl.load(bias + channel, mask=channel < channels, other=0.0).to(tl.float32)
    if RESIDUAL:
        at = residual + pixel * (residual_pitch * V) + channel
        z += tl.load(at, mask=own, other=0.0).to(tl.float32)
    if SILU:
        s = tl.sigmoid(z)
        g = g * s * (1 + z * (1 - s))
    else:
        g = tl.where(z <= 0, 0.0, g)
    tl.store(out + pixel * channels + channel, g, mask=own)


class _Activate(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, x: Tensor, bias: Tensor, residual: Tensor | None, silu: bool, spans: Spans
    ) -> tuple[Tensor, ...]:
        x, pitch = layout.pixels(x)
        # Something to point at where there is none.
        beside, beside_pitch = (x, pitch) if residual is None else layout.pixels(residual)
        channels, pixels = x.shape[1], x.numel() // x.shape[1]
        cuts = sorted({begin for begin, _ in spans} - {0})
        counts = channels, *[*cuts, channels, channels][:2], pitch, beside_pitch
        unit = layout.unit(*counts)
        y = torch.empty(x.numel(), dtype=x.dtype, device=x.device)
        constants = {"SILU": silu, "RESIDUAL": residual is not None}
        launching.launch(
            _activate, layout.grid(x), x, bias, beside, y, pixels, *(n // unit for n in counts),
            PIECES=len(cuts) + 1, V=unit, **constants, **layout.tile(channels),
        )  # fmt: skip
        ctx.save_for_backward(x, bias, beside)
        ctx.spans, ctx.pitches, ctx.constants = spans, (pitch, beside_pitch), constants
        count, _, height, width = x.shape
        return tuple(
            y[begin * pixels : end * pixels]
            .view(count, height, width, end - begin)
            .permute(0, 3, 1, 2)
            for begin, end in spans
        )

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        x, bias, beside = ctx.saved_tensors
        out, channels = layout.like(x, x.shape), x.shape[1]
        found = [layout.pixels(gradient) for gradient in gradients]
        three = [*found, found[0], found[0]][:3]
        begins, ends = zip(*[*ctx.spans, (0, 0), (0, 0)][:3], strict=True)
        parts = *begins, *ends, *(pitch for _, pitch in three)
        own = channels, *ctx.pitches
        unit = layout.unit(*parts, *own)
        launching.launch(
            _activate_back, layout.grid(out), *(g for g, _ in three), *(n // unit for n in parts),
            x, bias, beside, out, x.numel() // channels, *(n // unit for n in own),
            GRADIENTS=len(found), V=unit, **ctx.constants, **layout.tile(channels),
        )  # fmt: skip
        return out, None, out if ctx.constants["RESIDUAL"] else None, None, None


def activate(
    x: Tensor, bias: Tensor, residual: Tensor | None = None, *, silu: bool,
    spans: Spans | None = None,
) -> tuple[Tensor, ...]:  # fmt: skip
    """SiLU, or ReLU, of x + bias + residual; the bias, (C,), has no gradient.

    spans: channels from, up to and not including, of each result, three at most: either pieces that
    follow upon each other, or all channels several times, whose gradients are added up here.
    None: all channels, once.
    """
    spans = spans or ((0, x.shape[1]),)
    if x.numel() >= layout.MOST:
        z = x + bias[:, None, None]
        z = z if residual is None else z + residual
        y = F.silu(z) if silu else F.relu(z)
        return tuple(y[:, begin:end] for begin, end in spans)
    found: tuple[Tensor, ...] = _Activate.apply(x, bias, residual, silu, spans)
    return found
