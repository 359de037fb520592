"""What a network's classes are called, and what they are kinds of, in everyday words.

`words.tsv` is a table of facts made by ``scripts/make_word_table.py``, in which each line names a
thing: WordNet's number of it (none for a genus, ``e1`` and so on for the project's own), its words
with commas between them, and the numbers of what it is a kind of.  The first thousand lines are
ImageNet's classes in their order.  WordNet's licence lies beside it, ``words.LICENSE``.

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
# What may stand for a plural's end: WordNet's own rules for nouns ("morphy"), and -oes, of which it
# has a list.
_PLURALS = (
    ("ies", "y"), ("ves", "f"), ("ves", "fe"), ("men", "man"), ("ches", "ch"), ("shes", "sh"),
    ("xes", "x"), ("ses", "s"), ("zes", "z"), ("s", ""),
    ("oes", "o"),
)  # fmt: skip
_IRREGULAR = {"geese": "goose", "mice": "mouse", "teeth": "tooth", "feet": "foot", "oxen": "ox"}
_LATIN = re.compile(r"[A-Z][a-z-]+(?= [a-z])")


class Vocabulary:
    """The words for a network's classes.

    classes: their names in order, of which a species' may be ``Aramus guarauna (Limpkin)``.
    """

    def __init__(self, classes: Sequence[str]) -> None:
        found: dict[str, dict[int, None]] = defaultdict(dict)
        # Two classes of ImageNet have a name that is also another's; so what they are kinds of
        # goes by number where these are ImageNet's classes.
        names = [set(map(plain, names_of(label))) for label in classes]
        first = len(classes) - _THOUSAND
        known = [i for i in range(max(0, first), len(classes)) if names[i] & _words(i - first)]
        thousand = first in (0, 1) and len(known) > _THOUSAND / 2
        for number, own in enumerate(names):
            lines = [number - first] * (number >= first) if thousand else _lines(classes[number])
            words = dict.fromkeys((*sorted(own), *_ends(classes[number])))
            for line in lines:
                words |= dict.fromkeys(_kinds(line))
            for word in words:
                found[word][number] = None
        self._found: Mapping[str, tuple[int, ...]] = {w: tuple(n) for w, n in found.items()}

    def find(self, word: str, layers: Iterable[str] = ()) -> tuple[int, ...]:
        """The classes that a word names or that are of its kind, in order; plurals count as well.

        layers: the network's, of which words may be as well (`layer_of`).
        Raises NetworkError with the nearest words when there is none.
        """
        for one in _singulars(plain(word)):
            if one in self._found:
                return self._found[one]
        names = [*self._found, *layers]
        if not names:
            raise NetworkError(f"no word {word!r}: this network's class names are not known")
        hint = closest(plain(word), names) or "'livedream find WORD' says what there is"
        raise NetworkError(f"no word {word!r}; {hint}")

    def __contains__(self, word: str) -> bool:
        return any(one in self._found for one in _singulars(plain(word)))

    def __iter__(self) -> Iterator[str]:
        return iter(self._found)


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
def imagenet_classes() -> tuple[str, ...]:
    """The first name of each of ImageNet's thousand classes."""
    return tuple(words[0] for words, _ in _table()[0][:_THOUSAND])


def is_name(words: str) -> bool:
    """Whether these words together name something that the table has."""
    return any(one in _table()[1] for one in _singulars(plain(words)))


def plain(text: str) -> str:
    """A word as it is compared: no capitals, hyphens as spaces."""
    return " ".join(re.sub(r"[_-]", " ", text).casefold().split())


def _singulars(word: str) -> Iterator[str]:
    """The word itself, then what it may be the plural of."""
    yield word
    *before, last = word.split(" ")
    ends = [last[: -len(plural)] + one for plural, one in _PLURALS if last.endswith(plural)]
    for end in (*([_IRREGULAR[last]] if last in _IRREGULAR else ()), *ends):
        if len(end) > 1:
            yield " ".join((*before, end))


def _ends(label: str) -> list[str]:
    """What a species' common name ends with: ``stink bug`` and ``bug`` of a marmorated one."""
    if not _LATIN.match(label) or "(" not in label:
        return []
    words = plain(label.partition("(")[2].rstrip(")")).split()
    return [" ".join(words[at:]) for at in range(1, len(words))]


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
def _kinds(line: int) -> tuple[str, ...]:
    """A line's words, and those of all that it is a kind of."""
    words, parents = _table()[0][line]
    found = dict.fromkeys(map(plain, words))
    for parent in parents:
        found |= dict.fromkeys(_kinds(parent))
    return tuple(found)


@cache
def _table() -> tuple[list[tuple[list[str], list[int]]], dict[str, list[int]]]:
    """Each line's words and the lines that it is a kind of, and the lines by word.

    A genus, which is the name of no synset, stands there with a space behind it.
    """
    text = (resources.files("livedream.dream.networks") / "words.tsv").read_text(encoding="utf-8")
    rows = [line.split("\t") for line in text.splitlines()]
    numbers = {key: line for line, (key, _, _) in enumerate(rows) if key}
    table = [(w.split(", "), [numbers[key] for key in p.split()]) for _, w, p in rows]
    by_word: dict[str, list[int]] = defaultdict(list)
    for line, (key, words, _) in enumerate(rows):
        for word in words.split(", "):
            by_word[plain(word) if key else f"{word} "].append(line)
    return table, dict(by_word)
