"""The stages of a frame one by one, the host's share, and the whole walk on the device.

Like `gpu_measures`, needs nothing but PyTorch, NumPy, OpenCV and livedream.
"""

import hashlib
import importlib.util
import shutil
import subprocess
import time
from collections.abc import Callable
from contextlib import contextmanager
from typing import Any

import cv2
import numpy as np
import torch
from gpu_kernels import launches
from gpu_measures import CASES, frames_of, median_s, network_of, photograph, synchronise
from torch import Tensor

from livedream.core.cuda_graph import CudaGraphCapture
from livedream.core.device import resident
from livedream.core.frame import DeviceMotion
from livedream.core.settings import DreamSettings
from livedream.core.shrink import shrunk
from livedream.core.shrink_tensor import shrunk_tensor
from livedream.dream.clean import cleaned, flatness
from livedream.dream.compose import compose, compose_tensor
from livedream.dream.dreamer import Dream, Dreamer
from livedream.dream.engines.cuda import CudaEngine, StepKind
from livedream.dream.level import scale_to_level
from livedream.dream.networks.network import Network
from livedream.dream.spread import shared_out
from livedream.dream.tint import tinted
from livedream.dream.transfer import Transfers
from livedream.flow import on_device, open_flow, open_search
from livedream.flow.inverse_search import InverseSearch
from livedream.flow.motion import MotionEstimator, compare
from livedream.flow.raft import RaftFlow
from livedream.warp.residual import carry_tensor

__all__ = ["flows", "hardware", "host", "raft", "resident_walk", "stages"]

DREAM_AT = (640, 360)
FLOW_AT = (640, 360)
LIBRARIES = ("nvcuvid", "opticalflow", "nvidia-encode")


