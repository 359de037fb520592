"""Matching gradients: where a teacher would dream to, and how far from it the student would.

Why it pays: docs/decisions/dreamnet-gradient-matching.md.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from .dreaming import CLASS_MAP, SMOOTHNESS, Rows, smoothed, varied
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
    shifts: int = 1,
) -> Match:
    """The gradient for ``kind``: a class per picture, of every teacher that has these classes in
    turn, shift by shift; of one teacher all layers or one layer, deeper ones more often, whole or
    some channels, half of them with variety.

    rgb: (N, 3, H, W) in [0, 1]. classes: (N,), those that the pictures climb, -1 for one out of the
    teacher's likeliest. scales: per layer, the deviation that the teacher's values are divided by.
    shifts: pictures moved by up to 8 px, over which the gradient is averaged.
    """
    rng, count = generator, len(rgb)
    mine: list[Target] = []
    masks: dict[str, Tensor | None] = {}
    if kind == CLASS_MAP:
        # What a single teacher takes for a class convinces nobody else.
        knowing = [t for t in teachers if t.num_classes == teachers[-1].num_classes]
        first = int(rng.integers(len(knowing)))
        chosen = _chosen_classes(knowing[first], rgb, classes, rng)
        masks[CLASS_MAP] = chosen
    else:
        if kind == TOGETHER:
            number = targets[int(rng.integers(len(targets)))].teacher
            mine = [target for target in targets if target.teacher == number]
        else:
            weights = np.arange(2, len(targets) + 2, dtype=np.float64)
            mine = [targets[int(rng.choice(len(targets), p=weights / weights.sum()))]]
        teacher = teachers[mine[0].teacher]
        masks = {target.layer: None for target in mine}
        if kind != TOGETHER:
            channels = scales[mine[0].layer].shape[1]
            kept = (rng.random((count, 1)) < 0.5) | (rng.random((count, channels)) < 0.12)
            masks[mine[0].layer] = torch.from_numpy(kept)[:, :, None, None].to(rgb)
    # Half of them as they are dreamed: with the loud channels turned down.
    variety = np.where(rng.random(count) < 0.5, rng.random(count), 0)
    total = torch.zeros_like(rgb)
    for turn in range(shifts):
        dy, dx = (int(v) for v in rng.integers(-8, 9, 2)) if shifts > 1 else (0, 0)
        x = torch.roll(rgb, (dy, dx), (2, 3)).requires_grad_(True)
        if kind == CLASS_MAP:
            teacher = knowing[(first + turn) % len(knowing)]
        maps = teacher.whole_maps(x)
        if kind == CLASS_MAP:
            value = maps[LOGITS].float().mean(dim=(2, 3)).log_softmax(dim=1)
            (gradient,) = torch.autograd.grad(value, x, chosen.to(value))
        else:
            names = [target.teacher_layer for target in mine]
            grad_outputs = teacher.grad_outputs(maps, names)
            if not turn:
                for target in mine:
                    value = maps[target.teacher_layer].detach() / scales[target.layer]
                    mask = masks[target.layer]
                    channel_weight = varied(value if mask is None else value * mask, variety)
                    masks[target.layer] = channel_weight if mask is None else channel_weight * mask
            for target, grad_output in zip(mine, grad_outputs, strict=True):
                # As the response is measured: the layers' mean squares, whatever their sizes.
                mask = masks[target.layer]
                assert mask is not None
                grad_output.mul_(mask / scales[target.layer].square())
            (gradient,) = torch.autograd.grad([maps[name] for name in names], x, grad_outputs)
        gradient = torch.roll(gradient.float(), (-dy, -dx), (2, 3))
        total += gradient / (gradient.square().mean(dim=(1, 2, 3), keepdim=True).sqrt() + 1e-12)
    return Match(rgb, masks, total / shifts)


@torch.no_grad()
def _chosen_classes(
    teacher: Teacher, rgb: Tensor, classes: Rows, rng: np.random.Generator
) -> Tensor:
    """One class per picture, (N, classes) of zeros and ones."""
    value = teacher(rgb)[LOGITS].float().mean(dim=(2, 3))
    ranked = value.argsort(dim=1, descending=True)
    most = np.where(rng.random(len(rgb)) < 0.5, 5, 500).clip(max=value.shape[1])
    reach = torch.from_numpy(rng.integers(0, most)).to(value.device)
    given = torch.from_numpy(classes).to(value.device)
    rows = torch.arange(len(rgb), device=value.device)
    chosen = torch.where(given >= 0, given, ranked[rows, reach])
    return functional.one_hot(chosen, value.shape[1]).to(value.dtype)


def match_loss(
    match: Match,
    extractors: Mapping[tuple[str, ...], nn.Module],
    normalised: Callable[[Tensor], Tensor],
) -> Tensor:
    """One minus the cosine between the student's gradient and the teacher's (Czarnecki et al.,
    "Sobolev Training for Neural Networks", 2017, for input gradients); of a class, the mean of that
    and of the cosine of both smoothed.

    extractors: the student up to the layers named, and nothing beyond them; normalised: its input
    from a picture in [0, 1]."""
    x = match.rgb.detach().requires_grad_(True)
    with torch.autocast(x.device.type, torch.bfloat16):
        maps = extractors[tuple(match.masks)](normalised(x))
    ends, grad_outputs = [], []
    for layer, mask in match.masks.items():
        value = maps[layer]
        if layer == CLASS_MAP:
            assert mask is not None
            likely = value.float().mean(dim=(2, 3)).log_softmax(dim=1)
            ends.append((likely * mask).sum())
            grad_outputs.append(torch.ones_like(ends[-1]))
        else:  # a mean square, by its gradient: in bf16 and in one product
            ends.append(value)
            grad_output = value if mask is None else value * mask.to(value.dtype)
            grad_outputs.append(grad_output * (1e4 / value[0].numel()))
    (gradient,) = torch.autograd.grad(ends, x, grad_outputs, create_graph=True)
    pairs = [(gradient, match.gradient)]
    if CLASS_MAP in match.masks:
        half = SMOOTHNESS / 2  # of both: where what holds at every scale weighs most
        pairs.append((smoothed(gradient.float(), half), smoothed(match.gradient, half)))
    same = [functional.cosine_similarity(a.flatten(1), b.flatten(1), eps=1e-12) for a, b in pairs]
    return 1 - torch.stack(same).mean()
