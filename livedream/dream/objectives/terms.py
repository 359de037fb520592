"""What an objective's terms compute on a layer's activations; see `objectives.binding`.

Here are layers and channels; what is said of the whole picture is in `whole_terms`, what goes
elsewhere at each place in `place_terms`.  Everything is computed in fp32 whatever the activations
are in: a sum of squares overflows fp16.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass, fields, replace
from typing import NamedTuple, Self

import torch
from torch import Tensor

# Channels whose mean square is below this share of their layer's count ever less, for there is
# hardly anything there to amplify.  Heuristic: a hundredth in amplitude.
SILENT_SHARE = 1e-4
# Channels quieter than this share of their layer's mean are not amplified further by variety.
# Heuristic: lower and the noise of channels that see nothing is amplified.
QUIET = 1e-3
# Energy below this is silence; what is divided by it must not leave fp32, which ends at 3e38, when
# it is divided by a small level again.  Heuristic.
TINY = 1e-20

# Focus looks no further than this: a place with less of its layer's mean energy counts as if it had
# as much, for engines need not agree on the power 0 of 0, and one with more likewise, so that fp16
# holds it.  Heuristic: a thousandth in amplitude, and more than the fullest place of a dream has.
EMPTY, FULL = 1e-6, 64.0

# What of the whole picture a piece is: from top to bottom, from left to right, 0 to 1.
Place = tuple[float, float, float, float]
WHOLE: Place = (0.0, 1.0, 0.0, 1.0)


class Dials(NamedTuple):
    """What steers all parts, and may change from frame to frame in place.

    weights: (terms,) fp32.  variety, focus: (1,) fp32, as in `DreamSettings`.
    """

    weights: Tensor
    variety: Tensor
    focus: Tensor


@dataclass(frozen=True, slots=True)
class PartGradient:
    """What a part asks of its layer, kept as ``direction * gain`` until the common factor is known.

    direction: like the activation, in its type or in fp32.  gain: fp32, one number, or one per
    channel (C, 1, 1).  level: 0-d fp32, the root mean square of their product; with focus, what it
    is at most.
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
    """Some terms of an objective that look at the same layer."""

    @property
    def dial(self) -> Tensor | None:
        """What of it may change in place, beside `Dials`."""
        return None

    def measure(self, activation: Tensor) -> Tensor:
        """What a gradient has to know of the whole activation, (n,) fp32.

        Of a picture's pieces it adds up to that of the picture, so that each piece's gradient can
        be computed on its own.
        """
        return counted(channel_energies(activation), activation.numel())

    @abstractmethod
    def gradient(
        self, activation: Tensor, dials: Dials, measured: Tensor | None = None, place: Place = WHOLE
    ) -> PartGradient:
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
        self, activation: Tensor, dials: Dials, measured: Tensor | None = None, place: Place = WHOLE
    ) -> PartGradient:
        measured = self.measure(activation) if measured is None else measured
        energies, count = measured[:-1], measured[-1]
        shares = energies / energies.mean().clamp_min(TINY) + QUIET
        channel_weight = (shares.log() * -dials.variety).exp()
        # The part along the activation is the weight, whatever the variety; focus adds to it.
        scale = dials.weights[self.terms].sum() / (channel_weight @ energies).clamp_min(TINY)
        level = scale.abs() * ((channel_weight.square() @ energies) / count).sqrt()
        level = level * most_focused(dials.focus)
        direction = activation * focus_weights(activation, dials.focus, energies.sum() / count)
        return PartGradient(direction, (channel_weight * scale)[:, None, None], level)

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
        self, activation: Tensor, dials: Dials, measured: Tensor | None = None, place: Place = WHOLE
    ) -> PartGradient:
        measured = self.measure(activation) if measured is None else measured
        energies, count = measured[:-1], measured[-1]
        layer = energies.sum()
        floor = SILENT_SHARE * layer * self.masks.mean(1)
        sizes = (self.masks @ energies + floor).sqrt() * layer.sqrt()
        gain = (dials.weights[self.terms] / sizes.clamp_min(TINY)) @ self.masks
        level = (gain.square() @ energies / count).sqrt() * most_focused(dials.focus)
        direction = activation * focus_weights(activation, dials.focus, layer / count)
        return PartGradient(direction, gain[:, None, None], level)

    def value(self, activation: Tensor, weights: Tensor) -> Tensor:
        seen = self.masks.sum(1) * (activation.numel() / activation.shape[1])
        return weights[self.terms] @ (self.masks @ channel_energies(activation) / seen)


def focus_weights(activation: Tensor, focus: Tensor, mean: Tensor) -> Tensor:
    """How much each place of a layer counts, (1, 1, h, w), bf16 where the activation is, else fp32.

    Its length, relative to the layer's root mean square length, to the power of `focus`, (1,) fp32.
    mean: the layer's mean square, 0-d fp32; of the whole picture, where the activation is of a
    piece.
    """
    shares = place_energies(activation) / (mean * activation.shape[1]).clamp_min(TINY)
    weights = (shares.clamp(EMPTY, FULL).log() * (focus / 2)).exp()
    # Times an activation it may be beyond fp16 before the gain is applied; bf16 has fp32's range.
    return weights.to(activation.dtype) if activation.dtype == torch.bfloat16 else weights


def most_focused(focus: Tensor) -> Tensor:
    """The largest that `focus_weights` may be, 0-d fp32."""
    return (focus * (math.log(FULL) / 2)).exp().squeeze()


def counted(sums: Tensor, count: int) -> Tensor:
    """Sums, 0-d or (n,), and behind them over how many values they go."""
    sums = sums.reshape(-1)
    return torch.cat([sums, torch.full_like(sums[:1], count)])


def level_of(gain: Tensor, energy: Tensor, count: Tensor | int) -> Tensor:
    """The root mean square, 0-d, of a direction times a gain.

    energy: the direction's sum of squares.  count: of its values.
    """
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
