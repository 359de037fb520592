"""How kernels are started, and how tensors lie in memory."""

from math import gcd
from typing import Final

import torch
import triton
from torch import Tensor

# Heuristics: what one program works on, and how many programs a sum is spread over first.
TILE: Final = 1024  # elements
WIDTH: Final = 32  # channels of a tile at most, 64 bytes of fp16
VECTOR: Final = 8  # channels, 16 bytes of fp16: the most that one instruction moves
SPREAD: Final = 64  # of a channel's energy
PARTS: Final = 256  # of the gradient's size
MOST: Final = 1 << 31  # elements that an int32 counts; beyond them PyTorch's operations are used
# Numbers for which Triton is not to compile a kernel anew when they are 1 or divisible by 16.
NUMBERS: Final = (
    "pixels", "channels", "height", "width", "rows", "columns", "second", "third", "count",
    "terms_count", "pitch", "residual_pitch", *(f"{name}{n}" for n in "123" for name in (
        "begin", "end", "pitch")),
)  # fmt: skip


def pixels(x: Tensor) -> tuple[Tensor, int]:
    """The tensor, or a copy, with its channels side by side and all pixels one pitch apart."""
    channels, height, width = x.shape[1:]
    pitch = x.stride(3) if width > 1 else channels
    wanted = (height * width * pitch, 1, width * pitch, pitch)
    fits = all(
        length == 1 or stride == other
        for length, stride, other in zip(x.shape, x.stride(), wanted, strict=True)
    )
    if fits and pitch >= channels:
        return x, pitch
    return x.contiguous(memory_format=torch.channels_last), channels


def like(x: Tensor, shape: tuple[int, ...], dtype: torch.dtype | None = None) -> Tensor:
    """Memory for a tensor of this shape, channels last."""
    return torch.empty(
        shape, dtype=dtype or x.dtype, device=x.device, memory_format=torch.channels_last
    )


def power(count: int) -> int:
    """The least power of two that is not below."""
    found: int = triton.next_power_of_2(count)
    return found


def tile(channels: int) -> dict[str, int]:
    """Pixels and channels of one program."""
    width = min(WIDTH, power(channels))
    return {"P": TILE // width, "C": width}


def unit(*counts: int) -> int:
    """What channels and pitches are counted in, so that whole vectors are read and written."""
    return gcd(VECTOR, *counts)


def grid(x: Tensor) -> tuple[int, int]:
    """Programs for all of a tensor's pixels and channels."""
    own, channels = tile(x.shape[1]), x.shape[1]
    return triton.cdiv(x.numel() // channels, own["P"]), triton.cdiv(channels, own["C"])
