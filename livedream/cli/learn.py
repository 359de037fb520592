"""`livedream learn PHOTOS --name NAME`: a network that dreams of your own pictures."""

import argparse
import sys
from pathlib import Path

from livedream.cli.options import Commands, add_shared
from livedream.cli.output import Steps


def add_parser(commands: Commands) -> None:
    parser = commands.add_parser(
        "learn",
        help="make a network that dreams of your own pictures",
        description="Learn a network from a folder of pictures, 30 to 3,000 of one kind of thing. "
        "It is added to your networks, with a sheet of what it dreams and a model card, and "
        "contains no picture.",
    )
    parser.add_argument(
        "folder", type=Path, metavar="PHOTOS", help="a folder of pictures, with its subfolders"
    )
    parser.add_argument(
        "--name", metavar="NAME", help="what to call the network (default: the folder's name)"
    )
    parser.add_argument(
        "-o", "--output", type=Path, metavar="FILE",
        help="write this .safetensors file, with sheet and card beside it, but list it nowhere",
    )  # fmt: skip
    parser.add_argument(
        "--network", default="dreamnet", metavar="NAME",
        help="network to start from: dreamnet, a sibling or your own (default: dreamnet)",
    )  # fmt: skip
    parser.add_argument("--device", default="auto", metavar="auto|cpu|cuda|mps",
                        help="where to compute (default: auto)")  # fmt: skip
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="random seed (default: 0)")
    add_shared(parser, "--overwrite", "--quiet")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    from livedream.core.user_folders import name_of
    from livedream.jobs.learn import LearnJob, learn

    name = args.name
    if not name:  # in a list it has to be one that all systems take
        name = args.output.stem if args.output else name_of(args.folder.resolve().name)
    job = LearnJob(
        folder=args.folder,
        name=name,
        output=args.output,
        start=args.network,
        device=args.device,
        seed=args.seed,
        overwrite=args.overwrite,
    )
    with Steps(quiet=args.quiet) as steps:
        report = learn(job, steps.show)
    for line in report.skipped:
        print(f"skipped: {line}", file=sys.stderr)
    if not args.quiet:
        print(f"{job.file}: learned from {report.pictures} pictures in {report.seconds:.0f} s")
        print(f"What it dreams: {job.sheet}; its card: {job.card}")
        how = f"--network {job.name}" if job.output is None else f"--weights {job.file}"
        print(f"Dream with it: livedream live {how}")
    return 0
