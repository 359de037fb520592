"""Recording: what surrounds CUDA's own graphs, with a stand-in for them."""

import threading
import time
from contextlib import contextmanager, nullcontext
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from livedream.core import cuda_graph
from livedream.core.cuda_graph import CudaGraphCapture

CUDA = torch.device("cuda")


class Stream:
    """Notes whom it has waited for."""

    def __init__(self) -> None:
        self.waited: list[Any] = []

    def wait_stream(self, other: Any) -> None:
        self.waited.append(other)


class Cuda:
    """torch.cuda, as far as recording needs it."""

    def __init__(self) -> None:
        self.here, self.sides = Stream(), list[Stream]()
        self.captured = 0
        self.device = lambda device: nullcontext()
        self.stream = lambda stream: nullcontext()
        self.current_stream = lambda: self.here
        self.graph_pool_handle = object

    def Stream(self) -> Stream:  # noqa: N802
        self.sides.append(Stream())
        return self.sides[-1]

    def CUDAGraph(self) -> Any:  # noqa: N802
        return SimpleNamespace(replay=lambda: None)

    @contextmanager
    def graph(self, graph: Any, **more: Any) -> Any:
        self.captured += 1
        yield


@pytest.fixture
def cuda(monkeypatch: pytest.MonkeyPatch) -> Cuda:
    found = Cuda()
    monkeypatch.setattr(cuda_graph, "torch", SimpleNamespace(cuda=found))
    return found


def test_dream_and_flow_are_recorded_one_after_the_other(cuda: Cuda) -> None:
    """Each in a thread of its own."""
    ready, inside, most = threading.Barrier(2), list[int](), list[int]()

    def step() -> None:
        inside.append(1)
        most.append(len(inside))
        time.sleep(0.01)
        inside.pop()

    def record() -> None:
        capture = CudaGraphCapture(CUDA)
        ready.wait(10)
        capture(step)

    threads = [threading.Thread(target=record) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
    assert cuda.captured == 2 and len(most) == 8
    assert max(most) == 1


def test_what_goes_wrong_in_a_warm_up_is_waited_for(cuda: Cuda) -> None:
    """Whoever records puts back what the warm-ups changed: not while they still change it."""

    def step() -> None:
        raise RuntimeError("no kernel")

    for _ in range(2):  # and the next one is not kept waiting
        with pytest.raises(RuntimeError, match="no kernel"):
            CudaGraphCapture(CUDA)(step)
    assert cuda.here.waited == cuda.sides and len(cuda.sides) == 2
    assert cuda.captured == 0
