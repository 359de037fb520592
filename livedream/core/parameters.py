"""How a parameter is declared: its name, range, unit, default and help, once for every place.

Settings are frozen dataclasses whose fields are made by `declare` and checked by `check_all`;
`declared` lists them. `core/settings` holds the dream's own.
"""

import dataclasses
import math
import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any, Final, cast

from livedream.core.errors import SettingsError

_LARGEST: Final = 10**300  # a larger whole number is no float


@dataclass(frozen=True, slots=True)
class Grammar:
    """What a text may be, where that is more than a few choices.

    read: a text as it is usually written; raises ValueError for one that may not be.
    wanted, metavar: for errors and help.  offered: those that a slider steps through.
    """

    read: Callable[[str], str]
    wanted: str
    metavar: str
    offered: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Parameter:
    """One declaration: what a parameter is called, what it may be, and what it is for.

    kind: int, float, str or bool.  minimum, maximum: inclusive, None where unbounded.
    choices: the only values allowed, empty for any.  unit: "" for none.
    removed: what was a choice in earlier versions; the error says that it is gone.
    grammar: of a text, None for any.
    soft_minimum, soft_maximum: the part of the range that a slider covers, where it is less.
    logarithmic: a slider's middle is the geometric mean.  live: may change while running.
    ramp_s: time constant with which a running dream follows a change; 0: at once.
    zero_apart: 0 is no small value but stands for a word, such as "never": no crossfade and no
    curve goes there or comes from there by degrees.
    group: its heading on a panel.  advanced: for engineers, listed after the others.
    """

    name: str
    kind: type
    default: Any
    help: str
    unit: str = ""
    minimum: float | None = None
    maximum: float | None = None
    choices: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()
    grammar: Grammar | None = None
    ramp_s: float = 0.0
    live: bool = True
    group: str = "dream"
    soft_minimum: float | None = None
    soft_maximum: float | None = None
    logarithmic: bool = False
    advanced: bool = False
    zero_apart: bool = False

    @property
    def flag(self) -> str:
        return "--" + self.name.replace("_", "-")

    def check(self, value: Any) -> Any:
        """`value` as this parameter's kind. Raises SettingsError when it may not be."""
        if isinstance(value, int) and abs(value) > _LARGEST:
            raise refused(self.name, self.wanted(), "a number of more digits")
        if self.kind is float and isinstance(value, int) and not isinstance(value, bool):
            value = float(value)
        if value in self.removed:
            raise SettingsError(f"{self.name}: {value} was removed; use {self.wanted()}")
        wrong_kind = type(value) is not self.kind
        if wrong_kind or (self.choices and value not in self.choices):
            raise refused(self.name, self.wanted(), repr(value))
        if self.grammar is not None:
            try:
                return self.grammar.read(value)
            except ValueError as error:
                raise refused(self.name, self.wanted(), repr(value[:40])) from error
        if isinstance(value, int | float) and self.kind is not bool:
            low = -float("inf") if self.minimum is None else self.minimum
            high = float("inf") if self.maximum is None else self.maximum
            if not low <= value <= high:
                raise refused(self.name, self.wanted(), f"{value:g}")
        return value

    def read(self, value: Any) -> Any:
        """`check` for what controllers send: 3.0 for 3, and 1 for yes."""
        if self.kind is int and isinstance(value, float) and value.is_integer():
            value = int(value)
        if self.kind is bool and not isinstance(value, bool) and value in (0, 1):
            value = bool(value)
        return self.check(value)

    @property
    def has_unit(self) -> bool:
        """Whether a slider can stand for it: numbers, switches and what is offered, but no text."""
        return self.kind is not str or bool(self.offered)

    @property
    def can_be_modulated(self) -> bool:
        return self.has_unit and self.grammar is None

    @property
    def offered(self) -> tuple[str, ...]:
        """The texts that a slider steps through; others may be allowed as well."""
        return self.choices or (self.grammar.offered if self.grammar else ())

    def span(self) -> tuple[float, float]:
        """What a slider covers: the soft limits, else the range. For numbers only."""
        low = self.minimum if self.soft_minimum is None else self.soft_minimum
        high = self.maximum if self.soft_maximum is None else self.soft_maximum
        low = 0.0 if low is None else low
        return low, low + 1.0 if high is None else high

    def to_unit(self, value: Any) -> float:
        """Where `value` stands on a slider from 0 to 1; 0 for a text that is not offered."""
        if value in self.offered:
            return self.offered.index(value) / max(1, len(self.offered) - 1)
        if self.kind is str:
            return 0.0
        if self.kind is bool:
            return float(value)
        low, high = self.span()
        share = _logarithm(value, low, high) if self.logarithmic else (value - low) / (high - low)
        return min(1.0, max(0.0, share))

    def from_unit(self, unit: float) -> Any:
        """The value at `unit` of a slider, clamped to 0..1. Raises SettingsError for text."""
        if not self.has_unit:
            raise SettingsError(f"{self.name}: must be {self.wanted()}, which no slider can set")
        if math.isnan(unit):
            raise refused(self.name, "0 to 1", "nan")
        unit = min(1.0, max(0.0, unit))
        if self.offered:
            return self.offered[round(unit * (len(self.offered) - 1))]
        if self.kind is bool:
            return unit >= 0.5
        low, high = self.span()
        if self.logarithmic:
            return self.clamp(low * (high / low) ** unit)
        return self.clamp(low + (high - low) * unit)

    def moved(self, value: Any, offset: float) -> Any:
        """`value` moved by `offset` of a slider's length, clamped to the range; text stays."""
        if self.choices or self.kind is bool:
            return self.from_unit(self.to_unit(value) + offset)
        if self.kind is str:
            return value
        low, high = self.span()
        if self.logarithmic:
            # Bounded before it is raised: an offset of hundreds would overflow.
            return self.clamp(value * (high / low) ** min(64.0, max(-64.0, offset)))
        return self.clamp(value + (high - low) * offset)

    def clamp(self, value: float) -> Any:
        """The nearest value that a number may have."""
        low = -math.inf if self.minimum is None else self.minimum
        high = math.inf if self.maximum is None else self.maximum
        clamped = min(high, max(low, value))
        return round(clamped) if self.kind is int else clamped

    def wanted(self) -> str:
        """The range in words, for help and errors: `0 to 60 s`, `a whole number from 1 to 12`."""
        if self.choices:
            return "one of " + ", ".join(self.choices)
        if self.kind is bool:
            return "yes or no"
        if self.grammar is not None:
            return self.grammar.wanted
        if self.kind is str:
            return "text"
        low, high = (f"{x:.15g}" if x is not None else "" for x in (self.minimum, self.maximum))
        span = f"{low} to {high}" if high else f"at least {low}"
        noun = "a whole number " + "from " * bool(high) if self.kind is int else ""
        return f"{noun}{span} {self.unit}".strip()


