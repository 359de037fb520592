"""The benchmark: figures that hang together, JSON that comes back, advice that follows."""

import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, fields, replace
from fractions import Fraction
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from recorded import Pool, Untraced, stay_on_device

from livedream.capture.sky import Sky
from livedream.cli import main
from livedream.core.frame import Frame
from livedream.core.settings import DreamSettings
from livedream.dream.ascent import Plan
from livedream.dream.dreamer import Dreamer
from livedream.jobs import bench as benchmark
from livedream.jobs.bench import SCHEMA, BenchJob, BenchReport, Spread, bench
from livedream.jobs.pace import Cost, suggestions

BENCHMARKS = Path(__file__).resolve().parents[3] / "benchmarks"
# Motifs that take two octaves.
QUICK = DreamSettings(size="90p", motif=1.4, flow="dis-ultrafast", flow_size="90p", jitter=0)
IN_FULL = {"iterations": 2, "momentum": 0.0}  # both octaves, twice, in every frame
COST = Cost(frame_ms=2.0, step_ms=0.5, seen_ms=1e-4, dreamed_ms=2e-5)
ORDER: list[str] = []  # of what the report was made of


def noted(name: str) -> Callable[..., Any]:
    own = getattr(benchmark, name)

    def called(*words: Any, **more: Any) -> Any:
        ORDER.append(name)
        return own(*words, **more)

    return called


@pytest.fixture(scope="module")
def report() -> BenchReport:
    ORDER.clear()
    with pytest.MonkeyPatch.context() as patch:
        for name in ("_pace", "_memory_mb", "_copy_bandwidth"):
            patch.setattr(benchmark, name, noted(name))
        return bench(BenchJob(settings=QUICK, picture=(160, 90), frames=8, encode=True))


def test_the_figures_hang_together(report: BenchReport) -> None:
    assert report.frames == 8 and report.engine in ("openvino", "torch")
    # Half of the frames took the median or longer.
    assert 0 < report.fps < 2010 / report.frame_ms.p50
    assert list(report.octaves_ms) == ["114x64", "160x90"]
    stages = report.stages_ms
    assert list(stages) == ["capture", "flow", "warp", "dream", "compose", "present"]
    assert all(spread.p50 > 0 for spread in stages.values())
    # Of one and the same run: whatever a frame took, its dream took no longer, nor an octave of it.
    # In turn: a frame climbs one of them.
    assert max(spread.p50 for spread in report.octaves_ms.values()) <= stages["dream"].p95
    assert stages["dream"].p50 <= report.latency_ms.p50
    # 4 FLOP per multiply-add there and back; the coarse octave has one frame in three.
    per_px = report.ascent_gflop * 1e9 / (4 * (114 * 64 + 2 * 160 * 90) / 3)
    assert 5000 < per_px < 7000
    # Seconds in place of milliseconds would be a thousand times off; a busy machine is not.
    assert 0.01 < report.ascent_processor_share < 10
    busy = report.stages_processor_ms
    assert list(busy) == ["flow", "warp", "dream", "compose", "ascent"]
    assert min(busy.values()) > 0
    assert 0.05 < sum(busy.values()) / report.processor_ms < 20
    look = report.look
    assert look.response > 0 and 0.5 < look.response / look.full_response < 1.5
    assert look.flicker > 0 and look.full_flicker > 0
    assert report.peak_gflops > 1 and report.copy_gbs > 0.1


@pytest.mark.usefixtures("report")
def test_memory_is_that_of_the_pace() -> None:
    assert ORDER == ["_pace", "_memory_mb", "_copy_bandwidth"]


def frames_of(count: int) -> list[Frame]:
    sky = Sky(160, 90, 10.0, 0)
    return [Frame(sky.paint(n / 250), n, Fraction(1, 25), n, 1) for n in range(count)]


