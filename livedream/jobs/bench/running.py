"""Run the pipeline on frames made beforehand and note where the time goes.

Method: some frames to warm up; then the overlapped pipeline as `render` runs it, for the pace;
then each stage alone, the device waited for after each, for the shares. The convolution peak is
measured before, between and after, and the best counts (see benchmarks/README.md).
"""

import io
import os
import platform
import subprocess
import time
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from fractions import Fraction
from pathlib import Path
from typing import Final

import av
import cv2
import numpy as np
import torch
from torch import Tensor

from livedream.capture.sky import Sky
from livedream.core.device import precision_name
from livedream.core.frame import Frame, Picture
from livedream.core.prefetch import AsyncWriter
from livedream.core.settings import DreamSettings
from livedream.core.version import __version__
from livedream.dream.ascent import Plan
from livedream.dream.dreamer import Dreamer
from livedream.dream.engines import Engine
from livedream.dream.objectives.binding import Measured
from livedream.dream.tiles import Margins
from livedream.flow import open_flow
from livedream.flow.motion import MotionEstimator
from livedream.jobs.bench.limits import convolution_peak, copy_bandwidth, wait_for
from livedream.jobs.bench.report import BenchReport, Machine, Spread
from livedream.jobs.bench.suggesting import Cost, suggestions
from livedream.media.colour import tags_of, to_rgb

__all__ = ["BenchJob", "bench"]

_WARM_UP: Final = 6  # frames
_PAINTED: Final = 24  # different frames, shown forth and back
_RATE: Final = Fraction(25)


@dataclass(frozen=True, kw_only=True)
class BenchJob:
    """What to measure.  picture: width, height.  encode: x264 ultrafast beside, thrown away."""

    settings: DreamSettings
    picture: tuple[int, int] = (640, 360)
    frames: int = 120
    encode: bool = False
    wanted_fps: float = 30.0