def host(device: torch.device, *, small: bool = False) -> dict[str, float]:
    """Milliseconds of what a processor does for a frame: flow, composite, copies."""
    width, height = (160, 96) if small else (1280, 720)
    current, previous = (
        shrunk(photograph(width, height, shift), width // 2, height // 2) for shift in (2, 0)
    )
    found = {}
    before = cv2.getNumThreads()
    dis = open_flow("dis", device="cpu")
    for threads in (1, 4, 16):
        cv2.setNumThreads(threads)
        found[f"dis one way, {threads} threads"] = median_s(
            lambda: dis.estimate(current, previous), device
        )
        found[f"dis and compare, {threads} threads"] = median_s(
            lambda: compare(dis, current, previous), device
        )
    cv2.setNumThreads(before)
    rgb = photograph(width, height)
    steps = np.random.default_rng(1).normal(0, 14, (height, width, 3)).astype(np.float32)
    found["cv2.add"] = median_s(lambda: compose(rgb, steps), device)
    there = torch.from_numpy(rgb).to(device)
    memory = torch.from_numpy(rgb.copy())
    found["pageable up"] = median_s(lambda: there.copy_(memory), device)
    found["pageable down"] = median_s(lambda: memory.copy_(there), device)
    if device.type == "cuda":
        pinned = memory.pin_memory()
        found["pinned up"] = median_s(lambda: there.copy_(pinned, non_blocking=True), device)
        found["pinned down"] = median_s(lambda: pinned.copy_(there, non_blocking=True), device)
    found = {name: 1000 * seconds for name, seconds in found.items()}
    for name, ms in found.items():
        print(f"  {name:32} {ms:8.3f} ms", flush=True)
    return found


def stages(device: torch.device, *, small: bool = False) -> list[dict[str, Any]]:
    """Milliseconds of each stage of a frame on the device, each recorded on its own."""
    rows: list[dict[str, Any]] = []
    for name, objective, more in CASES:
        network = network_of(name)
        if network is None:
            continue
        for size in [(160, 96)] if small else [(1280, 720), (1920, 1080)]:
            for dream in [(96, 64)] if small else (DREAM_AT, size):
                table = _stages(network, objective, size, dream, device, **more)
                rows += [
                    {"network": name, "picture": size, "dream": dream, "stage": stage, "ms": ms}
                    for stage, ms in table.items()
                ]
                words = ", ".join(f"{stage} {ms:.3f}" for stage, ms in table.items())
                total = sum(table.values())
                print(f"  {name} {size} dreamed at {dream}, ms: {words}; {total:.2f}", flush=True)
    return rows


def _stages(
    network: Network, objective: str, size: tuple[int, int], dream: tuple[int, int],
    device: torch.device, **more: Any,
) -> dict[str, float]:  # fmt: skip
    width, height = dream
    settings = DreamSettings(
        objective=objective, size=f"{width}x{height}", device=device.type, tile=4096, **more
    )
    dreamer = Dreamer(settings, network)
    rgb = photograph(*size)
    copies = Transfers(device)
    there = copies.to_device(rgb)
    residual = torch.randn(1, 3, height, width, device=device) / 20
    flow = torch.randn(2, *FLOW_AT[::-1], device=device)
    motion = DeviceMotion(
        flow, torch.ones(FLOW_AT[::-1], device=device), torch.zeros((), device=device)
    )
    picture, added = shrunk_tensor(there, width, height).div_(255), residual.flip(3)
    parts: dict[str, Callable[[], object]] = {
        "picture": lambda: shrunk_tensor(there, width, height).div_(255),
        "carry": lambda: carry_tensor(residual, None, motion, picture, 0.9),
        **_octaves(dreamer, dream, device),
        "spread": lambda: shared_out(
            tinted(cleaned(added.clone(), flatness(picture), settings.clean), settings.tint),
            residual,
            settings.spread,
        ),
        "level": lambda: scale_to_level(picture, residual, added, target),
        "compose": lambda: compose_tensor(there, residual),
    }
    target = torch.full((), 14.0, device=device, dtype=torch.float64)
    found = {"upload": median_s(lambda: copies.to_device(rgb), device)}
    for name, part in parts.items():
        found[name] = median_s(_recorded(part, device), device)
    found["download"] = median_s(lambda: copies.to_host(there), device)
    return {name: 1000 * seconds for name, seconds in found.items()}


def _octaves(
    dreamer: Dreamer, dream: tuple[int, int], device: torch.device
) -> dict[str, Callable[[], object]]:
    """All steps of each octave."""
    settings, spec = dreamer.settings, dreamer.ascent.spec
    engine = CudaEngine(spec, None if device.type == "cuda" else lambda step: step)
    draw = np.random.default_rng(0)
    margins = dreamer.ascent.margins(*dream, draw)
    found: dict[str, Callable[[], object]] = {}
    for size, own in zip(dreamer.ascent.octave_sizes(*dream), margins, strict=True):
        step = engine.step_of(StepKind.of_size(size, own[0], settings))
        step.set(own[0], settings.step_size)

        def take(run: Callable[[], None] = step.run) -> None:
            for _ in range(settings.iterations):
                run()

        found[f"{settings.iterations} steps at {size[0]}x{size[1]}"] = take
    return found


def _recorded(part: Callable[[], object], device: torch.device) -> Callable[[], object]:
    """The part as a graph of its own; as it is on a CPU."""

    def run() -> None:
        with resident(), torch.no_grad():
            part()

    return CudaGraphCapture(device)(run) if device.type == "cuda" else run


def hardware() -> list[str]:
    """Which of NVIDIA's video and flow libraries the system finds."""
    program = shutil.which("ldconfig") or "/sbin/ldconfig"
    try:
        ran = subprocess.run([program, "-p"], capture_output=True, text=True, check=False)
    except OSError as error:
        print(f"  not known: {error}")
        return []
    lines = [line.split()[0] for line in ran.stdout.splitlines() if "=>" in line]
    found = [line for line in lines if any(name in line for name in LIBRARIES)]
    print("  " + (", ".join(found) or "none of " + ", ".join(LIBRARIES)))
    return found


@contextmanager
def _no_waits(device: torch.device) -> Any:
    """Raises where the host waits for the device."""
    if device.type != "cuda":
        yield
        return
    torch.cuda.set_sync_debug_mode("error")
    try:
        yield
    finally:
        torch.cuda.set_sync_debug_mode("default")


def resident_walk(device: torch.device, *, small: bool = False) -> list[dict[str, Any]]:
    """Whole frames, launched one ahead, without a wait inside; twice, to see that they repeat.

    The rate is that of a third time, when nobody looks at the pictures; the flow is given, so that
    it is the walk's alone.
    """
    rows = []
    for name, objective, more in CASES:
        network = network_of(name)
        if network is None:
            continue
        for size in [(160, 96)] if small else [(1280, 720), (1920, 1080)]:
            hashes = [hashlib.sha256() for _ in range(2)]
            for seen in hashes:
                _walk(network, objective, size, device, small, seen=seen.update, **more)
            fps, level = _walk(network, objective, size, device, small, seen=None, **more)
            before, again = (seen.hexdigest() for seen in hashes)
            row = {
                "network": name, "size": size, "fps": fps, "repeats": before == again,
                "level": level,
            }  # fmt: skip
            rows.append(row)
            words = "the same twice" if row["repeats"] else "NOT the same twice"
            print(f"  {name} {size}: {row['fps']:.1f} fps, {words}", flush=True)
    return rows


def _walk(
    network: Network, objective: str, size: tuple[int, int], device: torch.device, small: bool,
    *, seen: Callable[[bytes], object] | None, **more: Any,
) -> tuple[float, float]:  # fmt: skip
    """Frames per second and the level at the end.

    seen: is given every picture, in the time that is measured; None: the rate is the walk's.
    """
    settings = DreamSettings(
        objective=objective, size=f"{size[0]}x{size[1]}", device=device.type, tile=4096, **more
    )
    dreamer = Dreamer(settings, network)
    frames = frames_of(*size, 12 if small else 240)
    estimator = MotionEstimator(open_flow("dis-fast", device="cpu"), "96p" if small else "360p")
    motions = [estimator.step(frame.rgb) for frame in frames[:63]]  # then they come again
    repeats = len(motions) - 1  # from the second on: the first has none
    warm, started = 9, 0.0
    waiting: Callable[[], Dream] | None = None

    def look(dream: Dream) -> None:
        if seen is not None:
            seen(dream.frame.rgb.tobytes())

    for frame in frames:
        motion = motions[1 + (frame.index - 1) % repeats] if frame.index else None
        if frame.index == warm:
            synchronise(device)
            started = time.perf_counter()
        if frame.index < warm:
            begun = dreamer.begin(frame, motion)
        else:
            with _no_waits(device):
                begun = dreamer.begin(frame, motion)
        if waiting is not None:
            look(waiting())
        waiting = begun
    assert waiting is not None
    last = waiting()
    fps = (len(frames) - warm) / (time.perf_counter() - started)
    look(last)
    return fps, last.level


def flows(device: torch.device, *, small: bool = False) -> dict[str, Any]:
    """Both ways between two pictures 2 px apart: ms, launches, and the mean error in px."""
    pictures = _pair(device, small=small)
    found: dict[str, Any] = {}
    plain, ours = (open_search(device, kernels=kernels) for kernels in (False, None))
    if ours.kernels is None:
        print("  our kernels were skipped, they do not run here")
    else:
        apart = (ours.both(pictures) - plain.both(pictures)).norm(dim=1)
        found["our kernels and PyTorch apart, px at most"] = float(apart.max())
    for search in (plain, ours) if ours.kernels else (plain,):
        name = "our kernels" if search.kernels else "PyTorch"
        found |= {f"{name}, {figure}": value
                  for figure, value in _search(search, pictures, device).items()}  # fmt: skip
    for name, figure in found.items():
        print(f"  {name:44} {figure:8.3f}", flush=True)
    return found


def _search(search: InverseSearch, pictures: Tensor, device: torch.device) -> dict[str, float]:
    ways: dict[str, Callable[[], object]] = {
        "launched": lambda: search.both(pictures),
        "recorded": _recorded(lambda: search.both(pictures), device),
        "recorded with the comparison": _recorded(
            lambda: on_device.compare(search, pictures), device
        ),
    }
    found = {f"{way}, ms": 1000 * median_s(run, device) for way, run in ways.items()}
    found["launches"] = sum(launches(lambda: search.both(pictures), device).values())
    wanted = torch.tensor([2.0, 0.0], device=device)[:, None, None]
    apart = (search.both(pictures)[0] - wanted)[:, 8:-8, 8:-8].norm(dim=0)
    found["error px"] = float(apart.mean())
    return found


def raft(device: torch.device, *, small: bool = False) -> dict[str, float] | str:
    """RAFT small, as the product runs it, of random weights: both ways, ms."""
    if importlib.util.find_spec("torchvision") is None or device.type != "cuda":
        print("  skipped: needs torchvision, and takes long on a CPU")
        return "skipped"
    ms = 1000 * median_s(raft_on(_pair(device, small=small)), device)
    print(f"  raft-small, both ways, fp16 {ms:8.3f} ms", flush=True)
    return {"raft-small, both ways, fp16, ms": ms}


def raft_on(pictures: Tensor) -> Callable[[], Tensor]:
    """What finds the flow between two pictures, both ways."""
    flow = RaftFlow("raft-small", pictures.device.type, random_seed=0)

    @torch.inference_mode()
    def run() -> Tensor:
        return flow.both(pictures)

    return run


def _pair(device: torch.device, *, small: bool) -> Tensor:
    """(2, 3, h, w) in [0, 1]: two pictures 2 px apart."""
    width, height = (160, 96) if small else FLOW_AT
    pair = np.stack([photograph(width, height, shift) for shift in (2, 0)])
    return torch.from_numpy(pair).to(device).permute(0, 3, 1, 2) / 255.0
