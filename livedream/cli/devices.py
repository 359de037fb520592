"""``livedream devices``: what this machine has for live work."""

import argparse
import json
from functools import partial

from livedream.cli.options import Commands


def add_parser(commands: Commands) -> None:
    """``devices [--quick] [--json]``."""
    parser = commands.add_parser(
        "devices",
        help="list cameras, displays, GPUs, audio, MIDI and encoders",
        description="List what can be used live: cameras with their modes, displays, compute "
        "devices, virtual cameras, audio inputs, MIDI ports, and the encoders that really open.",
    )
    parser.add_argument("--quick", action="store_true", help="do not open the cameras")
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    from livedream.jobs.devices import SECTIONS, cameras

    asked = dict(SECTIONS)
    if args.quick:
        asked["cameras"] = partial(cameras, modes=False)
    if args.json:
        print(json.dumps({title: dict(ask()) for title, ask in asked.items()}, indent=2))
        return 0
    for title, ask in asked.items():
        print(title)
        for name, detail in ask() or [("none", "")]:
            print(f"  {name:<34}{detail}".rstrip())
    return 0
