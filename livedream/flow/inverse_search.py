"""Optical flow for a GPU, without weights: dense inverse search, all patches at once.

After Kroeger et al., "Fast Optical Flow using Dense Inverse Search" (2016): coarse to fine, patches
of one picture are found in the other by inverse compositional search, their displacements averaged
for each pixel and refined by a variational method (Brox et al. 2004). So that nothing waits for its
neighbour, two things are done otherwise. Patches pass nothing on one after the other: each starts
from the best of what itself and its four neighbours have, and after some steps does so again. And
the variational system is solved by Jacobi sweeps with Chebyshev acceleration (Golub and Varga 1961)
instead of successive over-relaxation.

Both directions are one batch, from one pyramid, down to half the size as by OpenCV's medium preset.
The operations depend on the pictures' size, never on what is in them, stay on the device and add up
in a fixed order: they can be captured in a CUDA graph, and repeat to the bit.
"""

from collections.abc import Callable, Iterator
from functools import cache
from math import log2
from types import ModuleType
from typing import Final

import torch
from torch import Tensor
from torch.nn import functional as F

from livedream.flow import luma

_PATCH_PX: Final = 8
_STRIDE_PX: Final = 3
_PIXELS: Final = _PATCH_PX * _PATCH_PX
_SMALLEST_SIDE_PX: Final = 16
_ROUNDS: Final = 3  # of choosing where to start; the table in docs/decisions/flow.md
_ITERATIONS: Final = 2  # of each round
# Squared 8-bit steps per px, against which a patch's structure counts (Levenberg): what has less
# stays where it began and does not follow the noise.
_DAMPING: Final = 0.25

# As in OpenCV's refinement for its DIS, for pictures in 8-bit steps: how much smoothness counts,
# equal brightness, and equal slopes.
_SMOOTHNESS, _BRIGHTNESS, _SLOPES = 10.0, 2.5, 5.0
_FLAT: Final = 0.01  # squared slope below which a pixel says little
_TINY: Final = 1e-6
_REWEIGHTINGS: Final = 3
_SWEEPS: Final = 5  # of each
_RADIUS: Final = 0.95  # heuristic: of the Jacobi iteration's spectrum; higher ones overshoot


def _omegas() -> Iterator[float]:
    """How far each sweep goes, from the flow before the last one: 1 is to where Jacobi's leads."""
    omega = 1.0
    for sweep in range(_SWEEPS):
        yield omega
        omega = 1.0 / (1.0 - (0.25 if sweep else 0.5) * _RADIUS * _RADIUS * omega)


_OMEGAS: Final = tuple(_omegas())


