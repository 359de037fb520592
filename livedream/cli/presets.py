"""`livedream presets`: the looks and programs there are, and the files that are broken."""

import argparse
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    Commands = argparse._SubParsersAction[argparse.ArgumentParser]

__all__ = ["add_parser", "run"]


def add_parser(commands: "Commands") -> None:
    parser = commands.add_parser(
        "presets",
        help="list presets and programs",
        description="List the presets and programs: livedream's own, yours, and files that are "
        "broken, with the reason. docs/presets.md says how to write one.",
    )
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    from rich.console import Console
    from rich.table import Table

    from livedream.control.catalogue import DEFAULT_NETWORK
    from livedream.control.presets import Presets
    from livedream.control.programs import list_programs

    presets = Presets()
    broken: dict[str, str] = {}
    programs = list_programs(broken=broken)
    tables = [
        (
            ("preset", "network", "about", "whose"),
            [
                (one.name, one.values.get("network") or DEFAULT_NETWORK, one.about, _whose(one.own))
                for one in presets
            ]
            + [(name, "", reason, "broken") for name, reason in presets.broken.items()],
        ),
        (
            ("program", "minutes", "steps", "whose"),
            [
                (
                    one.name, f"{one.length_s / 60:.1f}",
                    ", ".join(step.preset for step in one.steps), _whose(one.own),
                )
                for one in programs.values()
            ]
            + [(name, "", reason, "broken") for name, reason in broken.items()],
        ),
    ]  # fmt: skip
    console = Console()
    for columns, rows in tables:
        if not console.is_terminal:
            for row in (columns, *rows):
                print("\t".join(row))
            continue
        table = Table(*columns, box=None, header_style="bold")
        for row in rows:
            table.add_row(*row, style="red" if row[-1] == "broken" else None)
        console.print(table)
    if console.is_terminal:
        console.print(f"Yours are in {presets.folder.parent}.", style="dim", soft_wrap=True)
    return 0


def _whose(own: bool) -> str:
    return "yours" if own else "built in"
