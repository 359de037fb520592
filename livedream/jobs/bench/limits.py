"""The device's limits: convolutions and copies, as fast as it does them."""

import time
from collections.abc import Callable
from typing import Final

import torch

__all__ = ["convolution_peak", "copy_bandwidth", "wait_for"]

# Channels and side of 3x3 convolutions, batch 16: what networks for dreaming are made of.
_SHAPES: Final = ((64, 64), (128, 32), (256, 16))
_BATCH: Final = 16
_ROUNDS: Final = 8
_COPIED_MB: Final = 256  # beyond every cache


def wait_for(device: torch.device) -> None:
    """Return when all that was asked of the device is done."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    elif device.type == "mps":
        torch.mps.synchronize()


@torch.no_grad()
def convolution_peak(
    device: torch.device, dtype: torch.dtype, clock: Callable[[], float] = time.perf_counter
) -> float:
    """GFLOP/s (a multiply-add counts two) of the best of some 3x3 convolutions.

    clock: with `time.process_time` it is that of a second of one processor.
    """
    best = 0.0
    for channels, side in _SHAPES:
        layer = torch.nn.Conv2d(channels, channels, 3, padding=1, bias=False)
        layer = layer.to(device=device, dtype=dtype, memory_format=torch.channels_last)  # type: ignore[call-overload]
        x = torch.randn(_BATCH, channels, side, side).to(device, dtype)
        x = x.contiguous(memory_format=torch.channels_last)
        work = 2 * 9 * channels**2 * x.numel() / channels
        best = max(best, work / _shortest(lambda run=layer, x=x: run(x), device, clock) / 1e9)  # type: ignore[misc]
    return best


def copy_bandwidth(device: torch.device) -> float:
    """GB/s read plus written of a large copy within the device's memory."""
    source = torch.zeros(_COPIED_MB << 18, device=device)
    target = torch.empty_like(source)
    moved = 2 * source.numel() * source.element_size()
    return moved / _shortest(lambda: target.copy_(source), device, time.perf_counter) / 1e9


def _shortest(run: Callable[[], object], device: torch.device, clock: Callable[[], float]) -> float:
    """Seconds of the quickest of some runs, after two to warm up."""
    found = []
    for _ in range(_ROUNDS + 2):
        wait_for(device)
        start = clock()
        run()
        wait_for(device)
        found.append(clock() - start)
    return min(found[2:])
