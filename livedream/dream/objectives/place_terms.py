"""Terms that draw each place of a picture along a direction of its own: classes, kinds, guides."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass, replace
from typing import Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from livedream.dream.objectives.terms import (
    TINY,
    WHOLE,
    Dials,
    Part,
    PartGradient,
    Place,
    counted,
    level_of,
    place_energies,
    total_energy,
)
from livedream.dream.transfer import Transfers

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

# Positions compared at once: bounds the table of products to 64 MiB.
CHUNK = 16384


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
        return counted(sums, activation.numel())

    def gradient(
        self, activation: Tensor, dials: Dials, measured: Tensor | None = None, place: Place = WHOLE
    ) -> PartGradient:
        energies = place_energies(activation)
        if measured is None:
            measured = self._measured(energies, activation)
        squares, energy, count = measured
        direction = self.directions_of(activation, energies, place) * energies
        gain = dials.weights[self.term] / (squares.sqrt() * energy.sqrt()).clamp_min(TINY)
        return PartGradient(direction, gain.view(1, 1, 1), level_of(gain, squares, count))

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
    `follow` changes it in place.  copies: by which it does.
    """

    directions: NDArray[np.float32]
    regions: Tensor
    copies: Transfers

    def to(self, device: torch.device | str) -> Self:
        copies = Transfers(torch.device(device))
        return replace(PlacesPart.to(self, device), copies=copies)

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
        self.copies.put(found, self.regions)  # beside the frame under way: nothing waits for it

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
        return counted(energies, activation.numel())

    def gradient(
        self, activation: Tensor, dials: Dials, measured: Tensor | None = None, place: Place = WHOLE
    ) -> PartGradient:
        best = self.matches(activation)
        if measured is None:
            measured = self._measured(best, activation)
        energy, own, count = measured
        gain = dials.weights[self.term] / (energy.sqrt() * own.sqrt()).clamp_min(TINY)
        return PartGradient(best, gain.view(1, 1, 1), level_of(gain, energy, count))

    def value(self, activation: Tensor, weights: Tensor) -> Tensor:
        return weights[self.term] * (self.matches(activation) * activation.float()).mean()

    def matches(self, activation: Tensor) -> Tensor:
        """The best feature for each position, like the activation, fp32."""
        found = []
        for piece in torch.split(activation.float().flatten(2), CHUNK, dim=2):
            nearest = torch.einsum("ncp,cq->npq", piece, self.features).argmax(2)
            found.append(self.features[:, nearest].transpose(0, 1))
        return torch.cat(found, 2).reshape(activation.shape)
