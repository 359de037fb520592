"""``livedream pack`` and ``unpack``: a show in one file, to another machine and back."""

import argparse
from pathlib import Path

from livedream.cli.options import Commands, add_shared
from livedream.cli.output import print_table


def add_parser(commands: Commands) -> None:
    packing = commands.add_parser(
        "pack",
        help="pack a show into one file: presets, programs, maps, masks, networks",
        description="Write everything of yours into one zip file, each part with its checksum: "
        "presets and the pictures they name, programs, painted masks, learned MIDI controls, the "
        "mapping of each display, and your own networks.",
    )
    packing.add_argument("file", type=Path, metavar="FILE.zip")
    add_shared(packing, "--overwrite")
    packing.set_defaults(run=run_pack)
    unpacking = commands.add_parser(
        "unpack",
        help="unpack a show from such a file",
        description="List what a packed show would change here; with --yes make the changes. "
        "Nothing in it is executed.",
    )
    unpacking.add_argument("file", type=Path, metavar="FILE.zip")
    unpacking.add_argument("--yes", action="store_true", help="write it")
    unpacking.add_argument(
        "--overwrite", action="store_true", help="also replace files that differ"
    )
    unpacking.set_defaults(run=run_unpack)


def run_pack(args: argparse.Namespace) -> int:
    from livedream.jobs.pack import kind_of, pack

    names, notes = pack(args.file, overwrite=args.overwrite)
    print_table(["what", "file"], [[kind_of(name), name] for name in names])
    print("\n".join([*notes, f"{args.file}: {len(names)} files"]))
    return 0


def run_unpack(args: argparse.Namespace) -> int:
    from livedream.jobs.pack import unpack

    changes = unpack(args.file, write=args.yes, overwrite=args.overwrite)
    other = "replaced" if args.overwrite else "a different one is here and stays"
    said = {"new": "new", "same": "here already", "other": other}
    print_table(["what", "file", ""], [[c.kind, c.name, said[c.state]] for c in changes])
    if not args.yes:
        print("Nothing has been changed yet: add --yes to unpack it.")
    if not args.overwrite and any(change.state == "other" for change in changes):
        print("With --overwrite those in the pack replace the ones here.")
    return 0
