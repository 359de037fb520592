"""Matching gradients: where a teacher would dream to, and how far from it the student would.

Why it pays: docs/decisions/dreamnet-gradient-matching.md.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from .dreaming import CLASS_MAP, Rows
from .losses import Match, Target
from .teachers import LOGITS, Teacher

TOGETHER = "together"
"""All layers of one teacher, dreamed at once."""


def prepare_match(
    rgb: Tensor,
    kind: str,
    classes: Rows,
    *,
    teachers: Sequence[Teacher],
    targets: Sequence[Target],
    scales: Mapping[str, Tensor],
    generator: np.random.Generator,
) -> Match:
    """A teacher's gradient for ``kind``: a class per picture, all layers of one teacher, or one
    layer, deeper ones more often, whole or some channels.

    rgb: (N, 3, H, W) in [0, 1]. classes: (N,), those that the pictures climb, -1 for one out of the
    teacher's likeliest. scales: per layer, the deviation that the teacher's values are divided by.
    """
    rng, count = generator, len(rgb)
    x = rgb.detach().requires_grad_(True)
    if kind == CLASS_MAP:
        value = teachers[-1](x)[LOGITS].float().mean(dim=(2, 3))
        ranked = value.detach().argsort(dim=1, descending=True)
        most = np.where(rng.random(count) < 0.5, 5, 500).clip(max=value.shape[1])
        reach = torch.from_numpy(rng.integers(0, most))
        given = torch.from_numpy(classes).to(value.device)
        chosen = torch.where(given >= 0, given, ranked[torch.arange(count), reach])
        mask = functional.one_hot(chosen, value.shape[1]).to(value.dtype)
        (gradient,) = torch.autograd.grad(value.log_softmax(dim=1), x, mask)
        return Match(rgb, {CLASS_MAP: mask}, gradient.float())
    if kind == TOGETHER:
        teacher = targets[int(rng.integers(len(targets)))].teacher
        mine = [target for target in targets if target.teacher == teacher]
    else:
        weights = np.arange(2, len(targets) + 2, dtype=np.float64)
        mine = [targets[int(rng.choice(len(targets), p=weights / weights.sum()))]]
    maps = teachers[mine[0].teacher](x)
    values = [maps[target.teacher_layer] for target in mine]
    masks, starts = {}, []
    for target, value in zip(mine, values, strict=True):
        whole = rng.random((count, 1)) < (1.0 if kind == TOGETHER else 0.5)
        kept = whole | (rng.random((count, value.shape[1])) < 0.12)
        mask = torch.from_numpy(kept)[:, :, None, None].to(value)
        # The layers' mean squares, whatever their sizes: as the response is measured.
        start = value.detach() * mask / scales[target.layer].square()
        starts.append((start * (1e4 / value[0].numel())).to(value.dtype))
        masks[target.layer] = mask
    (gradient,) = torch.autograd.grad(values, x, starts)
    return Match(rgb, masks, gradient.float())


def match_loss(
    match: Match,
    extractors: Mapping[tuple[str, ...], nn.Module],
    normalised: Callable[[Tensor], Tensor],
) -> Tensor:
    """One minus the cosine between the student's gradient and the teacher's (Czarnecki et al.,
    "Sobolev Training for Neural Networks", 2017, for input gradients).

    extractors: the student up to the layers named, and nothing beyond them; normalised: its input
    from a picture in [0, 1]."""
    x = match.rgb.detach().requires_grad_(True)
    with torch.autocast(x.device.type, torch.bfloat16):
        maps = extractors[tuple(match.masks)](normalised(x))
    climbed = torch.zeros((), device=x.device)
    for layer, mask in match.masks.items():
        value = maps[layer].float()
        if layer == CLASS_MAP:
            climbed = climbed + (value.mean(dim=(2, 3)).log_softmax(dim=1) * mask).sum()
        else:
            squares = (value.square() * mask).sum()
            climbed = climbed + squares * (0.5e4 / value[0].numel())
    (gradient,) = torch.autograd.grad(climbed, x, create_graph=True)
    same = functional.cosine_similarity(gradient.flatten(1), match.gradient.flatten(1), eps=1e-12)
    return 1 - same.mean()
