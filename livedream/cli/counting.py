"""Progress of something that is counted: a bar on a terminal, plain lines elsewhere."""

import sys
import time
from types import TracebackType
from typing import Any, Self

__all__ = ["Counting", "span"]

_LINE_S = 5.0  # between two plain lines


class Counting:
    """Shows how many of `total` things (rounds, frames) are done, and the dream's strength.

    name: what is being made.  Everything goes to stderr; nothing at all when quiet.
    """

    def __init__(self, name: str, noun: str, total: int, *, quiet: bool) -> None:
        self._name, self._noun, self._total = name, noun, total
        self._quiet = quiet
        self._bar: Any = None
        self._start = self._said = time.monotonic()

    def __enter__(self) -> Self:
        if not self._quiet and sys.stderr.isatty():
            from rich.console import Console
            from rich.progress import BarColumn, MofNCompleteColumn, Progress, TimeRemainingColumn

            self._bar = Progress(
                "[bold]{task.description}", BarColumn(), MofNCompleteColumn(), self._noun,
                TimeRemainingColumn(), "{task.fields[note]}", console=Console(stderr=True),
            )  # fmt: skip
            self._task = self._bar.add_task(self._name, total=self._total, note="")
            self._bar.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._bar is not None:
            self._bar.stop()

    def advance(self, done: int, level: float) -> None:
        """done: so far.  level: the dream's, 8-bit steps."""
        note = f"strength {level:.1f}"
        if self._bar is not None:
            self._bar.update(self._task, completed=done, note=note)
            return
        now = time.monotonic()
        if self._quiet or now - self._said < _LINE_S:
            return
        self._said = now
        left = span((now - self._start) / done * (self._total - done))
        text = f"{self._name}: {done}/{self._total} {self._noun}, {left} left, {note}"
        print(text, file=sys.stderr, flush=True)


def span(seconds: float) -> str:
    """`1:05` or `1:00:05`."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"
