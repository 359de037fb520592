"""Frames to the device and back, beside what the device is doing.

On CUDA a copy runs on a stream of its own between page-locked memory and a slot on the device, of
which there are two each way: while the device works on one frame the next is under way. They stay,
so that from frame to frame no memory is asked for. Elsewhere a copy is a copy.
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
    """Copies that go on beside the device's work.

    memory: on the host.  slot: on the device.  What is returned waits until both may be used again.
    """

    def buffer(self, like: Tensor) -> tuple[Tensor, Tensor]:
        """Memory and a slot, of a tensor's shape and type."""

    def up(self, memory: Tensor, slot: Tensor, target: Tensor) -> Wait:
        """Into a tensor of the device: what is launched afterwards finds it there."""

    def down(self, tensor: Tensor, slot: Tensor, memory: Tensor) -> Wait:
        """A tensor as it is when all that was launched before is done, to memory."""


class CudaTransferStream:
    """A CUDA stream of its own."""

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self._stream: Any = torch.cuda.Stream(device)  # type: ignore[no-untyped-call]

    def buffer(self, like: Tensor) -> tuple[Tensor, Tensor]:
        memory = torch.empty(like.shape, dtype=like.dtype, pin_memory=True)
        with torch.cuda.stream(self._stream):  # else what is launched may still use that memory
            return memory, torch.empty(like.shape, dtype=like.dtype, device=self._device)

    def up(self, memory: Tensor, slot: Tensor, target: Tensor) -> Wait:
        here = torch.cuda.current_stream(self._device)
        with torch.cuda.stream(self._stream):
            slot.copy_(memory, non_blocking=True)
            arrived = self._stream.record_event()
        here.wait_event(arrived)
        target.copy_(slot)
        wait: Wait = here.record_event().synchronize
        return wait

    def down(self, tensor: Tensor, slot: Tensor, memory: Tensor) -> Wait:
        slot.copy_(tensor)
        self._stream.wait_stream(torch.cuda.current_stream(self._device))
        with torch.cuda.stream(self._stream):
            memory.copy_(slot, non_blocking=True)
            wait: Wait = self._stream.record_event().synchronize
        return wait


@dataclass(slots=True)
class _Buffer:
    """free: waits until both may be used again."""

    memory: Tensor
    slot: Tensor
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

    def put(self, array: NDArray[Any], target: Tensor) -> None:
        """The array into a tensor of its shape on the device; it may change afterwards."""
        source = torch.from_numpy(np.ascontiguousarray(array))
        if self._stream is None:
            target.copy_(source)
            return
        buffer = self._next(self._up, source, self._stream)
        buffer.memory.copy_(source)
        buffer.free = self._stream.up(buffer.memory, buffer.slot, target)

    def to_device(self, array: NDArray[Any]) -> Tensor:
        """The array on the device, of the same shape and type; the array may change afterwards
        wherever there is a stream."""
        source = torch.from_numpy(np.ascontiguousarray(array))
        if self._stream is None:
            return source.to(self._device)
        found = torch.empty_like(source, device=self._device)
        self.put(array, found)
        return found

    def to_host(self, tensor: Tensor) -> NDArray[Any]:
        """What is in a tensor, on the host.

        The memory is used again for the second copy after this one: use it until then.
        """
        tensor = tensor.detach()
        if self._stream is None:
            return np.asarray(tensor.contiguous().cpu().numpy())
        buffer = self._begun(tensor, self._stream)
        buffer.free()
        return np.asarray(buffer.memory.numpy())

    def to_host_later(self, tensor: Tensor) -> Callable[[], NDArray[Any]]:
        """The same, begun: what is returned waits for it and gives memory of its own.

        Call it before the second copy after this one; the tensor may change at once.
        """
        if self._stream is None:
            found = np.array(tensor.cpu().numpy())
            return lambda: found
        buffer = self._begun(tensor, self._stream)

        def arrived() -> NDArray[Any]:
            buffer.free()
            return buffer.memory.numpy().copy()

        return arrived

    def _begun(self, tensor: Tensor, stream: TransferStream) -> _Buffer:
        buffer = self._next(self._down, tensor, stream)
        buffer.free = stream.down(tensor, buffer.slot, buffer.memory)
        return buffer

    def _next(self, buffers: list[_Buffer], like: Tensor, stream: TransferStream) -> _Buffer:
        """The buffer not used for longest, free and of the right size."""
        kept = buffers.pop(0) if len(buffers) >= _BUFFERS else None
        if kept is not None:
            kept.free()
        if kept is None or kept.memory.shape != like.shape or kept.memory.dtype != like.dtype:
            kept = _Buffer(*stream.buffer(like))
        buffers.append(kept)
        return kept
