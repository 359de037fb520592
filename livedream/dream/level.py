"""Hold the dream's level: a closed loop around what each frame adds.

The level is the residual's RMS in 8-bit steps, measured after the picture was clipped to what
can be shown. Only the addition is scaled, never the carried residual: a gain that touches the
whole residual pumps brightness and makes errors of the carrying grow.
"""

from dataclasses import dataclass
from typing import Final, Self

import torch
from torch import Tensor

from livedream.core.device import COPIED, exact, in_reach
from livedream.core.settings import DreamSettings

_CLOSE: Final = 0.002  # of the target; well below what is promised, 0.03
_ROUNDS: Final = 8  # clipping takes some of the level; a round leaves a tenth to a half of it
_MOST: Final = 4.0  # heuristic: beyond, what is added would be black and white only
_TINY: Final = 1e-12


# Numbers on a CPU, where they leave the loop early; on a device 0-d tensors of float64, that nobody
# waits for, and all rounds.
Figure = Tensor | float


def is_number(figure: Figure, number: float) -> bool:
    """Whether it is known to be that number. Of a tensor it is not, as nobody waits for it."""
    return not isinstance(figure, Tensor) and figure == number


@dataclass(frozen=True, slots=True)
class Shaping:
    """How an addition is shaped before it is levelled: see `cleaned`, `tinted` and `shared_out`."""

    clean: Figure
    tint: Figure
    spread: Figure

    @classmethod
    def of(cls, settings: DreamSettings) -> Self:
        return cls(settings.clean, settings.tint, settings.spread)


@dataclass(frozen=True, slots=True)
class LevelledDream:
    """residual: (1, 3, H, W), clipped.  level: its RMS, 8-bit steps.  gain: of the addition.

    Both are 0-d tensors on the device: whoever makes a number of one waits for the device.
    """

    residual: Tensor
    level: Tensor
    gain: Tensor

    def figures(self, carried: Tensor) -> Tensor:
        """(3,): level, gain and flicker, the mean size of what is not carried, against that of the
        whole."""
        change = (self.residual - carried).abs_().mean()
        flicker = change / self.residual.abs().mean().clamp_min(1e-6)
        return torch.stack([self.level, self.gain, flicker.to(self.level.dtype)])


def scale_to_level(
    picture: Tensor,
    carried: Tensor,
    added: Tensor,
    target: Figure,
    weight: Tensor | None = None,
    *,
    keep_colours: bool = False,
) -> LevelledDream:
    """carried + gain * added, with the gain that brings the level to `target`.

    picture, carried, added: (1, 3, H, W) float32, picture in [0, 1].
    target: RMS, 8-bit steps, 0-d on the device if a tensor.  weight: (1, 1 or 3, H, W) in [0, 1],
    the mask the level is measured in.
    keep_colours: the residual is the same in all three channels.
    Where the carried residual alone lies above the target nothing is added and time brings it
    down. Where clipping takes too much the level stays below the target.
    """
    wanted: Figure = target / 255.0
    limits = _limits(picture) if keep_colours else None
    area = _area(picture, weight)
    cc, ca, aa = (
        _mean_product(u, v, weight, area)
        for u, v in ((carried, carried), (carried, added), (added, added))
    )
    full = (cc >= wanted * wanted) | (aa <= _TINY**2)
    next_target, done = wanted, full
    residual = torch.empty_like(picture)
    for _ in range(_ROUNDS):
        gain = _choose(full, 0.0, _gain(cc, ca, aa, next_target))
        if isinstance(gain, Tensor):
            torch.addcmul(carried, added, gain.to(added.dtype), out=residual)
        else:
            torch.add(carried, added, alpha=gain, out=residual)
        if limits is not None:
            residual.copy_(residual.mean(1, keepdim=True).clamp_(*limits).expand_as(residual))
        else:
            residual.add_(picture).clamp_(0.0, 1.0).sub_(picture)
        level = _mean_product(residual, residual, weight, area) ** 0.5
        done = done | (gain <= 0.0) | (level <= _TINY) | (abs(level - wanted) <= _CLOSE * wanted)
        if done is True:
            break
        # Once done, the target stays, and the rounds that are left find the same again.
        closer = next_target * wanted / _choose(level > _TINY, level, 1.0)
        closer = _choose(closer < _MOST * wanted, closer, _MOST * wanted)
        next_target = _choose(done, next_target, closer)
    return LevelledDream(residual, *(_tensor(x, picture) for x in (level * 255.0, gain)))


def crossfade(
    old: LevelledDream,
    new: LevelledDream,
    share: float,
    picture: Tensor | None = None,
    weight: Tensor | None = None,
) -> LevelledDream:
    """Two dreams of one picture mixed, with a level that goes from one's to the other's.

    Two dreams mixed are weaker than either.  share: of the new one, 0 to 1.
    picture: (1, 3, H, W) in [0, 1]; the result is clipped to what can be shown on it, if given.
    weight: the mask that both levels were measured in.
    """
    residual = torch.lerp(old.residual, new.residual, share)
    wanted = old.level + (new.level - old.level) * share
    area = _area(residual, weight)
    level = _tensor(_mean_product(residual, residual, weight, area) ** 0.5 * 255.0, wanted)
    residual.mul_(torch.where(level > 0, wanted / level, 1.0))
    if picture is not None:
        residual.add_(picture).clamp_(0.0, 1.0).sub_(picture)
    return LevelledDream(residual, wanted, torch.ones_like(wanted))


def _gain(cc: Figure, ca: Figure, aa: Figure, target: Figure) -> Figure:
    """The larger root g of cc + 2 g ca + g^2 aa = target^2, at least 0; 0 where there is none."""
    inside = ca * ca - aa * (cc - target * target)
    real = inside > 0.0
    root = (_choose(real, inside, 0.0) ** 0.5 - ca) / _choose(aa > _TINY**2, aa, 1.0)
    return _choose(real & (root > 0.0), root, 0.0)


def _limits(picture: Tensor) -> tuple[Tensor, Tensor]:
    """How far all channels together can go down and up, (1, 1, H, W) each."""
    return -picture.amin(1, keepdim=True), 1.0 - picture.amax(1, keepdim=True)


def _area(picture: Tensor, weight: Tensor | None) -> Figure:
    """How many elements of a picture a weight is, None: all of them."""
    if weight is None:
        return float(picture.numel())
    return _figure(weight.sum()) * (picture.shape[1] / weight.shape[1])


def _mean_product(u: Tensor, v: Tensor, weight: Tensor | None, area: Figure) -> Figure:
    """The mean of u * v over the weight's area; 0 where there is none."""
    total: Figure = 0.0
    rows = max(1, COPIED // (u.shape[1] * u.shape[3]))
    for top in range(0, u.shape[2], rows):
        piece = slice(top, top + rows)
        product = u[:, :, piece] * v[:, :, piece]
        if weight is not None:
            product *= weight[:, :, piece]
        total = _figure(product.sum()) + total
    return total / _choose(area > 0.0, area, 1.0) if weight is not None else total / area


def _figure(x: Tensor) -> Figure:
    """A number where it can be had without waiting for a device, else a 0-d tensor."""
    return float(x) if in_reach(x) else x.to(exact(x.device))


def _tensor(figure: Figure, like: Tensor) -> Tensor:
    if isinstance(figure, Tensor):
        return figure
    return torch.full((), figure, dtype=exact(like.device), device=like.device)


def _choose(condition: Tensor | bool, yes: Figure, no: Figure) -> Figure:
    if isinstance(condition, Tensor):
        return torch.where(condition, yes, no)
    return yes if condition else no
