"""`livedream presets`: the looks and programs there are, and the files that are broken."""

import argparse

from livedream.cli.options import Commands
from livedream.cli.output import print_table, terminal


def add_parser(commands: Commands) -> None:
    parser = commands.add_parser(
        "presets",
        help="list presets and programs",
        description="List the presets and programs: livedream's own, yours, and files that are "
        "broken, with the reason. docs/presets.md says how to write one.",
    )
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    from livedream.control.catalogue import DEFAULT_NETWORK
    from livedream.control.presets import Presets
    from livedream.control.programs import list_programs

    presets = Presets()
    wrong: dict[str, str] = {}
    programs = list_programs(broken=wrong)
    looks = [
        (one.name, one.values.get("network") or DEFAULT_NETWORK, one.about, _whose(one.own))
        for one in presets
    ]
    shows = [
        (one.name, f"{one.length_s / 60:.1f}", ", ".join(step.preset for step in one.steps),
         _whose(one.own))
        for one in programs.values()
    ]  # fmt: skip
    for columns, rows, broken in (
        (("preset", "network", "about", "origin"), looks, presets.broken),
        (("program", "minutes", "steps", "origin"), shows, wrong),
    ):
        every = rows + [(name, "", reason, "broken") for name, reason in broken.items()]
        print_table(columns, every, style=lambda row: "red" if row[-1] == "broken" else None)
    if console := terminal():
        console.print(f"Yours are in {presets.folder.parent}.", style="dim", soft_wrap=True)
    return 0


def _whose(own: bool) -> str:
    return "yours" if own else "built in"
