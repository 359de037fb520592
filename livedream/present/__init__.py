"""Present: where dreamed frames go.

A sink is a context manager that takes `Frame`s in the order of their pts. Closing it finishes
the file; what was written before an error stays playable.
"""

from types import TracebackType
from typing import Protocol, Self

from livedream.frame import Frame

__all__ = ["MemorySink", "Sink"]


class Sink(Protocol):
    """The door to present: `write`, `close`."""

    def write(self, frame: Frame) -> None: ...

    def close(self) -> None: ...


class MemorySink:
    """Keeps what it is given in `frames`: for tests and for programs that go on themselves."""

    def __init__(self) -> None:
        self.frames: list[Frame] = []

    def write(self, frame: Frame) -> None:
        self.frames.append(frame)

    def close(self) -> None:
        """Nothing to finish: the frames stay."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()
