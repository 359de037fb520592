"""What an objective's terms reckon on a layer's activations; see `livedream.dream.objective`.

Everything is reckoned in fp32 whatever the activations are in: a sum of squares overflows fp16.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from livedream.dream.networks import Network
from livedream.dream.objective_values import GuidePicture
from livedream.errors import NetworkError

__all__ = ["ChannelsPart", "ClassPart", "GuidePart", "LayerPart", "Part", "Slope", "guide_features"]

# Channels that are all but silent count as if they had this share of their layer's mean square;
# the logarithm would let them outweigh everything else, most of all when they are to be reduced.
# Heuristic.
SILENT_SHARE = 0.01
# What nothing is divided by less of; fp32's smallest normal number is 1.2e-38.  Heuristic.
TINY = 1e-30

# A guide's longer side, and how many of its features are compared at most.  Heuristic: a picture
# at the size the networks were trained on, and a search that is cheap beside the network.
GUIDE_PX = 320
GUIDE_FEATURES = 1024
# Positions compared at once: bounds the table of products to 64 MiB.
CHUNK = 16384


@dataclass(frozen=True, slots=True)
class Slope:
    """A gradient kept as ``direction * gain`` until the common factor is known.

    direction: like the activation.  gain: fp32, 0-d or per channel (C, 1, 1).  level: the root
    mean square of their product, 0-d fp32.
    """

    direction: Tensor
    gain: Tensor
    level: Tensor

    def times(self, factor: Tensor) -> Tensor:
        """The gradient times a 0-d fp32 factor, in the direction's type."""
        return self.direction * (self.gain * factor).to(self.direction.dtype)


class Part(Protocol):
    """Some terms of an objective that look at the same layer."""

    def slope(self, activation: Tensor, weights: Tensor) -> Slope: ...

    def value(self, activation: Tensor, weights: Tensor) -> Tensor: ...

    def to(self, device: torch.device | str) -> Part: ...


@dataclass(frozen=True, eq=False, slots=True)
class LayerPart:
    """The mean square over a whole layer.  terms: (T,) their places among the weights."""

    terms: Tensor

    def slope(self, activation: Tensor, weights: Tensor) -> Slope:
        square = mean_square(activation)
        weight = weights[self.terms].sum()
        floored = (square * (1 + SILENT_SHARE)).clamp_min(TINY)
        gain = 2 * weight / (activation.numel() * floored)
        return Slope(activation, gain, gain.abs() * square.sqrt())

    def value(self, activation: Tensor, weights: Tensor) -> Tensor:
        return weights[self.terms].sum() * mean_square(activation)

    def to(self, device: torch.device | str) -> LayerPart:
        return replace(self, terms=self.terms.to(device))


@dataclass(frozen=True, eq=False, slots=True)
class ChannelsPart:
    """Mean squares over some channels of a layer.

    terms: (T,) their places among the weights.  masks: (T, C) fp32, 1 where the term looks.
    """

    terms: Tensor
    masks: Tensor

    def slope(self, activation: Tensor, weights: Tensor) -> Slope:
        squares, means = self.mean_squares(activation)
        floored = (means + SILENT_SHARE * squares.mean()).clamp_min(TINY)
        seen = self.masks.sum(1) * (activation.numel() / activation.shape[1])
        gain = (2 * weights[self.terms] / (seen * floored)) @ self.masks
        level = (gain.square() @ squares / activation.shape[1]).sqrt()
        return Slope(activation, gain[:, None, None], level)

    def value(self, activation: Tensor, weights: Tensor) -> Tensor:
        return weights[self.terms] @ self.mean_squares(activation)[1]

    def mean_squares(self, activation: Tensor) -> tuple[Tensor, Tensor]:
        """Of each channel (C,), and of each term's channels (T,)."""
        # Not vector_norm over these axes: for channels_last it took 60 times as long on a CPU.
        squares = activation.float().square().mean((0, 2, 3))
        return squares, self.masks @ squares / self.masks.sum(1)

    def to(self, device: torch.device | str) -> ChannelsPart:
        return replace(self, terms=self.terms.to(device), masks=self.masks.to(device))


