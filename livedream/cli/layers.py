"""``livedream layers NETWORK``: what can be dreamed in it, and what that costs."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from livedream.dream.networks import Network

    Commands = argparse._SubParsersAction[argparse.ArgumentParser]

__all__ = ["add_parser", "run"]

# Of a layer's other names, as many as fit a line; when piped, all are printed.
SHOWN_ALIASES = 2


def add_parser(commands: "Commands") -> None:
    """``layers NETWORK [--weights FILE] [--all]``."""
    parser = commands.add_parser(
        "layers",
        help="list a network's layers",
        description="List every layer that can be dreamed: channels, stride (pixels of the "
        "picture per cell) and multiply-adds per pixel up to there, forward only.",
    )
    parser.add_argument("network", metavar="NETWORK", help="see 'livedream networks'")
    parser.add_argument(
        "--weights", type=Path, metavar="FILE", help="weights of one's own for this network"
    )
    parser.add_argument(
        "--all",
        action="store_true",
        help="also the inner layers of a network whose makers describe the ones worth dreaming",
    )
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    from rich.console import Console
    from rich.table import Table

    from livedream.dream.layers import describe_layers

    network = _network(args.network, args.weights)
    columns = ("layer", "channels", "stride", "multiply-adds/px", "also called", "shows")
    found = describe_layers(network)
    noted = any(layer.note for layer in found)
    if noted and not args.all:
        found = [layer for layer in found if layer.note]
    console = Console()
    if not console.is_terminal:
        print("\t".join(columns))
        for layer in found:
            numbers = (layer.channels, layer.stride, round(layer.macs_per_px))
            names = " ".join(layer.aliases)
            print("\t".join((layer.name, *map(str, numbers), names, layer.note)))
        return 0
    table = Table(box=None, header_style="bold")
    for column in columns if noted else columns[:-1]:
        right = column in ("channels", "stride", "multiply-adds/px")
        table.add_column(column, justify="right" if right else "left")
    default = network.default_objective
    for layer in found:
        names = " ".join(layer.aliases[:SHOWN_ALIASES])
        work = f"{layer.macs_per_px:,.0f}"
        cells = [layer.name, str(layer.channels), str(layer.stride), work, names]
        chosen = default in (layer.name, *layer.aliases)
        table.add_row(*cells, *([layer.note] if noted else []), style="bold" if chosen else None)
    console.print(table)
    console.print(f"Dreamed unless told otherwise: {default}", style="dim", highlight=False)
    return 0


def _network(name: str, weights: Path | None) -> "Network":
    """With weights where they are asked for or needed, else the bare architecture: no download."""
    from livedream.dream.networks import load_network, outline_network
    from livedream.dream.registry import find_spec

    if weights is not None:
        return load_network(name, weights=weights)
    if find_spec(name).file:
        return load_network(name)
    return outline_network(name)
