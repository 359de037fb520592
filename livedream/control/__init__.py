"""Control: what a performer's hands, the music and the clock do to a running dream.

Every hand (panel, OSC, MIDI, keys, modulators) writes to the one board, or calls one of the
actions of `show.Show`; none of them ever waits for the loop, and none touches torch.
"""

from typing import Protocol

from livedream.core.health import Health

__all__ = ["Controller"]


class Controller(Protocol):
    """One way to reach the board: starts its threads, and stops them within a second."""

    def start(self) -> None:
        """Raises LivedreamError, in one line, when the hand cannot be had here."""

    def close(self) -> None: ...

    def health(self) -> Health: ...
