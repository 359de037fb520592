"""Curves: parameters over a film's time, by keyframes in a text or a table.

curves   = { keyframe | comment } separated by commas, semicolons or new lines
keyframe = time ":" parameter "=" value [ kind ]
time     = seconds | minutes ":" seconds | hours ":" minutes ":" seconds | frames "f"
value    = number | "yes" | "no" | a text, "in quotes" where it holds a comma outside brackets
kind     = "linear" | "ease" | "hold"
comment  = "#" at the beginning of a line, and the rest of it

A table (CSV) begins with a line `time,strength,hue`; each further line is a time and the values at
it, each with its kind, some of them left out. Between cells semicolons or tabs may stand as well; a
comma within a number is then its decimal sign. Any cell may be in quotes.

The kind says how a number comes to its keyframe from the one before: in a straight line (when
nothing is said), with a soft start and end, or not until the keyframe. Switches and texts change at
their keyframe. A parameter starts from its setting and stays at its last keyframe.
"""

import math
import re
from bisect import bisect_right
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import chain, repeat
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

from livedream.control.ramp import smooth
from livedream.core.errors import CurveError, GrammarError, SettingsError
from livedream.core.grade import MOMENTS, GradeSettings
from livedream.core.parameters import Parameter, declared
from livedream.core.settings import DreamSettings
from livedream.core.suggest import closest
from livedream.dream.objectives.prompt import parse_prompt
from livedream.dream.objectives.text import parse_objective
from livedream.region.text import parse_region

KINDS: Final = ("linear", "ease", "hold")
# A frozen or black picture is a performer's moment; motion is found before a film's parameters are.
LEFT_OUT: Final = (*MOMENTS, "flow_size")
MOVABLE: Final[Mapping[str, Parameter]] = MappingProxyType({
    one.name: one
    for cls in (DreamSettings, GradeSettings)
    for one in declared(cls)
    if one.live and one.name not in LEFT_OUT
})  # fmt: skip
_GRAMMARS: Final[Mapping[str, Callable[[str], object]]] = {
    "objective": parse_objective,
    "prompt": parse_prompt,
    "where": parse_region,
}
_MOST: Final = 100_000  # keyframes
_LARGEST: Final = 16 << 20  # bytes
_TIME: Final = re.compile(r"(?:(\d{1,9})f)|((?:\d+:){0,2}\d{1,9}(?:\.\d{1,9})?)")
_NAME: Final = re.compile(r"[A-Za-z][\w-]*")
_NUMBER: Final = re.compile(r"[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?", re.ASCII)
_QUOTED: Final = re.compile(r'"((?:[^"\n]|"")*)"')
_WORD: Final = re.compile(r"[A-Za-z]+")
_SPACE: Final = re.compile(r"[ \t\r]*")
_SPACE_AMONG_TABS: Final = re.compile(r"[ \r]*")
_LINES: Final = re.compile(r"(?:[ \t\r]*(?:#[^\n]*)?(?:\n|\Z))*")  # with nothing in them
_TABLE: Final = re.compile(rf'{_LINES.pattern}[ \t]*"?time"?[ ]*([,;\t])', re.IGNORECASE)
_EMPTY: Final = '""'  # a text with nothing in it, where no text is no keyframe
_SWITCH: Final = {"yes": True, "on": True, "true": True, "1": True,
                  "no": False, "off": False, "false": False, "0": False}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Keyframe:
    """A parameter's value at a time.

    time: seconds from the film's beginning, or frames of it where `frames` says so.
    kind: how a number comes there, one of `KINDS`; "hold" for what is no number.
    """

    time: Fraction
    name: str
    value: Any
    kind: str
    frames: bool = False

    def __str__(self) -> str:
        when = f"{self.time}f" if self.frames else _seconds_text(self.time)
        if isinstance(self.value, bool):
            return f"{when}:{self.name}={'yes' if self.value else 'no'}"
        if isinstance(self.value, str):
            quoted = self.value.replace('"', '""')
            return f'{when}:{self.name}="{quoted}"'
        kind = "" if self.kind == "linear" else f" {self.kind}"
        return f"{when}:{self.name}={self.value!r}{kind}"


