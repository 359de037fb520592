"""What is closed when its `with` block ends: the two ways, written once."""

from abc import ABC, abstractmethod
from contextlib import suppress
from types import TracebackType
from typing import Self

__all__ = ["Closeable", "Finalizable"]


class Closeable(ABC):
    """Something to give back, whatever has happened."""

    @abstractmethod
    def close(self) -> None: ...

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


class Finalizable(ABC):
    """Something to finish: complete, or as far as it came when the block raised."""

    @abstractmethod
    def close(self, *, complete: bool = True) -> object: ...

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if error is None:
            self.close()
            return
        with suppress(Exception):  # the first error is the one to report
            self.close(complete=False)
