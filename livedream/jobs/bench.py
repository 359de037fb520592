"""What this machine can do: run the pipeline on frames made beforehand, note where the time goes.

Method: some frames to warm up; then the overlapped pipeline as `render` runs it, for the pace;
then each stage alone, the device waited for after each, for the shares. The convolution peak is
measured before, between and after, and the best counts (see benchmarks/README.md). One file, long
as it is: it is one measurement, and only its report is used elsewhere.
"""

import io
import os
import platform
import subprocess
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from fractions import Fraction
from functools import partial
from pathlib import Path
from typing import Any, Final, Self

import av
import cv2
import numpy as np
import torch
from torch import Tensor

from livedream.capture.sky import Sky
from livedream.core.device import precision_name
from livedream.core.frame import Frame
from livedream.core.prefetch import AsyncWriter, StageTimer
from livedream.core.settings import DreamSettings
from livedream.core.version import __version__
from livedream.dream.ascent import Plan
from livedream.dream.dreamer import Dreamer
from livedream.flow import open_flow
from livedream.flow.motion import MotionEstimator
from livedream.jobs.measure import VideoComparator
from livedream.jobs.pace import Cost, Suggestion, suggestions
from livedream.media.colour import tags_of, to_rgb

SCHEMA: Final = 2  # 1 had no look
# Frames. On CUDA a kind of frame is recorded when it comes back: of both turns of the octaves the
# last by the seventh. A multiple of three, as the turns are.
_WARM_UP: Final = 15
# Frames that do not count on CUDA, where flow and steps are recorded at first. Heuristic.
_SETTLING: Final = 13
_PAINTED: Final = 24  # different frames, shown forth and back
_RATE: Final = Fraction(25)
_LOOKED_AT: Final = 50  # frames: two seconds, of which the first is left out
# What a look is compared with: every frame climbs both octaves twice.
_FULL: Final = {"octaves": 2, "iterations": 2, "momentum": 0.0}
# Channels and side of 3x3 convolutions, batch 16: what networks for dreaming are made of.
_SHAPES: Final = ((64, 64), (128, 32), (256, 16))
_BATCH: Final = 16
_ROUNDS: Final = 8
_COPIED_MB: Final = 256  # beyond every cache


@dataclass(frozen=True, kw_only=True)
class BenchJob:
    """What to measure.  picture: width, height.  encode: x264 ultrafast beside, thrown away."""

    settings: DreamSettings
    picture: tuple[int, int] = (640, 360)
    frames: int = 120
    encode: bool = False
    wanted_fps: float = 30.0


@dataclass(frozen=True, slots=True)
class Spread:
    """Median and quartiles of something measured often; 95: what 19 of 20 stay below."""

    p25: float
    p50: float
    p75: float
    p95: float

    @classmethod
    def of(cls, values: list[float]) -> Self:
        return cls(*(round(float(v), 4) for v in np.percentile(values, (25, 50, 75, 95))))


@dataclass(frozen=True, slots=True)
class Look:
    """What the dream of the measured pace looks like, on the frames made beforehand.

    response: how much more the objective answers to a dreamed frame than to the plain one.
    flicker: as in `livedream.jobs.measure`.  full_response, full_flicker: the same of two octaves
    and two steps in every frame, without momentum.
    """

    response: float
    flicker: float
    full_response: float
    full_flicker: float


@dataclass(frozen=True, slots=True)
class BenchReport:
    """One measurement; as JSON by `dataclasses.asdict`.

    machine: what it was measured on; commit: of livedream's checkout, empty where it is none.
    settings: of the dream.  picture: width, height.  encoded: whether frames were encoded beside.
    fps: frames per second of the overlapped pipeline, whole run and its slowest.  stages_ms: each
    stage alone, one after the other; capture and present are a frame decoded and encoded (H.264),
    and not part of the pace.  octaves_ms: the ascent's share, smallest octave first.
    stages_processor_ms: processor time of each stage alone, on average, the ascent apart from the
    rest of the dream.
    latency_ms: from a frame to its dream.  processor_ms: processor time of a frame, all threads.
    peak_gflops, copy_gbs: the device's limits.  ascent_gflop: arithmetic of a frame's ascent, on
    average.  ascent_share: of the peak, while it ran; ascent_processor_share: the same in processor
    time on a CPU, which neighbours on the machine disturb less (0 elsewhere).  look: without it a
    rate says little, since a weaker dream costs less.
    """

    date: str
    machine: dict[str, str | int | float]
    settings: dict[str, Any]
    engine: str
    precision: str
    picture: tuple[int, int]
    frames: int
    encoded: bool
    fps: float
    frame_ms: Spread
    stages_ms: dict[str, Spread]
    octaves_ms: dict[str, Spread]
    stages_processor_ms: dict[str, float]
    latency_ms: Spread
    processor_ms: float
    peak_gflops: float
    copy_gbs: float
    ascent_gflop: float
    ascent_share: float
    ascent_processor_share: float
    memory_mb: float
    wanted_fps: float
    suggestions: tuple[Suggestion, ...]
    look: Look
    schema: int = SCHEMA


