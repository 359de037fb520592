"""``livedream layers NETWORK``: what can be dreamed in it, what that costs, what it looks like."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from livedream.dream.networks.network import Network
from livedream.cli.options import Commands, add_shared, number
from livedream.cli.output import print_table, terminal
from livedream.core.errors import NetworkError, SettingsError

# Of a layer's other names, as many as fit a line; when piped, all are printed.
SHOWN_ALIASES = 2
_OF_PICTURES = ("layer", "channels", "seed")  # options that mean nothing to a list


def add_parser(commands: Commands) -> None:
    parser = commands.add_parser(
        "layers",
        help="list a network's layers",
        description="List every layer that can be dreamed: channels, stride (pixels of the "
        "picture per cell) and multiply-adds per pixel up to there, forward only.",
    )
    parser.add_argument("network", metavar="NETWORK", help="see 'livedream networks'")
    parser.add_argument(
        "--weights", type=Path, metavar="FILE", help="your own weights for this network"
    )
    parser.add_argument(
        "--all", action="store_true",
        help="list inner layers too, where a network names the ones worth dreaming",
    )  # fmt: skip
    parser.add_argument(
        "--classes", action="store_true",
        help="list the classes instead, numbers and names: for class:NAME and classes:NUMBERS",
    )  # fmt: skip
    pictures = parser.add_argument_group("a sheet of pictures")
    pictures.add_argument(
        "--pictures", type=Path, nargs="?", const=Path(), metavar="FILE",
        help="draw what each layer and its strongest channels dream from noise "
        "(default: NETWORK.layers.png)",
    )  # fmt: skip
    pictures.add_argument(
        "--layer", action="append", metavar="NAME",
        help="draw only this layer; may be given several times",
    )  # fmt: skip
    pictures.add_argument(
        "--channels", type=int, metavar="N",
        help="how many channels of each layer, 0 to 64 (default: 6)",
    )  # fmt: skip
    pictures.add_argument(
        "--seed",
        type=number(int, 0, 2**31 - 1),
        metavar="N",
        help="seed of the noise (default: 0)",
    )
    add_shared(pictures, "--overwrite")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    if args.classes and (args.pictures is not None or args.all):
        other = "--all" if args.pictures is None else "--pictures"
        raise SettingsError(f"--classes and {other} cannot be combined; give one")
    drawing = [f"--{name}" for name in _OF_PICTURES if getattr(args, name) is not None]
    drawing += ["--overwrite"] * args.overwrite
    if drawing and args.pictures is None:
        raise SettingsError(f"{', '.join(drawing)}: give --pictures too")
    if args.classes:
        return _list_classes(args)
    return _list(args) if args.pictures is None else _draw(args)


def _list_classes(args: argparse.Namespace) -> int:
    network = _network(args.network, args.weights)
    if not network.classes:
        raise NetworkError(f"{network.name}: its {network.class_count} classes have no names here")
    rows = [[str(number), name] for number, name in enumerate(network.classes)]
    print_table(["number", "class"], rows, right=("number",))
    return 0


def _draw(args: argparse.Namespace) -> int:
    """The sheet; a line for each layer as soon as it is drawn."""
    from livedream.dream.networks.network import describe_layers, load_network
    from livedream.jobs.layer_sheet import SheetPlan, draw_rows, whole_sheet
    from livedream.present.picture import check_picture, write_picture

    path = args.pictures if args.pictures.name else Path(f"{args.network}.layers.png")
    check_picture(path, overwrite=args.overwrite)
    network = load_network(args.network, weights=args.weights)
    found = describe_layers(network)
    noted = [layer for layer in found if layer.note and not args.all]
    given = {name: getattr(args, name) for name in ("channels", "seed")}
    plan = SheetPlan(
        layers=tuple(args.layer or (layer.name for layer in noted or found)),
        **{name: value for name, value in given.items() if value is not None},
    )
    rows = []
    for row in draw_rows(network, plan):
        print(f"{row.layer}: {', '.join(map(str, row.channels))}", flush=True)
        rows.append(row)
    write_picture(path, whole_sheet(rows), overwrite=args.overwrite)
    print(path)
    return 0


def _list(args: argparse.Namespace) -> int:
    from livedream.dream.networks.network import describe_layers

    network, console = _network(args.network, args.weights), terminal()
    found = describe_layers(network)
    noted = any(layer.note for layer in found)
    if noted and not args.all:
        found = [layer for layer in found if layer.note]
    columns = ["layer", "channels", "stride", "multiply-adds/px", "also called", "shows"]
    rows = []
    for layer in found:
        work = f"{layer.macs_per_px:,.0f}" if console else f"{layer.macs_per_px:.0f}"
        aliases = layer.aliases[: SHOWN_ALIASES if console else None]
        row = [layer.name, str(layer.channels), str(layer.stride), work, " ".join(aliases)]
        rows.append([*row, layer.note] if noted or not console else row)
    default = network.default_objective
    chosen = [layer.name for layer in found if default in (layer.name, *layer.aliases)]
    print_table(
        columns if noted or not console else columns[:-1], rows,
        right=("channels", "stride", "multiply-adds/px"),
        style=lambda row: "bold" if row[0] in chosen else None,
    )  # fmt: skip
    if console:
        said = f"The default objective is {default}."
        console.print(said, style="dim", highlight=False, markup=False)
    return 0


def _network(name: str, weights: Path | None) -> "Network":
    """With weights where they are asked for or needed, else the bare architecture: no download."""
    from livedream.dream.networks.network import load_network, network_without_weights
    from livedream.dream.networks.registry import find_spec

    if weights is not None:
        return load_network(name, weights=weights)
    if find_spec(name).file:
        return load_network(name)
    return network_without_weights(name)
