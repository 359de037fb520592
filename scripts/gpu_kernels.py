"""Measurements of `gpu_check`: what our kernels save. PyTorch, NumPy, OpenCV and livedream.

The schedule of a step with and without them, each pool against PyTorch's, and `torch.compile` as a
yardstick. On a CPU only launches are counted: PyTorch's calls that compute something (a
convolution's bias is one of its own on CUDA), and kernels of ours.
"""

import time
from collections import Counter
from collections.abc import Callable
from functools import partial
from itertools import product
from typing import Any
from unittest import mock

import torch
from gpu_measures import CASES, median_s, network_of
from torch import Tensor
from torch.nn import functional as F
from torch.utils._python_dispatch import TorchDispatchMode

from livedream.core import kernels as core_kernels
from livedream.core.cuda_graph import CudaGraphCapture, Step
from livedream.core.device import choose_dtype, resident
from livedream.core.settings import DreamSettings
from livedream.dream.engines import EngineSpec
from livedream.dream.engines.cuda import CudaEngine
from livedream.dream.engines.eager import EagerEngine
from livedream.dream.engines.fused import open_kernels
from livedream.dream.networks.network import Network
from livedream.dream.objectives.binding import bind

MARGINS = (8, 24, 8, 24)
# Channels, height, width, and side, stride, padding: googlenet's at 640x360, and VGG16's first but
# one.
POOLS = (
    (64, 196, 336, 3, 2, 0), (192, 98, 168, 3, 2, 0), (192, 49, 84, 3, 1, 1),
    (256, 49, 84, 3, 1, 1), (480, 49, 84, 3, 2, 0), (480, 24, 42, 3, 1, 1),
    (512, 24, 42, 3, 1, 1), (64, 180, 320, 2, 2, 0),
)  # fmt: skip


