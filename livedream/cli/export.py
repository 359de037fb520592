"""`livedream export -o dream.onnx`: the gradient step, for a host without PyTorch."""

import argparse
from pathlib import Path

from livedream.cli.options import Commands, add_settings, add_shared, settings_of

# What shapes a dream around its steps; a host has its own.
LEFT_OUT = (
    "strength", "headroom", "half_life", "rise", "iterations", "step_size", "spread", "tile",
    "clean", "tint", "keep_colours", "where", "feather", "threshold", "hold",
    "region_half_life", "flow", "flow_size", "momentum", "wander", "seed", "device", "engine",
)  # fmt: skip


def add_parser(commands: Commands) -> None:
    parser = commands.add_parser(
        "export",
        help="write the gradient step as ONNX, for hosts without PyTorch",
        description="Write one step of gradient ascent as an .onnx file, its parameters as inputs, "
        "one file for each octave, so that a program in C++, C#, JavaScript or plain Python can "
        "dream with ONNX Runtime alone. docs/export.md has such a program.",
    )
    parser.add_argument(
        "-o", "--output", metavar="FILE", type=Path, default=Path("dream.onnx"),
        help="several octaves: FILE-1.onnx, the smallest, FILE-2.onnx... (default: dream.onnx)",
    )  # fmt: skip
    add_shared(parser, "--overwrite", "--quiet")
    add_settings(parser, leave_out=LEFT_OUT)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    from livedream.dream.engines.onnx_export.step import INPUTS, OUTPUT
    from livedream.jobs.export import export_steps

    settings = settings_of(args)
    written = export_steps(settings, args.output, overwrite=args.overwrite)
    if not args.quiet:
        for file in written:
            size = f"{file.width}x{file.height}"
            print(f"{file.path}: one step at {size}, {file.size_bytes / 1e6:.1f} MB")
        for port in INPUTS:
            print(f"  {port.name}: {port.help}")
        print(f"  output {OUTPUT.name}: {OUTPUT.help}")
    return 0
