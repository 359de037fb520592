"""What an objective's terms compute on a layer's activations; see `objectives.binding`.

Everything is computed in fp32 whatever the activations are in: a sum of squares overflows fp16.
One file, long as it is: each part is read beside the others, whose gradients it is added to.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, fields, replace
from typing import Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

# Channels whose mean square is below this share of their layer's count ever less, for there is
# hardly anything there to amplify.  Heuristic: a hundredth in amplitude.
SILENT_SHARE = 1e-4
# Channels quieter than this share of their layer's mean are not amplified further by variety.
# Heuristic: lower and the noise of channels that see nothing is amplified.
QUIET = 1e-3
# A class counts less once its probability is all but certain.  Heuristic: from 0.999 on; nearer to
# one the direction drowns in fp32's rounding.
CERTAIN = 1e-3
# Energy below this is silence; what is divided by it must not leave fp32, which ends at 3e38, when
# it is divided by a small level again.  Heuristic.
TINY = 1e-20

# Regions of a picture, down and across, that are each drawn to a class of their own.  Heuristic: at
# 480x270 a little larger than dreamnet's motifs.
REGIONS = 2, 3
# Of the time that a region keeps a class this much is spent on nothing else; then the next one
# comes up.  Heuristic, by eye.
HOLD = 0.8
# Each region changes later than the one before by this share of that time, the golden ratio, so
# that their changes are evenly spread.
GOLDEN = 0.6180339887

# How sharply a place takes the nearest of a kind's classes: of the cosine between what is there and
# a class's row.  Heuristic: judges saw more of the kind with 20 than with 80.
NEAREST = 20.0

# What of the whole picture a piece is: from top to bottom, from left to right, 0 to 1.
Place = tuple[float, float, float, float]
WHOLE: Place = (0.0, 1.0, 0.0, 1.0)

# Positions compared at once: bounds the table of products to 64 MiB.
CHUNK = 16384


@dataclass(frozen=True, slots=True)
class PartGradient:
    """What a part asks of its layer, kept as ``direction * gain`` until the common factor is known.

    direction: like the activation, in its type or in fp32.  gain: fp32, one number, or one per
    channel (C, 1, 1).  level: the root mean square of their product, 0-d fp32.
    """

    direction: Tensor
    gain: Tensor
    level: Tensor

    def scaled(self, factor: Tensor, dtype: torch.dtype) -> Tensor:
        """The gradient times a 0-d fp32 factor."""
        if dtype == self.direction.dtype == torch.bfloat16:
            # One pass over the activation instead of three; the range is fp32's.
            return self.direction * (self.gain * factor).to(dtype)
        # Multiplied in fp32: a quiet layer's gain may be beyond what fp16 holds.
        return (self.direction * (self.gain * factor)).to(dtype)


@dataclass(frozen=True, eq=False, slots=True)
class Part(ABC):
    """Some terms of an objective that look at the same layer.

    weights: (terms,) fp32, and variety: (1,) fp32, as in `DreamSettings`: they may change from
    frame to frame, in place.
    """

    @property
    def dial(self) -> Tensor | None:
        """What of it may change in place, beside weights and variety."""
        return None

    def measure(self, activation: Tensor) -> Tensor:
        """What a gradient has to know of the whole activation, (n,) fp32.

        Of a picture's pieces it adds up to that of the picture, so that each piece's gradient can
        be computed on its own.
        """
        return _counted(channel_energies(activation), activation.numel())

    @abstractmethod
    def gradient(
        self, activation: Tensor, weights: Tensor, variety: Tensor,
        measured: Tensor | None = None, place: Place = WHOLE,
    ) -> PartGradient:  # fmt: skip
        """measured: the sum of `measure`, None when the activation is the whole.  place: of what
        the activation is of."""

    @abstractmethod
    def value(self, activation: Tensor, weights: Tensor) -> Tensor:
        """What is raised, 0-d."""

    def to(self, device: torch.device | str) -> Self:
        """A copy on a device."""
        values = {field.name: getattr(self, field.name) for field in fields(self)}
        return replace(
            self, **{n: v.to(device, copy=True) for n, v in values.items() if isinstance(v, Tensor)}
        )


@dataclass(frozen=True, eq=False, slots=True)
class LayerPart(Part):
    """A whole layer, its loud channels attenuated by variety.

    terms: (T,) their places among the weights.
    """

    terms: Tensor

    def gradient(
        self, activation: Tensor, weights: Tensor, variety: Tensor,
        measured: Tensor | None = None, place: Place = WHOLE,
    ) -> PartGradient:  # fmt: skip
        measured = self.measure(activation) if measured is None else measured
        energies, count = measured[:-1], measured[-1]
        shares = energies / energies.mean().clamp_min(TINY) + QUIET
        channel_weight = (shares.log() * -variety).exp()
        # The part along the activation is the weight, whatever the variety.
        scale = weights[self.terms].sum() / (channel_weight @ energies).clamp_min(TINY)
        level = scale.abs() * ((channel_weight.square() @ energies) / count).sqrt()
        return PartGradient(activation, (channel_weight * scale)[:, None, None], level)

    def value(self, activation: Tensor, weights: Tensor) -> Tensor:
        return weights[self.terms].sum() * total_energy(activation) / activation.numel()


@dataclass(frozen=True, eq=False, slots=True)
class ChannelsPart(Part):
    """Some channels of a layer.

    terms: (T,) their places among the weights.  masks: (T, C) fp32, 1 where the term looks.
    """

    terms: Tensor
    masks: Tensor

    def gradient(
        self, activation: Tensor, weights: Tensor, variety: Tensor,
        measured: Tensor | None = None, place: Place = WHOLE,
    ) -> PartGradient:  # fmt: skip
        measured = self.measure(activation) if measured is None else measured
        energies, count = measured[:-1], measured[-1]
        layer = energies.sum()
        floor = SILENT_SHARE * layer * self.masks.mean(1)
        sizes = (self.masks @ energies + floor).sqrt() * layer.sqrt()
        gain = (weights[self.terms] / sizes.clamp_min(TINY)) @ self.masks
        level = (gain.square() @ energies / count).sqrt()
        return PartGradient(activation, gain[:, None, None], level)

    def value(self, activation: Tensor, weights: Tensor) -> Tensor:
        seen = self.masks.sum(1) * (activation.numel() / activation.shape[1])
        return weights[self.terms] @ (self.masks @ channel_energies(activation) / seen)


@dataclass(frozen=True, eq=False, slots=True)
class WholePart(Part):
    """What is said of the whole picture, by a vector of scores.

    term: its place among the weights.
    """

    term: int

    def measure(self, activation: Tensor) -> Tensor:
        return _counted(activation.float().sum(0), len(activation))

    def gradient(
        self, activation: Tensor, weights: Tensor, variety: Tensor,
        measured: Tensor | None = None, place: Place = WHOLE,
    ) -> PartGradient:  # fmt: skip
        scores, share = activation.float(), torch.ones((), device=activation.device)
        if measured is not None:
            # The picture's scores are the mean of its pieces': one gradient, in equal parts.
            scores = (measured[:-1] / measured[-1]).expand_as(scores)
            share = 1 / measured[-1]
        direction, length = self.direction(scores)
        energy = direction.square().sum()
        size = (energy.sqrt().clamp_min(CERTAIN) * length).clamp_min(TINY)
        gain = share * weights[self.term] / size
        return PartGradient(direction, gain.view(1, 1), _level(gain, energy, direction.numel()))

    @abstractmethod
    def direction(self, scores: Tensor) -> tuple[Tensor, Tensor]:
        """Where the scores go, (1, n) fp32, at most 1 in length, and how long they are, 0-d."""


@dataclass(frozen=True, eq=False, slots=True)
class ClassPart(WholePart):
    """A class's log probability.  number: the class."""

    number: int

    def direction(self, scores: Tensor) -> tuple[Tensor, Tensor]:
        direction = -scores.softmax(1)
        direction[:, self.number] += 1
        return direction, (scores - scores.mean(1, keepdim=True)).norm()

    def value(self, activation: Tensor, weights: Tensor) -> Tensor:
        return weights[self.term] * activation.float().log_softmax(1)[:, self.number].mean()


