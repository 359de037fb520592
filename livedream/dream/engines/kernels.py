"""What the CUDA ascent does between its convolutions, as kernels of Triton.

PyTorch launches a kernel for every operation, and a small network's step is bound by their number.
Here each of these is one kernel: a pooling, whose backward pass gathers by a place code of a byte;
a bias, a residual and an activation, whose result may be cut into pieces of its channels, and their
backward pass, which adds up the gradients of several that look at the result; margins,
normalisation and cast. The objective's seed of a whole layer takes three, the step's end two.

Convention
    Activations are (N, C, h, w) of one type, fp32, fp16 or bf16, channels last; they are returned
    so. `pitch` is the number of elements from one pixel to the next, more than C where a tensor is
    a slice of others' channels. All sums are fp32, in an order that does not depend on the clock:
    no atomics. Grids follow from shapes, and nothing waits for the device, as a CUDA graph asks.
    Indices are int32: fewer than 2**31 elements.

Importing this needs Triton; see `fused.open_kernels`. Tried: in Triton's interpreter against
PyTorch's operations, and compiled for compute capability 8.0 and 9.0. Not yet run on a device.
"""

# Kernels have no types that mypy could see, and Triton's decorators none at all.
# mypy: disable-error-code="untyped-decorator,no-untyped-def,no-untyped-call"

from typing import Any, Final

import torch
import triton
import triton.language as tl
from torch import Tensor

from livedream.dream.objectives.terms import QUIET, TINY

# Heuristics: what one program works on, and how many programs a sum is spread over first.
TILE: Final = 1024  # elements
WIDTH: Final = 32  # channels of a tile at most, 64 bytes of fp16
SPREAD: Final = 64  # of a channel's energy
PARTS: Final = 256  # of the gradient's size

Spans = tuple[tuple[int, int], ...]

_QUIET: tl.constexpr = tl.constexpr(QUIET)
_TINY: tl.constexpr = tl.constexpr(TINY)


def launch(kernel: Any, grid: tuple[int, ...], *args: Any, **constants: Any) -> None:
    """Every kernel starts here, on the device and the stream of its first argument."""
    with torch.cuda.device_of(args[0]):
        kernel[grid](*args, **constants)


# ---- max pooling


@triton.jit
def _pool(
    x, y, places, pixels, channels, height, width, rows, columns, pitch,
    SIDE: tl.constexpr, STRIDE: tl.constexpr, PADDING: tl.constexpr,
    P: tl.constexpr, C: tl.constexpr,
):  # fmt: skip
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


@triton.jit
def _pool_back(
    gradient, places, out, pixels, channels, height, width, rows, columns, pitch,
    SIDE: tl.constexpr, STRIDE: tl.constexpr, PADDING: tl.constexpr,
    P: tl.constexpr, C: tl.constexpr,
):  # fmt: skip
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
            chosen = inside & (place == down * SIDE + across)
            total += tl.load(gradient + at * pitch + channel, mask=chosen, other=0.0).to(tl.float32)
    tl.store(out + pixel * channels + channel, total, mask=own)


class _MaxPool(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, x: Tensor, side: int, stride: int, padding: int, rounded_up: bool
    ) -> Tensor:
        x, pitch = _pixels(x)
        count, channels, height, width = x.shape
        rows, columns = (
            _windows(length, side, stride, padding, rounded_up) for length in (height, width)
        )
        y = _like(x, (count, channels, rows, columns))
        places = _like(y, y.shape, torch.uint8)
        constants = {"SIDE": side, "STRIDE": stride, "PADDING": padding}
        launch(
            _pool, _grid(y), x, y, places, count * rows * columns, channels, height, width,
            rows, columns, pitch, **constants, **_tile(channels),
        )  # fmt: skip
        ctx.save_for_backward(places)
        ctx.shape, ctx.constants = x.shape, constants
        return y

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        (places,) = ctx.saved_tensors
        count, channels, height, width = ctx.shape
        gradient, pitch = _pixels(gradient)
        out = _like(gradient, ctx.shape)
        launch(
            _pool_back, _grid(out), gradient, places, out, count * height * width, channels,
            height, width, *gradient.shape[2:], pitch, **ctx.constants, **_tile(channels),
        )  # fmt: skip
        return out, None, None, None, None


def max_pool(x: Tensor, side: int, stride: int, padding: int, *, rounded_up: bool) -> Tensor:
    """`F.max_pool2d` of square windows, at most 15 px, `rounded_up` its ceil_mode.

    To the bit, gradients in fp32 included, on a CPU; where windows overlap, sums in half precision
    are rounded once and not at every step.
    """
    found: Tensor = _MaxPool.apply(x, side, stride, padding, rounded_up)
    return found


