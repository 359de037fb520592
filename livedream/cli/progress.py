"""Progress of a render: a bar on a terminal, plain lines elsewhere."""

import sys
import time
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

if TYPE_CHECKING:
    from livedream.core.frame import SourceInfo
    from livedream.dream.dreamer import Dream
    from livedream.jobs.render import RenderJob, RenderReport

_LINE_S = 5.0  # between two plain lines


class Progress:
    """Shows frames, fps, time left and strength; collects a contact sheet if one is wanted."""

    def __init__(self, job: "RenderJob", *, quiet: bool, sheet: Path | None) -> None:
        self._job = job
        self._quiet = quiet
        self._sheet = sheet
        self._frames: int | None = None
        self._bar: Any = None
        self._task: Any = None
        self._said = time.monotonic()
        self._collector: Any = None

    def __enter__(self) -> Self:
        if self._sheet is not None:
            from livedream.present.contact_sheet import SheetCollector

            self._collector = SheetCollector()
        if not self._quiet and sys.stderr.isatty():
            self._bar = _bar()
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
        if self._collector is not None and self._sheet is not None:
            from livedream.present.picture import write_picture

            picture = self._collector.sheet()
            if picture is not None:
                write_picture(self._sheet, picture)

    def opened(self, info: "SourceInfo") -> None:
        self._frames = info.frames
        if self._bar is not None:
            self._task = self._bar.add_task(
                Path(self._job.output).name, total=info.frames, fps=0.0, level=0.0
            )

    def watch(self, dream: "Dream", report: "RenderReport") -> None:
        if self._collector is not None:
            self._collector.add(dream.frame.rgb)
        index = dream.frame.index + 1
        if self._bar is not None:
            self._bar.update(self._task, completed=index, fps=report.fps, level=dream.level)
        elif not self._quiet and time.monotonic() - self._said > _LINE_S:
            self._said = time.monotonic()
            self._line(index, report, dream.level)

    def _line(self, index: int, report: "RenderReport", level: float) -> None:
        total = f"/{self._frames}" if self._frames else ""
        left = ""
        if self._frames and report.fps > 0:
            left = f", {_span(max(0, self._frames - index) / report.fps)} left"
        text = f"{self._job.output}: {index}{total} frames, {report.fps:.1f} fps{left}"
        print(f"{text}, strength {level:.1f}", file=sys.stderr, flush=True)

    def done(self, report: "RenderReport") -> None:
        if self._bar is not None:
            self._bar.stop()
            self._bar = None
        if self._quiet:
            return
        for note in report.notes:
            print(f"note: {note}", file=sys.stderr)
        if self._job.resume and not report.frames:
            print(f"{report.output}: it was complete already; nothing was left to dream")
            return
        print(
            f"{report.output}: {report.frames} frames in {_span(report.seconds)}, "
            f"{report.fps:.1f} fps, strength {report.strength:.1f}, {report.network} "
            f"({report.objective}) on {report.device} in {report.precision}"
        )


def _bar() -> Any:
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        TextColumn,
        TimeRemainingColumn,
    )
    from rich.progress import Progress as Bars

    return Bars(
        TextColumn("[bold]{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[fps]:.1f} fps"),
        TimeRemainingColumn(),
        TextColumn("strength {task.fields[level]:.1f}"),
        console=Console(stderr=True),
    )


def _span(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"
