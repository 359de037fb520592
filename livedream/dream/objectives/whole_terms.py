"""Terms that speak of the whole picture, by a vector of scores: one class, or a sentence."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass

import torch
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
)

# A class counts less once its probability is all but certain.  Heuristic: from 0.999 on; nearer to
# one the direction drowns in fp32's rounding.
CERTAIN = 1e-3


@dataclass(frozen=True, eq=False, slots=True)
class WholePart(Part):
    """What is said of the whole picture, by a vector of scores.

    term: its place among the weights.
    """

    term: int

    def measure(self, activation: Tensor) -> Tensor:
        return counted(activation.float().sum(0), len(activation))

    def gradient(
        self, activation: Tensor, dials: Dials, measured: Tensor | None = None, place: Place = WHOLE
    ) -> PartGradient:
        scores, share = activation.float(), torch.ones((), device=activation.device)
        if measured is not None:
            # The picture's scores are the mean of its pieces': one gradient, in equal parts.
            scores = (measured[:-1] / measured[-1]).expand_as(scores)
            share = 1 / measured[-1]
        direction, length = self.direction(scores)
        energy = direction.square().sum()
        size = (energy.sqrt().clamp_min(CERTAIN) * length).clamp_min(TINY)
        gain = share * dials.weights[self.term] / size
        return PartGradient(direction, gain.view(1, 1), level_of(gain, energy, direction.numel()))

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