@dataclass(frozen=True, slots=True)
class Curves:
    """Keyframes in the order of their times, as far as these are known without a frame rate."""

    keyframes: tuple[Keyframe, ...] = ()

    def __str__(self) -> str:
        """As a text, which `parse_curves` reads back to the same."""
        return "\n".join(map(str, self.keyframes))

    @property
    def names(self) -> frozenset[str]:
        """The parameters that are moved."""
        return frozenset(one.name for one in self.keyframes)

    def timed(self, rate: Fraction) -> list[tuple[float, Keyframe]]:
        """Each keyframe with its time in seconds, in order. rate: frames per second.

        What jumps at a frame does so half a frame before it: many files round the frames' times.
        A number is then held up to the frame, and its keyframe is there twice.
        """
        found: list[tuple[float, Keyframe]] = []
        for one in self.keyframes:
            time = one.time / rate if one.frames else one.time
            jumps = one.frames and one.kind == "hold"
            if jumps:
                found.append((max(0.0, float(time - 1 / (2 * rate))), one))
            if not jumps or _is_number(MOVABLE[one.name]):
                found.append((float(time), one))
        return sorted(found, key=lambda pair: pair[0])


class Curve:
    """One number over time.

    keyframes: with their times in seconds, in order.  start: the setting, from the beginning to
    the first keyframe.
    """

    def __init__(self, keyframes: Sequence[tuple[float, Keyframe]], start: float) -> None:
        early = [] if keyframes[0][0] <= 0 else [(0.0, start, "hold")]
        self._points = [*early, *((t, float(k.value), k.kind) for t, k in keyframes)]
        self._times = [time for time, _, _ in self._points]
        self._zero_apart = MOVABLE[keyframes[0][1].name].zero_apart

    def at(self, time_s: float) -> float:
        after = bisect_right(self._times, time_s)
        if after == 0:
            return self._points[0][1]
        begin_s, begin, _ = self._points[after - 1]
        if after == len(self._points):
            return begin
        end_s, end, kind = self._points[after]
        if kind == "hold" or (self._zero_apart and 0 in (begin, end)):
            return begin
        share = (time_s - begin_s) / (end_s - begin_s)
        return begin + (end - begin) * (smooth(share) if kind == "ease" else share)


def parse_curves(text: str) -> Curves:
    """What a text or a table means. Raises CurveError pointing at the character in its line."""
    parser = _Parser(text)
    table = _TABLE.match(text)
    keyframes = list(parser.table(table[1]) if table else parser.text())
    if not keyframes:
        raise parser.wrong("expected a keyframe such as 12.5:strength=20")
    return Curves(tuple(keyframes))


def read_curves(path: Path) -> Curves:
    """The curves in a file. Raises SettingsError where it cannot be read, and CurveError."""
    try:
        if path.stat().st_size > _LARGEST:
            raise SettingsError(f"curves: {path} is not a keyframe file: it is too large")
        return parse_curves(path.read_text(encoding="utf-8-sig"))
    except (OSError, UnicodeDecodeError) as error:
        why = getattr(error, "strerror", None) or "not UTF-8 text; save it as UTF-8"
        raise SettingsError(f"curves: {path} cannot be read ({why})") from error


