"""What torch is asked to do: for paths that shall be the same operations whatever is computed."""

from types import TracebackType
from typing import Any, Self

import torch
from recorded import WAITING
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves


class Operations(TorchDispatchMode):
    """Within, the name of every operation and the shapes that went into it, in order.

    Raises AssertionError for one that would wait for the device, or would bring numbers to it.
    device: where all tensors must be.  `meta` is torch's without memory: nothing can be read there.
    """

    def __init__(self, device: torch.device | None = None) -> None:
        super().__init__()
        self._device = device
        self.found: list[tuple[str, tuple[Any, ...]]] = []

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        name = func.name().partition("::")[2].partition(".")[0]
        assert name not in WAITING, f"{name} waits for the device"
        # A single number goes along with a kernel; several, or one that moves, would be copied.
        made = name == "lift_fresh" and args[0].ndim > 0
        assert not made, "a tensor of Python's numbers is made on the way"
        for tensor in (part for part in tree_leaves(args) if isinstance(part, torch.Tensor)):
            at_home = self._device is None or tensor.device == self._device
            alone = tensor.ndim == 0 and name != "_to_copy"
            assert at_home or alone, f"{name} takes a tensor from {tensor.device}"
        self.found.append((name, tuple(_form(argument) for argument in args)))
        return func(*args, **(kwargs or {}))

    def __enter__(self) -> Self:
        super().__enter__()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        super().__exit__(kind, error, trace)


def _form(argument: Any) -> Any:
    """A tensor's shape; anything else as it is."""
    if isinstance(argument, torch.Tensor):
        return tuple(argument.shape)
    if isinstance(argument, (list, tuple)):
        return tuple(_form(part) for part in argument)
    return argument
