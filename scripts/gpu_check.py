#!/usr/bin/env python3
"""Everything that needs a CUDA device, in one call: `scripts/gpu_check [--json FILE]`.

Tests with the gpu marker, the card's peaks, each stage of a frame, the whole walk without a wait,
the host's share, flows, video, convolutions alone, engines compared with fp32 autograd, what our
kernels save, whole frames per second at projector sizes, the profile of one frame. Prints tables
and writes all figures as JSON.
Exit code 0, or 1 when a test or a section fails, an engine dreams another dream, or the walk
another one the second time; 2 without a CUDA device.
"""

import argparse
import datetime
import importlib.util
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from safetensors_reader import stand_in

ROOT = Path(__file__).resolve().parents[1]


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--json", type=Path, default=Path("gpu_check.json"))
    parser.add_argument("--device", default="cuda", help="cpu: to see that the script works")
    parser.add_argument("--small", action="store_true", help="small pictures, few frames")
    args = parser.parse_args()
    if args.device == "cuda" and not torch.cuda.is_available():
        print(
            "gpu_check: no CUDA device found, one is needed: nothing was checked", file=sys.stderr
        )
        return 2
    stand_in()
    # Where a user's settings are is asked of a package that may not be here, and they are not ours.
    os.environ["LIVEDREAM_HOME"] = tempfile.mkdtemp()
    import gpu_kernels as kernels
    import gpu_measures as measures
    import gpu_stages as stages
    import gpu_video

    device = torch.device(args.device)
    found: dict[str, Any] = {"machine": machine(device)}
    print(found["machine"]["device"], "torch", found["machine"]["torch"], flush=True)
    # First, in a process of their own: what goes wrong there does not touch the rest.
    found["tests"] = tests() if device.type == "cuda" else "need CUDA"
    sections: dict[str, Callable[[], object]] = {
        "hardware": stages.hardware,
        "peaks": lambda: measures.peaks(device),
        "stages": lambda: stages.stages(device, small=args.small),
        "walk": lambda: stages.resident_walk(device, small=args.small),
        "host": lambda: stages.host(device, small=args.small),
        "flows": lambda: stages.flows(device, small=args.small),
        "raft": lambda: stages.raft(device, small=args.small),
        "video": lambda: gpu_video.video(device, small=args.small),
        "engines": lambda: measures.engines(device, small=args.small),
        "schedule": lambda: kernels.schedule(device, small=args.small),
        "convolutions": lambda: kernels.convolutions(device, small=args.small),
        "pools": lambda: kernels.pools(device, small=args.small),
        "frames": lambda: measures.frames_per_second(device, small=args.small),
        "profile": lambda: measures.profile(device, small=args.small),
        "bench": lambda: bench(device),
        "compiled": lambda: kernels.compiled(device, small=args.small),
    }
    for name, measure in sections.items():
        print(f"\n{name}", flush=True)
        try:
            found[name] = measure()
        except Exception as error:  # one section that fails must not cost the others
            found[name] = {"failed": f"{type(error).__name__}: {str(error).splitlines()[:1]}"}
            print(f"  failed: {error}", flush=True)
        args.json.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    print(f"\nall figures: {args.json}")
    return int(bool(failures(found)))


def failures(found: dict[str, Any]) -> list[str]:
    """What was not as promised, one line each, printed."""
    ran = {name: found.get(name) for name in ("tests", "bench")}
    lines = [f"{name}: exit code {part['exit_code']}" for name, part in ran.items()
             if isinstance(part, dict) and part.get("exit_code")]  # fmt: skip
    lines += [f"{name}: {part['failed']}" for name, part in found.items()
             if isinstance(part, dict) and "failed" in part]  # fmt: skip
    for name, promise in (("engines", "good"), ("pools", "good"), ("walk", "repeats")):
        rows = found.get(name, [])
        lines += [f"{name}: {row}" for row in rows
                  if isinstance(row, dict) and not row.get(promise, True)]  # fmt: skip
    for line in lines:
        print("NOT AS PROMISED", line)
    return lines


def machine(device: torch.device) -> dict[str, str]:
    git = ["git", "-C", str(ROOT), "rev-parse", "--short", "HEAD"]
    commit = subprocess.run(git, capture_output=True, text=True, check=False).stdout.strip()
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else "cpu"
    there = [
        package
        for package in ("torchvision", "onnx", "onnxruntime", "pytest", "av", "safetensors")
        if importlib.util.find_spec(package) is not None
    ]
    cudnn = torch.backends.cudnn.version()  # type: ignore[no-untyped-call]
    return {
        "device": name, "torch": torch.__version__, "cuda": str(torch.version.cuda),
        "cudnn": str(cudnn), "python": sys.version.split()[0],
        "commit": commit or "unknown", "date": datetime.date.today().isoformat(),
        "packages": " ".join(there),
    }  # fmt: skip


def tests() -> dict[str, Any] | str:
    """tests/gpu imports nothing but PyTorch, NumPy, OpenCV and livedream; running it takes more."""
    for package in ("pytest", "hypothesis", "safetensors"):
        if importlib.util.find_spec(package) is None:
            print(f"tests: skipped, {package} is not here")
            return f"skipped: {package} is not here"
    words = [sys.executable, "-m", "pytest", "-q", "-m", "gpu", "-p", "no:cacheprovider"]
    words += ["-W", "default", "tests/gpu"]
    ran = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=False)
    print(ran.stdout[-2000:], flush=True)
    return {"exit_code": ran.returncode, "output": ran.stdout[-6000:]}


def bench(device: torch.device) -> dict[str, Any] | str:
    """`livedream bench`, where all of livedream is there."""
    words = [sys.executable, "-m", "livedream", "bench", "--device", device.type]
    ran = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=False)
    print(ran.stdout[-4000:] or ran.stderr[-1000:], flush=True)
    if ran.returncode and "ModuleNotFoundError" in ran.stderr:  # a bare machine
        return f"skipped: {ran.stderr.splitlines()[-1]}"
    return {"exit_code": ran.returncode, "output": ran.stdout[-8000:] + ran.stderr[-2000:]}


if __name__ == "__main__":
    sys.exit(main())
