"""`livedream measure INPUT OUTPUT`: does the dream hold together?"""

import argparse
import dataclasses
from typing import TYPE_CHECKING

from livedream.cli.options import Commands, add_shared, seconds
from livedream.cli.output import write_json
from livedream.core.errors import SourceError
from livedream.core.redact import one_line

if TYPE_CHECKING:
    from livedream.jobs.measure import Response


def add_parser(commands: Commands) -> None:
    parser = commands.add_parser(
        "measure",
        help="measure a dream against its source",
        description="Compare a source with its dream, made by livedream or another tool: "
        "flicker, renewal, warp error, strength, colour drift, nets and spots in flat places "
        "(docs/measure.md).",
    )
    parser.add_argument("input", metavar="INPUT", help="the source")
    parser.add_argument("output", metavar="OUTPUT", help="the dream")
    parser.add_argument(
        "--start", type=seconds, default=0.0, metavar="TIME", help="where to start in the source"
    )
    parser.add_argument("--end", type=seconds, metavar="TIME", help="where to end in the source")
    add_shared(parser, "--json")
    layer = parser.add_argument_group(
        "response", "how strongly a network responds to both; of two dreams of the same "
        "strength, the one with the higher response shows more of the objective",
    )  # fmt: skip
    layer.add_argument(
        "--objective", metavar="TEXT", help="also measure the response to this objective"
    )
    layer.add_argument(
        "--network", metavar="NAME", default="", help="network that responds (default: dreamnet)"
    )
    layer.add_argument(
        "--size", metavar="SIZE", default="270p", help="size to measure at (default: 270p)"
    )
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    from livedream.capture import open_source
    from livedream.jobs.measure import measure
    from livedream.media.destination import check_destination

    response = _response(args) if args.objective or args.network else None
    with (
        open_source(args.input, start_s=args.start, end_s=args.end) as source,
        open_source(args.output) as dream,
    ):
        if args.json is not None:
            files = (*source.info.all_files, *dream.info.all_files)
            check_destination(args.json, sources=files, overwrite=True)
        found = measure(source, dream, response)
    if not found.frames:
        raise SourceError(f"{args.input} and {args.output} have no frame at the same time")
    figures = dataclasses.asdict(found)
    for name, value in figures.items():
        if name != "notes" and not (name.startswith("response") and value is None):
            shown = "-" if value is None else f"{value:.4g}" if isinstance(value, float) else value
            print(f"{name.replace('_', ' '):18} {shown}")
    for note in found.notes:
        print(f"note: {one_line(note)}")
    if args.json is not None:
        write_json(args.json, figures, "--json")
    return 0


def _response(args: argparse.Namespace) -> "Response":
    """The objective's value on a picture at the size asked for."""
    from livedream.core.settings import DreamSettings
    from livedream.dream.dreamer import Dreamer
    from livedream.dream.networks.registry import find_spec
    from livedream.dream.objectives.binding import check_still
    from livedream.dream.objectives.text import parse_objective

    if args.network:
        find_spec(args.network)
    if args.objective:
        check_still(parse_objective(args.objective), "measure")
    dreamer = Dreamer(
        DreamSettings(network=args.network, objective=args.objective or "", size=args.size)
    )
    return lambda rgb: dreamer.ascent.response(dreamer.picture(rgb))
