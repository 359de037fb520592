"""PyTorch's autograd, operation by operation: the engine that runs everywhere."""

from collections.abc import Sequence
from typing import Final

import torch
from torch import Tensor, nn

from livedream.core.settings import DreamSettings
from livedream.dream.engines.base import EngineSpec
from livedream.dream.engines.steps import step_along
from livedream.dream.objectives.binding import Measured
from livedream.dream.objectives.placing import Window, window_of
from livedream.dream.objectives.terms import WHOLE, Place
from livedream.dream.tiles import Margins, mirrored


class EagerEngine:
    """The reference; also gives the activations themselves.

    body: normalised picture to activations, as `fused.fused` changes it; None: the network's own.
    """

    name: Final = "torch"
    fallbacks: Final = 0

    def __init__(self, spec: EngineSpec, body: nn.Module | None = None) -> None:
        self._spec = spec
        body = body or spec.network.truncated(spec.objective.layers)
        self.body = body.to(device=spec.device, dtype=spec.dtype, memory_format=torch.channels_last)  # type: ignore[call-overload]

    def ascend(self, x: Tensor, shifts: Sequence[Margins], settings: DreamSettings) -> None:
        height, width = x.shape[2:]
        for margins in shifts:
            left, _, top, _ = margins
            window = window_of(margins, width, height)
            gradient = self.gradient(mirrored(x, margins), window=window)
            step_along(x, gradient[:, :, top : top + height, left : left + width], settings)

    def gradient(
        self, seen: Tensor, measured: Measured | None = None, place: Place = WHOLE,
        window: Window | None = None,
    ) -> Tensor:  # fmt: skip
        """window: see `BoundObjective.grad_outputs`."""
        with torch.enable_grad():
            x = seen.detach().requires_grad_()
            activations = self.activations(x)
        grad_outputs = self._spec.objective.grad_outputs(
            tuple(a.detach() for a in activations), measured, place, window
        )
        (gradient,) = torch.autograd.grad(activations, x, grad_outputs=grad_outputs)
        return gradient.float()

    def prepare(self, sizes: Sequence[tuple[int, int]]) -> bool:
        return True

    def activations(self, seen: Tensor) -> tuple[Tensor, ...]:
        """Of the objective's layers, for (1, 3, h, w) float32 in [0, 1]."""
        normal = self._spec.network.preprocessing.normalise(seen).to(self._spec.dtype)
        found: tuple[Tensor, ...] = self.body(normal.contiguous(memory_format=torch.channels_last))
        return found
