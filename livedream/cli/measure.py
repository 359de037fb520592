"""`livedream measure INPUT OUTPUT`: does the dream hold together?"""

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING

from livedream.cli.options import seconds
from livedream.errors import SettingsError, SourceError

if TYPE_CHECKING:
    Commands = argparse._SubParsersAction[argparse.ArgumentParser]


def add_parser(commands: "Commands") -> None:
    parser = commands.add_parser(
        "measure",
        help="measure a dream against its source",
        description="Compare a source and what was made of it, by livedream or by another tool: "
        "flicker, renewal, warp error, strength, colour drift (docs/measure.md).",
    )
    parser.add_argument("input", metavar="INPUT", help="the source")
    parser.add_argument("output", metavar="OUTPUT", help="what was made of it")
    parser.add_argument("--start", type=seconds, default=0.0, metavar="TIME", help="of the input")
    parser.add_argument("--end", type=seconds, metavar="TIME", help="of the input")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there too")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    from livedream.capture import open_source
    from livedream.measuring import measure

    with (
        open_source(args.input, start_s=args.start, end_s=args.end) as source,
        open_source(args.output) as dream,
    ):
        found = measure(source, dream)
    if not found.frames:
        raise SourceError(f"{args.input} and {args.output} have no frame at the same time")
    for name, value in found.as_dict().items():
        if name != "notes":
            shown = "-" if value is None else f"{value:.4g}" if isinstance(value, float) else value
            print(f"{name.replace('_', ' '):18} {shown}")
    for note in found.notes:
        print(f"note: {note}")
    if args.json is not None:
        try:
            args.json.write_text(json.dumps(found.as_dict(), indent=2) + "\n", encoding="utf-8")
        except OSError as error:
            raise SettingsError(
                f"--json: {args.json} cannot be written ({error.strerror})"
            ) from error
    return 0
