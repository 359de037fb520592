"""``livedream find WORD``: which network knows a word, and how it is dreamed."""

import argparse
import sys
from collections import defaultdict

from livedream.cli.options import Commands
from livedream.cli.output import print_table
from livedream.core.errors import NetworkError

# Of the classes that are of a kind as many as fit a line; `livedream layers --classes` has all.
_SHOWN = 5


def add_parser(commands: Commands) -> None:
    parser = commands.add_parser(
        "find",
        help="find a word in what the networks know",
        description="List which networks know a word: as the name of a class, as a kind that "
        "several classes belong to (dog, insect, vehicle), or as what a layer shows.",
    )
    parser.add_argument("word", nargs="+", metavar="WORD", help="such as owl, insect, sea slug")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Networks that know the same of it share a line."""
    from livedream.control.catalogue import described_layers
    from livedream.dream.networks.file_notes import class_names
    from livedream.dream.networks.registry import registry
    from livedream.dream.networks.words import mentions, nearest, vocabulary
    from livedream.dream.objectives.value import image_class, kind

    word = " ".join(args.word)
    found: dict[tuple[str, ...], list[str]] = defaultdict(list)
    words: dict[str, None] = {}
    for name, spec in registry().items():
        try:
            classes, layers = class_names(spec), described_layers(spec)
        except NetworkError as error:  # the file of one's own is gone or damaged
            print(f"livedream: network {name} is left out: {error}", file=sys.stderr)
            continue
        known = vocabulary(classes)
        words |= dict.fromkeys(known)
        if word in known:
            numbers = known.find(word)
            listed = ", ".join(classes[number] for number in numbers[:_SHOWN])
            more = f" and {len(numbers) - _SHOWN} more" if len(numbers) > _SHOWN else ""
            what = "class" if len(numbers) == 1 else f"kind of {len(numbers)} classes"
            if spec.class_rows:
                found[what, listed + more, str(kind(word))].append(name)
            elif len(numbers) == 1:  # several are dreamed by their rows only
                found[what, listed, str(image_class(classes[numbers[0]]))].append(name)
        for layer in layers:
            words[layer.name] = None
            if mentions(f"{layer.name} {layer.note}", word):
                found["layer", layer.note, layer.name].append(name)
    if not found:
        hint = nearest(word, list(words)) or "try a more general one, such as bird or vehicle"
        raise NetworkError(f"no network knows {word!r}; {hint}")
    rows = [[*line, ", ".join(names)] for line, names in found.items()]
    print_table(["what", "which", "objective", "networks"], rows)
    return 0
