"""CUDA graphs: operations recorded once and launched together, again and again.

A graph repeats the very operations on the very memory it was recorded with: a number of Python that
went into it stays what it was, so what shall change stands in a tensor, and nothing waits for the
device.
"""

import threading
import time
from collections.abc import Callable
from typing import Any, Final

import torch

# cuDNN chooses its algorithms and autograd makes its buffers in these; PyTorch's notes take three.
_WARM_UPS: Final = 3
# Dream and flow are recorded in threads of their own. PyTorch: one capture at a time in a process;
# beginning one waits for the device, which would break another that is under way.
_RECORDING: Final = threading.Lock()

Step = Callable[[], None]
Capture = Callable[[Step], Step]


class CudaGraphCapture:
    """CUDA graphs that share one pool of memory, since they never run at the same time.

    From a step to what replays it: runs it a few times, and raises RuntimeError where it cannot be
    captured.  Source: PyTorch's notes on CUDA graphs (warm-up on a side stream, private pools), and
    #64339.
    """

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self._pool: Any = None

    def __call__(self, step: Step) -> Step:
        with _RECORDING, torch.cuda.device(self._device):
            side: Any = torch.cuda.Stream()  # type: ignore[no-untyped-call]
            here = torch.cuda.current_stream()
            side.wait_stream(here)
            try:
                with torch.cuda.stream(side):
                    for _ in range(_WARM_UPS):
                        step()
            finally:  # whatever comes next must not meet what is still under way
                here.wait_stream(side)
            graph = torch.cuda.CUDAGraph()
            if self._pool is None:
                self._pool = torch.cuda.graph_pool_handle()
            # Of this thread alone: a camera's or an encoder's may use CUDA meanwhile.
            with torch.cuda.graph(graph, pool=self._pool, capture_error_mode="thread_local"):
                step()
        replay: Step = graph.replay
        return replay


def stopwatch(device: torch.device) -> Callable[[], Callable[[], float]]:
    """Measures what a device takes for what is launched from here on.

    What is returned ends it, and returns what gives the seconds once the device is done. Nothing
    waits; elsewhere than on CUDA it is the time of launching.
    """
    if device.type != "cuda":
        begin_s = time.perf_counter()

        def ended() -> Callable[[], float]:
            took_s = time.perf_counter() - begin_s
            return lambda: took_s

        return ended
    make: Any = torch.cuda.Event
    begin, end = (make(enable_timing=True) for _ in range(2))
    begin.record(torch.cuda.current_stream(device))

    def ended_there() -> Callable[[], float]:
        end.record(torch.cuda.current_stream(device))
        return lambda: float(begin.elapsed_time(end)) / 1000.0

    return ended_there
