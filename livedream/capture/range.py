"""Which part of a film is wanted."""

from dataclasses import dataclass
from fractions import Fraction
from math import ceil

from livedream.core.errors import SourceError


@dataclass(frozen=True, slots=True)
class Range:
    """A part of a film: from start_s (seconds from the first frame) up to, not including, end_s.

    end_s: None is the end of the film.  skip: how many frames at the beginning of the part need
    not be delivered, because they were before; the ones after them keep their index.
    """

    start_s: float = 0.0
    end_s: float | None = None
    skip: int = 0

    def __post_init__(self) -> None:
        if self.start_s < 0 or (self.end_s is not None and self.end_s <= self.start_s):
            raise SourceError(f"{self} is empty: wanted 0 <= start < end, in seconds")

    def __str__(self) -> str:
        until = "the end" if self.end_s is None else f"{self.end_s:g} s"
        return f"the range from {self.start_s:g} s to {until}"

    @property
    def is_all(self) -> bool:
        return self.start_s == 0 and self.end_s is None

    def ticks(self, time_base: Fraction) -> tuple[int, int | None]:
        """The first tick of the part, and the first one behind it, counted from the first frame."""
        end = None if self.end_s is None else _first_tick(self.end_s, time_base)
        return _first_tick(self.start_s, time_base), end


def _first_tick(seconds: float, time_base: Fraction) -> int:
    # To the microsecond: 0.8 as a binary fraction is a little more than 8 tenths.
    return ceil(Fraction(seconds).limit_denominator(1_000_000) / time_base)