@dataclass(frozen=True, eq=False, slots=True)
class TextPart(WholePart):
    """How near a picture's vector is to a sentence's: the cosine.

    sentence: (D,) fp32, of length 1.
    """

    sentence: Tensor

    def direction(self, scores: Tensor) -> tuple[Tensor, Tensor]:
        length = scores.norm()
        own = scores / length.clamp_min(TINY)
        return self.sentence - (own @ self.sentence)[:, None] * own, length

    def value(self, activation: Tensor, weights: Tensor) -> Tensor:
        scores = activation.float()
        near: Tensor = scores @ self.sentence / scores.norm(dim=1).clamp_min(TINY)
        return weights[self.term] * near.mean()


@dataclass(frozen=True, eq=False, slots=True)
class PlacesPart(Part):
    """Each place drawn along a direction of its own, as far as it has energy.

    term: its place among the weights.
    """

    term: int

    def measure(self, activation: Tensor) -> Tensor:
        return self._measured(place_energies(activation), activation)

    def _measured(self, energies: Tensor, activation: Tensor) -> Tensor:
        sums = torch.stack([energies.square().sum(), energies.sum()])
        return _counted(sums, activation.numel())

    def gradient(
        self, activation: Tensor, weights: Tensor, variety: Tensor,
        measured: Tensor | None = None, place: Place = WHOLE,
    ) -> PartGradient:  # fmt: skip
        energies = place_energies(activation)
        if measured is None:
            measured = self._measured(energies, activation)
        squares, energy, count = measured
        direction = self.directions_of(activation, energies, place) * energies
        gain = weights[self.term] / (squares.sqrt() * energy.sqrt()).clamp_min(TINY)
        return PartGradient(direction, gain.view(1, 1, 1), _level(gain, squares, count))

    @abstractmethod
    def directions_of(self, activation: Tensor, energies: Tensor, place: Place) -> Tensor:
        """Where each place goes, like the activation, fp32.  energies: `place_energies` of it."""


