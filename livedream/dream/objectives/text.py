"""Objectives as text: the one grammar, and the one parser of it.

    objective = [sign] term { sign term }
    term      = [number "*"] target [ "@" region ]
    target    = layer [":" numbers] | "class:" label | "classes" [":" numbers]
              | "kind:" label | "text(" sentence ")" | "guide(" layer "," path ")"
    numbers   = range { "," range }          range = number [ "-" number ]
    label     = a word, or anything "in quotes"
    path      = anything without quotes, commas and parentheses, or anything "in quotes"
    sentence  = anything "in quotes"
    sign      = "+" | "-"

A layer's name has letters, digits and ``_ . / -``; so a minus between terms has a space before
it.  A quote inside quotes is written twice.  Regions: `livedream.region.text`.
"""

import re

from livedream.core.errors import ObjectiveError
from livedream.core.scanner import Scanner
from livedream.dream.objectives.value import (
    LAYER_NAME,
    MOST_WEIGHT,
    NEVER_PLAIN,
    PLAIN_LABEL,
    Objective,
    channels,
    classes,
    guide,
    image_class,
    kind,
    layer,
    sentence,
)
from livedream.region.text import RegionParser
from livedream.region.value import PLAIN_PATH

_WEIGHT = re.compile(r"((?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?)\s*\*", re.ASCII)
_CLASS = re.compile(r"class\s*:\s*")
_CLASSES = re.compile(r"classes(?![\w./-])\s*(:)?")
_KIND = re.compile(r"kind\s*:\s*")
_TEXT = re.compile(r"text\s*\(\s*")
_GUIDE = re.compile(r"guide\s*\(\s*")
_NUMBER = re.compile(r"\d+", re.ASCII)
_SIGN = re.compile(r"[+-]")
MOST_TERMS = 100  # more are a typing error: a prompt of the most words makes 32
# More are a typing error: no layer known here has as many channels or classes.
_MOST_NUMBERS = 25_000
_NO_LAYER = "expected a layer, class:..., classes, kind:..., text(...) or guide(...)"
_NO_CLASS = "expected a class's number"
_NO_CHANNEL = "expected a channel number"


def parse_objective(text: str) -> Objective:
    """The objective that a text means.  Raises ObjectiveError pointing at the character."""
    return _Parser(text, 0, ObjectiveError).objective()


class _Parser(Scanner):
    def objective(self) -> Objective:
        if not self.text.strip():
            raise self.wrong("must be an objective such as inception4c (got nothing)")
        negative = self.sign() == "-"
        total, count = self.term(negative=negative), 1
        while not self.at_end():
            sign = self.sign()
            if sign is None:
                raise self.wrong("expected + or - (with a space before it) or the end")
            if count == MOST_TERMS:
                raise self.wrong(f"an objective has at most {MOST_TERMS} terms (got more)")
            total, count = total + self.term(negative=sign == "-"), count + 1
        return total

    def sign(self) -> str | None:
        self.skip_space()
        match = self.take(_SIGN)
        return match[0] if match else None

    def term(self, *, negative: bool) -> Objective:
        self.skip_space()
        start = self.place
        weight = 1.0
        match = self.take(_WEIGHT)
        if match:
            weight = float(match[1])
            if weight > MOST_WEIGHT:
                self.place = start
                raise self.wrong(f"this weight is too large, at most {MOST_WEIGHT:g}")
        self.skip_space()
        target = self.target()
        self.skip_space()
        if self.next() == "@":
            parser = RegionParser(self.text, self.place + 1, ObjectiveError)
            target = target.at(parser.region())
            self.place = parser.place
        return target * (-weight if negative else weight)

    def target(self) -> Objective:
        for begin, read in (
            (_CLASS, self.image_class),
            (_KIND, self.kind),
            (_TEXT, self.sentence),
            (_GUIDE, self.guide),
        ):
            if self.take(begin):
                return read()
        if many := self.take(_CLASSES):
            return classes(*self.numbers(_NO_CLASS)) if many[1] else classes()
        name = self.needed(LAYER_NAME, _NO_LAYER)
        if self.take(re.compile(r"\s*:")):
            return channels(name, *self.numbers(_NO_CHANNEL))
        return layer(name)

    def image_class(self) -> Objective:
        wanted = "expected a class, by name, number or in quotes"
        return image_class(
            self.text_of(PLAIN_LABEL, wanted, "expected a class's name between the quotes")
        )

    def kind(self) -> Objective:
        wanted = "expected a word, or several in quotes"
        return kind(self.text_of(PLAIN_LABEL, wanted, "expected a word between the quotes"))

    def sentence(self) -> Objective:
        wanted = "expected a sentence in quotes"
        found = self.text_of(NEVER_PLAIN, wanted, "expected a sentence between the quotes")
        self.symbol(")", "expected ) after the sentence")
        return sentence(found)

    def guide(self) -> Objective:
        name = self.needed(LAYER_NAME, _NO_LAYER)
        self.symbol(",", "expected a comma and the picture's path")
        wanted = "expected the picture's path, in quotes if need be"
        path = self.text_of(PLAIN_PATH, wanted, "expected a path between the quotes")
        self.symbol(")", "expected ) after the path")
        return guide(name, path)

    def numbers(self, wanted: str) -> list[int]:
        numbers: list[int] = []
        while True:
            self.skip_space()
            start = self.place
            first = last = int(self.needed(_NUMBER, wanted))
            if self.take(re.compile(r"-")):
                last = int(self.needed(_NUMBER, wanted))
            if last < first:
                self.place = start
                raise self.wrong(f"a range must go up (got {first}-{last})")
            if len(numbers) + last - first >= _MOST_NUMBERS:
                self.place = start
                raise self.wrong(f"a term has at most {_MOST_NUMBERS} numbers (got more)")
            numbers.extend(range(first, last + 1))
            if not self.take(re.compile(r"\s*,")):
                return numbers
