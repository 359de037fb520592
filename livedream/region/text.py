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
from livedream.core.scanner import Scanner
from livedream.core.suggest import closest
from livedream.region.value import CLASSES, PLAIN, PLAIN_PATH, Both, Either, Leaf, Not, Region

_NAME: Final = re.compile(r"[a-z][a-z_]*")
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


class RegionParser(Scanner):
    """Reads one region.

    text, place: where it begins; `place` is behind it when `region` has returned.
    """

    def __init__(self, text: str, place: int, error: type[GrammarError]) -> None:
        super().__init__(text, place, error)
        self._begin, self._depth = place, 0

    def region(self) -> Region:
        """The region here, and the space behind it."""
        parts = [self._all()]
        while self.taken("|"):
            parts.append(self._all())
        return parts[0] if len(parts) == 1 else Either(tuple(parts))

    def _all(self) -> Region:
        parts = [self._one()]
        while self.taken("&"):
            parts.append(self._one())
        return parts[0] if len(parts) == 1 else Both(tuple(parts))

    def _one(self) -> Region:
        self._depth += 1
        if self._depth > _DEEPEST:
            raise self.wrong("too many brackets within each other")
        if self.taken("!"):
            found: Region = Not(self._one())
        elif self.taken("("):
            found = self.region()
            self.symbol(")", "expected &, | or )")
        else:
            found = self._leaf()
        if self.place - self._begin > _LONGEST:
            raise self.wrong(f"a region has at most {_LONGEST} characters")
        self._depth -= 1
        return found

    def _leaf(self) -> Leaf:
        self.skip_space()
        start = self.place
        match = self.take(_NAME)
        known = (*PLAIN, *_WITH_VALUES)
        if match is None or match[0] not in known:
            self.place = start
            hint = closest(match[0], known) if match else ""
            listed = ", ".join(name for name in known if name not in CLASSES)
            raise self.wrong(
                f"expected a region; {hint or f'there are {listed}, person, dog, ...'}"
            )
        name = match[0]
        if name == "visitors" and self.taken("("):
            self.skip_space()
            stay_s = float(self.needed(_NUMBER, "expected seconds"))
            self.symbol(")", "expected )")
            return Leaf(name, (stay_s,))
        if name in PLAIN:
            self.skip_space()
            return Leaf(name)
        self.symbol("(", f"expected ( after {name}")
        values: tuple[float | str, ...]
        if name == "rect":
            values = self._rectangle()
        elif name == "key":
            colour = self.needed(_COLOUR, "expected a colour such as #00ff00")
            values = (colour.lower(),)
        else:
            wanted = "expected a file's path, in quotes if need be"
            values = (self.text_of(PLAIN_PATH, wanted, "expected a path between the quotes"),)
        self.symbol(")", "expected )")
        return Leaf(name, values)

    def _rectangle(self) -> tuple[float, ...]:
        found: list[float] = []
        for name in ("x", "y", "width", "height"):
            if found:
                self.symbol(",", f"expected a comma and the {name}")
            self.skip_space()
            start = self.place
            value = float(self.needed(_NUMBER, f"expected the {name}, 0 to 1"))
            if value > 1.0 or (value == 0.0 and len(found) >= 2):
                self.place = start
                raise self.wrong(f"the {name} is a part of the picture's side, 0 to 1")
            found.append(value)
        return tuple(found)
