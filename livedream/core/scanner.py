"""What the parsers of objectives and of regions have in common."""

import re
from typing import Final

from livedream.core.errors import GrammarError

_SPACE: Final = re.compile(r"\s*")
_QUOTED: Final = re.compile(r'"((?:[^"]|"")*)"')


class Scanner:
    """A text that is read once, from left to right.

    place: of the next character.  error: what is raised where the text does not parse, pointing at
    the character.
    """

    def __init__(self, text: str, place: int, error: type[GrammarError]) -> None:
        self.text, self.place, self._error = text, place, error

    def wrong(self, message: str) -> GrammarError:
        return self._error(message, text=self.text, position=self.place)

    def next(self) -> str:
        return self.text[self.place : self.place + 1]

    def skip_space(self) -> None:
        self.take(_SPACE)

    def at_end(self) -> bool:
        """Behind the space here."""
        self.skip_space()
        return self.place >= len(self.text)

    def take(self, pattern: re.Pattern[str]) -> re.Match[str] | None:
        match = pattern.match(self.text, self.place)
        if match:
            self.place = match.end()
        return match

    def needed(self, pattern: re.Pattern[str], message: str) -> str:
        match = self.take(pattern)
        if match is None:
            raise self.wrong(message)
        return match[0]

    def taken(self, symbol: str) -> bool:
        """Whether the symbol was there, behind any space."""
        self.skip_space()
        there = self.text.startswith(symbol, self.place)
        self.place += len(symbol) * there
        return there

    def symbol(self, symbol: str, message: str) -> None:
        """The symbol and the space around it."""
        if not self.taken(symbol):
            raise self.wrong(message)
        self.skip_space()

    def text_of(self, plain: re.Pattern[str], wanted: str, empty: str) -> str:
        """A text in quotes, a quote in it written twice, or one that `plain` lets go without them.

        wanted, empty: the messages where there is none, and where it says nothing.
        """
        start = self.place
        quoted = self.take(_QUOTED)
        if quoted:
            found = quoted[1].replace('""', '"')
        else:
            wanted = "this quote is never closed" if self.next() == '"' else wanted
            found = self.needed(plain, wanted)
        if not found.strip() or "\n" in found:
            self.place = start
            raise self.wrong(empty)
        return found
