"""Record a step once, play it back often: CUDA graphs, and the door to them.

A recording repeats the very operations on the very memory it saw: a number of Python that went
into it stays what it was, so what shall change has to stand in a tensor (`recorded.CapturedStep`).

Source: PyTorch's notes on CUDA graphs (warm-up on a side stream, private pools), PyTorch #64339.
"""

from collections.abc import Callable
from typing import Any, Final, Protocol

import torch

__all__ = ["CudaGraphCapture", "GraphCapture"]

Step = Callable[[], None]
# cuDNN chooses its algorithms and autograd makes its buffers in these; PyTorch's notes take three.
_WARM_UPS: Final = 3


class GraphCapture(Protocol):
    """record: what plays the step back.  step works on memory that stays where it is, and may be
    run a few times meanwhile; what it has done to its tensors is the caller's to put right.
    Raises RuntimeError where the step cannot be recorded."""

    def record(self, step: Step) -> Step: ...


class CudaGraphCapture:
    """CUDA graphs that share one pool of memory, since they never run at the same time."""

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self._pool: Any = None

    def record(self, step: Step) -> Step:
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
