"""`livedream jobs`: the films that many workers render, how far they are, what failed."""

import argparse
from datetime import timedelta

from livedream.cli.options import Commands
from livedream.cli.output import print_table


def add_parser(commands: Commands) -> None:
    parser = commands.add_parser(
        "jobs",
        help="films rendered by many workers, and their progress",
        description="List the latest films of `livedream render --workers`, newest first.",
    )
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    from livedream.jobs.film.ledger import entries

    print_table(
        ("film", "state", "frames", "workers", "for", ""),
        [
            (
                one.output, one.state, f"{one.done}/{one.frames or '?'}", str(one.workers or ""),
                str(timedelta(seconds=round(one.changed_s - one.begun_s))), one.why,
            )
            for one in entries()
        ],
        right=("frames", "workers", "for"),
    )  # fmt: skip
    return 0
