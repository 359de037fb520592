"""What a network's classes are called, and what they are kinds of, in everyday words.

`words.tsv` is a table of facts made by ``scripts/make_word_table.py``, in which each line names a
thing: WordNet's number of it (none for a genus, ``e1`` and so on for the project's own), its words
with commas between them, and the numbers of what it is a kind of, or what it stands in for (``s1``
and so on) among ImageNet's classes.  The first thousand lines are these in their order, the last
one is the species' names of several words.  WordNet's licence lies beside it, ``words.LICENSE``.

Nothing here imports torch: a word is looked up before any network is loaded.
"""

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cache, lru_cache
from importlib import resources

from livedream.core.errors import NetworkError
from livedream.core.suggest import closest
from livedream.dream.networks.classes import names_of

_THOUSAND = 1000  # ImageNet's classes
_SOME = 100  # heuristic: as many names of ImageNet's in its order are no chance
_ALIKE = 0.75  # heuristic: how near a word is that is offered; less, of a dictionary, is chance
# What may stand for a plural's end: WordNet's own rules for nouns ("morphy"), and -oes, of which it
# has a list; an owl's as well.
_PLURALS = (
    ("ies", "y"), ("ves", "f"), ("ves", "fe"), ("men", "man"), ("ches", "ch"), ("shes", "sh"),
    ("xes", "x"), ("ses", "s"), ("zes", "z"), ("s", ""),
    ("oes", "o"), ("'s", ""),
)  # fmt: skip
_IRREGULAR = {
    "geese": "goose", "mice": "mouse", "teeth": "tooth", "feet": "foot", "oxen": "ox",
    "children": "child", "people": "person", "fungi": "fungus", "lice": "louse",
}  # fmt: skip
_LATIN = re.compile(r"[A-Z][a-z-]+(?= [a-z])")
_SPECIES = re.compile(rf"{_LATIN.pattern}[^(]*\(([^()]+)")


class Vocabulary:
    """The words for a network's classes.

    classes: their names in order, of which a species' may be ``Aramus guarauna (Limpkin)``.
    """

    def __init__(self, classes: Sequence[str]) -> None:
        found: dict[str, dict[int, None]] = defaultdict(dict)
        names = [set(map(plain, names_of(label))) for label in classes]
        imagenet = among_imagenet(classes)
        for number, own in enumerate(names):
            line = imagenet.get(number)
            lines = _lines(classes[number]) if line is None else [line]
            words = dict.fromkeys(sorted(own))
            for one in lines:
                words |= dict.fromkeys(_kinds(one, len(imagenet) == _THOUSAND))
            for word in words:
                found[word][number] = None
        # A species' own name is not the kind that others of its genus are; of theirs it is the end.
        ending: dict[str, dict[int, None]] = defaultdict(dict)
        species = list(map(common_names, classes))
        for number, ends in enumerate(species):
            for end in ends:
                ending[end][number] = None
        whole = {ends[0] for ends in species if ends and " " in ends[0]}
        for word, numbers in ending.items():
            found[word] = numbers if word in whole else found[word] | numbers
        self._words = tuple(found)
        known_as = {word: tuple(sorted(numbers)) for word, numbers in found.items()}
        joined = {_joined(word): numbers for word, numbers in known_as.items()}
        self._found: Mapping[str, tuple[int, ...]] = joined | known_as

    def find(self, word: str, layers: Iterable[str] = ()) -> tuple[int, ...]:
        """The classes that a word names or that are of its kind, in order; plurals count as well.

        layers: the network's, of which words may be as well (`layer_of`).
        Raises NetworkError with the nearest words when there is none.
        """
        for one in _forms(word):
            if one in self._found:
                return self._found[one]
        names = [*self._words, *layers]
        if not names:
            raise NetworkError(f"no word {word!r}: this network's class names are not known")
        hint = nearest(word, names) or "words are names of things;"
        raise NetworkError(
            f"no word {word!r}; {hint} 'livedream find {word}' says whether another network has it"
        )

    def __contains__(self, word: str) -> bool:
        return any(one in self._found for one in _forms(word))

    def __iter__(self) -> Iterator[str]:
        return iter(self._words)


def layer_of(word: str, classes: Sequence[str], layers: Iterable[str]) -> str | None:
    """The layer that a word names where it names no class and no kind of them; None for another.

    layers: of which the network's file says what they show; others have names that are no words.
    """
    if word in vocabulary(tuple(classes)):
        return None
    return next((name for name in layers if plain(name) == plain(word)), None)


@lru_cache(maxsize=16)
def vocabulary(classes: tuple[str, ...]) -> Vocabulary:
    """The words for these classes; made once."""
    return Vocabulary(classes)


@cache
def imagenet_numbers() -> Mapping[str, int]:
    """Which of the thousand classes has a WordNet number, written as ImageNet does: n01440764."""
    text = (resources.files("livedream.dream.networks") / "words.tsv").read_text(encoding="utf-8")
    return {f"n{line[:8]}": at for at, line in enumerate(text.splitlines()[:_THOUSAND])}


@cache
def imagenet_classes() -> tuple[str, ...]:
    """The first name of each of ImageNet's thousand classes."""
    return tuple(words[0] for words, *_ in _table()[0][:_THOUSAND])


