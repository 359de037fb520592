"""`livedream bench`: what can this machine do?"""

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING

from livedream.cli.options import Commands, add_settings, settings_of
from livedream.cli.output import write_json
from livedream.core.errors import SettingsError
from livedream.core.settings import DreamSettings, parse_size

if TYPE_CHECKING:
    from rich.table import Table

    from livedream.jobs.bench.report import BenchReport, Spread


__all__ = ["add_parser", "run"]

# What two processor cores are meant to do in real time.
_DEFAULTS = DreamSettings(size="270p", flow="dis-fast", flow_size="270p")


def add_parser(commands: Commands) -> None:
    parser = commands.add_parser(
        "bench",
        help="measure what this machine can do",
        description="Measure what this machine can do and suggest settings that keep a "
        "frame rate. Takes about half a minute; nothing else should run beside it.",
    )
    parser.add_argument(
        "--picture", default="640x360", metavar="WxH", help="size of the frames (default: 640x360)"
    )
    parser.add_argument(
        "--fps", type=float, default=30.0, metavar="RATE", help="frame rate to keep (default: 30)"
    )
    parser.add_argument(
        "--frames", type=int, default=120, metavar="N", help="frames to measure (default: 120)"
    )
    parser.add_argument(
        "--encode",
        action="store_true",
        help="encode with x264 ultrafast as well, discarding the result",
    )
    parser.add_argument(
        "--json", type=Path, metavar="FILE", help="write the figures to this file, too"
    )
    add_settings(parser, _DEFAULTS)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    from rich.console import Console

    from livedream.jobs.bench.running import BenchJob, bench

    if not 8 <= args.frames <= 100_000:
        raise SettingsError(f"--frames: must be 8 to 100000 (got {args.frames})")
    if not 0 < args.fps <= 1000:
        raise SettingsError(f"--fps: must be above 0, up to 1000 (got {args.fps:g})")
    picture = parse_size(args.picture, 640, 360, name="--picture")
    if args.encode and (picture[0] % 2 or picture[1] % 2):
        raise SettingsError(f"--picture: must have even sides to encode (got {args.picture})")
    settings = settings_of(args, _DEFAULTS)
    report = bench(
        BenchJob(
            settings=settings, picture=picture, frames=args.frames, encode=args.encode,
            wanted_fps=args.fps,
        )
    )  # fmt: skip
    console = Console(width=max(100, Console().width))
    console.print(_table(report))
    console.print(_advice(report))
    if args.json is not None:
        write_json(args.json, json.loads(report.to_json()), "--json")
    return 0


def _table(report: "BenchReport") -> "Table":
    from rich.table import Table

    machine, picture = report.machine, "x".join(map(str, report.picture))
    steps = f"{report.settings['octaves']} octaves x {report.settings['iterations']}"
    table = Table(
        title=f"{machine.device}, {machine.processor}: picture {picture}, dream "
        f"{report.settings['size']}, {steps}, engine {report.engine}, {report.precision}"
    )
    for name in ("", "median", "quartiles", "95 %"):
        table.add_column(name, justify="left" if not name else "right", no_wrap=True)
    for name, spread in report.stages_ms.items():
        _row(table, f"{name}, ms", spread)
    for name, spread in report.octaves_ms.items():
        _row(table, f"  ascent {name}, ms", spread)
    _row(table, "latency, ms", report.latency_ms)
    _row(table, "frame, overlapped, ms", report.frame_ms)
    table.add_section()
    beside = " with x264 beside" if report.encoded else ""
    for name, value in (
        (f"frames per second{beside}", f"{report.fps:.1f}"),
        ("processor time of a frame, ms", f"{report.processor_ms:.1f}"),
        ("convolution peak, GFLOP/s", f"{report.peak_gflops:.0f}"),
        ("copy bandwidth, GB/s", f"{report.copy_gbs:.1f}"),
        ("ascent, share of the peak", _shares(report)),
        ("peak memory, MB", f"{report.memory_mb:.0f}"),
    ):
        table.add_row(name, value)
    return table


def _row(table: "Table", name: str, spread: "Spread") -> None:
    quartiles = f"{spread.p25:.1f} to {spread.p75:.1f}"
    table.add_row(name, f"{spread.p50:.1f}", quartiles, f"{spread.p95:.1f}")


def _shares(report: "BenchReport") -> str:
    share = f"{report.ascent_share:.0%}"
    if report.ascent_processor_share:
        share += f" ({report.ascent_processor_share:.0%} by processor time)"
    return share


def _advice(report: "BenchReport") -> str:
    if not report.suggestions:
        return f"No size of at least 120p keeps {report.wanted_fps:g} fps here."
    lines = [
        f"  --size {one.size} --octaves {one.octaves} --iterations {one.iterations}"
        f"   (expected: {one.fps:.0f} fps)"
        for one in report.suggestions
    ]
    return "\n".join([f"For {report.wanted_fps:g} fps here:", *lines])
