"""One ascent step on memory that stays in place, its parameters in tensors.

The same step as `steps.ascend_by` takes, written for recording: no number of Python changes from
one time to the next, nothing waits for the device.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from livedream.core.settings import DreamSettings
from livedream.dream.engines.steps import normalised
from livedream.dream.tiles import Margins, mirrored_index

__all__ = ["CapturedStep", "StepKind"]


@dataclass(frozen=True, slots=True)
class StepKind:
    """What a recording is made for; whatever is not in here may change without a new one.

    height, width: of the picture, px.  margins: of both sides together, px: (across, down).
    smoothing, laplacian: as in `DreamSettings`.
    """

    height: int
    width: int
    margins: tuple[int, int]
    smoothing: float
    laplacian: int

    @classmethod
    def of(cls, x: Tensor, margins: Margins, settings: DreamSettings) -> "StepKind":
        left, right, top, bottom = margins
        height, width = x.shape[2:]
        both = left + right, top + bottom
        return cls(height, width, both, settings.smoothing, settings.laplacian)


class CapturedStep:
    """picture: (1, 3, height, width) float32, changed in place by `take`.

    gradient: as `Engine.gradient`.
    """

    def __init__(
        self, kind: StepKind, device: torch.device, gradient: Callable[[Tensor], Tensor]
    ) -> None:
        self._gradient = gradient
        self._settings = DreamSettings(smoothing=kind.smoothing, laplacian=kind.laplacian)
        self._length = kind.height, kind.width
        self.picture = torch.zeros(1, 3, kind.height, kind.width, device=device)
        self._scale = torch.zeros((), device=device)
        self._before = torch.zeros(2, dtype=torch.int64, device=device)  # above, to the left
        across, down = kind.margins
        self._seen = [
            torch.arange(length + margin, device=device)
            for length, margin in zip(self._length, (down, across), strict=True)
        ]
        self._own = [torch.arange(length, device=device) for length in self._length]

    def spec(self, margins: Margins, step_size: float) -> None:
        """Set what the next `take` reads."""
        left, _, top, _ = margins
        self._scale.fill_(step_size / 255.0)
        self._before[0].fill_(top)
        self._before[1].fill_(left)

    def take(self) -> None:
        """One step of `picture`: the thing that is recorded."""
        picture = self.picture
        rows, columns = (
            mirrored_index(seen - before, length)
            for seen, before, length in zip(self._seen, self._before, self._length, strict=True)
        )
        gradient = self._gradient(picture.index_select(2, rows).index_select(3, columns))
        for axis, own, before in zip((2, 3), self._own, self._before, strict=True):
            gradient = gradient.index_select(axis, own + before)
        picture.add_(normalised(gradient, self._settings) * self._scale).clamp_(0.0, 1.0)