def among_imagenet(classes: Sequence[str]) -> Mapping[int, int]:
    """By class its number in ImageNet, where these are ImageNet's classes or some of them, in their
    order; else nothing.

    By order, since two of them have a name that is also another's, and some networks call one by a
    name of their own.
    """
    names = [set(map(plain, names_of(label))) for label in classes]
    first = len(names) - _THOUSAND
    if first in (0, 1):
        lines = {number: number - first for number in range(first, len(names))}
    else:
        lines, line, by_word = {}, -1, _table()[1]
        for number, own in enumerate(names):
            ahead = [at for word in own for at in by_word.get(word, ()) if line < at < _THOUSAND]
            if ahead:
                lines[number] = line = min(ahead)
    known = [number for number, line in lines.items() if names[number] & _words(line)]
    # Of a short list of somebody's own, or one that has other names, nothing is known by its order.
    some = first not in (0, 1) and len(names) >= _SOME
    least = 0.9 * len(names) if some else len(names) / 2
    return lines if (some or first in (0, 1)) and len(known) > least else {}


def is_name(words: str) -> bool:
    """Whether these words together name a thing or species of the table, or are one of ImageNet's
    classes or kinds that is written in one (star fish; no catbird, which is none)."""
    spaced = any(one in _names() for one in _singulars(plain(words)))
    return spaced or words in vocabulary(imagenet_classes())


def nearest(word: str, known: Sequence[str]) -> str:
    """``did you mean a or b?``, the nearest words or those known of several, or an empty string."""
    words = plain(word).split()
    parts = [part for part in words if part in known]
    listed = f"did you mean {' or '.join(parts)}?" if parts else ""
    if len(words) > 1 and parts == words:
        return listed
    return closest(plain(word), known, cutoff=_ALIKE) or listed


def mentions(text: str, word: str) -> bool:
    """Whether a text has this word, singular or plural; a piece of another one is none."""
    said, size = re.findall(r"[\w']+", plain(text)), len(plain(word).split())
    parts = (" ".join(said[at : at + size]) for at in range(len(said) - size + 1))
    wanted = set(_forms(word))
    return size > 0 and any(not wanted.isdisjoint(_forms(part)) for part in parts)


def common_names(label: str) -> list[str]:
    """A species' common name and its ends: ``green stink bug``, ``stink bug``, ``bug``.

    Empty for other labels.  Behind a hyphen an end begins with a capital: a Screech-Owl is an owl,
    a White-eye no eye.
    """
    common = _SPECIES.match(label)
    words = re.sub(r"-(?=[A-Z])", " ", common[1]).split() if common else []
    return [plain(" ".join(words[at:])) for at in range(len(words))]


def plain(text: str) -> str:
    """A word as it is compared: no capitals, hyphens as spaces."""
    return " ".join(re.sub(r"[_-]", " ", text).casefold().split())


def _forms(text: str) -> Iterator[str]:
    """What a word may be in the table: singular, in one word."""
    word = plain(text)
    yield from _singulars(word)
    if all(len(part) > 2 for part in word.split()):  # star fish, but neither a corn nor cab in
        yield from _singulars(_joined(word))


def _singulars(word: str) -> Iterator[str]:
    """The word itself, then what it may be the plural of."""
    yield word
    *before, last = word.split(" ")
    ends = [last[: -len(plural)] + one for plural, one in _PLURALS if last.endswith(plural)]
    for end in (*([_IRREGULAR[last]] if last in _IRREGULAR else ()), *ends):
        if len(end) > 1:
            yield " ".join((*before, end))


def _joined(word: str) -> str:
    return word.replace(" ", "")


def _lines(label: str) -> list[int]:
    """The table's lines for a class, by its genus if it is a species, else by its names."""
    by_word = _table()[1]
    genus = _LATIN.match(label)
    if genus and f"{genus[0]} " in by_word:
        return by_word[f"{genus[0]} "]
    return [line for name in names_of(label) for line in by_word.get(plain(name), ())]


def _words(line: int) -> set[str]:
    return {plain(word) for word in _table()[0][line][0]}


@cache
def _kinds(line: int, stand_ins: bool) -> tuple[str, ...]:
    """A line's words, and those of all that it is a kind of, or stands in for."""
    words, kinds, others = _table()[0][line]
    found = dict.fromkeys(map(plain, words))
    for parent in (*kinds, *(others if stand_ins else ())):
        found |= dict.fromkeys(_kinds(parent, stand_ins))
    return tuple(found)


@cache
def _names() -> frozenset[str]:
    """The words of all lines, and the species' names."""
    _, by_word, species = _table()
    return frozenset((*by_word, *species))


@cache
def _table() -> tuple[
    list[tuple[list[str], list[int], list[int]]], dict[str, list[int]], list[str]
]:
    """Each line's words, the lines that it is a kind of and those that it stands in for; the lines
    by word; the species' names.

    A genus, which is the name of no synset, stands there with a space behind it.
    """
    text = (resources.files("livedream.dream.networks") / "words.tsv").read_text(encoding="utf-8")
    *rows, (_, species, _) = (line.split("\t") for line in text.splitlines())
    numbers = {key: line for line, (key, _, _) in enumerate(rows) if key}
    table = []
    by_word: dict[str, list[int]] = defaultdict(list)
    for line, (key, said, parents) in enumerate(rows):
        words = [word for word in said.split(", ") if word]  # of some all mean something else
        kinds = [numbers[one] for one in parents.split() if not one.startswith("s")]
        stand_ins = [numbers[one] for one in parents.split() if one.startswith("s")]
        table.append((words, kinds, stand_ins))
        for word in words:
            by_word[plain(word) if key else f"{word} "].append(line)
    return table, dict(by_word), species.split(", ")