def bench(job: BenchJob) -> BenchReport:
    """Measure. Raises what `Dreamer` raises."""
    dreamer = Dreamer(job.settings)
    device, dtype = dreamer.device, dreamer.dtype
    painted = _painted(job)
    peaks = [convolution_peak(device, dtype)]
    list(dreamer.frames(_shown(painted, _WARM_UP)))
    intervals, processor_ms = _pace(job, dreamer, painted)
    peaks.append(convolution_peak(device, dtype))
    alone = _Alone(dreamer)
    for frame in _shown(painted, max(8, job.frames // 2)):
        alone.step(frame)
    peaks.append(convolution_peak(device, dtype))
    work = _arithmetic(dreamer, job)
    peak = max(peaks)
    ascent_ms = Spread.of(alone.ascent_ms).p50
    busy_peak = convolution_peak(device, dtype, time.process_time) if device.type == "cpu" else 0.0
    busy_ms = Spread.of(alone.ascent_processor_ms).p50
    pace = Spread.of(intervals)
    cost = Cost.of(
        dreamer, job.picture, _medians(alone.stages_ms), _medians(alone.octaves_ms), pace.p50
    )
    return BenchReport(
        date=datetime.now(UTC).isoformat(timespec="seconds"), machine=_machine(device),
        settings=vars(job.settings).copy(), engine=dreamer.ascent.engine.name,
        precision=precision_name(dtype), picture=job.picture, frames=len(intervals),
        encoded=job.encode, fps=round(1000 * len(intervals) / sum(intervals), 2), frame_ms=pace,
        stages_ms=_stages(alone, job, painted),
        octaves_ms={name: Spread.of(ms) for name, ms in alone.octaves_ms.items()},
        latency_ms=Spread.of(alone.latency_ms), processor_ms=round(processor_ms, 2),
        peak_gflops=round(peak, 1), copy_gbs=round(copy_bandwidth(device), 2),
        ascent_gflop=round(work, 3), ascent_share=round(work / ascent_ms * 1e3 / peak, 4),
        ascent_processor_share=round(work / busy_ms * 1e3 / busy_peak, 4) if busy_peak else 0.0,
        memory_mb=round(_memory_mb(device), 1), wanted_fps=job.wanted_fps,
        suggestions=suggestions(cost, job.settings, job.picture, job.wanted_fps),
    )  # fmt: skip


class _TimedEngine:
    """Notes what each octave takes."""

    def __init__(self, engine: Engine, device: torch.device) -> None:
        self._engine, self._device = engine, device
        self.name, self.fallbacks = engine.name, engine.fallbacks
        self.spent: list[tuple[str, float, float]] = []

    def ascend(self, x: Tensor, shifts: Sequence[Margins], settings: DreamSettings) -> None:
        wait_for(self._device)
        start, busy = time.perf_counter(), time.process_time()
        self._engine.ascend(x, shifts, settings)
        wait_for(self._device)
        size = f"{x.shape[3]}x{x.shape[2]}"
        wall, busy = time.perf_counter() - start, time.process_time() - busy
        self.spent.append((size, 1000 * wall, 1000 * busy))

    def gradient(self, seen: Tensor, measured: Measured | None = None) -> Tensor:
        return self._engine.gradient(seen, measured)

    def prepare(self, sizes: Sequence[tuple[int, int]]) -> bool:
        return self._engine.prepare(sizes)


@dataclass
class _Alone:
    """Each stage after the other, nothing beside."""

    dreamer: Dreamer
    stages_ms: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    octaves_ms: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    ascent_ms: list[float] = field(default_factory=list)
    ascent_processor_ms: list[float] = field(default_factory=list)
    latency_ms: list[float] = field(default_factory=list)

    def __post_init__(self) -> None:
        settings, dreamer = self.dreamer.settings, self.dreamer
        self._flow = MotionEstimator(open_flow(settings.flow), settings.flow_size)
        self._engine = _TimedEngine(dreamer.ascent.engine, dreamer.device)
        dreamer.ascent.engine = self._engine

    def step(self, frame: Frame) -> None:
        spent = self.dreamer.timer.spent_s
        before, self._engine.spent = dict(spent), []
        start = time.perf_counter()
        motion = self._flow.step(frame.rgb)
        flow = time.perf_counter()
        self.dreamer.step(frame, motion)
        wait_for(self.dreamer.device)
        self.latency_ms.append(1000 * (time.perf_counter() - start))
        self.stages_ms["flow"].append(1000 * (flow - start))
        for name in ("warp", "dream", "compose"):
            self.stages_ms[name].append(1000 * (spent[name] - before.get(name, 0.0)))
        for size, wall, _ in self._engine.spent:
            self.octaves_ms[size].append(wall)
        self.ascent_ms.append(sum(wall for _, wall, _ in self._engine.spent))
        self.ascent_processor_ms.append(sum(busy for _, _, busy in self._engine.spent))


def _medians(found: Mapping[str, list[float]]) -> dict[str, float]:
    return {name: Spread.of(ms).p50 for name, ms in found.items()}


def _stages(alone: _Alone, job: BenchJob, painted: list[Frame]) -> dict[str, Spread]:
    """In the order of the walk; both ends by a film of the same frames, coded and decoded."""
    size = (job.picture[0] // 2 * 2, job.picture[1] // 2 * 2)
    even = [replace(frame, rgb=np.ascontiguousarray(frame.rgb[: size[1], : size[0]]))
            for frame in painted]  # fmt: skip
    coded = io.BytesIO()
    sink, present = _X264(coded, size), []
    for frame in even:
        start = time.perf_counter()
        sink.write(frame)
        present.append(1000 * (time.perf_counter() - start))
    sink.close()
    capture, pictures = [], _decoded(coded)
    start = time.perf_counter()
    for _ in pictures:
        capture.append(1000 * (time.perf_counter() - start))
        start = time.perf_counter()
    between = {name: Spread.of(ms) for name, ms in alone.stages_ms.items()}
    return {"capture": Spread.of(capture), **between, "present": Spread.of(present)}


def _pace(job: BenchJob, dreamer: Dreamer, painted: list[Frame]) -> tuple[list[float], float]:
    """Milliseconds between finished frames, and processor milliseconds a frame."""
    intervals: list[float] = []
    with ExitStack() as stack:
        writer = None
        if job.encode:
            sink = _X264(os.devnull, job.picture)
            writer = stack.enter_context(AsyncWriter(sink, dreamer.timer))
        last, busy = time.perf_counter(), time.process_time()
        for shown in dreamer.frames(_shown(painted, job.frames + 1)):
            if writer is not None:
                writer.write(shown)
            now = time.perf_counter()
            intervals.append(1000 * (now - last))
            last = now
        busy = time.process_time() - busy
    return intervals[1:], 1000 * busy / len(intervals)


class _X264:
    """A sink that encodes at its fastest.  size: width, height, both even."""

    def __init__(self, target: str | io.BytesIO, size: tuple[int, int]) -> None:
        self._container = av.open(target, "w", format="mpegts")
        self._stream = self._container.add_stream(
            "libx264", rate=_RATE, options={"preset": "ultrafast", "tune": "zerolatency"}
        )
        self._stream.width, self._stream.height = size
        self._stream.pix_fmt = "yuv420p"
        self._frames = 0

    def write(self, frame: Frame) -> None:
        picture = av.VideoFrame.from_ndarray(frame.rgb, format="rgb24")
        picture.pts, picture.time_base = self._frames, 1 / _RATE
        self._container.mux(self._stream.encode(picture))
        self._frames += 1

    def close(self, *, complete: bool = True) -> None:
        self._container.mux(self._stream.encode(None))
        self._container.close()


def _decoded(film: io.BytesIO) -> Iterator[Picture]:
    """Its pictures, one by one, on one thread."""
    film.seek(0)
    with av.open(film, "r") as container:
        for frame in container.decode(container.streams.video[0]):
            yield to_rgb(frame, tags_of(frame), (frame.width, frame.height))


def _painted(job: BenchJob) -> list[Frame]:
    sky = Sky(*job.picture, 10.0, 0)
    return [Frame(sky.paint(i / 250), i, 1 / _RATE, i, 1) for i in range(_PAINTED)]


def _shown(painted: list[Frame], count: int) -> Iterator[Frame]:
    """Forth and back, so that nothing ever jumps."""
    turn = 2 * len(painted) - 2
    for index in range(count):
        place = index % turn
        frame = painted[min(place, turn - place)]
        yield Frame(frame.rgb, index, frame.time_base, index, 1)


def _arithmetic(dreamer: Dreamer, job: BenchJob) -> float:
    """GFLOP of a frame's ascent: forward and input gradient, margins included."""
    layers = dreamer.network.layers
    named = [layers[name].macs_per_px for name in dreamer.objective.layers if name in layers]
    work = max(named or [shape.macs_per_px for shape in layers.values()])
    height, width = dreamer.picture(Sky(*job.picture, 10.0, 0).paint(0.0)).shape[2:]
    octaves = len(dreamer.ascent.octave_sizes(width, height))
    plan = replace(Plan.of(dreamer.settings, width, height), octaves=octaves)
    return 4 * work * plan.cost / 1e9


def _machine(device: torch.device) -> Machine:
    return Machine(
        processor=_processor(), cores=os.cpu_count() or 1, device=_device_name(device),
        memory_gb=round(_total_memory() / 1e9, 1), system=platform.platform(),
        python=platform.python_version(), livedream=__version__, torch=torch.__version__,
        opencv=cv2.__version__, commit=_commit(),
    )  # fmt: skip


def _device_name(device: torch.device) -> str:
    return torch.cuda.get_device_name(device) if device.type == "cuda" else device.type


def _processor() -> str:
    about = Path("/proc/cpuinfo")
    if about.is_file():
        for line in about.read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def _total_memory() -> int:
    names = getattr(os, "sysconf_names", {})
    if "SC_PHYS_PAGES" not in names:
        return 0
    return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")


def _memory_mb(device: torch.device) -> float:
    """The most that was taken so far: of the GPU's memory, else of the process."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device) / 1e6
    try:
        import resource
    except ImportError:  # Windows
        return 0.0
    unit = 1 if platform.system() == "Darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1e6


def _commit() -> str:
    root = Path(__file__).resolve().parents[3]
    if not (root / ".git").exists():
        return ""
    command = ["git", "-C", str(root), "rev-parse", "--short=12", "HEAD"]
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return ""
