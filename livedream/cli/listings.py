"""`livedream networks`, `presets` and `devices`: what there is."""

import argparse
import json
from collections import defaultdict
from collections.abc import Iterable
from functools import partial
from pathlib import Path

from livedream.cli.options import Commands
from livedream.cli.output import print_table, terminal
from livedream.core.errors import SettingsError

_STYLES = {"yes": None, "no": "dim", "broken": "red"}


def add_parser(commands: Commands) -> None:
    networks = commands.add_parser(
        "networks",
        help="list the networks, fetch one's weights, add one of your own",
        description="List the networks that can dream, and whether their weights are on disk.",
    )
    actions = networks.add_subparsers(dest="action", metavar="fetch|add|remove")
    fetch = actions.add_parser(
        "fetch",
        help="download a network's weights into torch's cache",
        description="Download a network's weights into torch's cache and check them.",
    )
    fetch.add_argument("name", metavar="NAME", help="see 'livedream networks'")
    fetch.add_argument(
        "--unverified", action="store_true", help="accept weights that have no published checksum"
    )
    add = actions.add_parser(
        "add",
        help="add a network of your own to every list",
        description="Add a network that `livedream learn` made, or another of dreamnet's "
        "architecture, to your own: from then on it is in every list. Its checksum is recorded. "
        "Use other networks with --network NAME --weights FILE.",
    )
    add.add_argument("file", type=Path, metavar="FILE", help="a .safetensors file")
    add.add_argument("--name", metavar="NAME", help="what to call it (default: the file's name)")
    remove = actions.add_parser(
        "remove",
        help="remove a network of your own",
        description="Delete a network of your own. There is no other copy of one that "
        "`livedream learn` made; the file that one was added from stays.",
    )
    remove.add_argument("name", metavar="NAME", help="one of your own")
    networks.set_defaults(run=list_networks)
    presets = commands.add_parser(
        "presets",
        help="list presets and programs",
        description="List the presets and programs: livedream's own, yours, and files that are "
        "broken, with the reason. docs/presets.md says how to write one.",
    )
    presets.set_defaults(run=list_presets)
    devices = commands.add_parser(
        "devices",
        help="list cameras, displays, GPUs, audio, MIDI and encoders",
        description="List what can be used live: cameras with their modes, displays, compute "
        "devices, virtual cameras, audio inputs, MIDI ports, and the encoders that actually open.",
    )
    devices.add_argument(
        "kinds", nargs="*", metavar="KIND", help="only these, such as cameras displays"
    )
    devices.add_argument("--quick", action="store_true", help="do not open the cameras")
    devices.add_argument("--json", action="store_true", help="print JSON")
    devices.set_defaults(run=list_devices)


def list_networks(args: argparse.Namespace) -> int:
    """Which there are, which are here, and how to get the rest."""
    from livedream.dream.networks.registry import find_spec, own_networks, registry
    from livedream.dream.networks.weights import locate_weights, network_status

    if args.action in ("add", "remove"):
        return _change_own(args)
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
    for name, why in own_networks()[1].items():
        rows.append([name, "broken", "", why, *[""] * (1 if console else 2)])
    columns += ["file"] if console else ["path", "from"]
    print_table(columns, rows, right=["MB"], style=lambda row: _STYLES[row[1]])
    if console:
        folders = dict.fromkeys(str(status.origin.path.parent) for status in found)
        where = f"Files are in {' and '.join(folders)}."
        console.print(where, style="dim", soft_wrap=True, markup=False)
        console.print("Get one with: livedream networks fetch NAME", style="dim")
    return 0


def _change_own(args: argparse.Namespace) -> int:
    from livedream.core.user_folders import name_of
    from livedream.dream.own_networks import add_network, remove_network

    if args.action == "remove":
        remove_network(args.name)
        print(f"{args.name} is removed")
        return 0
    name = args.name or name_of(args.file.stem)
    print(f"{name}: {add_network(args.file, name)}")
    print(f"Dream with it: livedream live --network {name}")
    return 0


def list_presets(args: argparse.Namespace) -> int:
    """Presets and programs; of files that are broken the reason."""
    from livedream.control.preset_files import check_paths
    from livedream.control.presets import Presets
    from livedream.control.programs import list_programs
    from livedream.dream.networks.registry import DEFAULT_NETWORK
    from livedream.dream.objectives.prompt import dreaming_network

    presets = Presets()
    programs, wrong = list_programs()
    whose = {True: "yours", False: "built in"}
    shown, without_file = [], {}
    for one in presets:
        named, prompt = one.values.get("network", ""), one.values.get("prompt", "")
        network = dreaming_network(named, prompt) or DEFAULT_NETWORK
        try:
            check_paths(one)
            shown.append((one.name, network, one.about, whose[one.own]))
        except SettingsError as error:
            without_file[one.name] = str(error)
    shows = [
        (one.name, f"{one.length_s / 60:.1f}", ", ".join(step.preset for step in one.steps),
         whose[one.own])
        for one in programs.values()
    ]  # fmt: skip
    for columns, rows, broken in (
        (("preset", "network", "about", "origin"), shown, presets.broken | without_file),
        (("program", "minutes", "steps", "origin"), shows, wrong),
    ):
        every = rows + [(name, "", reason, "broken") for name, reason in broken.items()]
        print_table(columns, every, style=lambda row: "red" if row[-1] == "broken" else None)
    if console := terminal():
        where = f"Yours are in {presets.folder.parent}."
        console.print(where, style="dim", soft_wrap=True, markup=False)
    return 0


def list_devices(args: argparse.Namespace) -> int:
    """What this machine has for live work."""
    from livedream.jobs.devices import SECTIONS, cameras

    for kind in args.kinds:
        if kind not in SECTIONS:
            raise SettingsError(f"devices: must be of {', '.join(SECTIONS)} (got {kind!r})")
    asked = {kind: SECTIONS[kind] for kind in args.kinds} if args.kinds else dict(SECTIONS)
    if args.quick and "cameras" in asked:
        asked["cameras"] = partial(cameras, modes=False)
    if args.json:
        print(json.dumps({title: _by_name(ask()) for title, ask in asked.items()}, indent=2))
        return 0
    for title, ask in asked.items():
        print(title)
        for name, detail in ask() or [("none", "")]:
            print(f"  {name:<34}{detail}".rstrip())
    return 0


def _by_name(lines: Iterable[tuple[str, str]]) -> dict[str, str]:
    """Details by name. Several of one name, such as windows of one title, stay one entry: the name
    is what options take; its detail says how many there are, and each one's own."""
    found: dict[str, list[str]] = defaultdict(list)
    for name, detail in lines:
        found[name].append(detail)
    return {
        name: details[0]
        if len(details) == 1
        else ": ".join(filter(None, (f"{len(details)} alike", "; ".join(filter(None, details)))))
        for name, details in found.items()
    }
