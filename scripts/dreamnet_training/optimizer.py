"""The optimizer: Muon for kernels and matrices, AdamW for the vectors beside them.

Why Muon (Jordan et al., "Muon: An optimizer for hidden layers in neural networks", 2024): in as
many minutes it took the student's gradient nearer the teacher's than AdamW did
(docs/decisions/dreamnet-gradient-matching.md).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import torch
from torch import Tensor, nn


def _columns(value: Tensor, kernel: Tensor) -> Tensor:
    """A value of a kernel's shape (O, I, h, w) as a matrix, columns in the order of the kernel's
    memory, so that the kernel itself needs no copy."""
    if kernel.ndim == 4 and kernel.is_contiguous(memory_format=torch.channels_last):
        value = value.permute(0, 2, 3, 1)
    return value.flatten(1)


class Optimizer:
    """One update of all parameters that have a gradient. Weight decay is that of matrices only."""

    def __init__(self, parameters: Iterable[nn.Parameter], weight_decay: float) -> None:
        every = list(parameters)
        self._kernels = [p for p in every if p.ndim > 1]
        # torch's Muon takes matrices alone: it gets views of the kernels, in their memory.
        self._matrices = [nn.Parameter(_columns(p.detach(), p)) for p in self._kernels]
        self._vectors = [p for p in every if p.ndim <= 1]
        self._parts: dict[str, torch.optim.Optimizer] = {
            # Its steps as large as AdamW's, so that one learning rate does for both.
            "matrices": torch.optim.Muon(
                self._matrices, weight_decay=weight_decay, adjust_lr_fn="match_rms_adamw"
            ),
            "vectors": torch.optim.AdamW(self._vectors, betas=(0.9, 0.98), weight_decay=0.0),
        }

    def zero_grad(self) -> None:
        """Forgets the gradients."""
        for parameter in (*self._kernels, *self._vectors):
            parameter.grad = None

    def step(self, learning_rate: float) -> None:
        """Moves every parameter along its gradient."""
        for kernel, matrix in zip(self._kernels, self._matrices, strict=True):
            grad = kernel.grad
            matrix.grad = None if grad is None else _columns(grad, kernel).contiguous()
        for part in self._parts.values():
            for group in part.param_groups:
                group["lr"] = learning_rate
            part.step()

    def state_dict(self) -> dict[str, Any]:
        """What ``load_state_dict`` goes on from."""
        return {name: part.state_dict() for name, part in self._parts.items()}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Goes on from a ``state_dict``."""
        for name, part in self._parts.items():
            part.load_state_dict(state[name])
