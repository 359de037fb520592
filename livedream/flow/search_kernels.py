"""`inverse_search` as kernels of Triton: what it does on each level, with few launches.

One program searches a few whole patches: where to start, the steps, which of both is better; what
a patch has found lies in memory only between the rounds. Every pixel then gathers the patches that
it lies in, and the refinement takes one kernel a sweep. The same operations as there, in another
order of summing up; no atomics, so that they repeat to the bit.

Importing this needs Triton; see `flow.open_search`. Tried in Triton's interpreter against PyTorch's
operations, and compiled for compute capability 9.0. Not yet run on a device.
"""

# Kernels have no types that mypy could see, and Triton's decorators none at all.
# mypy: disable-error-code="untyped-decorator,no-untyped-def,no-untyped-call"

from typing import Final

import torch
import triton
import triton.language as tl
from torch import Tensor

from livedream.core import kernels
from livedream.flow import inverse_search as reference

# Heuristics: what one program works on.
PATCHES: Final = 4
PIXELS: Final = 256
# Numbers for which Triton is not to compile a kernel anew when they are 1 or divisible by 16.
_NUMBERS: Final = ("height", "width", "rows", "columns")

_SIDE: tl.constexpr = tl.constexpr(reference._PATCH_PX)
_STRIDE: tl.constexpr = tl.constexpr(reference._STRIDE_PX)
_AREA: tl.constexpr = tl.constexpr(reference._PIXELS)
_ITERATIONS: tl.constexpr = tl.constexpr(reference._ITERATIONS)
_DAMPING: tl.constexpr = tl.constexpr(reference._DAMPING * reference._PIXELS)
_SMOOTHNESS: tl.constexpr = tl.constexpr(reference._SMOOTHNESS)
_BRIGHTNESS: tl.constexpr = tl.constexpr(reference._BRIGHTNESS)
_SLOPES: tl.constexpr = tl.constexpr(reference._SLOPES)
_FLAT: tl.constexpr = tl.constexpr(reference._FLAT)
_TINY: tl.constexpr = tl.constexpr(reference._TINY)
# Patches over a pixel, along one side; where in a patch its beginning flow lies.
_OVER: tl.constexpr = tl.constexpr(-(-reference._PATCH_PX // reference._STRIDE_PX))
_MIDDLE: tl.constexpr = tl.constexpr(reference._PATCH_PX // 2 - 1)


@triton.jit
def _held(place, count):
    return tl.minimum(tl.maximum(place, 0), count - 1)


@triton.jit
def _cubic(t):
    """The shares of the four pixels around, of which the second is t px away."""
    back, ahead, far = t + 1, 1 - t, 2 - t
    return (
        ((3.75 - 0.75 * back) * back - 6) * back + 3,
        (1.25 * t - 2.25) * t * t + 1,
        (1.25 * ahead - 2.25) * ahead * ahead + 1,
        ((3.75 - 0.75 * far) * far - 6) * far + 3,
    )


@triton.jit
def _fetched(picture, y, x, height, width):
    """A plane between its pixels, bicubic, its border continued."""
    # Beyond the border everything is alike, and no number is too large for an int.
    y = tl.minimum(tl.maximum(y, -4.0), height + 3.0)
    x = tl.minimum(tl.maximum(x, -4.0), width + 3.0)
    top, left = tl.floor(y), tl.floor(x)
    downs = _cubic(y - top)
    w0, w1, w2, w3 = _cubic(x - left)
    row, column = top.to(tl.int32) - 1, left.to(tl.int32) - 1
    x0, x1 = _held(column, width), _held(column + 1, width)
    x2, x3 = _held(column + 2, width), _held(column + 3, width)
    total = y * 0
    for down in tl.static_range(4):
        line = picture + _held(row + down, height) * width
        found = w0 * tl.load(line + x0) + w1 * tl.load(line + x1)
        found += w2 * tl.load(line + x2) + w3 * tl.load(line + x3)
        total += downs[down] * found
    return total


@triton.jit
def _slope_x(plane, y, x, height, width):
    row = plane + _held(y, height) * width
    x = _held(x, width)
    return 0.5 * (tl.load(row + _held(x + 1, width)) - tl.load(row + _held(x - 1, width)))


@triton.jit
def _slope_y(plane, y, x, height, width):
    column, y = plane + _held(x, width), _held(y, height)
    below = tl.load(column + _held(y + 1, height) * width)
    return 0.5 * (below - tl.load(column + _held(y - 1, height) * width))


@triton.jit
def _without_mean(values):
    return values - (tl.sum(values, 1) / _AREA)[:, None]


@triton.jit
def _left(gap):
    """(P, 1): what is left of each patch, brightness aside."""
    own = _without_mean(gap)
    return tl.sum(own * own, 1)[:, None]


@triton.jit
def _begun(start, row, column, height, width, rows, columns, FIRST: tl.constexpr):
    """(P, 1) x and y of the patches there: of the flow in their middle, or of the last round."""
    row, column = _held(row, rows), _held(column, columns)
    if FIRST:
        x, y = row * 0.0, row * 0.0
        for place in tl.static_range(4):
            below = _held(row * _STRIDE + _MIDDLE + place // 2, height)
            at = below * width + _held(column * _STRIDE + _MIDDLE + place % 2, width)
            x += 0.25 * tl.load(start + at)
            y += 0.25 * tl.load(start + height * width + at)
    else:
        x = tl.load(start + row * columns + column)
        y = tl.load(start + rows * columns + row * columns + column)
    return x, y


@triton.jit(do_not_specialize=_NUMBERS)
def _search(
    pictures, start, moved, height, width, rows, columns, FIRST: tl.constexpr, P: tl.constexpr
):
    direction, patches = tl.program_id(1), rows * columns
    patch = tl.program_id(0) * P + tl.arange(0, P)[:, None]
    pixel = tl.arange(0, _AREA)[None, :]
    row, column = tl.minimum(patch // columns, rows - 1), patch % columns
    y, x = row * _STRIDE + pixel // _SIDE, column * _STRIDE + pixel % _SIDE
    own = pictures + direction * height * width
    other = pictures + (1 - direction) * height * width
    template = _without_mean(tl.load(own + _held(y, height) * width + _held(x, width)))
    slope_x = _without_mean(_slope_x(own, y, x, height, width))
    slope_y = _without_mean(_slope_y(own, y, x, height, width))
    xx = tl.sum(slope_x * slope_x, 1)[:, None] + _DAMPING
    yy = tl.sum(slope_y * slope_y, 1)[:, None] + _DAMPING
    xy = tl.sum(slope_x * slope_y, 1)[:, None]
    whole = 1.0 / (xx * yy - xy * xy)
    descent_x = (yy * slope_x - xy * slope_y) * whole
    descent_y = (xx * slope_y - xy * slope_x) * whole

    start += direction * 2 * (height * width if FIRST else patches)
    begun_x, begun_y = _begun(start, row, column, height, width, rows, columns, FIRST)
    gap = _fetched(other, y + begun_y, x + begun_x, height, width) - template
    least = _left(gap)
    for side in range(4):  # left, right, above, below
        near_row = row + tl.where(side < 2, 0, 2 * side - 5)
        near_column = column + tl.where(side < 2, 2 * side - 1, 0)
        near_x, near_y = _begun(start, near_row, near_column, height, width, rows, columns, FIRST)
        near_gap = _fetched(other, y + near_y, x + near_x, height, width) - template
        left = _left(near_gap)
        better = left < least
        begun_x, begun_y = tl.where(better, near_x, begun_x), tl.where(better, near_y, begun_y)
        gap, least = tl.where(better, near_gap, gap), tl.where(better, left, least)
    found_x, found_y = begun_x, begun_y
    for _ in range(_ITERATIONS):
        found_x -= tl.sum(descent_x * gap, 1)[:, None]
        found_y -= tl.sum(descent_y * gap, 1)[:, None]
        gap = _fetched(other, y + found_y, x + found_x, height, width) - template
    better = _left(gap) < least
    out = moved + direction * 2 * patches + patch
    tl.store(out, tl.where(better, found_x, begun_x), mask=patch < patches)
    tl.store(out + patches, tl.where(better, found_y, begun_y), mask=patch < patches)


@triton.jit
def _place(height, width, B: tl.constexpr):
    place = tl.program_id(0) * B + tl.arange(0, B)
    return place, tl.minimum(place // width, height - 1), place % width, place < height * width


@triton.jit(do_not_specialize=_NUMBERS)
def _gather(pictures, moved, flow, height, width, rows, columns, B: tl.constexpr):
    place, y, x, inside = _place(height, width, B)
    direction, area, patches = tl.program_id(1), height * width, rows * columns
    moved += direction * 2 * patches
    other = pictures + (1 - direction) * area
    wanted = tl.load(pictures + direction * area + y * width + x)
    along, down, total = wanted * 0, wanted * 0, wanted * 0
    for up in range(_OVER):
        for back in range(_OVER):
            row, column = y // _STRIDE - up, x // _STRIDE - back
            within = (row >= 0) & (row < rows) & (y - row * _STRIDE < _SIDE)
            within = within & (column >= 0) & (column < columns) & (x - column * _STRIDE < _SIDE)
            patch = moved + _held(row, rows) * columns + _held(column, columns)
            u, v = tl.load(patch), tl.load(patch + patches)
            gap = tl.abs(_fetched(other, y + v, x + u, height, width) - wanted)
            weight = tl.where(within, 1.0 / tl.maximum(gap, 1.0), 0.0)
            along, down, total = along + weight * u, down + weight * v, total + weight
    out = flow + direction * 2 * area + place
    tl.store(out, along / total, mask=inside)
    tl.store(out + area, down / total, mask=inside)


@triton.jit(do_not_specialize=_NUMBERS)
def _warp(pictures, flow, pair, height, width, B: tl.constexpr):
    """The mean of a picture and the other one along the flow, and their difference."""
    place, y, x, inside = _place(height, width, B)
    direction, area = tl.program_id(1), height * width
    at = y * width + x
    flow += direction * 2 * area
    own = tl.load(pictures + direction * area + at)
    u, v = tl.load(flow + at), tl.load(flow + area + at)
    warped = _fetched(pictures + (1 - direction) * area, y + v, x + u, height, width)
    pair += direction * 2 * area + place
    tl.store(pair, 0.5 * (own + warped), mask=inside)
    tl.store(pair + area, warped - own, mask=inside)


@triton.jit
def _constraint(out, area, along_x, along_y, gap, u, v, inside):
    size = tl.rsqrt(along_x * along_x + along_y * along_y + _FLAT)
    along_x, along_y = along_x * size, along_y * size
    tl.store(out, along_x, mask=inside)
    tl.store(out + area, along_y, mask=inside)
    tl.store(out + 2 * area, gap * size - along_x * u - along_y * v, mask=inside)


@triton.jit(do_not_specialize=_NUMBERS)
def _constrain(pair, flow, constraints, height, width, B: tl.constexpr):
    """What is linear: x, y and z of each of the three constraints."""
    place, y, x, inside = _place(height, width, B)
    direction, area = tl.program_id(1), height * width
    mean = pair + direction * 2 * area
    gap = mean + area
    flow += direction * 2 * area + y * width + x
    u, v = tl.load(flow), tl.load(flow + area)
    out = constraints + direction * 9 * area + place
    slope_x = _slope_x(mean, y, x, height, width)
    slope_y = _slope_y(mean, y, x, height, width)
    off = tl.load(gap + y * width + x)
    _constraint(out, area, slope_x, slope_y, off, u, v, inside)
    # Slopes of slopes; beyond the border the last one goes on.
    right, left = _held(x + 1, width), _held(x - 1, width)
    below, above = _held(y + 1, height), _held(y - 1, height)
    xx = _slope_x(mean, y, right, height, width) - _slope_x(mean, y, left, height, width)
    yx = _slope_y(mean, y, right, height, width) - _slope_y(mean, y, left, height, width)
    off = _slope_x(gap, y, x, height, width)
    # Along x the slopes along x and y, along y the same: as the reference takes them.
    xy = _slope_x(mean, below, x, height, width) - _slope_x(mean, above, x, height, width)
    yy = _slope_y(mean, below, x, height, width) - _slope_y(mean, above, x, height, width)
    _constraint(out + 3 * area, area, 0.5 * xx, 0.5 * xy, off, u, v, inside)
    off = _slope_y(gap, y, x, height, width)
    _constraint(out + 6 * area, area, 0.5 * yx, 0.5 * yy, off, u, v, inside)


@triton.jit(do_not_specialize=_NUMBERS)
def _weigh(constraints, flow, system, height, width, B: tl.constexpr):
    """What is robust: xx, xy, yy, xz, yz, and how strongly a pixel is bound to the next ones."""
    place, y, x, inside = _place(height, width, B)
    direction, area = tl.program_id(1), height * width
    at = y * width + x
    flow += direction * 2 * area + at
    u, v = tl.load(flow), tl.load(flow + area)
    constraints += direction * 9 * area + at
    x0, y0, z0 = _three(constraints, area)
    x1, y1, z1 = _three(constraints + 3 * area, area)
    x2, y2, z2 = _three(constraints + 6 * area, area)
    off = z0 + x0 * u + y0 * v
    one, other = z1 + x1 * u + y1 * v, z2 + x2 * u + y2 * v
    bright = tl.rsqrt(off * off + _TINY) * _BRIGHTNESS
    slopes = tl.rsqrt(one * one + other * other + _TINY) * _SLOPES
    out = system + direction * 6 * area + place
    tl.store(out, bright * x0 * x0 + slopes * (x1 * x1 + x2 * x2), mask=inside)
    tl.store(out + area, bright * x0 * y0 + slopes * (x1 * y1 + x2 * y2), mask=inside)
    tl.store(out + 2 * area, bright * y0 * y0 + slopes * (y1 * y1 + y2 * y2), mask=inside)
    tl.store(out + 3 * area, bright * x0 * z0 + slopes * (x1 * z1 + x2 * z2), mask=inside)
    tl.store(out + 4 * area, bright * y0 * z0 + slopes * (y1 * z1 + y2 * z2), mask=inside)
    right, below = x < width - 1, y < height - 1
    right_u = tl.load(flow + 1, mask=right, other=0.0) - u
    right_v = tl.load(flow + area + 1, mask=right, other=0.0) - v
    below_u = tl.load(flow + width, mask=below, other=0.0) - u
    below_v = tl.load(flow + area + width, mask=below, other=0.0) - v
    change = tl.where(right, right_u * right_u + right_v * right_v, 0.0)
    change += tl.where(below, below_u * below_u + below_v * below_v, 0.0)
    tl.store(out + 5 * area, tl.rsqrt(change + _TINY) * _SMOOTHNESS, mask=inside)


@triton.jit
def _three(constraint, area):
    return tl.load(constraint), tl.load(constraint + area), tl.load(constraint + 2 * area)


@triton.jit(do_not_specialize=_NUMBERS)
def _sweep(system, flow, before, omega, height, width, B: tl.constexpr):
    """One of Jacobi's sweeps, from `flow` into `before`, the flow of the sweep before."""
    place, y, x, inside = _place(height, width, B)
    direction, area = tl.program_id(1), height * width
    at = y * width + x
    system += direction * 6 * area + at
    bond = system + 5 * area
    right = tl.load(bond, mask=x < width - 1, other=0.0)
    below = tl.load(bond, mask=y < height - 1, other=0.0)
    left = tl.load(bond - 1, mask=x > 0, other=0.0)
    above = tl.load(bond - width, mask=y > 0, other=0.0)
    bonds = right + left + below + above
    xx, xy = tl.load(system) + bonds, tl.load(system + area)
    yy = tl.load(system + 2 * area) + bonds
    flow += direction * 2 * area + at
    pull_x = -tl.load(system + 3 * area)
    pull_y = -tl.load(system + 4 * area)
    pull_x += right * tl.load(flow + 1, mask=x < width - 1, other=0.0)
    pull_x += left * tl.load(flow - 1, mask=x > 0, other=0.0)
    pull_x += below * tl.load(flow + width, mask=y < height - 1, other=0.0)
    pull_x += above * tl.load(flow - width, mask=y > 0, other=0.0)
    flow += area
    pull_y += right * tl.load(flow + 1, mask=x < width - 1, other=0.0)
    pull_y += left * tl.load(flow - 1, mask=x > 0, other=0.0)
    pull_y += below * tl.load(flow + width, mask=y < height - 1, other=0.0)
    pull_y += above * tl.load(flow - width, mask=y > 0, other=0.0)
    whole = 1.0 / (xx * yy - xy * xy)
    before += direction * 2 * area + place
    u, v = tl.load(before, mask=inside, other=0.0), tl.load(before + area, mask=inside, other=0.0)
    tl.store(before, u + omega * ((yy * pull_x - xy * pull_y) * whole - u), mask=inside)
    tl.store(before + area, v + omega * ((xx * pull_y - xy * pull_x) * whole - v), mask=inside)


def searched(pictures: Tensor, flow: Tensor) -> Tensor:
    """A level's flow by patches, from the coarser level's.

    pictures: (2, 1, h, w) 8-bit steps.  flow, and what is returned: (2, 2, h, w) px.
    """
    height, width = pictures.shape[2:]
    rows, columns = (reference._patches(side) for side in (height, width))
    sizes = height, width, rows, columns
    start = flow.contiguous()
    grid = triton.cdiv(rows * columns, PATCHES), 2
    for turn in range(reference._ROUNDS):
        moved = flow.new_empty(2, 2, rows, columns)
        kernels.launch(_search, grid, pictures, start, moved, *sizes, FIRST=turn == 0, P=PATCHES)
        start = moved
    found = flow.new_empty(2, 2, height, width)
    kernels.launch(_gather, _grid(pictures), pictures, start, found, *sizes, B=PIXELS)
    return found


def refined(pictures: Tensor, flow: Tensor) -> Tensor:
    """The flow (2, 2, h, w) px that fits the pictures and is smooth; what was given is lost."""
    height, width = pictures.shape[2:]
    grid, sizes = _grid(pictures), (height, width)
    pair, constraints, system = (flow.new_empty(2, n, height, width) for n in (2, 9, 6))
    kernels.launch(_warp, grid, pictures, flow, pair, *sizes, B=PIXELS)
    kernels.launch(_constrain, grid, pair, flow, constraints, *sizes, B=PIXELS)
    before = torch.zeros_like(flow)
    for _ in range(reference._REWEIGHTINGS):
        kernels.launch(_weigh, grid, constraints, flow, system, *sizes, B=PIXELS)
        for omega in reference._OMEGAS:
            kernels.launch(_sweep, grid, system, flow, before, omega, *sizes, B=PIXELS)
            flow, before = before, flow
    return flow


def _grid(pictures: Tensor) -> tuple[int, int]:
    return triton.cdiv(pictures[0, 0].numel(), PIXELS), 2
