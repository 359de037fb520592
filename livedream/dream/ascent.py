"""Gradient ascent over octaves: what some steps would add to a picture.

Mordvintsev, Olah and Tyka, "Inceptionism" (2015): the picture is moved along the gradient of a
layer's response, from a small octave to the full size, each step divided by the gradient's mean
size and taken on a randomly shifted picture. The network runs in half precision where that is
fast; the picture, the normalisation and every sum stay in float32.
"""

from typing import Final

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from livedream.dream.networks import Network
from livedream.dream.objective import BoundObjective, Measured, added_up
from livedream.dream.resize import resize
from livedream.dream.tiles import Margins, lay_tiles, mirrored
from livedream.settings import DreamSettings

_TILES: Final = 2  # a picture with more pixels than so many tiles is cut up
_TINY: Final = 1e-12  # below any gradient float32 can carry here; keeps a flat one from 0/0


class Ascent:
    """Some steps of ascent for one network and one objective.

    network: its weights are moved to `device` and `dtype`.  dtype: of the network only.
    """

    def __init__(
        self,
        network: Network,
        objective: BoundObjective,
        settings: DreamSettings,
        device: torch.device,
        dtype: torch.dtype,
    ) -> None:
        self._network = network
        self._objective = objective.to(device)
        self._settings = settings
        self._dtype = dtype
        body: nn.Module = network.truncated(objective.layers)
        self._body = body.to(device=device, dtype=dtype, memory_format=torch.channels_last)  # type: ignore[call-overload]

    def addition(self, picture: Tensor, draw: np.random.Generator) -> Tensor:
        """What ascending adds to `picture`.

        picture: (1, 3, H, W) float32 in [0, 1].  draw: the source of jitter.
        Returns (1, 3, H, W) float32, in units of the picture; `picture` is left as it is.
        """
        height, width = picture.shape[2:]
        added: Tensor | None = None
        for size in self.octave_sizes(width, height):
            base = resize(picture, size)
            added = base.clone() if added is None else resize(added, size).add(base)
            added = self._climb(added, draw).sub_(base)
        assert added is not None
        return added

    def octave_sizes(self, width: int, height: int) -> list[tuple[int, int]]:
        """(width, height) of each octave, smallest first, none below what the network takes."""
        sizes = []
        for octave in reversed(range(self._settings.octaves)):
            ratio = self._settings.octave_scale**-octave
            size = round(width * ratio), round(height * ratio)
            if octave == 0 or min(size) >= self._network.minimum_size:
                sizes.append(size)
        return sizes

    @torch.no_grad()
    def response(self, picture: Tensor) -> float:
        """The objective's value on `picture`, (1, 3, H, W) float32 in [0, 1]."""
        return float(self._objective.response(self._activations(picture)))

    def _climb(self, x: Tensor, draw: np.random.Generator) -> Tensor:
        """Some steps up from `x`, in place."""
        height, width = x.shape[2:]
        tiled = width * height > _TILES * self._settings.tile**2
        cuts = draw.spawn(1)[0]  # of its own: jitter is the same with tiles and without
        measured = self._measure(x, cuts) if tiled else None
        for _ in range(self._settings.iterations):
            margins = self._margins(width, height, draw)
            if measured is None:
                left, _, top, _ = margins
                seen = self._gradient(mirrored(x, margins))
                slope = seen[:, :, top : top + height, left : left + width]
            else:
                slope = self._tiled_gradient(x, margins, measured, cuts)
            x.add_(self._normalised(slope), alpha=self._settings.step_size / 255.0)
            x.clamp_(0.0, 1.0)
        return x

    def _margins(self, width: int, height: int, draw: np.random.Generator) -> Margins:
        """Drawn anew for each step, so that the network's grid lies elsewhere each time.

        Mirrored margins, not a roll: a roll joins sky to road, and the network draws the seam as a
        frame around the picture. What is too small for the network gets margins that make it fit.
        """
        reach, least = self._settings.jitter, self._network.minimum_size
        left, top = (int(draw.integers(0, reach + 1)) for _ in range(2))
        missing = max(0, least - width - reach), max(0, least - height - reach)
        left, right = left + missing[0] // 2, reach - left + missing[0] - missing[0] // 2
        top, bottom = top + missing[1] // 2, reach - top + missing[1] - missing[1] // 2
        return left, right, top, bottom

    def _normalised(self, slope: Tensor) -> Tensor:
        """Smoothed as the settings want it and divided by its mean size; overwrites `slope`."""
        if self._settings.smoothing > 0:
            slope = gaussian_blur(slope, self._settings.smoothing)
        if self._settings.laplacian > 0:
            slope = equalise_bands(slope, self._settings.laplacian)
        size = torch.linalg.vector_norm(slope, 1) / slope.numel()
        return slope.div_(size.clamp_min(_TINY))

    def _gradient(self, picture: Tensor, measured: Measured | None = None) -> Tensor:
        """The objective's gradient, (1, 3, h, w) float32, times a factor; see `seeds`."""
        x = picture.detach().requires_grad_()
        activations = self._activations(x)
        seeds = self._objective.seeds(tuple(a.detach() for a in activations), measured)
        (slope,) = torch.autograd.grad(activations, x, grad_outputs=seeds)
        return slope.float()

    def _tiled_gradient(
        self, x: Tensor, margins: Margins, measured: Measured, cuts: np.random.Generator
    ) -> Tensor:
        whole = torch.empty_like(x)
        height, width = x.shape[2:]
        for tile in lay_tiles(width, height, self._settings.tile, margins, cuts):
            tile.put(self._gradient(tile.seen(x), measured), whole)
        return whole

    @torch.no_grad()
    def _measure(self, x: Tensor, cuts: np.random.Generator) -> Measured:
        """What makes the slopes of tiles fit together, of the whole picture."""
        height, width = x.shape[2:]
        margins = self._margins(width, height, cuts)
        found: Measured | None = None
        for tile in lay_tiles(width, height, self._settings.tile, margins, cuts):
            piece = self._objective.measure(self._activations(tile.seen(x)))
            found = piece if found is None else added_up(found, piece)
        assert found is not None
        return found

    def _activations(self, x: Tensor) -> tuple[Tensor, ...]:
        seen = self._network.preprocessing.normalise(x).to(self._dtype)
        found: tuple[Tensor, ...] = self._body(seen.contiguous(memory_format=torch.channels_last))
        return found


