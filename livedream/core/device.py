"""Where a dream is computed, and in what precision."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Final

import torch
from torch import Tensor

from livedream.core.errors import SettingsError

COPIED: Final = 1 << 23  # elements that may be copied: bounds the memory of very large pictures
_RESIDENT: Final = ContextVar("resident", default=False)

_DTYPES = {"fp16": torch.float16, "bf16": torch.bfloat16, "fp32": torch.float32}


def choose_device(name: str = "auto") -> torch.device:
    """auto: CUDA (ROCm too), else Apple's MPS, else the CPU. Raises SettingsError if absent."""
    there = {
        "cuda": torch.cuda.is_available(),
        "mps": torch.backends.mps.is_available(),
        "cpu": True,
    }
    if name == "auto":
        return torch.device(next(kind for kind, present in there.items() if present))
    if not there.get(name.partition(":")[0], False):
        found = ", ".join(kind for kind, present in there.items() if present)
        raise SettingsError(f"device: {name!r} is not available here; found: {found}; try auto")
    return torch.device(name)


def choose_dtype(precision: str, device: torch.device, *, wide: bool = False) -> torch.dtype:
    """The network's type: half precision only where the device is fast at it.

    wide: the network takes 0..255, not 0..1; a dream of one can leave fp16's range, bf16's not.
    """
    if precision != "auto":
        return _DTYPES[precision]
    if device.type == "cuda":
        return torch.bfloat16 if wide else torch.float16
    if device.type == "cpu" and _cpu_has_bf16():
        return torch.bfloat16
    return torch.float32


def precision_name(dtype: torch.dtype) -> str:
    return next(name for name, known in _DTYPES.items() if known == dtype)


def in_reach(x: Tensor) -> bool:
    """Whether OpenCV, NumPy and Python may look at a tensor where it is.

    On another device than the CPU a look waits until everything launched before is done.
    """
    return x.device.type == "cpu" and not _RESIDENT.get()


@contextmanager
def resident() -> Iterator[None]:
    """Within, this thread's work on tensors is left to torch on a CPU as well.

    Then it is the same fixed operations there as on CUDA, and can be recorded.
    """
    before = _RESIDENT.set(True)
    try:
        yield
    finally:
        _RESIDENT.reset(before)


def exact(device: torch.device) -> torch.dtype:
    """The type of single figures: float64, where the device has it."""
    return torch.float32 if device.type == "mps" else torch.float64


def _cpu_has_bf16() -> bool:
    """Whether this CPU multiplies bf16 in hardware; torch emulates it slowly elsewhere."""
    # torch has no public question for this; where the private one is gone, fp32 is the safe answer.
    probes = ("_is_avx512_bf16_supported", "_is_amx_tile_supported")
    return any(bool(getattr(torch.cpu, probe, lambda: False)()) for probe in probes)
