"""Frames to the device and back, beside what the device is doing.

On CUDA a copy runs on a stream of its own from page-locked memory, of which there are two buffers
each way: while the device works on one frame the next is under way. Elsewhere a copy is a copy.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

Wait = Callable[[], None]
_BUFFERS: Final = 2  # one being filled, one under way


class TransferStream(Protocol):
    """Copies that go on beside the device's work; each gives what waits for it.

    buffer: host memory that `up` and `down` can use, like a tensor.  up: memory to the device; what
    is launched afterwards on the current stream finds it there.  down: a tensor to memory, as it is
    when all that was launched before is done.
    """

    def buffer(self, like: Tensor) -> Tensor: ...

    def up(self, memory: Tensor) -> tuple[Tensor, Wait]: ...

    def down(self, tensor: Tensor, memory: Tensor) -> Wait: ...


class CudaTransferStream:
    """A CUDA stream of its own."""

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self._stream: Any = torch.cuda.Stream(device)  # type: ignore[no-untyped-call]

    def buffer(self, like: Tensor) -> Tensor:
        return torch.empty(like.shape, dtype=like.dtype, pin_memory=True)

    def up(self, memory: Tensor) -> tuple[Tensor, Wait]:
        here = torch.cuda.current_stream(self._device)
        with torch.cuda.stream(self._stream):
            found = memory.to(self._device, non_blocking=True)
            done = self._stream.record_event()
        here.wait_event(done)
        found.record_stream(here)  # made on one stream, used and given back on another
        return found, done.synchronize

    def down(self, tensor: Tensor, memory: Tensor) -> Wait:
        self._stream.wait_stream(torch.cuda.current_stream(self._device))
        with torch.cuda.stream(self._stream):
            memory.copy_(tensor, non_blocking=True)
            done = self._stream.record_event()
        tensor.record_stream(self._stream)  # its memory is not given away before
        wait: Wait = done.synchronize
        return wait


@dataclass(slots=True)
class _Buffer:
    """free: waits until the memory may be used again."""

    memory: Tensor
    free: Wait = lambda: None


class Transfers:
    """One thread's copies, in order.  stream: CUDA's on CUDA by default, else none."""

    def __init__(self, device: torch.device, stream: TransferStream | None = None) -> None:
        self._device = device
        self._stream = (
            CudaTransferStream(device) if stream is None and device.type == "cuda" else stream
        )
        self._up: list[_Buffer] = []
        self._down: list[_Buffer] = []

    def to_device(self, array: NDArray[Any]) -> Tensor:
        """The array on the device, of the same shape and type; the array may change afterwards
        wherever there is a stream."""
        source = torch.from_numpy(np.ascontiguousarray(array))
        if self._stream is None:
            return source.to(self._device)
        buffer = self._next(self._up, source, self._stream)
        buffer.memory.copy_(source)
        found, buffer.free = self._stream.up(buffer.memory)
        return found

    def to_host(self, tensor: Tensor) -> NDArray[Any]:
        """What is in a tensor, on the host.

        The memory is used again for the second copy after this one: use it until then.
        """
        tensor = tensor.detach().contiguous()
        if self._stream is None:
            return np.asarray(tensor.cpu().numpy())
        memory = self._next(self._down, tensor, self._stream).memory
        self._stream.down(tensor, memory)()
        return np.asarray(memory.numpy())

    def to_host_later(self, tensor: Tensor) -> Callable[[], NDArray[Any]]:
        """The same, begun: what is returned waits for it and gives memory of its own.

        Call it before the second copy after this one.
        """
        if self._stream is None:
            return lambda: np.asarray(tensor.cpu().numpy())
        memory = self._next(self._down, tensor, self._stream).memory
        wait = self._stream.down(tensor, memory)

        def arrived() -> NDArray[Any]:
            wait()
            return memory.numpy().copy()

        return arrived

    def _next(self, buffers: list[_Buffer], like: Tensor, stream: TransferStream) -> _Buffer:
        """The buffer not used for longest, free and of the right size."""
        if len(buffers) < _BUFFERS:
            buffer = _Buffer(stream.buffer(like))
        else:
            buffer = buffers.pop(0)
            buffer.free()
            if buffer.memory.shape != like.shape or buffer.memory.dtype != like.dtype:
                buffer.memory = stream.buffer(like)
        buffers.append(buffer)
        return buffer
