"""The objective's seed where it is one whole layer."""

# Kernels have no types that mypy could see, and Triton's decorators none at all.
# mypy: disable-error-code="untyped-decorator,no-untyped-def,no-untyped-call"

import math

import torch
import triton
import triton.language as tl
from torch import Tensor

from livedream.core import kernels as launching
from livedream.dream.engines.kernels import layout
from livedream.dream.objectives.terms import EMPTY, FULL, QUIET, TINY

_QUIET: tl.constexpr = tl.constexpr(QUIET)
_TINY: tl.constexpr = tl.constexpr(TINY)
_EMPTY: tl.constexpr = tl.constexpr(EMPTY)
_FULL: tl.constexpr = tl.constexpr(FULL)
_LOG_FULL: tl.constexpr = tl.constexpr(math.log(FULL))


@triton.jit(do_not_specialize=layout.NUMBERS)
def _energies(
    x, parts, pixels, channels, pitch,
    N: tl.constexpr, V: tl.constexpr, P: tl.constexpr, C: tl.constexpr,
):  # fmt: skip
    channels, pitch = channels * V, pitch * V
    part = tl.program_id(0)
    channel = tl.program_id(1) * C + tl.arange(0, C)[None, :]
    total = tl.zeros((P, C), tl.float32)
    for first in range(part * P, pixels, N * P):
        pixel = first + tl.arange(0, P)[:, None]
        own = (pixel < pixels) & (channel < channels)
        value = tl.load(x + pixel * pitch + channel, mask=own, other=0.0).to(tl.float32)
        total += value * value
    channel = tl.program_id(1) * C + tl.arange(0, C)
    tl.store(parts + part * channels + channel, tl.sum(total, 0), mask=channel < channels)


@triton.jit(do_not_specialize=layout.NUMBERS)
def _place_energies(
    x, places, pixels, channels, pitch, V: tl.constexpr, P: tl.constexpr, C: tl.constexpr
):
    channels, pitch = channels * V, pitch * V
    pixel = tl.program_id(0) * P + tl.arange(0, P)[:, None]
    total = tl.zeros((P, C), tl.float32)
    for first in range(0, channels, C):
        channel = first + tl.arange(0, C)[None, :]
        own = (pixel < pixels) & (channel < channels)
        value = tl.load(x + pixel * pitch + channel, mask=own, other=0.0).to(tl.float32)
        total += value * value
    pixel = tl.program_id(0) * P + tl.arange(0, P)
    tl.store(places + pixel, tl.sum(total, 1), mask=pixel < pixels)


@triton.jit(do_not_specialize=layout.NUMBERS)
def _layer_gain(
    parts, weights, terms, variety, focus, gains, count, channels, terms_count,
    N: tl.constexpr, T: tl.constexpr, C: tl.constexpr,
):  # fmt: skip
    channel = tl.arange(0, C)
    own = channel < channels
    energies = tl.zeros((C,), tl.float32)
    for part in range(N):
        energies += tl.load(parts + part * channels + channel, mask=own, other=0.0)
    # From here on `LayerPart.gradient` and `BoundObjective.grad_outputs`, line by line.
    shares = energies / tl.maximum(tl.sum(energies, 0) / channels, _TINY) + _QUIET
    attenuated = tl.where(own, tl.exp(tl.log(shares) * -tl.load(variety)), 0.0)
    term = tl.load(terms + tl.arange(0, T), mask=tl.arange(0, T) < terms_count, other=0)
    weight = tl.load(weights + term, mask=tl.arange(0, T) < terms_count, other=0.0)
    scale = tl.sum(weight, 0) / tl.maximum(tl.sum(attenuated * energies, 0), _TINY)
    level = tl.abs(scale) * tl.sqrt(tl.sum(attenuated * attenuated * energies, 0) / count)
    level *= tl.exp(tl.load(focus) / 2 * _LOG_FULL)
    # Divided last: a silent layer's 1/level is beyond fp32.
    factor = tl.where(level > 0, scale / tl.where(level > 0, level, 1.0), 0.0)
    tl.store(gains + channel, attenuated * factor, mask=own)
    mean = tl.sum(energies, 0) / count * channels  # of a place, behind the channels' gains
    tl.store(gains + channels, tl.maximum(mean, _TINY))


@triton.jit(do_not_specialize=layout.NUMBERS)
def _scale(
    x, gains, places, focus, y, pixels, channels, pitch,
    V: tl.constexpr, P: tl.constexpr, C: tl.constexpr,
):  # fmt: skip
    channels, pitch = channels * V, pitch * V
    pixel = tl.program_id(0) * P + tl.arange(0, P)[:, None]
    channel = tl.program_id(1) * C + tl.arange(0, C)[None, :]
    own = (pixel < pixels) & (channel < channels)
    value = tl.load(x + pixel * pitch + channel, mask=own, other=0.0).to(tl.float32)
    gain = tl.load(gains + channel, mask=channel < channels, other=0.0)
    share = tl.load(places + pixel, mask=pixel < pixels, other=0.0) / tl.load(gains + channels)
    share = tl.minimum(tl.maximum(share, _EMPTY), _FULL)
    counts = tl.exp(tl.log(share) * (tl.load(focus) / 2))
    tl.store(y + pixel * channels + channel, value * gain * counts, mask=own)


def layer_seed(
    activation: Tensor, weights: Tensor, terms: Tensor, variety: Tensor, focus: Tensor
) -> Tensor:
    """`BoundObjective.grad_outputs` of an objective that is one whole layer of fewer than 2**31.

    weights, variety, focus: as in `Dials`, terms: as in `LayerPart`, on the device.
    """
    x, pitch = layout.pixels(activation)
    channels, pixels = x.shape[1], x.numel() // x.shape[1]
    unit, tile = layout.unit(channels, pitch), layout.tile(channels)
    size = pixels, channels // unit, pitch // unit
    parts = torch.empty(layout.SPREAD, channels, device=x.device)
    places = torch.empty(pixels, device=x.device)
    gains = torch.empty(channels + 1, device=x.device)
    grid = layout.SPREAD, triton.cdiv(channels, tile["C"])
    launching.launch(_energies, grid, x, parts, *size, N=layout.SPREAD, V=unit, **tile)
    launching.launch(
        _layer_gain, (1,), parts, weights, terms, variety, focus, gains, x.numel(), channels,
        len(terms), N=layout.SPREAD, T=layout.power(len(terms)), C=layout.power(channels),
    )  # fmt: skip
    rows = (triton.cdiv(pixels, tile["P"]),)
    launching.launch(_place_energies, rows, x, places, *size, V=unit, **tile)
    seed = layout.like(x, x.shape)
    launching.launch(
        _scale, layout.grid(seed), x, gains, places, focus, seed, *size, V=unit, **tile
    )
    return seed
