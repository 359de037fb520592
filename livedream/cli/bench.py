"""`livedream bench`: what can this machine do?"""

import argparse
import dataclasses
from typing import TYPE_CHECKING

from livedream.cli.options import Commands, add_settings, add_shared, number, settings_of
from livedream.cli.output import print_table, write_json
from livedream.core.errors import SettingsError
from livedream.core.settings import DreamSettings, parse_size

if TYPE_CHECKING:
    from livedream.jobs.bench import BenchReport


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
        "--fps", type=number(float, 0.001, 1000), default=30.0, metavar="RATE",
        help="frame rate to keep (default: 30)",
    )  # fmt: skip
    parser.add_argument(
        "--frames", type=number(int, 8, 100_000), default=120, metavar="N",
        help="frames to measure (default: 120)",
    )  # fmt: skip
    parser.add_argument(
        "--encode", action="store_true",
        help="encode with x264 ultrafast as well, discarding the result",
    )  # fmt: skip
    add_shared(parser, "--json")
    add_settings(parser, _DEFAULTS)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    from livedream.jobs.bench import BenchJob, bench
    from livedream.media.destination import check_destination

    picture = parse_size(args.picture, 640, 360, name="--picture")
    if min(picture) < 2:
        raise SettingsError(f"--picture: must be at least 2x2 (got {args.picture})")
    if args.encode and (picture[0] % 2 or picture[1] % 2):
        raise SettingsError(f"--picture: must have even sides to encode (got {args.picture})")
    settings = settings_of(args, _DEFAULTS)
    if args.json is not None:
        check_destination(args.json, overwrite=True)
    report = bench(
        BenchJob(
            settings=settings, picture=picture, frames=args.frames, encode=args.encode,
            wanted_fps=args.fps,
        )
    )  # fmt: skip
    _print(report)
    if not report.suggestions:
        print(f"No size of at least 120p keeps {args.fps:g} fps here.")
    else:
        print(f"For {args.fps:g} fps here:")
    for one in report.suggestions:
        flags = f"--size {one.size} --iterations {one.iterations}"
        print(f"  {flags}   (expected: {one.fps:.0f} fps)")
    if args.json is not None:
        write_json(args.json, dataclasses.asdict(report), "--json")
    return 0


def _share(found: float, full: float) -> str:
    """A figure beside that of 2 octaves x 2 iterations in every frame."""
    return f"{found:.3g}" + (f" ({found / full:.2f} of 2 x 2 without momentum)" if full else "")


def _print(report: "BenchReport") -> None:
    machine, picture = report.machine, "x".join(map(str, report.picture))
    print(
        f"{machine['device']}, {machine['processor']}: picture {picture}, dream "
        f"{report.settings['size']}, {len(report.octaves_ms)} octaves x "
        f"{report.settings['iterations']}, engine {report.engine}, {report.precision}"
    )
    timed = {
        **report.stages_ms,
        **{f"  ascent {name}": spread for name, spread in report.octaves_ms.items()},
        "latency": report.latency_ms,
        "frame, overlapped": report.frame_ms,
    }
    rows = [
        (f"{name}, ms", f"{one.p50:.1f}", f"{one.p25:.1f} to {one.p75:.1f}", f"{one.p95:.1f}")
        for name, one in timed.items()
    ]
    look, share = report.look, f"{report.ascent_share:.0%}"
    if report.ascent_processor_share:
        share += f" ({report.ascent_processor_share:.0%} by CPU time)"
    rows += [
        (name, value, "", "")
        for name, value in (
            (f"frames per second{' with x264' if report.encoded else ''}", f"{report.fps:.1f}"),
            ("  of this look: response", _share(look.response, look.full_response)),
            ("  of this look: flicker", _share(look.flicker, look.full_flicker)),
            ("CPU time of a frame, ms", f"{report.processor_ms:.1f}"),
            *((f"  {name}", f"{ms:.1f}") for name, ms in report.stages_processor_ms.items()),
            ("convolution peak, GFLOP/s", f"{report.peak_gflops:.0f}"),
            ("copy bandwidth, GB/s", f"{report.copy_gbs:.1f}"),
            ("ascent, share of the peak", share),
            ("peak memory, MB", f"{report.memory_mb:.0f}"),
        )
    ]
    columns = ("", "median", "quartiles", "95 %")
    print_table(columns, rows, right=columns[1:])
