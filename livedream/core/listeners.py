"""Who is told of a change."""

import threading
from collections.abc import Callable
from typing import Generic, TypeVarTuple

Told = TypeVarTuple("Told")


class Listeners(Generic[*Told]):
    """Thread-safe; while they are told, others may come and go. None of them may wait."""

    def __init__(self) -> None:
        self._all: tuple[Callable[[*Told], None], ...] = ()
        self._lock = threading.Lock()

    def add(self, listener: Callable[[*Told], None]) -> Callable[[], None]:
        """Returns what takes it off again."""
        with self._lock:
            self._all = (*self._all, listener)

        def stop() -> None:
            with self._lock:
                self._all = tuple(one for one in self._all if one is not listener)

        return stop

    def tell(self, *told: *Told) -> None:
        """Call each with it, in the order in which they came."""
        for listener in self._all:
            listener(*told)
