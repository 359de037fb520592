"""What commands print and write: progress, a last line, tables, figures."""

import json
import sys
import time
from collections import deque
from collections.abc import Callable, Collection, Iterable, Sequence
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from livedream.core.closing import Closeable
from livedream.core.errors import SettingsError, os_reason
from livedream.core.redact import one_line

if TYPE_CHECKING:
    from types import ModuleType

    from rich.console import Console

    from livedream.dream.dreamer import Dream
    from livedream.dream.level import LevelledDream
    from livedream.jobs.film.piece import Word
    from livedream.jobs.report import RenderReport


_LINE_S = 5.0  # between two plain lines
_RATE_S = 10.0  # over which the rate is taken: the last rounds of a large still are slower


class _Bar(Closeable):
    """A bar on a terminal, else a plain line now and then. All goes to stderr; nothing when quiet.

    columns: of the bar, made of `rich.progress`.
    """

    def __init__(self, columns: "Callable[[ModuleType], Iterable[Any]]", *, quiet: bool) -> None:
        self._quiet, self._said_s = quiet, time.monotonic()
        self._bar: Any = None
        if not quiet and sys.stderr.isatty():
            from rich import progress
            from rich.console import Console

            self._bar = progress.Progress(*columns(progress), console=Console(stderr=True))
            self._bar.start()

    def close(self) -> None:
        if self._bar is not None:
            self._bar.stop()

    def _say(self, text: str, *, now: bool = False) -> None:
        """A line, if none was printed lately. now: in any case."""
        now_s = time.monotonic()
        if now or now_s - self._said_s >= _LINE_S:
            self._said_s = now_s
            print(text, file=sys.stderr, flush=True)


class Progress(_Bar):
    """Shows how many of `total` frames or rounds are done, the time left and the strength.

    name: what is being made.  total: None while it is not known.
    """

    def __init__(self, name: str, noun: str, total: int | None, *, quiet: bool) -> None:
        self._name, self._noun, self.total = one_line(name), noun, total
        self._past: deque[tuple[float, int]] = deque()  # when so much was done
        super().__init__(
            lambda rich: [
                rich.TextColumn("{task.description}", "bold", markup=False), rich.BarColumn(),
                rich.MofNCompleteColumn(), noun, rich.TimeRemainingColumn(), "{task.fields[note]}",
            ],
            quiet=quiet,
        )  # fmt: skip
        if self._bar is not None:
            self._task = self._bar.add_task(self._name, total=total, note="")

    def watch(self, dream: "Dream | LevelledDream", report: "RenderReport") -> None:
        """`advance`, for jobs that count from the first frame."""
        self.advance(report.frames, float(dream.level))

    def advance(self, done: int, level: float) -> None:
        """done: so far.  level: the dream's, 8-bit steps."""
        if self._quiet:
            return
        now_s = time.monotonic()
        self._past.append((now_s, done))
        while len(self._past) > 2 and now_s - self._past[1][0] > _RATE_S:
            self._past.popleft()
        before_s, before = self._past[0]
        rate = (done - before) / max(now_s - before_s, 1e-6)
        note = f"{rate:.1f} {self._noun}/s, strength {level:.1f}"
        if self._bar is not None:
            self._bar.update(self._task, completed=done, total=self.total, note=note)
        else:
            of = f"/{self.total}" if self.total else ""
            left = ""
            if self.total and rate:
                left = f"{timedelta(seconds=round((self.total - done) / rate))} left, "
            self._say(f"{self._name}: {done}{of} {self._noun}, {left}{note}")


