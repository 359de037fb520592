"""The measurements of `gpu_check`. Nothing but PyTorch, NumPy, OpenCV and livedream is needed.

Method: warm-up until graphs are recorded, synchronise, then the median of several repetitions.
"""

import gc
import importlib.util
import statistics
import time
from collections.abc import Callable
from fractions import Fraction
from functools import partial
from typing import Any

import cv2
import numpy as np
import torch

from livedream.core.device import choose_dtype, precision_name
from livedream.core.errors import LivedreamError
from livedream.core.frame import Frame
from livedream.core.settings import DreamSettings
from livedream.dream.ascent import Ascent
from livedream.dream.dreamer import Dreamer
from livedream.dream.networks.network import Network, load_network
from livedream.dream.objectives.binding import bind

__all__ = ["engines", "frames_per_second", "peaks", "profile"]

# Batch 16, channels_last: (channels, side), 3x3 convolutions.
CONVOLUTIONS = ((64, 64), (128, 32), (256, 16))
ROUNDS = 20  # of a convolution in one measurement: launching it costs nothing then
COPIED_BYTES = 1 << 30
Case = tuple[str, str, dict[str, Any]]
CASES: tuple[Case, ...] = (
    (
        "googlenet", "inception4c",
        {"octaves": 4, "octave_scale": 1.4, "iterations": 3, "momentum": 0.0},
    ),
    ("dreamnet", "creatures", {"octaves": 2, "iterations": 2, "momentum": 0.0}),
)  # fmt: skip


def network_of(name: str) -> Network | None:
    """With random weights where they are torchvision's: only time and likeness are measured."""
    if name == "dreamnet":
        return load_network(name)
    if importlib.util.find_spec("torchvision") is None:
        print(f"  {name}: skipped, torchvision is not here")
        return None
    return load_network(name, random_seed=0)


def median_s(run: Callable[[], object], device: torch.device, count: int = 20) -> float:
    """Seconds, each repetition until the device is done."""
    times = []
    for number in range(count + 5):
        synchronise(device)
        started = time.perf_counter()
        run()
        synchronise(device)
        if number >= 5:
            times.append(time.perf_counter() - started)
    return statistics.median(times)


