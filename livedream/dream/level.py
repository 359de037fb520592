"""Hold the dream's level: a closed loop around what each frame adds.

The level is the residual's RMS in 8-bit steps, measured after the picture was clipped to what
can be shown. Only the addition is scaled, never the carried residual: a gain that touches the
whole residual pumps brightness and makes errors of the carrying grow.
"""

from dataclasses import dataclass
from typing import Final

import torch
from torch import Tensor

_CLOSE: Final = 0.002  # of the target; well below what is promised, 0.03
_ROUNDS: Final = 8  # clipping takes some of the level; a round leaves a tenth to a half of it
_MOST: Final = 4.0  # heuristic: beyond, what is added would be black and white only
_TINY: Final = 1e-12
_PIECE: Final = 1 << 23  # elements multiplied at once: bounds the memory of very large pictures


@dataclass(frozen=True, slots=True)
class LevelledDream:
    """residual: (1, 3, H, W), clipped.  level: its RMS, 8-bit steps.  gain: of the addition."""

    residual: Tensor
    level: float
    gain: float

    def flicker(self, carried: Tensor) -> float:
        """The mean size of what is not carried, against that of the whole."""
        change = (self.residual - carried).abs_().mean()
        return float(change / self.residual.abs().mean().clamp_min(1e-6))


def scale_to_level(
    picture: Tensor,
    carried: Tensor,
    added: Tensor,
    target: float,
    weight: Tensor | None = None,
    *,
    keep_colours: bool = False,
) -> LevelledDream:
    """carried + gain * added, with the gain that brings the level to `target`.

    picture, carried, added: (1, 3, H, W) float32, picture in [0, 1].
    target: RMS, 8-bit steps.  weight: (1, 1, H, W) in [0, 1], the mask the level is measured in.
    keep_colours: the residual is the same in all three channels.
    Where the carried residual alone lies above the target nothing is added and time brings it
    down. Where clipping takes too much the level stays below the target.
    """
    wanted = next_target = target / 255.0
    limits = _limits(picture) if keep_colours else None
    cc, ca, aa = (
        _mean_product(u, v, weight)
        for u, v in ((carried, carried), (carried, added), (added, added))
    )
    residual = torch.empty_like(picture)
    for _ in range(_ROUNDS):
        gain = _gain(cc, ca, aa, next_target) if cc < wanted * wanted else 0.0
        torch.add(carried, added, alpha=gain, out=residual)
        if limits is not None:
            residual.copy_(residual.mean(1, keepdim=True).clamp_(*limits).expand_as(residual))
        else:
            residual.add_(picture).clamp_(0.0, 1.0).sub_(picture)
        level = float(_mean_product(residual, residual, weight) ** 0.5)
        if gain <= 0.0 or level <= _TINY or abs(level - wanted) <= _CLOSE * wanted:
            break
        next_target = min(next_target * wanted / level, _MOST * wanted)
    return LevelledDream(residual, level * 255.0, gain)


def crossfade(
    old: LevelledDream, new: LevelledDream, share: float, picture: Tensor | None = None
) -> LevelledDream:
    """Two dreams of one picture mixed, with a level that goes from one's to the other's.

    Two dreams mixed are weaker than either.  share: of the new one, 0 to 1.
    picture: (1, 3, H, W) in [0, 1]; the result is clipped to what can be shown on it, if given.
    """
    residual = torch.lerp(old.residual, new.residual, share)
    wanted = old.level + (new.level - old.level) * share
    level = float(residual.square().mean().sqrt()) * 255.0
    if level > 0:
        residual.mul_(wanted / level)
        if picture is not None:
            residual.add_(picture).clamp_(0.0, 1.0).sub_(picture)
    return LevelledDream(residual, wanted, 1.0)


def _gain(cc: float, ca: float, aa: float, target: float) -> float:
    """The larger root g of cc + 2 g ca + g^2 aa = target^2, at least 0."""
    if aa <= _TINY**2:
        return 0.0
    inside = ca * ca - aa * (cc - target * target)
    return max(0.0, (-ca + inside**0.5) / aa) if inside > 0.0 else 0.0


def _limits(picture: Tensor) -> tuple[Tensor, Tensor]:
    """How far all channels together can go down and up, (1, 1, H, W) each."""
    return -picture.amin(1, keepdim=True), 1.0 - picture.amax(1, keepdim=True)


def _mean_product(u: Tensor, v: Tensor, weight: Tensor | None) -> float:
    """The mean of u * v over the weight's area."""
    total, area = 0.0, 0.0
    rows = max(1, _PIECE // (u.shape[1] * u.shape[3]))
    for top in range(0, u.shape[2], rows):
        piece = slice(top, top + rows)
        product = u[:, :, piece] * v[:, :, piece]
        if weight is None:
            area += product.numel()
        else:
            product *= weight[:, :, piece]
            area += float(weight[:, :, piece].sum()) * u.shape[1]
        total += float(product.sum())
    return total / area if area > 0.0 else 0.0