class FilmProgress(_Bar):
    """Shows how far films on many workers are: a bar for all of them and a line for each worker."""

    def __init__(self, name: str, *, quiet: bool) -> None:
        self._name = one_line(name)
        self._begun: tuple[float, int] | None = None
        self._lines: dict[str, Any] = {}
        super().__init__(
            lambda rich: [
                rich.TextColumn("{task.description}", "bold", markup=False), rich.BarColumn(),
                rich.MofNCompleteColumn(), rich.TextColumn("{task.fields[note]}", markup=False),
            ],
            quiet=quiet,
        )  # fmt: skip
        if self._bar is not None:
            self._task = self._bar.add_task(self._name, total=None, note="looking for cuts")

    def watch(self, done: int, frames: int, words: "Sequence[Word]") -> None:
        """done, frames: of all films.  words: what workers say that are dreaming."""
        if self._quiet:
            return
        now_s = time.monotonic()
        if self._begun is None:
            self._begun = now_s, done
        rate = (done - self._begun[1]) / max(now_s - self._begun[0], 1e-6)
        left = f", {timedelta(seconds=round((frames - done) / rate))} left" if rate > 0 else ""
        note = f"{rate:.1f} frames/s{left}"
        if self._bar is None:
            self._say(f"{self._name}: {done}/{frames} frames, {note}, {len(words)} at work")
            return
        self._bar.update(self._task, completed=done, total=frames, note=note)
        for who in set(self._lines) - {word.who for word in words}:
            self._bar.remove_task(self._lines.pop(who))
        for word in words:
            if word.who not in self._lines:
                self._lines[word.who] = self._bar.add_task(one_line(word.who), note="")
            where = f"{Path(word.film).name} from frame {word.first}"
            note = one_line(f"{where}, {word.fps:.1f} frames/s, {word.device}")
            self._bar.update(
                self._lines[word.who], completed=word.done, total=word.frames, note=note
            )


class Steps(_Bar):
    """Shows what is being done and the time left of it, one step after the other."""

    def __init__(self, *, quiet: bool) -> None:
        self._what = ""
        super().__init__(
            lambda rich: [
                "[bold]{task.description}", rich.BarColumn(), rich.TaskProgressColumn(),
                rich.TimeRemainingColumn(),
            ],
            quiet=quiet,
        )  # fmt: skip

    def show(self, what: str, share: float) -> None:
        """what: is being done.  share: of it, 0 to 1; at 1 it is done."""
        if self._quiet:
            return
        now_s = time.monotonic()
        begins, self._what = what != self._what, what
        if begins:
            self._begun_s = self._said_s = now_s
        if self._bar is not None:
            if begins:
                self._task = self._bar.add_task(what, total=1.0)
            self._bar.update(self._task, completed=share)
        else:
            left_s = (now_s - self._begun_s) * (1 - share) / max(share, 1e-6)
            left = f", {timedelta(seconds=round(left_s))} left" if share < 1 else ""
            self._say(f"{what}: {share:.0%}{left}", now=share >= 1)


def summary(report: "RenderReport", what: str) -> str:
    """What was made, in one line. what: of how much, in words."""
    took = timedelta(seconds=round(report.seconds))
    return (
        f"{one_line(report.output)}: {what} in {took}, strength {report.strength:.1f}, "
        f"{report.network} ({report.objective}) on {report.device} in {report.precision}"
    )


def print_notes(report: "RenderReport") -> None:
    """What to know of how it was made, a line each, to stderr."""
    for note in report.notes:
        print(f"note: {one_line(note)}", file=sys.stderr)


def terminal() -> "Console | None":
    """The terminal that stdout is; None when it is piped to another program."""
    from rich.console import Console

    console = Console()
    return console if console.is_terminal else None


def print_table(
    columns: Sequence[str],
    rows: Iterable[Sequence[str]],
    *,
    right: Collection[str] = (),
    style: Callable[[Sequence[str]], str | None] = lambda row: None,
) -> None:
    """A table on a terminal; a line of tabs for each row when piped. right: columns of numbers.

    Names in it may be anybody's: each is put on one line.
    """
    from rich.markup import escape
    from rich.table import Table

    console = terminal()
    rows = [[one_line(cell) for cell in row] for row in rows]
    if console is None:
        for row in (columns, *rows):
            print("\t".join(row))
        return
    table = Table(box=None, header_style="bold")
    for column in columns:
        table.add_column(column, justify="right" if column in right else "left")
    for row in rows:
        table.add_row(*map(escape, row), style=style(row))
    console.print(table)


def write_json(path: Path, figures: Any, option: str) -> None:
    """Figures into a file. Raises SettingsError when it cannot be written."""
    try:
        path.write_text(json.dumps(figures, indent=2) + "\n", encoding="utf-8")
    except OSError as error:
        raise SettingsError(f"{option}: {path} cannot be written ({os_reason(error)})") from error
