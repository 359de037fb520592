"""Regions as text: the one grammar, and the one parser of it.

region = all { "|" all }
all    = one { "&" one }
one    = "!" one | "(" region ")" | name
name   = "moving" | "still" | "dark" | "bright" | "edges" | "smooth"
       | "left" | "right" | "top" | "bottom" | "rect(" x "," y "," width "," height ")"
       | "key(" colour ")" | "mask(" path ")" | "painted"
       | "visitors" [ "(" seconds ")" ] | "person" | "background" | class | "network(" path ")"
x, y, width, height = parts of the picture's sides, 0 to 1
colour = "#" and six hexadecimal digits
path   = anything without quotes, commas and parentheses, or anything "in quotes"
"""

import re
from functools import lru_cache
from typing import Final

from livedream.core.errors import GrammarError, RegionError
from livedream.core.suggest import closest
from livedream.region.value import CLASSES, PLAIN, PLAIN_PATH, Both, Either, Leaf, Not, Region

_NAME: Final = re.compile(r"[a-z][a-z_]*")
_SPACE: Final = re.compile(r"\s*")
_QUOTED: Final = re.compile(r'"((?:[^"]|"")*)"')
_NUMBER: Final = re.compile(r"\d+\.?\d*|\.\d+", re.ASCII)
_COLOUR: Final = re.compile(r"#[0-9a-fA-F]{6}(?![0-9a-zA-Z])")
_WITH_VALUES: Final = ("rect", "key", "mask", "network")
_DEEPEST: Final = 50  # brackets and ! within each other: more are a typing error
_LONGEST: Final = 2000


@lru_cache(maxsize=64)
def parse_region(text: str) -> Region:
    """The region that a text means.  Raises RegionError pointing at the character."""
    parser = RegionParser(text, 0, RegionError)
    region = parser.region()
    if parser.place < len(text):
        raise parser.wrong("expected &, | or the end")
    return region


class RegionParser:
    """One pass from left to right.

    text, place: where a region begins; `place` is behind it when `region` has returned.
    error: what is raised where it does not parse, pointing at the character.
    """

    def __init__(self, text: str, place: int, error: type[GrammarError]) -> None:
        self._text, self.place, self._error = text, place, error
        self._depth = 0

    def region(self) -> Region:
        """The region here, and the space behind it."""
        if len(self._text) > _LONGEST:
            raise self.wrong(f"a region has at most {_LONGEST} characters")
        parts = [self._all()]
        while self._taken("|"):
            parts.append(self._all())
        return parts[0] if len(parts) == 1 else Either(tuple(parts))

    def wrong(self, message: str) -> GrammarError:
        return self._error(message, text=self._text, position=self.place)

    def _all(self) -> Region:
        parts = [self._one()]
        while self._taken("&"):
            parts.append(self._one())
        return parts[0] if len(parts) == 1 else Both(tuple(parts))

    def _one(self) -> Region:
        self._depth += 1
        if self._depth > _DEEPEST:
            raise self.wrong("too many brackets within each other")
        if self._taken("!"):
            found: Region = Not(self._one())
        elif self._taken("("):
            found = self.region()
            self._symbol(")", "expected &, | or )")
        else:
            found = self._leaf()
        self._depth -= 1
        return found

    def _leaf(self) -> Leaf:
        self._skip_space()
        start = self.place
        match = self._match(_NAME)
        known = (*PLAIN, *_WITH_VALUES)
        if match is None or match[0] not in known:
            self.place = start
            hint = closest(match[0], known) if match else ""
            listed = ", ".join(name for name in known if name not in CLASSES)
            raise self.wrong(
                f"expected a region; {hint or f'there are {listed}, person, dog, ...'}"
            )
        name = match[0]
        if name == "visitors" and self._taken("("):
            stay_s = float(self._needed(_NUMBER, "expected seconds"))
            self._symbol(")", "expected )")
            return Leaf(name, (stay_s,))
        if name in PLAIN:
            self._skip_space()
            return Leaf(name)
        self._symbol("(", f"expected ( after {name}")
        values: tuple[float | str, ...]
        if name == "rect":
            values = self._rectangle()
        elif name == "key":
            colour = self._needed(_COLOUR, "expected a colour such as #00ff00")
            values = (colour.lower(),)
        else:
            values = (self._path(),)
        self._symbol(")", "expected )")
        return Leaf(name, values)

    def _rectangle(self) -> tuple[float, ...]:
        found: list[float] = []
        for name in ("x", "y", "width", "height"):
            if found:
                self._symbol(",", f"expected a comma and the {name}")
            self._skip_space()
            start = self.place
            value = float(self._needed(_NUMBER, f"expected the {name}, 0 to 1"))
            if value > 1.0 or (value == 0.0 and len(found) >= 2):
                self.place = start
                raise self.wrong(f"the {name} is a part of the picture's side, 0 to 1")
            found.append(value)
        return tuple(found)

    def _path(self) -> str:
        self._skip_space()
        start = self.place
        quoted = self._match(_QUOTED)
        found = quoted[1].replace('""', '"') if quoted else None
        if found is None:
            closed = self._text[start : start + 1] != '"'
            wanted = "expected a file's path, in quotes if need be"
            found = self._needed(PLAIN_PATH, wanted if closed else "this quote is never closed")
        if not found.strip() or "\n" in found:
            self.place = start
            raise self.wrong("expected a path between the quotes")
        return found

    def _taken(self, symbol: str) -> bool:
        self._skip_space()
        there = self._text.startswith(symbol, self.place)
        self.place += there
        return there

    def _symbol(self, symbol: str, message: str) -> None:
        if not self._taken(symbol):
            raise self.wrong(message)
        self._skip_space()

    def _needed(self, pattern: re.Pattern[str], message: str) -> str:
        self._skip_space()
        match = self._match(pattern)
        if match is None:
            raise self.wrong(message)
        return match[0]

    def _match(self, pattern: re.Pattern[str]) -> re.Match[str] | None:
        match = pattern.match(self._text, self.place)
        if match:
            self.place = match.end()
        return match

    def _skip_space(self) -> None:
        self._match(_SPACE)