def _windows(length: int, side: int, stride: int, padding: int, rounded_up: bool) -> int:
    """How many windows: none begins in the padding behind the picture."""
    count = (length + 2 * padding - side + (stride - 1 if rounded_up else 0)) // stride + 1
    return count - int(rounded_up and (count - 1) * stride >= length + padding)


# ---- bias, residual, activation


@triton.jit
def _activate(
    x, bias, residual, y, pixels, channels, second, third, pitch, residual_pitch,
    SILU: tl.constexpr, RESIDUAL: tl.constexpr, P: tl.constexpr, C: tl.constexpr,
):  # fmt: skip
    pixel = tl.program_id(0) * P + tl.arange(0, P)[:, None]
    channel = tl.program_id(1) * C + tl.arange(0, C)[None, :]
    own = (pixel < pixels) & (channel < channels)
    z = tl.load(x + pixel * pitch + channel, mask=own, other=0.0).to(tl.float32)
    z += tl.load(bias + channel, mask=channel < channels, other=0.0).to(tl.float32)
    if RESIDUAL:
        at = residual + pixel * residual_pitch + channel
        z += tl.load(at, mask=own, other=0.0).to(tl.float32)
    z = z * tl.sigmoid(z) if SILU else tl.where(z < 0, 0.0, z)
    # Up to three pieces of the channels, one behind another in memory.
    begin = tl.where(channel < second, 0, tl.where(channel < third, second, third))
    end = tl.where(channel < second, second, tl.where(channel < third, third, channels))
    tl.store(y + begin * pixels + pixel * (end - begin) + channel - begin, z, mask=own)


@triton.jit
def _part(gradient, begin, end, pitch, pixel, channel, own):
    mine = own & (channel >= begin) & (channel < end)
    at = gradient + pixel * pitch + channel - begin
    return tl.load(at, mask=mine, other=0.0).to(tl.float32)


