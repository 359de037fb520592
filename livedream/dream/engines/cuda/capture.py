"""One ascent step on memory that stays in place, and its capture as a CUDA graph.

A graph repeats the very operations on the very memory it was captured with: a number of Python that
went into it stays what it was, so what shall change stands in a tensor, and nothing waits for the
device.

Source: PyTorch's notes on CUDA graphs (warm-up on a side stream, private pools), PyTorch #64339.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, Protocol

import torch
from torch import Tensor

from livedream.core.settings import DreamSettings
from livedream.dream.engines.steps import normalised
from livedream.dream.tiles import Margins, mirrored_index

Step = Callable[[], None]
# cuDNN chooses its algorithms and autograd makes its buffers in these; PyTorch's notes take three.
_WARM_UPS: Final = 3


@dataclass(frozen=True, slots=True)
class StepKind:
    """What a step is captured for; whatever is not in here may change without another capture.

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
    """picture: (1, 3, height, width) float32, changed in place by `run`.

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

    def set(self, margins: Margins, step_size: float) -> None:
        """Set what the next `run` reads."""
        left, _, top, _ = margins
        self._scale.fill_(step_size / 255.0)
        self._before[0].fill_(top)
        self._before[1].fill_(left)

    def run(self) -> None:
        """One step of `picture`: what is captured."""
        picture = self.picture
        rows, columns = (
            mirrored_index(seen - before, length)
            for seen, before, length in zip(self._seen, self._before, self._length, strict=True)
        )
        gradient = self._gradient(picture.index_select(2, rows).index_select(3, columns))
        for axis, own, before in zip((2, 3), self._own, self._before, strict=True):
            gradient = gradient.index_select(axis, own + before)
        picture.add_(normalised(gradient, self._settings) * self._scale).clamp_(0.0, 1.0)


class GraphCapture(Protocol):
    """Where steps are captured: CUDA graphs, or in tests a trace."""

    def capture(self, step: Step) -> Step:
        """What replays the step.

        step: works on memory that stays where it is, and may be run a few times meanwhile; what it
        has done to its tensors is the caller's to put right.
        Raises RuntimeError where the step cannot be captured.
        """


class CudaGraphCapture:
    """CUDA graphs that share one pool of memory, since they never run at the same time."""

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self._pool: Any = None

    def capture(self, step: Step) -> Step:
        with torch.cuda.device(self._device):
            side: Any = torch.cuda.Stream()  # type: ignore[no-untyped-call]
            here = torch.cuda.current_stream()
            side.wait_stream(here)
            with torch.cuda.stream(side):
                for _ in range(_WARM_UPS):
                    step()
            here.wait_stream(side)
            graph = torch.cuda.CUDAGraph()
            if self._pool is None:
                self._pool = torch.cuda.graph_pool_handle()
            # Of this thread alone: a camera's or an encoder's may use CUDA meanwhile.
            with torch.cuda.graph(graph, pool=self._pool, capture_error_mode="thread_local"):
                step()
        replay: Step = graph.replay
        return replay