class InverseSearch:
    """Flow both ways between two pictures of any size.

    device: where it is computed.  kernels: `search_kernels`, None for PyTorch's operations.
    """

    def __init__(self, device: torch.device, kernels: ModuleType | None = None) -> None:
        self.device = device
        self.kernels = kernels
        self._searched: Callable[[Tensor, Tensor], Tensor] = _searched
        self._refined: Callable[[Tensor, Tensor], Tensor] = _refined
        if kernels is not None:
            self._searched, self._refined = kernels.searched, kernels.refined

    def both(self, pictures: Tensor) -> Tensor:
        """See `DeviceFlow`."""
        height, width = pictures.shape[2:]
        below, right = max(0, _SMALLEST_SIDE_PX - height), max(0, _SMALLEST_SIDE_PX - width)
        gray = F.pad(luma(pictures)[:, None], (0, right, 0, below), mode="replicate")
        longer, shorter = max(gray.shape[2:]), min(gray.shape[2:])
        coarsest = min(int(log2(longer / (4 * _PATCH_PX)) + 0.5), int(log2(shorter / _PATCH_PX)))
        pyramid = [F.avg_pool2d(gray, 2)]
        for _ in range(1, coarsest):
            pyramid.append(F.avg_pool2d(pyramid[-1], 2))
        flow = torch.zeros_like(pyramid[-1]).expand(-1, 2, -1, -1)
        for level, pair in enumerate(reversed(pyramid)):
            if level > 0:
                size = pair.shape[2:]
                flow = 2.0 * F.interpolate(flow, size, mode="bilinear", align_corners=False)
            flow = self._refined(pair, self._searched(pair, flow))
        return 2.0 * _smoothed(flow)[:, :, : max(1, height // 2), : max(1, width // 2)]


def _smoothed(flow: Tensor) -> Tensor:
    """As `DisFlow.both` does with its flow: what is carried along flickers less."""
    around = F.pad(flow, (1, 1, 1, 1), mode="replicate")
    across = 0.75 * around[..., 1:-1] + 0.125 * (around[..., :-2] + around[..., 2:])
    return 0.75 * across[..., 1:-1, :] + 0.125 * (across[..., :-2, :] + across[..., 2:, :])


def _searched(pictures: Tensor, flow: Tensor) -> Tensor:
    """A level's flow by patches, from the coarser level's.

    pictures: (2, 1, h, w) 8-bit steps.  flow, and what is returned: (2, 2, h, w) px.
    """
    height, width = pictures.shape[2:]
    rows, columns = (_patches(side) for side in (height, width))
    covered = tuple((count - 1) * _STRIDE_PX + _PATCH_PX for count in (rows, columns))
    margins = (0, covered[1] - width, 0, covered[0] - height)
    other = pictures.flip(0)
    whole = F.pad(torch.cat([pictures, *_slopes(pictures)], 1), margins, mode="replicate")
    parts = F.unfold(whole, _PATCH_PX, stride=_STRIDE_PX).view(2, 3, _PIXELS, rows * columns)
    parts = parts.permute(0, 3, 1, 2).contiguous()  # (2, patches, 3, pixels)
    wanted, parts = parts[:, :, :1], parts - parts.mean(3, keepdim=True)
    template, gradient = parts[:, :, :1].contiguous(), parts[:, :, 1:]
    descent = _inverse_hessian(gradient) @ gradient
    # A patch begins with the flow in its middle.
    middle = _PATCH_PX // 2 - 1
    started = F.pad(flow, margins, mode="replicate")[:, :, middle:, middle:]
    moved = F.avg_pool2d(started, 2, _STRIDE_PX)[:, :, :rows, :columns]
    moved = moved.flatten(2).transpose(1, 2)[:, :, None]
    for _ in range(_ROUNDS):
        near = _neighbours(moved, rows, columns)
        moved = begun = _best(other, template, torch.cat([moved, *near], 2))
        for _ in range(_ITERATIONS):
            gap = _fetched(other, moved) - template
            moved = moved - (descent * gap).sum(3)[:, :, None]
        moved = _best(other, template, torch.cat([begun, moved], 2))
    # Each pixel is the mean of the patches it lies in, by how well they explain it. `fold` gathers
    # them for a pixel, always in the same order.
    weight = 1.0 / (_fetched(other, moved) - wanted).abs_().clamp_min_(1.0)
    weighted = torch.cat([moved.transpose(2, 3) * weight, weight], 2).permute(0, 2, 3, 1)
    total = F.fold(weighted.flatten(1, 2), covered, _PATCH_PX, stride=_STRIDE_PX)
    return (total[:, :2] / total[:, 2:])[:, :, :height, :width]


def _patches(side_px: int) -> int:
    """How many patches cover a side of at least a patch."""
    return -(-(side_px - _PATCH_PX) // _STRIDE_PX) + 1


def _inverse_hessian(gradient: Tensor) -> Tensor:
    """(2, patches, 2, 2) of (2, patches, 2, pixels)."""
    x, y = gradient.unbind(2)
    xx = (x * x).sum(2) + _DAMPING * _PIXELS
    yy = (y * y).sum(2) + _DAMPING * _PIXELS
    xy = (x * y).sum(2)
    rows = torch.stack([yy, -xy, -xy, xx], 2) / (xx * yy - xy * xy)[:, :, None]
    return rows.view(*rows.shape[:2], 2, 2)


def _neighbours(moved: Tensor, rows: int, columns: int) -> list[Tensor]:
    """What the patches to the left, to the right, above and below have, (2, patches, 1, 2) each."""
    plane = moved.view(2, rows, columns, 2).permute(0, 3, 1, 2)
    around = F.pad(plane, (1, 1, 1, 1), mode="replicate").permute(0, 2, 3, 1)
    sides = (
        around[:, 1:-1, :-2], around[:, 1:-1, 2:], around[:, :-2, 1:-1], around[:, 2:, 1:-1]
    )  # fmt: skip
    return [side.reshape(moved.shape) for side in sides]


def _best(other: Tensor, template: Tensor, candidates: Tensor) -> Tensor:
    """(2, patches, 1, 2): the one of (2, patches, n, 2) that leaves the least, brightness aside."""
    left = (_fetched(other, candidates) - template).var(3)
    best = left.argmin(2, keepdim=True)[..., None]
    return candidates.gather(2, best.expand(-1, -1, -1, 2))


def _fetched(other: Tensor, moved: Tensor) -> Tensor:
    """(2, patches, n, pixels): each patch as found at its n displacements (2, patches, n, 2) px."""
    height, width = other.shape[2:]
    at = _patch_positions(height, width, other.device)
    found = _sampled(other, at, moved[:, :, :, None])
    return found.view(*moved.shape[:3], _PIXELS)


def _sampled(picture: Tensor, at: Tensor, moved: Tensor) -> Tensor:
    """(2, 1, ..., m): a (2, 1, h, w) picture at `at`, moved by px, its border continued.

    Bicubic: linear interpolation draws what is found between pixels by up to 0.06 px.

    at: (1, ..., m, 2) as grid_sample counts, -1 at the first pixel and 1 at the last.
    """
    grid = torch.addcmul(at, moved, unit(*picture.shape[2:], picture.device))
    return F.grid_sample(
        picture, grid.flatten(1, -3), mode="bicubic", padding_mode="border", align_corners=True
    )


def _refined(pictures: Tensor, flow: Tensor) -> Tensor:
    """The flow (2, 2, h, w) px that fits the pictures and is smooth.

    What is linear is fixed once: three constraints x u + y v + z = 0 for each pixel, that its
    brightness and both its slopes stay what they are. What is robust is weighed anew each time.
    """
    height, width = pictures.shape[2:]
    at = positions(height, width, flow.device)
    warped = _sampled(pictures.flip(0), at, flow.permute(0, 2, 3, 1))
    x, y = _slopes(torch.cat([0.5 * (pictures + warped), warped - pictures], 1))
    xx, yy = _slopes(torch.cat([x[:, :1], y[:, :1]], 1))
    along_x = torch.cat([x[:, :1], xx], 1)
    along_y = torch.cat([y[:, :1], yy], 1)
    size = torch.rsqrt(along_x * along_x + along_y * along_y + _FLAT)
    along_x, along_y = along_x * size, along_y * size
    gap = torch.cat([warped - pictures, x[:, 1:], y[:, 1:]], 1) * size
    gap = gap - along_x * flow[:, :1] - along_y * flow[:, 1:]
    products = torch.stack(
        [along_x * along_x, along_x * along_y, along_y * along_y, along_x * gap, along_y * gap], 1
    )
    products = torch.cat([_BRIGHTNESS * products[:, :, :1], _SLOPES * products[:, :, 1:]], 2)
    for _ in range(_REWEIGHTINGS):
        off = torch.addcmul(torch.addcmul(gap, along_x, flow[:, :1]), along_y, flow[:, 1:]).square()
        slopes_off = off[:, 1:].sum(1, keepdim=True)
        robust = torch.rsqrt(torch.cat([off[:, :1], slopes_off, slopes_off], 1) + _TINY)
        system = (products * robust[:, None]).sum(2)
        flow = _solved(system, _smoothness(flow), flow)
    return flow


def _smoothness(flow: Tensor) -> Tensor:
    """(2, 1, h, w): how strongly a pixel is bound to the next ones; less where motion changes."""
    right = F.pad(flow[..., 1:] - flow[..., :-1], (0, 1))
    down = F.pad(flow[..., 1:, :] - flow[..., :-1, :], (0, 0, 0, 1))
    change = torch.addcmul(right * right, down, down).sum(1, keepdim=True)
    return _SMOOTHNESS * torch.rsqrt(change + _TINY)


def _solved(system: Tensor, bond: Tensor, flow: Tensor) -> Tensor:
    """`flow` closer to where data and smoothness are in balance.

    system: (2, 5, h, w), for each pixel xx, xy, yy and xz, yz of the data.  bond: (2, 1, h, w).
    """
    right, left = F.pad(bond[..., :-1], (0, 1)), F.pad(bond[..., :-1], (1, 0))
    down = F.pad(bond[..., :-1, :], (0, 0, 0, 1))
    up = F.pad(bond[..., :-1, :], (0, 0, 1, 0))
    bonds = right + left + down + up
    xx, xy, yy = system[:, :1] + bonds, system[:, 1:2], system[:, 2:3] + bonds
    inverse = torch.cat([yy, -xy, -xy, xx], 1) / (xx * yy - xy * xy)
    inverse = inverse.view(2, 2, 2, *inverse.shape[2:])
    known = -system[:, 3:]
    before = flow
    for omega in _OMEGAS:
        around = F.pad(flow, (1, 1, 1, 1))
        pull = torch.addcmul(known, right, around[..., 1:-1, 2:])
        pull = torch.addcmul(pull, left, around[..., 1:-1, :-2])
        pull = torch.addcmul(pull, down, around[..., 2:, 1:-1])
        pull = torch.addcmul(pull, up, around[..., :-2, 1:-1])
        found = (inverse * pull[:, None]).sum(2)
        if omega != 1.0:
            found = torch.lerp(before, found, omega)
        before, flow = flow, found
    return flow


def _slopes(planes: Tensor) -> tuple[Tensor, Tensor]:
    """Along x and along y, central differences of (n, c, h, w)."""
    around = F.pad(planes, (1, 1, 1, 1), mode="replicate")
    x = 0.5 * (around[..., 1:-1, 2:] - around[..., 1:-1, :-2])
    return x, 0.5 * (around[..., 2:, 1:-1] - around[..., :-2, 1:-1])


# Made once per size, since nothing in a captured graph comes from the host, and never given back,
# since a graph goes on reading them.


@cache
def positions(height: int, width: int, device: torch.device) -> Tensor:
    """(1, height, width, 2): where the pixels are, x and y, as grid_sample counts."""
    y, x = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
    return _counted(torch.stack([x, y], -1)[None], height, width, device)


@cache
def _patch_positions(height: int, width: int, device: torch.device) -> Tensor:
    """(1, patches, 1, pixels, 2): where the pixels of each patch are, also beyond the border."""
    y, x = (torch.arange(_patches(side)) * _STRIDE_PX for side in (height, width))
    inner = torch.arange(_PATCH_PX)
    rows = (y[:, None, None, None] + inner[:, None]).expand(-1, len(x), -1, _PATCH_PX)
    columns = (x[:, None, None] + inner).expand(len(y), -1, _PATCH_PX, -1)
    at = torch.stack([columns, rows], -1).view(1, -1, 1, _PIXELS, 2)
    return _counted(at, height, width, device)


def _counted(at: Tensor, height: int, width: int, device: torch.device) -> Tensor:
    return at.to(device) * unit(height, width, device) - 1.0


@cache
def unit(height: int, width: int, device: torch.device) -> Tensor:
    """(2,): one px, across and down, as grid_sample counts."""
    return torch.tensor([2 / max(width - 1, 1), 2 / max(height - 1, 1)], device=device)