@triton.jit
def _activate_back(
    g1, g2, g3, begin1, begin2, begin3, end1, end2, end3, pitch1, pitch2, pitch3,
    x, bias, residual, out, pixels, channels, pitch, residual_pitch,
    GRADIENTS: tl.constexpr, SILU: tl.constexpr, RESIDUAL: tl.constexpr,
    P: tl.constexpr, C: tl.constexpr,
):  # fmt: skip
    pixel = tl.program_id(0) * P + tl.arange(0, P)[:, None]
    channel = tl.program_id(1) * C + tl.arange(0, C)[None, :]
    own = (pixel < pixels) & (channel < channels)
    g = _part(g1, begin1, end1, pitch1, pixel, channel, own)
    if GRADIENTS > 1:
        g += _part(g2, begin2, end2, pitch2, pixel, channel, own)
    if GRADIENTS > 2:
        g += _part(g3, begin3, end3, pitch3, pixel, channel, own)
    # Reckoned again: reading what it comes from costs less than writing and reading it.
    z = tl.load(x + pixel * pitch + channel, mask=own, other=0.0).to(tl.float32)
    z += tl.load(bias + channel, mask=channel < channels, other=0.0).to(tl.float32)
    if RESIDUAL:
        at = residual + pixel * residual_pitch + channel
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
        x, pitch = _pixels(x)
        # Something to point at where there is none.
        beside, beside_pitch = (x, pitch) if residual is None else _pixels(residual)
        channels, pixels = x.shape[1], x.numel() // x.shape[1]
        second, third = (*sorted({begin for begin, _ in spans} - {0}), channels, channels)[:2]
        y = torch.empty(x.numel(), dtype=x.dtype, device=x.device)
        constants = {"SILU": silu, "RESIDUAL": residual is not None}
        launch(
            _activate, _grid(x), x, bias, beside, y, pixels, channels, second, third, pitch,
            beside_pitch, **constants, **_tile(channels),
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
        out = _like(x, x.shape)
        found = [_pixels(gradient) for gradient in gradients]
        three = [*found, found[0], found[0]][:3]
        begins, ends = zip(*[*ctx.spans, (0, 0), (0, 0)][:3], strict=True)
        launch(
            _activate_back, _grid(out), *(g for g, _ in three), *begins, *ends,
            *(pitch for _, pitch in three), x, bias, beside, out, x.numel() // x.shape[1],
            x.shape[1], *ctx.pitches, GRADIENTS=len(found), **ctx.constants, **_tile(x.shape[1]),
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
    found: tuple[Tensor, ...] = _Activate.apply(
        x, bias, residual, silu, spans or ((0, x.shape[1]),)
    )
    return found


# ---- the objective's seed


@triton.jit
def _energies(x, parts, pixels, channels, pitch, N: tl.constexpr, P: tl.constexpr, C: tl.constexpr):
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


@triton.jit
def _layer_gain(
    parts, weights, terms, variety, gains, count, channels, terms_count,
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
    # Divided last: a silent layer's 1/level is beyond fp32.
    factor = tl.where(level > 0, scale / tl.where(level > 0, level, 1.0), 0.0)
    tl.store(gains + channel, attenuated * factor, mask=own)


@triton.jit
def _scale(x, gains, y, pixels, channels, pitch, P: tl.constexpr, C: tl.constexpr):
    pixel = tl.program_id(0) * P + tl.arange(0, P)[:, None]
    channel = tl.program_id(1) * C + tl.arange(0, C)[None, :]
    own = (pixel < pixels) & (channel < channels)
    value = tl.load(x + pixel * pitch + channel, mask=own, other=0.0).to(tl.float32)
    gain = tl.load(gains + channel, mask=channel < channels, other=0.0)
    tl.store(y + pixel * channels + channel, value * gain, mask=own)


def layer_seed(activation: Tensor, weights: Tensor, terms: Tensor, variety: Tensor) -> Tensor:
    """`BoundObjective.grad_outputs` of an objective that is one whole layer.

    weights, terms, variety: as in `LayerPart`, on the device.
    """
    x, pitch = _pixels(activation)
    channels, pixels = x.shape[1], x.numel() // x.shape[1]
    tile = _tile(channels)
    parts = torch.empty(SPREAD, channels, device=x.device)
    gains = torch.empty(channels, device=x.device)
    across = triton.cdiv(channels, tile["C"])
    launch(_energies, (SPREAD, across), x, parts, pixels, channels, pitch, N=SPREAD, **tile)
    launch(
        _layer_gain, (1,), parts, weights, terms, variety, gains, x.numel(), channels,
        len(terms), N=SPREAD, T=_power(len(terms)), C=_power(channels),
    )  # fmt: skip
    seed = _like(x, x.shape)
    launch(_scale, _grid(seed), x, gains, seed, pixels, channels, pitch, **tile)
    return seed


# ---- the step's begin and end


@triton.jit
def _mirrored(place, length):
    period = tl.maximum(2 * (length - 1), 1)
    inside = (place % period + period) % period
    return tl.minimum(tl.minimum(inside, period - inside), length - 1)


@triton.jit
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
    out = _like(picture, (1, 3, *size), dtype)
    grid = (triton.cdiv(size[0] * size[1], TILE),)
    launch(
        _see, grid, picture, before, *constants, out, *picture.shape[2:], *size,
        FLIPPED=flipped, B=TILE,
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


@triton.jit
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
    gradient, _ = _pixels(gradient.contiguous(memory_format=torch.channels_last))
    parts = torch.empty(PARTS, device=picture.device)
    height, width = picture.shape[2:]
    sizes = height, width, gradient.shape[3]
    launch(
        _measure, (PARTS,), gradient, before, gain, parts, *sizes,
        FLIPPED=flipped, N=PARTS, B=TILE,
    )  # fmt: skip
    launch(
        _climb, (triton.cdiv(height * width, TILE),), picture, gradient, before, gain, parts, scale,
        *sizes, TINIEST=tiniest, FLIPPED=flipped, N=PARTS, B=TILE,
    )  # fmt: skip


# ---- layout


def _pixels(x: Tensor) -> tuple[Tensor, int]:
    """The tensor, or a copy, with its channels side by side and all pixels one pitch apart."""
    channels, height, width = x.shape[1:]
    pitch = x.stride(3) if width > 1 else channels
    wanted = (height * width * pitch, 1, width * pitch, pitch)
    fits = all(
        length == 1 or stride == other
        for length, stride, other in zip(x.shape, x.stride(), wanted, strict=True)
    )
    if fits and pitch >= channels:
        return x, pitch
    return x.contiguous(memory_format=torch.channels_last), channels


def _like(x: Tensor, shape: tuple[int, ...], dtype: torch.dtype | None = None) -> Tensor:
    return torch.empty(
        shape, dtype=dtype or x.dtype, device=x.device, memory_format=torch.channels_last
    )


def _power(count: int) -> int:
    """The least power of two that is not below."""
    power: int = triton.next_power_of_2(count)
    return power


def _tile(channels: int) -> dict[str, int]:
    """Pixels and channels of one program."""
    width = min(WIDTH, _power(channels))
    return {"P": TILE // width, "C": width}


def _grid(y: Tensor) -> tuple[int, int]:
    tile = _tile(y.shape[1])
    return triton.cdiv(y.numel() // y.shape[1], tile["P"]), triton.cdiv(y.shape[1], tile["C"])