def bench(job: BenchJob) -> BenchReport:
    """Measure. Raises what `Dreamer` raises."""
    dreamer = Dreamer(job.settings)
    device, dtype = dreamer.device, dreamer.dtype
    sky = Sky(*job.picture, 10.0, 0)
    painted = [Frame(sky.paint(i / 250), i, 1 / _RATE, i, 1) for i in range(_PAINTED)]
    peaks = [_convolution_peak(device, dtype)]
    list(dreamer.frames(_shown(painted, _WARM_UP)))
    intervals, processor_ms = _pace(job, dreamer, painted)
    memory_mb = _memory_mb(device)  # before large buffers are copied
    peaks.append(_convolution_peak(device, dtype))
    left_out = _SETTLING if device.type == "cuda" else 0
    alone, busy = (
        _StagesAlone(dreamer, clock).measured(
            _shown(painted, left_out + max(8, job.frames // 2)), left_out
        )
        for clock in (time.perf_counter, time.process_time)
    )
    peaks.append(_convolution_peak(device, dtype))
    work, peak, pace = _arithmetic(dreamer, job), max(peaks), Spread.of(intervals)
    busy_peak = _convolution_peak(device, dtype, time.process_time) if device.type == "cpu" else 0.0
    stages = {name: Spread.of(ms) for name, ms in alone.stages_ms.items()}
    octaves = {name: Spread.of(ms) for name, ms in alone.octaves_ms.items()}
    # Octaves take turns: a median would be that of the frames which climb the finest.
    stage_ms = {name: sum(ms) / len(ms) for name, ms in alone.stages_ms.items()}
    octave_ms = {name: x.p50 for name, x in octaves.items()}
    ascent_ms, busy_ms = (sum(run.ascent_ms) / len(run.ascent_ms) for run in (alone, busy))
    busy_stages = {name: sum(ms) / len(ms) for name, ms in busy.stages_ms.items()}
    busy_stages |= {"dream": busy_stages["dream"] - busy_ms, "ascent": busy_ms}
    cost = Cost.of(dreamer, job.picture, stage_ms, octave_ms, pace.p50)
    capture, present = _coded(job, painted)
    return BenchReport(
        date=datetime.now(UTC).isoformat(timespec="seconds"), machine=_machine(device),
        settings=vars(job.settings).copy(), engine=dreamer.ascent.engine.name,
        precision=precision_name(dtype), picture=job.picture, frames=len(intervals),
        encoded=job.encode, fps=round(1000 * len(intervals) / sum(intervals), 2), frame_ms=pace,
        stages_ms={"capture": capture, **stages, "present": present}, octaves_ms=octaves,
        stages_processor_ms={name: round(ms, 3) for name, ms in busy_stages.items()},
        latency_ms=Spread.of(alone.latency_ms), processor_ms=round(processor_ms, 2),
        peak_gflops=round(peak, 1), copy_gbs=round(_copy_bandwidth(device), 2),
        ascent_gflop=round(work, 3),
        ascent_share=round(work / ascent_ms * 1e3 / peak, 4),
        ascent_processor_share=round(work / busy_ms * 1e3 / busy_peak, 4) if busy_peak else 0.0,
        memory_mb=round(memory_mb, 1), wanted_fps=job.wanted_fps,
        suggestions=suggestions(cost, job.settings, job.picture, job.wanted_fps),
        look=_look(job.settings, painted),
    )  # fmt: skip


def _look(settings: DreamSettings, painted: list[Frame]) -> Look:
    response, flicker = _seen(settings, painted)
    full = settings.replace(**_FULL)
    return Look(
        response, flicker, *(_seen(full, painted) if full != settings else (response, flicker))
    )


def _seen(settings: DreamSettings, painted: list[Frame]) -> tuple[float, float]:
    """Response and flicker of a dream of the frames, without its first second."""
    # What headroom takes would count as a dream that never flickers.
    dreamer = Dreamer(settings.replace(headroom=0.0))
    comparator = VideoComparator(lambda rgb: dreamer.ascent.response(dreamer.picture(rgb)))
    for dream in dreamer.dreams(_shown(painted, _LOOKED_AT)):
        if dream.source.index >= _LOOKED_AT // 2:
            comparator.add(dream.source.rgb, dream.frame.rgb, dream.source.time_s)
    found = comparator.result()
    risen = (found.response_output or 0.0) - (found.response_input or 0.0)
    return round(risen, 4), round(found.flicker or 0.0, 4)


Ascend = Callable[[Tensor, np.random.Generator], None]


class _StagesAlone:
    """Each stage after the other, nothing beside, the ascent of each octave timed by `clock`."""

    def __init__(self, dreamer: Dreamer, clock: Callable[[], float]) -> None:
        settings = dreamer.settings
        self._dreamer, self._clock = dreamer, clock
        self._flow = MotionEstimator(
            open_flow(settings.flow, device=settings.device), settings.flow_size
        )
        self.stages_ms: dict[str, list[float]] = defaultdict(list)
        self.octaves_ms: dict[str, list[float]] = defaultdict(list)
        self.latency_ms: list[float] = []
        self.ascent_ms: list[float] = []

    def measured(self, frames: Iterable[Frame], left_out: int = 0) -> Self:
        """left_out: how many of the first frames do not count."""
        self._dreamer.timer = StageTimer(self._clock)
        for ascent in self._dreamer.ascents:
            ascent.ascend = partial(self._timed, ascent.ascend)  # type: ignore[method-assign]
        for number, frame in enumerate(frames):
            if number == left_out:
                self._forget()
            self._step(frame)
        for ascent in self._dreamer.ascents:
            del ascent.ascend
        return self

    def _forget(self) -> None:
        self.stages_ms.clear()
        self.octaves_ms.clear()
        self.latency_ms.clear()
        self.ascent_ms.clear()

    def _step(self, frame: Frame) -> None:
        dreamer = self._dreamer
        before = dict(dreamer.timer.spent_s)
        self.ascent_ms.append(0.0)
        start = self._clock()
        motion = self._flow.step(frame.rgb)
        flow = self._clock()
        dreamer.step_by_stage(frame, motion)
        _wait_for(dreamer.device)
        self.latency_ms.append(1000 * (self._clock() - start))
        self.stages_ms["flow"].append(1000 * (flow - start))
        for name in ("warp", "dream", "compose"):
            spent_s = dreamer.timer.spent_s[name] - before.get(name, 0.0)
            self.stages_ms[name].append(1000 * spent_s)

    def _timed(self, ascend: Ascend, x: Tensor, draw: np.random.Generator) -> None:
        _wait_for(x.device)
        start = self._clock()
        ascend(x, draw)
        _wait_for(x.device)
        spent_ms = 1000 * (self._clock() - start)
        self.octaves_ms[f"{x.shape[3]}x{x.shape[2]}"].append(spent_ms)
        self.ascent_ms[-1] += spent_ms


def _coded(job: BenchJob, painted: list[Frame]) -> tuple[Spread, Spread]:
    """Decoding and encoding a frame of a film of the same pictures, on one thread."""
    width, height = (side // 2 * 2 for side in job.picture)
    coded = io.BytesIO()
    sink = _X264(coded, (width, height))
    present, capture = [], []
    for frame in painted:
        even = replace(frame, rgb=np.ascontiguousarray(frame.rgb[:height, :width]))
        start = time.perf_counter()
        sink.write(even)
        present.append(1000 * (time.perf_counter() - start))
    sink.close()
    coded.seek(0)
    with av.open(coded, "r") as container:
        start = time.perf_counter()
        for decoded in container.decode(container.streams.video[0]):
            to_rgb(decoded, tags_of(decoded), (width, height))
            capture.append(1000 * (time.perf_counter() - start))
            start = time.perf_counter()
    return Spread.of(capture), Spread.of(present)


def _pace(job: BenchJob, dreamer: Dreamer, painted: list[Frame]) -> tuple[list[float], float]:
    """Milliseconds between finished frames, and processor milliseconds a frame."""
    intervals: list[float] = []
    left_out = _SETTLING if dreamer.device.type == "cuda" else 1
    with ExitStack() as stack:
        writer = None
        if job.encode:
            sink = _X264(os.devnull, job.picture)
            writer = stack.enter_context(AsyncWriter(sink, dreamer.timer))
        last, busy = time.perf_counter(), time.process_time()
        for shown in dreamer.frames(_shown(painted, job.frames + left_out)):
            if writer is not None:
                writer.write(shown)
            now = time.perf_counter()
            intervals.append(1000 * (now - last))
            last = now
            if len(intervals) == left_out:
                busy = time.process_time()
        busy = time.process_time() - busy
    return intervals[left_out:], 1000 * busy / job.frames


class _X264:
    """A sink that encodes at its fastest.  size: width, height, both even."""

    def __init__(self, target: str | io.BytesIO, size: tuple[int, int]) -> None:
        self._container = av.open(target, "w", format="mpegts")
        self._stream = self._container.add_stream(
            "libx264", rate=_RATE, options={"preset": "ultrafast", "tune": "zerolatency"}
        )
        self._stream.width, self._stream.height = size
        self._stream.pix_fmt = "yuv420p"

    def write(self, frame: Frame) -> None:
        picture = av.VideoFrame.from_ndarray(frame.rgb, format="rgb24")
        picture.pts, picture.time_base = frame.index, 1 / _RATE
        self._container.mux(self._stream.encode(picture))

    def close(self, *, complete: bool = True) -> None:
        self._container.mux(self._stream.encode(None))
        self._container.close()


def _shown(painted: list[Frame], count: int) -> Iterator[Frame]:
    """Forth and back, so that nothing ever jumps."""
    turn = 2 * len(painted) - 2
    for index in range(count):
        place = index % turn
        frame = painted[min(place, turn - place)]
        yield Frame(frame.rgb, index, frame.time_base, index, 1)


def _arithmetic(dreamer: Dreamer, job: BenchJob) -> float:
    """GFLOP of a frame's ascent: forward and input gradient, margins included."""
    works = []
    for ascent in dreamer.ascents:
        layers = ascent.spec.network.layers
        named = [layers[n].macs_per_px for n in ascent.spec.objective.layers if n in layers]
        works.append(max(named or [shape.macs_per_px for shape in layers.values()]))
    work = sum(works) / len(works)
    plan = Plan.of(dreamer.settings, *job.picture)
    plan = replace(plan, octaves=len(dreamer.ascent.octave_sizes(*plan.size)))
    return 4 * work * plan.cost / 1e9


def _wait_for(device: torch.device) -> None:
    """Return when all that was asked of the device is done."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    elif device.type == "mps":
        torch.mps.synchronize()


@torch.no_grad()
def _convolution_peak(
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


def _copy_bandwidth(device: torch.device) -> float:
    """GB/s read plus written of a large copy within the device's memory."""
    source = torch.zeros(_COPIED_MB << 18, device=device)
    target = torch.empty_like(source)
    moved = 2 * source.numel() * source.element_size()
    return moved / _shortest(lambda: target.copy_(source), device, time.perf_counter) / 1e9


def _shortest(run: Callable[[], object], device: torch.device, clock: Callable[[], float]) -> float:
    """Seconds of the quickest of some runs, after two to warm up."""
    found = []
    for _ in range(_ROUNDS + 2):
        _wait_for(device)
        start = clock()
        run()
        _wait_for(device)
        found.append(clock() - start)
    return min(found[2:])


def _machine(device: torch.device) -> dict[str, str | int | float]:
    processor, memory, commit = platform.processor() or platform.machine(), 0, ""
    about, root = Path("/proc/cpuinfo"), Path(__file__).resolve().parents[2]
    if about.is_file():
        lines = about.read_text(encoding="utf-8").splitlines()
        names = (x.partition(":")[2].strip() for x in lines if x.startswith("model name"))
        processor = next(names, processor)
    if "SC_PHYS_PAGES" in getattr(os, "sysconf_names", {}):
        memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    if (root / ".git").exists():
        command = ["git", "-C", str(root), "rev-parse", "--short=12", "HEAD"]
        with suppress(OSError):
            commit = subprocess.run(command, capture_output=True, text=True, check=False).stdout
    return {
        "processor": processor,
        "cores": os.cpu_count() or 1,
        "device": torch.cuda.get_device_name(device) if device.type == "cuda" else device.type,
        "memory_gb": round(memory / 1e9, 1),
        "system": platform.platform(),
        "python": platform.python_version(),
        "livedream": __version__,
        "torch": torch.__version__,
        "opencv": cv2.__version__,
        "commit": commit.strip(),
    }


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