def refused(name: str, must_be: str, got: object) -> SettingsError:
    """`strength: must be 0 to 100 (got 500)`."""
    return SettingsError(f"{name}: must be {must_be} (got {got})")


def as_number(value: Any, name: str) -> float:
    """A number that came from outside. Raises SettingsError for anything else, nan and infinity."""
    if isinstance(value, bool | int | float) and abs(value) <= sys.float_info.max:
        return float(value)
    raise refused(name, "a number", repr(str(value)[:40]))


def _logarithm(value: float, low: float, high: float) -> float:
    return math.log(max(value, low) / low) / math.log(high / low)


def declare(default: Any, help: str, **more: Any) -> Any:
    return dataclasses.field(default=default, metadata={"help": help, **more})


@cache
def declared(cls: type[Any]) -> tuple[Parameter, ...]:
    """Every parameter of a settings dataclass, in the order of its declaration."""
    return tuple(
        Parameter(
            name=field.name, kind=cast(type, field.type), default=field.default, **field.metadata
        )
        for field in dataclasses.fields(cls)
    )


def check_all(settings: Any) -> None:
    """Check every field of a frozen settings dataclass against its declaration, in place."""
    for parameter in declared(settings.__class__):
        checked = parameter.check(getattr(settings, parameter.name))
        object.__setattr__(settings, parameter.name, checked)