@dataclass(frozen=True, eq=False, slots=True)
class ClassesPart(PlacesPart):
    """Each region of the picture drawn to a class of its own, and to another after a while.

    A class's logit is its row of the classifier times the layer's activation, so the row is the
    direction to go, and nothing beyond the layer has to be computed.  Each place goes there as far
    as it has energy: forms that are there become the class's, and what is empty stays empty.
    term: its place among the weights.  directions: (K, C) fp32, one for each class, of length 1,
    without what all classes have in common.  regions: (C, *REGIONS) fp32, where each region goes;
    `follow` changes it in place.
    """

    directions: NDArray[np.float32]
    regions: Tensor

    @property
    def dial(self) -> Tensor:
        return self.regions

    def follow(self, position: float, seed: int) -> None:
        """Let the regions go to the classes of a moment.

        position: how often each region has changed.  seed: of the draw.
        """
        number = np.arange(np.prod(REGIONS))
        turns, passed = np.divmod(position + number * GOLDEN, 1.0)
        rising = np.clip((passed - HOLD) / (1.0 - HOLD), 0.0, 1.0).astype(np.float32)
        share = (rising * rising * (3.0 - 2.0 * rising))[:, None]
        now, next_ = (
            self.directions[
                [
                    np.random.default_rng([seed, region, turn]).integers(len(self.directions))
                    for region, turn in enumerate((turns + later).astype(int).tolist())
                ]
            ]
            for later in (0, 1)
        )
        found = (now * (1 - share) + next_ * share).T.reshape(-1, *REGIONS)
        self.regions.copy_(torch.from_numpy(np.ascontiguousarray(found)))

    def value(self, activation: Tensor, weights: Tensor) -> Tensor:
        direction = self.directions_of(activation, place_energies(activation), WHOLE)
        return weights[self.term] * (direction * activation.float()).sum(1).mean()

    def directions_of(self, activation: Tensor, energies: Tensor, place: Place) -> Tensor:
        height, width = activation.shape[2:]
        top, bottom, left, right = place
        rows = shares(height, REGIONS[0], top, bottom, activation.device)
        columns = shares(width, REGIONS[1], left, right, activation.device)
        return (rows @ self.regions @ columns.T)[None]