class _Parser:
    """One pass from left to right."""

    def __init__(self, text: str) -> None:
        self._text, self._place = text, 0
        self._file, self._begin = text, 0  # what it is in, and where
        self._seen: set[tuple[str, bool, Fraction]] = set()

    def wrong(self, message: str, place: int | None = None) -> CurveError:
        """An error here, or at `place`; it shows the line alone, which a file may have many of."""
        place = self._begin + (self._place if place is None else place)
        begin = self._file.rfind("\n", 0, place) + 1
        end = self._file.find("\n", place)
        line = self._file[begin : None if end < 0 else end].rstrip("\r")
        number = self._file.count("\n", 0, place) + 1
        where = f"line {number}: " if "\n" in self._file.strip() else ""
        return CurveError(where + message, text=line, position=min(place - begin, len(line)))

    def text(self) -> Iterator[Keyframe]:
        self._skip_lines()
        while self._place < len(self._text):
            begin = self._place
            time, frames = self._time()
            self._needed(re.compile(":"), "expected : and a parameter")
            parameter = self._parameter()
            self._needed(re.compile("="), f"expected = and the value of {parameter.name}")
            yield self._keyframe(time, parameter, begin, frames=frames)
            if self._place < len(self._text) and self._text[self._place] not in ",;\n":
                raise self.wrong("expected a comma or a new line")
            self._skip_lines(",;")

    def table(self, separator: str) -> Iterator[Keyframe]:
        _, *names = self._cells(separator)
        columns = [cell._parameter() if cell.is_filled else None for cell in names]
        for cell in names:
            cell.end()
        while self._place < len(self._text):
            when, *values = cells = self._cells(separator)
            if any(cell.is_filled for cell in cells):
                at = when._time()
                when.end()
                for cell, column in zip(values, chain(columns, repeat(None)), strict=False):
                    yield from cell.keyframes(at, column)

    def _cells(self, separator: str) -> "list[_Cell]":
        """Those of the next line that is not empty."""
        self._match(_LINES)
        space = _SPACE_AMONG_TABS if separator == "\t" else _SPACE
        cells: list[_Cell] = []
        while True:
            self._match(space)
            begin, quoted = self._place, self._match(_QUOTED)
            if quoted is not None:
                text = quoted[1].replace('""', '"') or _EMPTY
            elif self._text.startswith('"', begin):
                raise self.wrong("this quote is never closed")
            else:
                text = self._bare(separator)
            cells.append(_Cell(text, self, begin + (quoted is not None), separator))
            self._match(space)
            if self._place == len(self._text) or self._text[self._place] == "\n":
                return cells
            if self._text[self._place] != separator:
                raise self.wrong("expected the next cell or a new line")
            self._place += 1

    def _time(self) -> tuple[Fraction, bool]:
        match = self._needed(_TIME, "expected a time: seconds, 1:30.5, or frames such as 250f")
        if match[1]:
            return Fraction(match[1]), True
        seconds = Fraction(0)
        for part in match[2].split(":"):
            seconds = seconds * 60 + Fraction(part)
        return seconds, False

    def _parameter(self) -> Parameter:
        begin = self._place
        name = self._needed(_NAME, "expected a parameter")[0].replace("-", "_").lower()
        if name not in MOVABLE:
            why = f"{name} is not for curves" if name in LEFT_OUT else f"no parameter {name}"
            hint = closest(name, MOVABLE) or "docs/parameters.md lists those that may change live"
            raise self.wrong(f"{why}; {hint}", begin)
        return MOVABLE[name]

    def _keyframe(
        self, time: Fraction, parameter: Parameter, begin: int, *, frames: bool
    ) -> Keyframe:
        if (parameter.name, frames, time) in self._seen:
            raise self.wrong(f"{parameter.name} has a keyframe at this time already", begin)
        self._seen.add((parameter.name, frames, time))
        if len(self._seen) > _MOST:
            raise self.wrong(f"at most {_MOST} keyframes")
        place = self._place
        value: Any = self._number(parameter) if _is_number(parameter) else self._text_of(parameter)
        kind = self._kind(parameter)
        try:
            value = parameter.check(value)
        except ValueError as error:
            raise self.wrong(str(error), place) from error
        return Keyframe(time, parameter.name, value, kind, frames)

    def _number(self, parameter: Parameter) -> float | int:
        place = self._place
        text = self._needed(_NUMBER, f"expected {parameter.wanted()}")[0]
        found = float(text)
        if not math.isfinite(found):
            raise self.wrong(f"{parameter.name}: must be {parameter.wanted()}", place)
        return int(found) if parameter.kind is int and found.is_integer() else found

    def _text_of(self, parameter: Parameter) -> str | bool:
        begin, found = self._written()
        if parameter.kind is bool:
            if found.lower() not in _SWITCH:
                raise self.wrong(f"{parameter.name}: must be yes or no", begin)
            return _SWITCH[found.lower()]
        if found.strip() and parameter.name in _GRAMMARS:
            try:
                _GRAMMARS[parameter.name](found)
            except GrammarError as error:
                raise self.wrong(str(error).partition(" (at character")[0],
                                 begin + error.position) from error  # fmt: skip
        return found

    def _written(self) -> tuple[int, str]:
        """Where a text begins, and the text."""
        begin = self._place
        quoted = self._match(_QUOTED)
        if quoted is not None:
            return begin + 1, quoted[1].replace('""', '"')
        if self._text.startswith('"', begin):
            raise self.wrong("this quote is never closed")
        return begin, self._bare(",;")

    def _bare(self, separators: str) -> str:
        """Up to a separator outside brackets."""
        begin, depth = self._place, 0
        while self._place < len(self._text):
            letter = self._text[self._place]
            depth += (letter in "([") - (letter in ")]")
            if letter == "\n" or (letter in separators and depth <= 0):
                break
            self._place += 1
        return self._text[begin : self._place].strip()

    def _kind(self, parameter: Parameter) -> str:
        self._match(_SPACE)
        begin = self._place
        word = self._match(_WORD)
        if word is None:
            return "linear" if _is_number(parameter) else "hold"
        if word[0] not in KINDS:
            raise self.wrong(f"expected {', '.join(KINDS)}, a comma or a new line", begin)
        if not _is_number(parameter) and word[0] != "hold":
            raise self.wrong(f"{parameter.name} switches at its time: leave out {word[0]}", begin)
        self._match(_SPACE)
        return word[0]

    def _needed(self, pattern: re.Pattern[str], message: str) -> re.Match[str]:
        match = self._match(pattern)
        if match is None:
            raise self.wrong(message)
        self._match(_SPACE)
        return match

    def _match(self, pattern: re.Pattern[str]) -> re.Match[str] | None:
        match = pattern.match(self._text, self._place)
        if match:
            self._place = match.end()
        return match

    def _skip_lines(self, separators: str = "") -> None:
        """Space, new lines, comments and separators."""
        while self._place < len(self._text):
            letter = self._text[self._place]
            line = self._text.rfind("\n", 0, self._place) + 1
            if letter == "#" and not self._text[line : self._place].strip():
                end = self._text.find("\n", self._place)
                self._place = len(self._text) if end < 0 else end
            elif letter in " \t\r\n" or letter in separators:
                self._place += 1
            else:
                return


