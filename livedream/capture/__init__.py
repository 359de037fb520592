"""Capture: where frames come from.

A source is a context manager that says what it is (`info`) and yields `Frame`s in order.
Files drop no frame; live sources keep only the latest one.
"""

from collections.abc import Iterable, Iterator
from types import TracebackType
from typing import Protocol, Self

from livedream.frame import Frame, SourceInfo

__all__ = ["MemorySource", "Source"]


class Source(Protocol):
    """The door to capture: `info`, iteration, `close`."""

    @property
    def info(self) -> SourceInfo: ...

    def __iter__(self) -> Iterator[Frame]: ...

    def close(self) -> None: ...


class MemorySource:
    """Frames that already lie in memory: for tests and for programs that make their own."""

    def __init__(self, frames: Iterable[Frame], info: SourceInfo) -> None:
        self.info = info
        self._frames = list(frames)

    def __iter__(self) -> Iterator[Frame]:
        return iter(self._frames)

    def close(self) -> None:
        self._frames.clear()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()
