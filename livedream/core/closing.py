"""What is closed when its `with` block ends: the two ways, written once."""

import logging
from abc import ABC, abstractmethod
from typing import Self

_log = logging.getLogger(__name__)


class Closeable(ABC):
    """Something to give back, whatever has happened."""

    @abstractmethod
    def close(self) -> None: ...

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()


class Finalizable(ABC):
    """Something to finish: complete, or as far as it came when the block raised."""

    @abstractmethod
    def close(self, *, complete: bool = True) -> object: ...

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if error is None:
            self.close()
            return
        try:
            self.close(complete=False)
        except Exception:  # the first error is the one to report
            _log.info("%s could not be closed either", type(self).__name__, exc_info=True)
