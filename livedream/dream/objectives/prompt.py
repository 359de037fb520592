"""Prompts: words instead of an objective.

    owl in autumn leaves -dog        kind:owl + kind:autumn + kind:leaves - kind:dog

Each word becomes a term ``kind:word``, several words that name one thing (sea slug) become one,
and so does what is in quotes; a comma keeps words apart.  A minus before a word drives the dream
away from it, and so does ``without``, also from what ``or`` and ``and`` add; ``owl@moving`` is in
a region only.  Words that only join others are left out.  What the words mean depends on the
network, see `networks.words`.
"""

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import lru_cache
from typing import Final, NamedTuple

from livedream.core.errors import NetworkError, ObjectiveError
from livedream.dream.networks.file_notes import class_names
from livedream.dream.networks.registry import DEFAULT_NETWORK, WORDS_NETWORK, shipped_networks
from livedream.dream.networks.words import is_name, vocabulary
from livedream.dream.objectives.value import KindTarget, Objective, kind
from livedream.region.text import RegionParser
from livedream.region.value import Region

# Blanks behind a minus that has one before it, too: owl - dog.
_WORD: Final = re.compile(
    r"""((?:(?<!\S)-\s*|-)?)(?:(["'])((?:(?!\2).)+)\2|([^\W_](?:[\w'-]*\w)?))"""
)
_BETWEEN: Final = re.compile(r"[\s,.;+&!/]*")
_APART: Final = re.compile(r"[,;+&!/]")  # St. Bernard is one
_REGION: Final = re.compile(r"\s*@")
_TYPED: Final = str.maketrans(
    "“”„«»’‘–—−", '"""""\'\'---'
)  # as word processors and telephones write
_JOINING: Final = (
    " a an the and or of in on at by to into from with for near under over like as is are "
    "made full some many few very my your its their this that these those through between around "
    "inside behind beside above below beneath against out off up across his her our it all every "
    "one two three "
)
_AWAY: Final = " without no not except minus "
_LONGEST: Final = 5  # words of one name: black and gold garden spider
_MOST: Final = 32  # words of a prompt: more are a typing error
# Of a kind's classes: of six dogs out of 118, a hundred and twelve would be missed (robust.md).
_ENOUGH: Final = 1 / 4


class _Word(NamedTuple):
    """place: where it begins.  minus: whether one stands before it.  apart: from the word before,
    by a comma or the like."""

    place: int
    minus: bool
    apart: bool
    text: str
    quoted: bool
    region: Region | None


def parse_prompt(text: str) -> Objective:
    """The objective that a prompt stands for.

    Raises ObjectiveError pointing at what is no word, or where none is left.
    """
    return _terms(text)[0]


@contextmanager
def as_written(prompt: str) -> Iterator[None]:
    """What is wrong with a term of a prompt's objective is said of the prompt, and points at the
    word there; without a prompt nothing is changed."""
    try:
        yield
    except ObjectiveError as error:
        if not prompt.strip():
            raise
        objective, words = _terms(prompt)
        text, places = objective.located()
        if error.text != text or error.position not in places:
            raise
        place = words[places.index(error.position)]
        raise ObjectiveError(error.message, text=prompt, position=place) from error


@lru_cache(maxsize=64)
def _terms(text: str) -> tuple[Objective, tuple[int, ...]]:
    """The objective, and where in the text the word of each of its terms begins."""
    words = _words(text)
    total: Objective | None = None
    places: list[int] = []
    away = carried = False  # a minus for the next word; one that "or" carries on
    while words:
        first = words.pop(0)
        follow = _following(first, words)
        joins = "" if first.quoted or follow else first.text.casefold()
        if f" {joins} " in _AWAY:
            away = carried = True
            continue
        if f" {joins} " in _JOINING:
            away = away or first.minus or (carried and joins in ("and", "or"))
            continue
        name = (first, *words[:follow])
        del words[:follow]
        term = kind(" ".join(one.text for one in name))
        away = away or first.minus
        term = -term if away else term
        region = name[-1].region
        term = term if region is None else term.at(region)
        total = term if total is None else total + term
        places.append(first.place)
        carried, away = carried and away, False
    if total is None:
        raise ObjectiveError("must be words, such as owl in autumn", text=text, position=0)
    return total, tuple(places)


def _following(first: _Word, words: Sequence[_Word]) -> int:
    """How many of the words that follow belong to the name that the first one begins."""
    follow = 0
    for count in range(1, 0 if first.quoted else min(_LONGEST, len(words) + 1)):
        more = words[:count]
        # Its region stands behind a name's last word.
        if any(one.minus or one.apart or one.quoted for one in more) or any(
            one.region for one in (first, *more[:-1])
        ):
            break
        if is_name(" ".join(one.text for one in (first, *more))):
            follow = count
    return follow


def dreamed(prompt: str, objective: str, own: str) -> str:
    """What is dreamed, as an objective's text: a prompt, else an objective, else a network's own.

    Raises ObjectiveError.
    """
    return str(parse_prompt(prompt)) if prompt.strip() else objective or own


def dreaming_network(network: str, prompt: str, weights: str = "") -> str:
    """Who dreams by these settings: the network that is named, or two in turns; where none is and
    the user has no weights of their own, who dreams the prompt; empty for the default one."""
    return network if network or weights or not prompt.strip() else network_for(prompt)


@lru_cache(maxsize=64)  # asked with every frame
def network_for(prompt: str) -> str:
    """Who dreams a prompt: two networks in turns, whose words strangers recognise better than those
    of either; empty, which is the default one, where the other lacks most of what one of them
    stands for or is not here, and for what is no prompt."""
    try:
        terms = parse_prompt(prompt).terms
        shipped = shipped_networks()
        some, many = (
            vocabulary(class_names(shipped[name])) for name in (WORDS_NETWORK, DEFAULT_NETWORK)
        )
        # What the dream is driven away from has to be known only.
        enough = all(
            isinstance(one := term.target, KindTarget)
            and one.word in some
            and (term.weight < 0 or len(some.find(one.word)) >= _ENOUGH * len(many.find(one.word)))
            for term in terms
        )
    except (ObjectiveError, NetworkError):  # a prompt's is said where it is dreamed
        return ""
    return f"{DEFAULT_NETWORK}+{WORDS_NETWORK}" if enough else ""


def _words(text: str) -> list[_Word]:
    found: list[_Word] = []
    typed, place = text.translate(_TYPED), 0
    while (between := _BETWEEN.match(typed, place)) and (place := between.end()) < len(typed):
        match = _WORD.match(typed, place)
        if not match or len(found) == _MOST:
            wrong = f"a prompt has at most {_MOST} words" if match else "expected a word"
            if typed[place] == ":":
                wrong += "; kind:owl and the like are objectives"
            raise ObjectiveError(wrong, text=text, position=place)
        begin, place, region = match.end(1), match.end(), None
        if at := _REGION.match(typed, place):
            parser = RegionParser(text, at.end(), ObjectiveError)
            region, place = parser.region(), parser.place
        apart = bool(_APART.search(between[0]))
        word = match[3] or match[4]
        found.append(_Word(begin, bool(match[1]), apart, word, bool(match[2]), region))
    return found
