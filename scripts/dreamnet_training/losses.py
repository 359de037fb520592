"""What a DreamNet learns: teachers' layers, classes and the gradients by which they would dream.

Convention
    Layers are compared before rectification, divided by the per-channel root mean square that the
    teacher's layer has on pictures. Input gradients are compared by their direction only.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Target:
    """A student's layer and the teacher's layer it learns to predict; ``teacher`` is an index."""

    layer: str
    teacher: int
    teacher_layer: str


@dataclass(frozen=True)
class Match:
    """Pictures, and the gradient by which a teacher would dream them.

    masks: by layer, what each channel's mean square counts, (N, C, 1, 1), None for all alike, or
    for the class map the class whose log probability is, (N, classes)."""

    rgb: Tensor
    masks: dict[str, Tensor | None]
    gradient: Tensor


@dataclass(frozen=True)
class Prepared:
    """One batch: pictures, gradients to match, the teachers' layers on the student's grid, the
    class probabilities of every cell and of the whole picture."""

    rgb: Tensor
    matches: tuple[Match, ...]
    layers: dict[str, Tensor]
    cells: Tensor
    whole: Tensor


def layer_error(prediction: Tensor, target: Tensor) -> Tensor:
    """Error of a rectified prediction, given before rectification, that never goes dead.

    Where the target is positive it is the unrectified difference; where the target is zero only a
    positive prediction is wrong.
    """
    return torch.maximum(prediction - target, target * -1e4)


def class_loss(student: Tensor, prepared: Prepared, temperature: float) -> Tensor:
    """Cross entropy of the student's class map with the teachers' mean probability, cell by cell
    and for the whole picture."""
    by_cell = -(prepared.cells * (student / temperature).log_softmax(dim=1)).sum(dim=1).mean()
    mean = student.mean(dim=(2, 3)) / temperature
    by_picture = -(prepared.whole * mean.log_softmax(dim=1)).sum(dim=1).mean()
    return by_cell + by_picture


def middle(value: Tensor, most: int = 16) -> Tensor:
    """The middle of a map, at most ``most`` cells wide: enough to learn a shallow layer from."""
    top, left = ((side - min(side, most)) // 2 for side in value.shape[2:])
    return value[:, :, top : top + most, left : left + most]
