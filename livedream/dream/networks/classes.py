"""Class names: read from a label file, found by name, synonym or number."""

import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from livedream.core.errors import NetworkError, WeightsError
from livedream.core.suggest import closest

_INDEX = re.compile(r"^\s*(\d+)[\s:,]\s*(.*\S)\s*$")
# Places365 writes "/a/airfield 0": first letter, name, index.
_PLACES = re.compile(r"^/\w/(\S+)\s+(\d+)\s*$")


def read_labels(path: Path) -> tuple[str, ...]:
    """One label per line, in order, or with its index before it (``12 Limpkin``).

    Raises WeightsError when the file cannot be read or its indices leave gaps.
    """
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise WeightsError(f"labels {path}: {error}; must be text, one label per line") from error
    lines = [line for line in lines if line.strip()]
    numbered = [_numbered(line) for line in lines]
    pairs = [pair for pair in numbered if pair is not None]
    if len(pairs) < len(lines):
        return tuple(line.strip() for line in lines)
    if sorted(index for index, _ in pairs) != list(range(len(pairs))):
        raise WeightsError(f"labels {path}: the indices are not 0 to {len(pairs) - 1}, each once")
    return tuple(label for _, label in sorted(pairs))


def no_rows(network: str) -> NetworkError:
    """What is wrong with kinds and `classes` in a network whose classes lie behind more layers."""
    return NetworkError(
        f"{network} has no layer from which its classes are read directly; "
        "try class:NAME without a region"
    )


def find_class(classes: Sequence[str], count: int, wanted: str | int) -> int:
    """The index of a class given by number, name or synonym; case does not count.

    classes: the names in order, empty when they are not known.  count: how many there are.
    Raises NetworkError with the closest names when there is no such class.
    """
    if not count:
        raise NetworkError(f"class {wanted!r}: this network has no classes")
    if isinstance(wanted, int) or wanted.strip().isdecimal():
        index = int(wanted)
        if 0 <= index < count:
            return index
        raise NetworkError(f"no class {index}; this network has classes 0 to {count - 1}")
    if not classes:
        raise NetworkError(
            f"class {wanted!r}: this network's class names are not known; "
            f"give a number from 0 to {count - 1}, or the names with --labels FILE"
        )
    full = {_plain(label): index for index, label in reversed(list(enumerate(classes)))}
    every = {
        _plain(name): index
        for index, label in reversed(list(enumerate(classes)))
        for name in names_of(label)
    }
    found = full.get(_plain(wanted), every.get(_plain(wanted)))
    if found is None:
        hint = closest(_plain(wanted), every) or f"there are {count}, such as {classes[0]!r}"
        raise NetworkError(f"no class {wanted!r}; {hint}")
    return found


def names_of(label: str) -> Iterator[str]:
    """A label's synonyms: its comma-separated parts, and both halves of ``Aramus (Limpkin)``."""
    yield label
    for part in label.split(","):
        yield part
        halves = re.fullmatch(r"\s*(.+?)\s*\((.+)\)\s*", part)
        if halves:
            yield from halves.groups()


def _numbered(line: str) -> tuple[int, str] | None:
    place = _PLACES.match(line)
    if place:
        return int(place[2]), place[1].replace("/", " ")
    match = _INDEX.match(line)
    return (int(match[1]), match[2]) if match else None


def _plain(text: str) -> str:
    return " ".join(text.replace("_", " ").casefold().split())