class _Cell(_Parser):
    """A table's cell. text: without its quotes.  begin: where it is.  separator: of cells."""

    def __init__(self, text: str, table: _Parser, begin: int, separator: str) -> None:
        super().__init__(text)
        self._file, self._begin, self._seen = table._file, begin, table._seen
        self._decimal_comma = separator != ","

    @property
    def is_filled(self) -> bool:
        return self._text not in ("", _EMPTY)

    def keyframes(self, at: tuple[Fraction, bool], column: Parameter | None) -> Iterator[Keyframe]:
        """One or none."""
        if column is None and self.is_filled:
            raise self.wrong("no parameter is named above this cell")
        if column is not None and (self.is_filled or (self._text and column.kind is str)):
            yield self._keyframe(at[0], column, 0, frames=at[1])
            self.end()

    def end(self) -> None:
        if self.is_filled and self._place < len(self._text):
            raise self.wrong("expected the end of this cell")

    def _needed(self, pattern: re.Pattern[str], message: str) -> re.Match[str]:
        if self._decimal_comma:
            self._text = self._text.replace(",", ".")
        return super()._needed(pattern, message)

    def _written(self) -> tuple[int, str]:
        self._place = len(self._text)
        return 0, self._text if self.is_filled else ""


def _is_number(parameter: Parameter) -> bool:
    return parameter.kind in (int, float)


def _seconds_text(time: Fraction) -> str:
    """Exact: keyframes have at most nine decimals."""
    whole, rest = divmod(round(time * 10**9), 10**9)
    return f"{whole}.{rest:09d}".rstrip("0").rstrip(".")
