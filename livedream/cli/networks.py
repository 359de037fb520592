"""``livedream networks``: which there are, which are here, and how to get the rest."""

import argparse

from livedream.cli.options import Commands
from livedream.cli.output import print_table, terminal


def add_parser(commands: Commands) -> None:
    parser = commands.add_parser(
        "networks",
        help="list the networks, or fetch one's weights",
        description="List the networks that can dream, and whether their weights are on disk.",
    )
    actions = parser.add_subparsers(dest="action", metavar="fetch")
    fetch = actions.add_parser(
        "fetch",
        help="download a network's weights into torch's cache",
        description="Download a network's weights into torch's cache and check them.",
    )
    fetch.add_argument("name", metavar="NAME", help="see 'livedream networks'")
    fetch.add_argument(
        "--unverified",
        action="store_true",
        help="accept weights that have no published checksum",
    )
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    from livedream.dream.networks.registry import find_spec, registry
    from livedream.dream.networks.weights import locate_weights, network_status

    if args.action == "fetch":
        path = locate_weights(find_spec(args.name), allow_unverified=args.unverified)
        print(f"{args.name}: {path}")
        return 0
    found, specs, console = network_status(), registry(), terminal()
    columns = ["network", "on disk", "MB", "licence"]
    rows = []
    for status in found:
        size = status.size_bytes / 1e6 if status.size_bytes else specs[status.name].size_mb
        row = [status.name, "yes" if status.present else "no", f"{size:.1f}"]
        rows.append([*row, specs[status.name].licence])
        # For other programs the whole path and the address.
        path, url = status.origin.path, status.origin.url or "-"
        rows[-1] += [path.name] if console else [str(path), url]
    columns += ["file"] if console else ["path", "from"]
    print_table(columns, rows, right=["MB"], style=lambda row: None if row[1] == "yes" else "dim")
    if console:
        folders = dict.fromkeys(str(status.origin.path.parent) for status in found)
        console.print(f"Files are in {' and '.join(folders)}.", style="dim", soft_wrap=True)
        console.print("Get one with: livedream networks fetch NAME", style="dim")
    return 0
