"""Hold the dream's level: a closed loop around what each frame adds.

The level is the residual's RMS in 8-bit steps, measured after the picture was clipped to what
can be shown. Only the addition is scaled, never the carried residual: a gain that touches the
whole residual pumps brightness and makes errors of the carrying grow.
"""

from dataclasses import dataclass
from typing import Final

import torch
from torch import Tensor

_ROUNDS: Final = 3  # clipping takes a little of the level; each round leaves about a tenth of it


@dataclass(frozen=True, slots=True)
class Joined:
    """residual: (1, 3, H, W), clipped.  level: its RMS, 8-bit steps.  gain: of the addition."""

    residual: Tensor
    level: float
    gain: float


def join(
    picture: Tensor, carried: Tensor, added: Tensor, target: float, weight: Tensor | None = None
) -> Joined:
    """carried + gain * added, with the gain that brings the level to `target`.

    picture, carried, added: (1, 3, H, W) float32, picture in [0, 1].
    target: RMS, 8-bit steps.  weight: (1, 1, H, W) in [0, 1], the mask the level is measured in.
    Where the carried residual alone lies above the target nothing is added and time brings it
    down.
    """
    wanted = target / 255.0
    aim = wanted
    area = None if weight is None else float(weight.sum()) * picture.shape[1]
    cc, ca, aa = (
        _mean_product(u, v, weight, area)
        for u, v in ((carried, carried), (carried, added), (added, added))
    )
    for _ in range(_ROUNDS):
        gain = _gain(cc, ca, aa, aim)
        residual = torch.add(carried, added, alpha=gain)
        residual = residual.add_(picture).clamp_(0.0, 1.0).sub_(picture)
        level = _mean_product(residual, residual, weight, area) ** 0.5
        if gain <= 0.0 or level <= 0.0:
            break
        aim *= wanted / level
    return Joined(residual, level * 255.0, gain)


def _gain(cc: float, ca: float, aa: float, aim: float) -> float:
    """The larger root g of cc + 2 g ca + g^2 aa = aim^2, at least 0."""
    if aa <= 0.0:
        return 0.0
    inside = ca * ca - aa * (cc - aim * aim)
    return max(0.0, (-ca + inside**0.5) / aa) if inside > 0.0 else 0.0


def _mean_product(u: Tensor, v: Tensor, weight: Tensor | None, area: float | None) -> float:
    product = u * v
    if weight is None or area is None:
        return float(product.mean())
    return float((product * weight).sum()) / area if area > 0.0 else 0.0
