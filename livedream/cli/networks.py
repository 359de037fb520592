"""``livedream networks``: which there are, which are here, and how to get the rest."""

import argparse
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from livedream.dream.networks.weights import NetworkStatus

    Commands = argparse._SubParsersAction[argparse.ArgumentParser]

__all__ = ["add_parser", "run"]


def add_parser(commands: "Commands") -> None:
    """``networks`` (list) and ``networks fetch NAME``."""
    parser = commands.add_parser(
        "networks",
        help="list the networks, or fetch one's weights",
        description="List the networks that can dream, and whether their weights are here.",
    )
    actions = parser.add_subparsers(dest="action", metavar="fetch")
    fetch = actions.add_parser(
        "fetch",
        help="download a network's weights into torch's cache",
        description="Download a network's weights into torch's cache and check them.",
    )
    fetch.add_argument("name", metavar="NAME", help="a network of the list")
    fetch.add_argument(
        "--unverified",
        action="store_true",
        help="accept weights for which nobody published a checksum",
    )
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    if args.action == "fetch":
        return _fetch(args.name, unverified=args.unverified)
    return _list()


def _fetch(name: str, *, unverified: bool) -> int:
    from livedream.dream.networks.registry import find_spec
    from livedream.dream.networks.weights import locate_weights

    spec = find_spec(name)
    path = locate_weights(spec, allow_unverified=unverified)
    print(f"{name}: {path}")
    return 0


def _list() -> int:
    from rich.console import Console
    from rich.table import Table

    from livedream.dream.networks.registry import registry
    from livedream.dream.networks.weights import network_status

    specs = registry()
    found = network_status()
    columns = ("network", "here", "MB", "licence", "file")
    rows = [
        (
            status.name,
            "yes" if status.present else "no",
            f"{_megabytes(status, specs[status.name].size_mb):.1f}",
            specs[status.name].licence,
            status.origin.path.name,
        )
        for status in found
    ]
    console = Console()
    if not console.is_terminal:
        # For other programs: one network a line, nothing folded, the whole path and the address.
        print("\t".join((*columns[:-1], "path", "from")))
        for row, status in zip(rows, found, strict=True):
            print("\t".join((*row[:-1], str(status.origin.path), status.origin.url or "-")))
        return 0
    table = Table(box=None, header_style="bold")
    for column in columns:
        table.add_column(
            column, justify="right" if column == "MB" else "left", no_wrap=column == "network"
        )
    for row in rows:
        table.add_row(*row, style=None if row[1] == "yes" else "dim")
    console.print(table)
    folders = dict.fromkeys(str(status.origin.path.parent) for status in found)
    console.print(f"Files lie in {' and '.join(folders)}.", style="dim", soft_wrap=True)
    console.print("Get one with: livedream networks fetch NAME", style="dim")
    return 0


def _megabytes(status: "NetworkStatus", otherwise: float) -> float:
    return status.size_bytes / 1e6 if status.size_bytes is not None else otherwise