@dataclass(frozen=True, eq=False, slots=True)
class ClassPart:
    """The log probability of a class.  term: its place among the weights.  number: the class."""

    term: int
    number: int

    def slope(self, activation: Tensor, weights: Tensor) -> Slope:
        gradient = -activation.float().softmax(1)
        gradient[:, self.number] += 1
        gradient = gradient / activation.shape[0]
        size = gradient.square().mean().sqrt().clamp_min(TINY)
        # Divided by its size before it becomes half precision; the factor brings that back.
        direction = (gradient / size).to(activation.dtype)
        gain = weights[self.term] * size
        return Slope(direction, gain, gain.abs())

    def value(self, activation: Tensor, weights: Tensor) -> Tensor:
        return weights[self.term] * activation.float().log_softmax(1)[:, self.number].mean()

    def to(self, device: torch.device | str) -> ClassPart:
        return self


@dataclass(frozen=True, eq=False, slots=True)
class GuidePart:
    """Each position drawn towards the guide's feature whose product with its own is largest.

    term: its place among the weights.  features: (C, Q) fp32, the guide's, of mean square 1.
    Source: Google's DeepDream notebook (Mordvintsev, Olah, Tyka, 2015), ``objective_guide``.
    """

    term: int
    features: Tensor

    def slope(self, activation: Tensor, weights: Tensor) -> Slope:
        best, match, energy = self.matches(activation)
        direction = best.reshape(activation.shape).to(activation.dtype)
        floor = SILENT_SHARE * energy.sqrt()
        gain = weights[self.term] / ((match + floor) * activation.numel()).clamp_min(TINY)
        size = best.square().mean().sqrt()
        return Slope(direction, gain, gain.abs() * size)

    def value(self, activation: Tensor, weights: Tensor) -> Tensor:
        return weights[self.term] * self.matches(activation)[1]

    def matches(self, activation: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """The best features (N, C, positions), the mean product and the mean square, per value."""
        own = activation.float().flatten(2)
        found = []
        for piece in torch.split(own, CHUNK, dim=2):
            nearest = torch.einsum("ncp,cq->npq", piece, self.features).argmax(2)
            found.append(self.features[:, nearest].transpose(0, 1))
        best = torch.cat(found, 2)
        return best, (best * own).mean().clamp_min(0), own.square().mean()

    def to(self, device: torch.device | str) -> GuidePart:
        return replace(self, features=self.features.to(device))


def mean_square(activation: Tensor) -> Tensor:
    """0-d fp32."""
    norm: Tensor = torch.linalg.vector_norm(activation, dtype=torch.float32)
    return norm.square() / activation.numel()


@torch.no_grad()
def guide_features(network: Network, layer: str, picture: str | GuidePicture) -> Tensor:
    """What a layer sees in a picture: (C, Q) fp32 of mean square 1, at most 1024 positions.

    The picture is scaled to 320 px on its longer side, more where the network needs it.
    Raises NetworkError when it cannot be read.
    """
    rgb = _read(picture) if isinstance(picture, str) else picture.array()
    height, width = rgb.shape[:2]
    scale = max(GUIDE_PX / max(height, width), network.minimum_size / min(height, width))
    size = max(1, round(width * scale)), max(1, round(height * scale))
    method = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    scaled = cv2.resize(np.ascontiguousarray(rgb), size, interpolation=method)
    x = torch.from_numpy(scaled).permute(2, 0, 1)[None].float() / 255
    (found,) = network.truncated((layer,))(network.preprocessing.normalise(x))
    step = 1
    while -(-found.shape[2] // step) * -(-found.shape[3] // step) > GUIDE_FEATURES:
        step += 1
    features: Tensor = found[0, :, ::step, ::step].flatten(1)
    return features / features.square().mean().sqrt().clamp_min(TINY)


def _read(path: str) -> NDArray[np.uint8]:
    try:
        # Not imread: it cannot open every path on Windows.
        coded = np.frombuffer(Path(path).read_bytes(), np.uint8)
        bgr = cv2.imdecode(coded, cv2.IMREAD_COLOR) if coded.size else None
    except (OSError, cv2.error) as error:
        raise NetworkError(f"guide picture {path}: {error}") from error
    if bgr is None:
        raise NetworkError(f"guide picture {path}: no picture that OpenCV can read")
    return np.asarray(cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB), dtype=np.uint8)