def gaussian_blur(x: Tensor, sigma: float) -> Tensor:
    """Blur (1, C, h, w) by a Gaussian of `sigma` px, mirrored at the border."""
    height, width = x.shape[2:]
    radius = min(max(1, round(3 * sigma)), height - 1, width - 1)
    if radius < 1:
        return x
    taps = torch.arange(-radius, radius + 1, device=x.device, dtype=x.dtype)
    kernel = torch.exp(-0.5 * (taps / sigma) ** 2)
    kernel = (kernel / kernel.sum()).expand(x.shape[1], 1, -1)
    padded = F.pad(x, (radius,) * 4, mode="reflect")
    rows = F.conv2d(padded, kernel[:, :, :, None], groups=x.shape[1])
    return F.conv2d(rows, kernel[:, :, None, :], groups=x.shape[1])


def equalise_bands(slope: Tensor, bands: int) -> Tensor:
    """Bring every band of a Laplacian pyramid to the same level (as Google's tutorial does)."""
    total = torch.zeros_like(slope)
    rest = slope
    sizes = [(slope.shape[3], slope.shape[2])]
    pieces = []
    for _ in range(bands):
        small = sizes[-1][0] // 2, sizes[-1][1] // 2
        if min(small) < 2:
            break
        low = resize(rest, small)
        pieces.append(rest - resize(low, sizes[-1]))
        sizes.append(small)
        rest = low
    pieces.append(rest)
    for piece, size in zip(reversed(pieces), reversed(sizes), strict=True):
        level = piece.square().mean().sqrt().clamp_min(_TINY)
        total = resize(total, size) + piece / level
    return total