@dataclass(frozen=True, eq=False, slots=True)
class KindPart(PlacesPart):
    """Each place drawn to the nearest of some classes, by a soft maximum, as far as it has energy.

    Along the gradient of ``length / NEAREST * log(sum(exp(NEAREST * rows @ a / length)))``, for a
    place's activation a of that length: the rows' mean, weighed by how near each is.  One row is
    what `ClassesPart` has for one class.
    term: its place among the weights.  rows: (K, C) fp32, one for each class, of length 1, without
    what all classes have in common.
    """

    rows: Tensor

    def value(self, activation: Tensor, weights: Tensor) -> Tensor:
        energies = place_energies(activation)
        nearest = self._scores(activation, energies).logsumexp(1, keepdim=True)
        return weights[self.term] * (nearest * energies.sqrt()).mean() / NEAREST

    def directions_of(self, activation: Tensor, energies: Tensor, place: Place) -> Tensor:
        near = self._scores(activation, energies).softmax(1)
        return torch.einsum("kc,nkhw->nchw", self.rows, near)

    def _scores(self, activation: Tensor, energies: Tensor) -> Tensor:
        """How near each place is to each class, (1, K, h, w) fp32."""
        along = torch.einsum("kc,nchw->nkhw", self.rows, activation.float())
        return along * (NEAREST / energies.clamp_min(TINY).sqrt())


def shares(
    count: int, regions: int, begin: float, end: float, device: torch.device | str = "cpu"
) -> Tensor:
    """(count, regions) fp32: how much each of some places in a row belongs to each region.

    A place in the middle of a region belongs to it alone, one between two to both.
    begin, end: where the row lies, all regions from 0 to 1.
    """
    middles = (torch.arange(count, device=device) + 0.5) * ((end - begin) / count) + begin
    along = (middles * regions - 0.5).clamp(0, regions - 1)[:, None]
    return (1 - (along - torch.arange(regions, device=device)).abs()).clamp_min(0)


@dataclass(frozen=True, eq=False, slots=True)
class GuidePart(Part):
    """Each position drawn towards the guide's feature whose product with its own is largest.

    term: its place among the weights.  features: (C, Q) fp32, the guide's, of mean square 1; they
    change in place where it moves.
    Source: Google's DeepDream notebook (Mordvintsev, Olah, Tyka, 2015), ``objective_guide``.
    """

    term: int
    features: Tensor

    @property
    def dial(self) -> Tensor:
        return self.features

    def measure(self, activation: Tensor) -> Tensor:
        return self._measured(self.matches(activation), activation)

    def _measured(self, best: Tensor, activation: Tensor) -> Tensor:
        energies = torch.stack([best.square().sum(), total_energy(activation)])
        return _counted(energies, activation.numel())

    def gradient(
        self, activation: Tensor, weights: Tensor, variety: Tensor,
        measured: Tensor | None = None, place: Place = WHOLE,
    ) -> PartGradient:  # fmt: skip
        best = self.matches(activation)
        if measured is None:
            measured = self._measured(best, activation)
        energy, own, count = measured
        gain = weights[self.term] / (energy.sqrt() * own.sqrt()).clamp_min(TINY)
        return PartGradient(best, gain.view(1, 1, 1), _level(gain, energy, count))

    def value(self, activation: Tensor, weights: Tensor) -> Tensor:
        return weights[self.term] * (self.matches(activation) * activation.float()).mean()

    def matches(self, activation: Tensor) -> Tensor:
        """The best feature for each position, like the activation, fp32."""
        found = []
        for piece in torch.split(activation.float().flatten(2), CHUNK, dim=2):
            nearest = torch.einsum("ncp,cq->npq", piece, self.features).argmax(2)
            found.append(self.features[:, nearest].transpose(0, 1))
        return torch.cat(found, 2).reshape(activation.shape)


def _counted(sums: Tensor, count: int) -> Tensor:
    """Sums, 0-d or (n,), and behind them over how many values they go."""
    sums = sums.reshape(-1)
    return torch.cat([sums, torch.full_like(sums[:1], count)])


def _level(gain: Tensor, energy: Tensor, count: Tensor | int) -> Tensor:
    return gain.abs() * (energy / count).sqrt()


def total_energy(activation: Tensor) -> Tensor:
    """The sum of squares, 0-d fp32."""
    norm: Tensor = torch.linalg.vector_norm(activation, dtype=torch.float32)
    return norm.square()


def place_energies(activation: Tensor) -> Tensor:
    """Each place's sum of squares, (1, 1, h, w) fp32."""
    return activation.float().square().sum(1, keepdim=True)


def channel_energies(activation: Tensor) -> Tensor:
    """Each channel's sum of squares, (C,) fp32."""
    # Not vector_norm over these axes: for channels_last it took 60 times as long on a CPU.
    return activation.float().square().sum((0, 2, 3))
