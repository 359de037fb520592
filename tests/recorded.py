"""Stand-ins for CUDA on a CPU: its graphs, its copies; and guards for what a frame must not do.

A CUDA graph repeats fixed operations on fixed memory. `Traced` does the same on the CPU: numbers
of Python that went into a step stay what they were.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.fx.experimental.proxy_tensor import make_fx
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from livedream.dream.engines.cuda import CudaEngine

Step = Callable[[], None]


def stay_on_device(patch: pytest.MonkeyPatch, capture: Callable[[Step], Step]) -> None:
    """Gives new dreamers CUDA's engine, on CPU tensors: their frames go as on CUDA."""
    patch.setattr(
        "livedream.dream.ascent.open_engine", lambda name, spec: CudaEngine(spec, capture)
    )


class Traced:
    """Captures the operations of a step and the tensors they worked on."""

    def __init__(self) -> None:
        self.captured = 0

    def __call__(self, step: Step) -> Step:
        step()  # warm-up

        def once(unused: Tensor) -> Tensor:
            step()
            return unused

        with no_looks():
            traced = make_fx(once)(torch.zeros(()))
        self.captured += 1
        return lambda: traced(torch.zeros(()))


class Untraced:
    """For what leaves PyTorch on a CPU, as resizing does, and stays within it on CUDA."""

    def __init__(self) -> None:
        self.captured = 0

    def __call__(self, step: Step) -> Step:
        self.captured += 1
        return step


class Pool:
    """For graphs whose own memory is nobody's business, unlike what is asked for beside them."""

    def __init__(self) -> None:
        self.captured = 0
        self._replaying = False

    def __call__(self, step: Step) -> Step:
        self.captured += 1

        def replay() -> None:
            self._replaying = True
            try:
                step()
            finally:
                self._replaying = False

        return replay

    @contextmanager
    def nothing_new(self) -> Iterator[None]:
        """Raises NewTensorError for an operation that makes a tensor in memory of its own."""
        with _Made(lambda: self._replaying):
            yield


class Stream:
    """A stream for copies. What comes down is copied at the very last moment: when it is waited
    for.

    late: so is what goes up.
    """

    def __init__(self, *, late: bool = False) -> None:
        self.buffers, self._late_up = 0, late

    def buffer(self, like: Tensor) -> tuple[Tensor, Tensor]:
        self.buffers += 1
        return torch.zeros(like.shape, dtype=like.dtype), torch.zeros(like.shape, dtype=like.dtype)

    def up(self, memory: Tensor, slot: Tensor, target: Tensor) -> Step:
        wait = _later(memory, slot, target)
        if not self._late_up:
            wait()
        return wait

    def down(self, tensor: Tensor, slot: Tensor, memory: Tensor) -> Step:
        slot.copy_(tensor)
        return _later(slot, memory)


def _later(source: Tensor, *targets: Tensor) -> Step:
    waiting = [True]

    def wait() -> None:
        if waiting:
            waiting.clear()
            for target in targets:
                target.copy_(source)

    return wait


class NewTensorError(Exception):
    """Memory was asked for."""


class WaitedError(Exception):
    """Something looked at what is on the device, or brought something there."""


# What waits for the device, or makes the size of a result depend on what is in a tensor.
WAITING = frozenset({
    "_local_scalar_dense", "item", "is_nonzero", "equal", "nonzero", "masked_select", "unique",
    "_unique2", "unique_dim", "unique_consecutive", "bincount", "repeat_interleave", "allclose",
})  # fmt: skip
# What a host does with numbers: on CUDA each of these waits, on a CPU none is dispatched.
LOOKS = frozenset({
    "numpy", "tolist", "item", "cpu", "__array__", "__bool__", "__float__", "__int__", "__index__",
    "from_numpy", "tensor", "as_tensor", "pin_memory",
})  # fmt: skip


class _Dispatched(TorchDispatchMode):
    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        name = func.__name__.partition(".")[0]
        if name in WAITING:
            raise WaitedError(name)
        # A mask as an index counts what it holds.
        if name in {"index", "index_put", "index_put_"} and any(
            isinstance(index, Tensor) and index.dtype == torch.bool for index in args[1]
        ):
            raise WaitedError(f"{name} by a mask")
        return func(*args, **(kwargs or {}))


class _Called(TorchFunctionMode):
    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        name = getattr(func, "__name__", "")
        if name in LOOKS:
            raise WaitedError(name)
        return func(*args, **(kwargs or {}))


class _Made(TorchDispatchMode):
    def __init__(self, allowed: Callable[[], bool]) -> None:
        super().__init__()
        self._allowed = allowed

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        if not self._allowed() and _memory(result) - _memory((args, kwargs)):
            raise NewTensorError(func.__name__)
        return result


def _memory(found: Any) -> set[int]:
    tensors = [part for part in tree_leaves(found) if isinstance(part, Tensor)]
    return {tensor.untyped_storage().data_ptr() for tensor in tensors} - {0}


@contextmanager
def no_looks() -> Iterator[None]:
    """Raises WaitedError for what a host does with a tensor's numbers."""
    with _Called():
        yield


@contextmanager
def no_waits() -> Iterator[None]:
    """Raises WaitedError for that, and for operations that wait for the device themselves."""
    with _Called(), _Dispatched():
        yield
