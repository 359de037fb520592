"""Control: what a performer, the music and the clock do to a running dream.

Every controller (panel, OSC, MIDI, keys, modulators) writes to the live parameters or calls one of
the actions of `show.Show`; none of them ever waits for the loop, and none touches torch.
"""

from typing import Protocol

from livedream.core.health import Health


class Controller(Protocol):
    """One way to reach the live parameters: starts its threads, stops them within a second."""

    def start(self) -> None:
        """Raises LivedreamError, in one line, when it cannot be had here."""

    def close(self) -> None: ...

    def health(self) -> Health: ...
