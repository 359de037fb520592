"""What live sources have in common: an input, what it says of itself, its frames."""

import time
from dataclasses import dataclass
from fractions import Fraction
from typing import Protocol

from livedream.core.frame import Picture


@dataclass(frozen=True, slots=True)
class Captured:
    """A live frame. rgb: (H, W, 3) uint8.  captured_s: monotonic.  index: counts every frame."""

    rgb: Picture
    captured_s: float
    index: int


@dataclass(frozen=True, slots=True)
class Opened:
    """What an input really gives, read back after opening; width and height in px.

    rate: frames per second.  detail: in words, such as what was asked for and not granted.
    """

    width: int
    height: int
    rate: Fraction
    detail: str = ""


class LiveInput(Protocol):
    """The door for live sources; used from one thread.

    open: may take seconds; SourceError when there is nothing.  read: waits for the next frame;
    None when there is none yet (at most about a second); SourceError when the input is gone.
    close: may be called at any time after open, more than once.
    """

    name: str

    def open(self) -> Opened: ...

    def read(self) -> Picture | None: ...

    def close(self) -> None: ...


class MemoryInput:
    """Pictures from memory, handed out as they are put: for tests and for programs.

    A picture that is None is "none yet"; an exception is raised at its place.
    """

    def __init__(self, opened: Opened, name: str = "memory") -> None:
        self.name = name
        self._opened = opened
        self.pending: list[Picture | Exception | None] = []

    def open(self) -> Opened:
        return self._opened

    def read(self) -> Picture | None:
        if not self.pending:
            time.sleep(0.002)
            return None
        item = self.pending.pop(0)
        if isinstance(item, Exception):
            raise item
        return item

    def close(self) -> None:
        """Nothing to give back."""