class Calls(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Counts PyTorch's calls that launch something, by name."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.found: Counter[str] = Counter()

    def __torch_dispatch__(
        self, func: Any, types: Any, args: Any = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        returned = func._schema.returns
        is_view = any(r.alias_info is not None and not r.alias_info.is_write for r in returned)
        name = func._schema.name.removeprefix("aten::")
        if not is_view and "empty" not in name:
            self.found[name] += 1
            self.found["bias"] += int(name == "convolution" and args[2] is not None)
        return func(*args, **(kwargs or {}))


def step_of(
    network: Network, objective: str, device: torch.device, *, kernels: bool,
    size: tuple[int, int], laplacian: int = 0,
) -> tuple[Step, Step]:  # fmt: skip
    """A whole step of a (width, height) picture, as it is captured and as it is replayed."""
    width, height = size
    # Half precision everywhere: what is cast is launched as well.
    dtype = choose_dtype("auto", device) if device.type == "cuda" else torch.bfloat16
    spec = EngineSpec(network, bind(objective, network, device), device, dtype)
    steps: list[tuple[Step, Step]] = []

    def capture(step: Step) -> Step:
        replay = CudaGraphCapture(device)(step) if device.type == "cuda" else step
        steps.append((step, replay))
        return replay

    engine = CudaEngine(spec, capture, kernels=kernels)
    picture = torch.rand(1, 3, height, width, device=device)
    for _ in range(2):  # the second time a size comes, it is captured
        engine.ascend(picture, [MARGINS], DreamSettings(engine="cuda", laplacian=laplacian))
    return steps[0]


def launches(step: Callable[[], object], device: torch.device) -> dict[str, int]:
    """What a step launches, by name."""
    if device.type == "cuda":
        from torch.profiler import ProfilerActivity, profile

        with profile(activities=[ProfilerActivity.CUDA]) as profiled:
            step()
            torch.cuda.synchronize(device)
        found = profiled.key_averages()
        return {event.key: event.count for event in found if event.device_type.name == "CUDA"}
    ours: Counter[str] = Counter()
    start = core_kernels.launch

    def counted(kernel: Any, *args: Any, **constants: Any) -> None:
        ours[kernel.__name__] += 1
        start(kernel, *args, **constants)

    # As on a device: no resizing by OpenCV.
    with resident(), Calls() as calls, mock.patch.object(core_kernels, "launch", counted):
        step()
    return dict(calls.found + ours)


def schedule(device: torch.device, *, small: bool = False) -> list[dict[str, Any]]:
    """One step with and without kernels, with balanced bands and without.

    Launches, and on CUDA milliseconds as a graph.
    """
    size = (96, 64) if small else (640, 360)
    rows = []
    for name, objective, _ in CASES:
        network = network_of(name)
        if network is None:
            continue
        there = device.type == "cuda" and open_kernels(device) is not None
        if not there:
            print(f"  {name}: our kernels were skipped, they do not run here")
        for kernels, bands in product(
            (False, True) if there else (False,), (0, DreamSettings().laplacian)
        ):
            step, replay = step_of(
                network, objective, device, kernels=kernels, size=size, laplacian=bands
            )
            found = launches(step, device)
            row: dict[str, Any] = {
                "network": name,
                "kernels": kernels,
                "laplacian": bands,
                "launches": sum(found.values()),
            }
            row["by_name"] = dict(Counter(found).most_common(12))
            row["ms"] = median_s(replay, device) * 1000
            rows.append(row)
            print(
                f"  {name:10} {'our kernels' if kernels else 'PyTorch':12} laplacian {bands} "
                f"{row['launches']:4} launches a step, {row['ms']:.3f} ms", flush=True,
            )  # fmt: skip
    return rows


def pools(device: torch.device, *, small: bool = False) -> list[dict[str, Any]] | str:
    """Forward and backward, ours and PyTorch's: microseconds of both together, and equality."""
    kernels = open_kernels(device) if device.type == "cuda" else None
    if kernels is None:
        print("  skipped: our kernels do not run here")
        return "skipped: our kernels do not run here"
    rows = []
    for channels, height, width, side, stride, padding in POOLS[: 2 if small else None]:
        x = torch.randn(1, channels, height, width, device=device, dtype=torch.float16).relu()
        x = x.contiguous(memory_format=torch.channels_last).requires_grad_()
        ours = partial(kernels.max_pool, x, side, stride, padding, rounded_up=True)
        theirs = partial(F.max_pool2d, x, side, stride, padding, ceil_mode=True)
        seed = torch.randn_like(theirs())
        found, wanted = (torch.autograd.grad(pool(), x, seed)[0] for pool in (ours, theirs))
        capture = CudaGraphCapture(device)
        row: dict[str, Any] = {"shape": [channels, height, width, side, stride, padding]}
        row["equal"] = bool(torch.equal(ours(), theirs()))
        row["gradient_differs"] = float((found.float() - wanted.float()).abs().max())
        again = torch.autograd.grad(ours(), x, seed)[0]
        row["good"] = row["equal"] and bool(torch.equal(found, again))
        for name, pool in (("ours_us", ours), ("pytorch_us", theirs)):
            row[name] = median_s(capture(partial(_there_and_back, pool, x, seed)), device) * 1e6
        rows.append(row)
        print(
            f"  {channels:4} x {height} x {width}, {side}/{stride}: {row['ours_us']:.1f} us, "
            f"PyTorch {row['pytorch_us']:.1f}; {'equal' if row['equal'] else 'NOT EQUAL'}, "
            f"gradients differ by {row['gradient_differs']:.4f} at most", flush=True,
        )  # fmt: skip
    return rows


def _there_and_back(pool: Callable[[], Tensor], x: Tensor, seed: Tensor) -> None:
    torch.autograd.grad(pool(), x, seed)


@torch.no_grad()
def convolutions(device: torch.device, *, small: bool = False) -> list[dict[str, Any]]:
    """A step's convolutions and nothing else, one graph for each way: what a step cannot beat.

    back: cuDNN's input gradient.  flipped: the same as a convolution with flipped weights wherever
    the stride is 1; cosine: the least likeness of the two.
    """
    width, height = (96, 64) if small else (640 + 32, 360 + 32)
    dtype = choose_dtype("auto", device) if device.type == "cuda" else torch.float32
    rows = []
    for name, objective, _ in CASES:
        network = network_of(name)
        if network is None:
            continue
        spec = EngineSpec(network, bind(objective, network, device), device, dtype)
        engine = EagerEngine(spec)
        seen: list[tuple[torch.nn.Conv2d, Tensor, Tensor]] = []
        for module in engine.body.modules():
            if isinstance(module, torch.nn.Conv2d):
                module.register_forward_hook(partial(_note, seen))
        engine.activations(torch.rand(1, 3, height, width, device=device))
        ways: dict[str, list[Callable[[], Tensor]]] = {
            "forward": [partial(own._conv_forward, x, own.weight, None) for own, x, _ in seen],
            "back": [partial(_back, *layer) for layer in seen],
            "flipped": [_flipped(*layer) or partial(_back, *layer) for layer in seen],
        }
        row: dict[str, Any] = {"network": name, "count": len(seen)}
        row["cosine"] = min(
            float(torch.cosine_similarity(one().flatten().float(), other().flatten().float(), 0))
            for one, other in zip(ways["back"], ways["flipped"], strict=True)
        )
        for way, calls in ways.items():
            run = partial(_all, calls)
            captured = CudaGraphCapture(device)(run) if device.type == "cuda" else run
            row[f"{way}_ms"] = median_s(captured, device) * 1000
        rows.append(row)
        print(
            f"  {name:10} {len(seen)} convolutions: {row['forward_ms']:.3f} ms there, "
            f"{row['back_ms']:.3f} back, {row['flipped_ms']:.3f} by flipped weights, cosine "
            f"{row['cosine']:.6f}", flush=True,
        )  # fmt: skip
    return rows


def _note(seen: list[Any], own: torch.nn.Conv2d, x: tuple[Tensor, ...], y: Tensor) -> None:
    seen.append((own, x[0], y))


def _all(calls: list[Callable[[], Tensor]]) -> None:
    for call in calls:
        call()


def _back(own: torch.nn.Conv2d, x: Tensor, y: Tensor) -> Tensor:
    found: Tensor = torch.ops.aten.convolution_backward(
        y, x, own.weight, None, own.stride, own.padding, own.dilation, False, [0, 0], own.groups,
        [True, False, False],
    )[0]  # fmt: skip
    return found


def _flipped(own: torch.nn.Conv2d, x: Tensor, y: Tensor) -> Callable[[], Tensor] | None:
    """None where it takes another kind of convolution."""
    assert not isinstance(own.padding, str)
    padding = [side - 1 - before for side, before in zip(own.kernel_size, own.padding, strict=True)]
    if own.stride != (1, 1) or own.groups != 1 or own.dilation != (1, 1) or min(padding) < 0:
        return None
    weight = own.weight.flip(2, 3).transpose(0, 1).contiguous(memory_format=torch.channels_last)
    return partial(F.conv2d, y, weight, None, 1, padding)


def compiled(device: torch.device, *, small: bool = False) -> list[dict[str, Any]] | str:
    """`torch.compile` of the network's forward and backward pass: a yardstick."""
    if device.type != "cuda":
        print("  skipped: not on a CPU")
        return "skipped: not on a CPU"
    width, height = (96, 64) if small else (640, 360)
    rows = []
    for name, objective, _ in CASES:
        network = network_of(name)
        if network is None:
            continue
        spec = EngineSpec(
            network, bind(objective, network, device), device, choose_dtype("auto", device)
        )
        engine = EagerEngine(spec)
        seen = torch.rand(1, 3, height + 32, width + 32, device=device)

        def gradient() -> None:
            engine.gradient(seen)  # noqa: B023

        before = median_s(CudaGraphCapture(device)(gradient), device)
        started = time.perf_counter()
        engine.body.compile()
        gradient()
        torch.cuda.synchronize(device)
        seconds = time.perf_counter() - started
        after = median_s(CudaGraphCapture(device)(gradient), device)
        rows.append({"network": name, "compiling_s": seconds, "ms": after * 1000,
                     "uncompiled_ms": before * 1000})  # fmt: skip
        print(f"  {name:10} {after * 1000:.3f} ms a gradient as a graph, {before * 1000:.3f} "
              f"without, {seconds:.0f} s to compile", flush=True)  # fmt: skip
    return rows