def synchronise(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def _repeat(layer: torch.nn.Module, x: torch.Tensor) -> None:
    for _ in range(ROUNDS):
        layer(x)


@torch.no_grad()
def peaks(device: torch.device) -> dict[str, float]:
    """What the card can: fp16 convolutions in TFLOP/s, copying in GB/s (read and written)."""
    dtype = choose_dtype("auto", device)
    best = 0.0
    for channels, side in CONVOLUTIONS:
        layer = torch.nn.Conv2d(channels, channels, 3, padding=1, bias=False)
        layer = layer.to(device, dtype).to(memory_format=torch.channels_last)
        x = torch.rand(16, channels, side, side, device=device, dtype=dtype)
        x = x.contiguous(memory_format=torch.channels_last)
        work = 2 * 9 * channels**2 * side**2 * 16
        seconds = median_s(partial(_repeat, layer, x), device)
        best = max(best, work * ROUNDS / seconds)
    count = COPIED_BYTES if device.type == "cuda" else COPIED_BYTES >> 5
    a = torch.empty(count, dtype=torch.uint8, device=device)
    b = torch.empty_like(a)
    copied = 2 * count / median_s(lambda: b.copy_(a), device)
    name = precision_name(dtype)
    print(f"  convolutions {best / 1e12:.2f} TFLOP/s in {name}, copies {copied / 1e9:.0f} GB/s")
    return {"convolution_tflops": best / 1e12, "copy_gb_s": copied / 1e9}


def engines(device: torch.device, *, small: bool = False) -> list[dict[str, Any]]:
    """Each engine against autograd in fp32: one step, ten steps, time of an octave's steps."""
    width, height = (160, 96) if small else (640, 360)
    picture = torch.from_numpy(photograph(width, height)).permute(2, 0, 1)[None]
    picture = picture.float().div(255).to(device)
    rows: list[dict[str, Any]] = []
    for name, objective, _ in CASES:
        network = network_of(name)
        if network is None:
            continue
        plain = ascent_with(network, objective, "torch", torch.float32, device)
        wanted = [_added(plain, picture, steps) for steps in (1, 10)]
        answer = plain.response(picture + wanted[1])
        half = choose_dtype("auto", device)
        for engine, dtype in (("torch", half), ("cuda", half), ("cuda", torch.float32)):
            try:
                other = ascent_with(network, objective, engine, dtype, device)
                for _ in range(2):  # the second time a size comes, it is recorded
                    found = [_added(other, picture, steps) for steps in (1, 10)]
            except LivedreamError as error:
                print(f"  {name} {engine}: skipped, {error}")
                continue
            row = _compared(wanted, found)
            row["response"] = plain.response(picture + found[1]) / answer
            seconds = median_s(partial(_added, other, picture, 10), device, 10)
            row["good"] = row["cosine"] >= (0.9999 if dtype == torch.float32 else 0.99)
            row["good"] &= abs(row["response"] - 1) <= 0.03
            row |= {"network": name, "engine": engine, "dtype": precision_name(dtype)}
            row["ms_per_step"] = seconds * 100
            rows.append(row)
            print(
                f"  {name:10} {engine:7} {row['dtype']:5} cosine {row['cosine']:.6f}, after ten "
                f"steps response x {row['response']:.4f}, difference at most {row['most']:.2f}, "
                f"mean {row['mean']:.3f} of 255; {row['ms_per_step']:.2f} ms a step", flush=True,
            )  # fmt: skip
    return rows


def _compared(wanted: list[torch.Tensor], found: list[torch.Tensor]) -> dict[str, Any]:
    a, b = wanted[0].flatten().double(), found[0].flatten().double()
    difference = (wanted[1] - found[1]).abs() * 255
    return {
        "cosine": float(a @ b / (a.norm() * b.norm())),
        "most": float(difference.max()),
        "mean": float(difference.mean()),
    }


def ascent_with(
    network: Network, objective: str, engine: str, dtype: torch.dtype, device: torch.device
) -> Ascent:
    settings = DreamSettings(engine=engine, octaves=1)
    return Ascent(network, bind(objective, network), settings, device, dtype)


def _added(ascent: Ascent, picture: torch.Tensor, steps: int) -> torch.Tensor:
    ascent.adopt(DreamSettings(engine=ascent.engine.name, octaves=1, iterations=steps))
    return ascent.addition(picture, np.random.default_rng(0))


def photograph(width: int, height: int, shift: int = 0) -> np.ndarray:
    """(height, width, 3) uint8 of smooth coloured noise, moved by `shift` px to the left."""
    noise = np.random.default_rng(7).normal(size=(height, width + 256, 3)).astype(np.float32)
    layers = np.sum([cv2.GaussianBlur(noise, (0, 0), s) * s for s in (1.5, 4.0, 12.0)], 0)
    picture = np.clip(128 + 55 * layers / layers.std(), 0, 255).astype(np.uint8)
    return np.ascontiguousarray(picture[:, shift : shift + width])


def frames_of(width: int, height: int, count: int) -> list[Frame]:
    """A picture that drifts by 2 px a frame, to and fro."""
    pictures = [photograph(width, height, 2 * step) for step in range(32)]
    order = [*range(32), *range(30, 0, -1)]
    return [
        Frame(pictures[order[number % len(order)]], number, Fraction(1, 60), number, 1)
        for number in range(count)
    ]


def frames_per_second(device: torch.device, *, small: bool = False) -> list[dict[str, Any]]:
    """Whole frames, flow, warp, ascent and composite, dreamed at the picture's own size."""
    sizes = [(160, 96)] if small else [(1280, 720), (1920, 1080)]
    count = 12 if small else 240
    rows = []
    for name, objective, more in CASES:
        network = network_of(name)
        if network is None:
            continue
        for width, height in sizes:
            if device.type == "cuda":  # nothing of what was measured before counts
                gc.collect()
                torch.cuda.empty_cache()
                torch.cuda.reset_peak_memory_stats()
            dreamer = _dreamer(network, objective, device, width, height, **more)
            marks = []
            for _ in dreamer.dreams(frames_of(width, height, count)):
                marks.append(time.perf_counter())  # noqa: PERF401 - the time of each
            steady = np.diff(marks[count // 3 :])
            p50, p95 = (float(np.quantile(steady, q)) for q in (0.5, 0.95))
            memory = torch.cuda.max_memory_allocated() / 1e6 if device.type == "cuda" else 0.0
            rows.append(
                {"network": name, "size": [width, height], "fps_p50": 1 / p50, "fps_p95": 1 / p95,
                 "engine": dreamer.ascent.engine.name, "peak_memory_mb": memory,
                 "precision": precision_name(dreamer.dtype), **more}
            )  # fmt: skip
            print(
                f"  {name:10} {width}x{height}, {more['octaves']} octaves x {more['iterations']}: "
                f"{1 / p50:.1f} fps (p95 of the frame time: {1 / p95:.1f}), {memory:.0f} MB",
                flush=True,
            )
            del dreamer
    return rows


def _dreamer(
    network: Network, objective: str, device: torch.device, width: int, height: int, **more: Any
) -> Dreamer:
    settings = DreamSettings(
        objective=objective, size=f"{width}x{height}", device=device.type, tile=4096, **more
    )
    return Dreamer(settings, network)


def profile(device: torch.device, *, small: bool = False) -> str:
    """The kernels of one frame at 1280x720, the longest first."""
    from torch.profiler import ProfilerActivity
    from torch.profiler import profile as profiler

    width, height = (160, 96) if small else (1280, 720)
    name, objective, more = CASES[0] if network_of(CASES[0][0]) else CASES[1]
    network = network_of(name)
    assert network is not None
    dreamer = _dreamer(network, objective, device, width, height, **more)
    frames = frames_of(width, height, 8)
    for frame in frames[:-1]:
        dreamer.step(frame)
    kinds = [ProfilerActivity.CPU]
    kinds += [ProfilerActivity.CUDA] if device.type == "cuda" else []
    with profiler(activities=kinds) as found:
        dreamer.step(frames[-1])
        synchronise(device)
    order = "cuda_time_total" if device.type == "cuda" else "cpu_time_total"
    table = str(found.key_averages().table(sort_by=order, row_limit=20))
    print(table)
    return table