def test_within_the_pace_nothing_is_recorded(monkeypatch: pytest.MonkeyPatch) -> None:
    capture, painted = Pool(), frames_of(6)
    stay_on_device(monkeypatch, capture)
    dreamer = Dreamer(QUICK)
    list(dreamer.frames(benchmark._shown(painted, benchmark._WARM_UP)))  # noqa: SLF001
    recorded = capture.captured
    benchmark._pace(BenchJob(settings=QUICK, frames=12), dreamer, painted)  # noqa: SLF001
    assert recorded >= 2 and capture.captured == recorded


def test_of_the_stages_the_first_frames_are_left_out() -> None:
    clock = iter(range(10_000))
    stages = benchmark._StagesAlone(Dreamer(QUICK), lambda: float(next(clock)))  # noqa: SLF001
    found = stages.measured(frames_of(4), left_out=3)
    assert len(found.latency_ms) == len(found.ascent_ms) == 1
    assert all(len(ms) == 1 for ms in found.stages_ms.values())


@pytest.mark.parametrize(("device", "left_out"), [("cpu", 1), ("cuda", 13)])
def test_frames_that_are_late_at_first_are_left_out(
    device: str, left_out: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [0.0]

    def late_at_first(frames: Iterable[Frame]) -> Iterator[Frame]:
        for frame in frames:
            now[0] += 0.5 if frame.index < left_out else 0.001
            yield frame

    clock = SimpleNamespace(perf_counter=lambda: now[0], process_time=lambda: now[0])
    monkeypatch.setattr(benchmark, "time", clock)
    dreamer: Any = SimpleNamespace(device=torch.device(device), frames=late_at_first)
    job = BenchJob(settings=QUICK, frames=20)
    intervals, processor_ms = benchmark._pace(job, dreamer, frames_of(4))  # noqa: SLF001
    assert intervals == pytest.approx([1.0] * 20)
    assert processor_ms == pytest.approx(1.0)


def read(path: Path) -> dict[str, Any]:
    """A report's JSON, which must be of the schema."""
    found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    names = [field.name for field in fields(BenchReport)]
    if found["schema"] == 1:
        names = [name for name in names if name not in ("look", "stages_processor_ms")]
    assert list(found) == names and found["schema"] in (1, SCHEMA)
    for spread in (found["frame_ms"], found["latency_ms"], *found["stages_ms"].values()):
        Spread(**spread)
    return found


def test_what_is_measured_on_is_said(report: BenchReport) -> None:
    kept = read(BENCHMARKS / sorted(path.name for path in BENCHMARKS.glob("*.json"))[0])
    found = json.loads(json.dumps(asdict(report)))
    assert list(found["machine"]) == list(kept["machine"])
    assert found["machine"]["processor"] and found["machine"]["cores"] >= 1


@pytest.mark.parametrize("path", sorted(BENCHMARKS.glob("*.json")), ids=lambda path: path.name)
def test_what_is_kept_is_of_this_schema(path: Path) -> None:
    kept = read(path)
    DreamSettings.from_mapping(kept["settings"])
    assert kept["machine"]["commit"] and kept["frames"] >= 40


@pytest.mark.parametrize(
    ("settings", "wanted"),
    [({}, [2, 1]), (IN_FULL, [3, 2, 1]), ({"octaves": 3}, [2, 1])],
)
def test_advice_keeps_the_pace_and_takes_the_largest(
    settings: dict[str, Any], wanted: list[int]
) -> None:
    found = suggestions(COST, DreamSettings(**settings), (1280, 720), 30.0)
    assert [one.iterations for one in found] == wanted
    sizes = [int(one.size[:-1]) for one in found]
    assert sizes == sorted(sizes) and len(set(sizes)) > 1
    assert all(one.fps >= 33 for one in found)
    assert suggestions(replace(COST, seen_ms=1.0), DreamSettings(), (1280, 720), 30.0) == ()


def test_no_advice_is_larger_than_the_picture() -> None:
    (first, *_) = suggestions(COST, DreamSettings(), (400, 225), 0.01)
    assert first.size == "216p"


@pytest.fixture
def short_look(monkeypatch: pytest.MonkeyPatch) -> None:
    """Response and flicker, which take most of a benchmark, are those of a few frames."""
    monkeypatch.setattr("livedream.jobs.bench._LOOKED_AT", 12)


@pytest.mark.slow
@pytest.mark.usefixtures("short_look")
@pytest.mark.parametrize(
    ("settings", "picture"),
    [
        pytest.param({"tile": 128, "size": "source"}, (240, 160), id="tiled"),
        pytest.param({"engine": "cuda-graph"}, (160, 90), id="on the device"),
    ],
)
def test_every_octave_is_measured_however_it_is_dreamed(
    settings: dict[str, Any], picture: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    if settings.pop("engine", ""):
        stay_on_device(monkeypatch, Untraced())
    job = BenchJob(settings=QUICK.replace(**settings), picture=picture, frames=8, wanted_fps=0.01)
    found = bench(job)
    assert f"{picture[0]}x{picture[1]}" in found.octaves_ms and len(found.octaves_ms) > 1
    assert all(spread.p50 > 0 for spread in found.octaves_ms.values())
    assert found.ascent_share > 0


def test_twice_the_cost_is_half_the_pace() -> None:
    slow = replace(
        COST, frame_ms=2 * COST.frame_ms, step_ms=2 * COST.step_ms, seen_ms=2 * COST.seen_ms,
        dreamed_ms=2 * COST.dreamed_ms,
    )  # fmt: skip
    plan = Plan((480, 270), 2, 2.0, 1.4, 16)
    assert slow.fps(plan) == pytest.approx(COST.fps(plan) / 2)


@pytest.mark.parametrize("size", ["180p", "270p"])  # a dream is never larger than its picture
def test_the_cost_is_read_off_two_octaves(size: str) -> None:
    """A step of 3 ms and 50 ns a pixel, a frame of 9 ms, 10 ns for a dreamed pixel; no overlap."""
    dreamer = Dreamer(replace(QUICK, size=size, octaves=2, jitter=16, **IN_FULL))
    octaves = {
        f"{w}x{h}": 2 * (3 + 50e-6 * (w + 16) * (h + 16))
        for w, h in dreamer.ascent.octave_sizes(320, 180)
    }
    dreamed, ascent = 10e-6 * 320 * 180, sum(octaves.values())
    stages = {"flow": 7.0, "warp": dreamed / 3, "dream": ascent + 2 * dreamed / 3, "compose": 2.0}
    cost = Cost.of(dreamer, (320, 180), stages, octaves, sum(stages.values()))
    assert cost.step_ms == pytest.approx(3)
    assert cost.seen_ms == pytest.approx(50e-6)
    assert cost.frame_ms == pytest.approx(9)
    wanted = 9 + 3 * 4 + 2 * 50e-6 * (336 * 196 + (320 / 1.4 + 16) * (180 / 1.4 + 16)) + dreamed
    assert cost.fps(Plan((320, 180), 2, 2.0, 1.4, 16)) == pytest.approx(1000 / wanted)


def test_octaves_in_turn_cost_their_share() -> None:
    """Of three frames two climb the finest octave, one the coarse ones."""
    whole = Plan((480, 270), 3, 2.0, 1.4, 16)
    turns = replace(whole, in_turn=True)
    finest, coarse = replace(whole, octaves=1).cost, whole.cost - replace(whole, octaves=1).cost
    assert turns.cost == pytest.approx((2 * finest + coarse) / 3)
    assert turns.shares == pytest.approx([2 / 3, 1 / 3, 1 / 3])
    cost = replace(COST, frame_ms=0.0, dreamed_ms=0.0, seen_ms=0.0)
    assert cost.fps(turns) == pytest.approx(1000 / (COST.step_ms * 2 * 4 / 3))


@pytest.mark.slow
@pytest.mark.usefixtures("short_look")
def test_the_command_prints_a_table_and_writes_json(
    tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    target = tmp_path / "bench.json"
    options = ["--picture", "240x135", "--size", "90p", "--frames", "8", "--fps", "0.01"]
    assert main(["bench", *options, "--json", str(target)]) == 0
    shown = capsys.readouterr().out
    assert "convolution peak" in shown and "--iterations 1 " in shown
    assert "2 x 2 without momentum" in shown
    assert read(target)["picture"] == [240, 135]
