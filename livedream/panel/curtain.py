"""What keeps the projectors black while one show gives way to the next."""

import subprocess
import sys
import threading
from collections.abc import Sequence
from typing import Final

from livedream.core.addresses import parse_address
from livedream.core.children import end_child, start_child
from livedream.core.supervisor import start_thread

COMMAND: Final = (sys.executable, "-m", "livedream.present.live.curtain")
_BLACK_S: Final = 4.0  # it takes a second; a show that was told to end does not wait longer
_END_S: Final = 1.0


class Curtain:
    """Lowered by the thread that starts the shows, lifted by any.  command: for tests."""

    def __init__(self, command: tuple[str, ...] = COMMAND) -> None:
        self._command = command
        self._lock = threading.Lock()
        self._child: subprocess.Popen[bytes] | None = None

    def lower(self, words: Sequence[str]) -> None:
        """Cover what a show with these words covers fullscreen; returns once it is black."""
        covered = covered_by(words)
        if covered is None:
            return
        with self._lock:
            if self._child is not None and self._child.poll() is None:
                return
        self.lift()  # what is left of one that has died
        with self._lock:
            self._child = start_child(
                [*self._command, *covered], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
            )  # fmt: skip
            stdout = self._child.stdout
        assert stdout is not None
        start_thread("curtain", stdout.readline, restart=False).join(_BLACK_S)

    def lift(self) -> None:
        with self._lock:
            child, self._child = self._child, None
        if child is not None:
            end_child(child, _END_S)
            assert child.stdout is not None
            child.stdout.close()


def covered_by(words: Sequence[str]) -> tuple[str, str] | None:
    """The window's sink and its displays, None where a show has no window or none fullscreen."""
    said = [word.partition("=")[::2] for word in words]
    sinks = [value for flag, value in said if flag == "--sink"] or ["window"]
    for sink in sinks:
        address = parse_address(sink)
        if address.scheme == "window" and address.flag("fullscreen", "--fullscreen" in words):
            return sink, dict(said).get("--display", "0")
    return None
