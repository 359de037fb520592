"""Prompts: words instead of an objective.

    owl in autumn leaves -dog        kind:owl + kind:autumn + kind:leaves - kind:dog

Each word becomes a term ``kind:word``, several words that name one thing (sea slug) become one,
and so does what is in quotes; a minus before a word drives the dream away from it, and
``owl@moving`` is in a region only.  Words that
only join others are left out.  What the words mean depends on the network, see `networks.words`.
"""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from typing import Final

from livedream.core.errors import ObjectiveError
from livedream.dream.networks.words import is_name
from livedream.dream.objectives.value import Objective, kind
from livedream.region.text import RegionParser
from livedream.region.value import Region

# Blanks behind a minus that has one before it, too: owl - dog.
_WORD: Final = re.compile(r"""((?:(?<!\S)-\s*|-)?)(?:"([^"]+)"|([^\W_](?:[\w'-]*\w)?))""")
_BETWEEN: Final = re.compile(r"[\s,.;+&!/]*")
_TYPED: Final = str.maketrans("“”„«»’–", '"""""\'-')  # as word processors and telephones write
_JOINING: Final = (
    " a an the and or of in on at by to into from with without for near under over like as is are "
    "made full some many few very my your its their this that these those "
)
_LONGEST: Final = 4  # words of one name: lesser sulphur-crested cockatoo
_MOST: Final = 32  # words of a prompt: more are a typing error


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
    while words:
        place, away, word, quoted, region = words.pop(0)
        if not quoted and f" {word.casefold()} " in _JOINING:
            if away and words:  # - the dog
                words[0] = (words[0][0], True, *words[0][2:])
            continue
        follow = 0
        for count in range(1, 0 if quoted else min(_LONGEST, len(words) + 1)):
            more = words[:count]
            # Its region stands behind a name's last word.
            if any(before or inside for _, before, _, inside, _ in more) or any(
                where for *_, where in ((region,), *more[:-1])
            ):
                break
            if is_name(" ".join((word, *(one for _, _, one, *_ in more)))):
                follow = count
        word = " ".join((word, *(one for _, _, one, *_ in words[:follow])))
        region = words[follow - 1][4] if follow else region
        del words[:follow]
        term = -kind(word) if away else kind(word)
        term = term if region is None else term.at(region)
        total = term if total is None else total + term
        places.append(place)
    if total is None:
        raise ObjectiveError("must be words, such as owl in autumn", text=text, position=0)
    return total, tuple(places)


def dreamed(prompt: str, objective: str, own: str) -> str:
    """What is dreamed, as an objective's text: a prompt, else an objective, else a network's own.

    Raises ObjectiveError.
    """
    return str(parse_prompt(prompt)) if prompt.strip() else objective or own


def _words(text: str) -> list[tuple[int, bool, str, bool, Region | None]]:
    """Each word: where it begins, whether it has a minus before it, itself, whether it stood in
    quotes, its region."""
    found: list[tuple[int, bool, str, bool, Region | None]] = []
    typed, place = text.translate(_TYPED), 0
    while (between := _BETWEEN.match(typed, place)) and (place := between.end()) < len(typed):
        match = _WORD.match(typed, place)
        if not match or len(found) == _MOST:
            wrong = f"a prompt has at most {_MOST} words" if match else "expected a word"
            raise ObjectiveError(wrong, text=text, position=place)
        begin, place, region = match.end(1), match.end(), None
        if text[place : place + 1] == "@":
            parser = RegionParser(text, place + 1, ObjectiveError)
            region, place = parser.region(), parser.place
        found.append((begin, bool(match[1]), match[2] or match[3], bool(match[2]), region))
    return found
