"""One show after another, each `livedream live` in a process of its own.

A driver that crashes takes its show with it and not the studio: the show is started again, as it
was. What was set on its panel is kept (`kept`); what was painted there each show leaves in a file
for the next.
"""

import json
import logging
import re
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import IO, Any, Final

from websockets.exceptions import WebSocketException
from websockets.sync.client import connect

from livedream.core.children import end_child, start_child
from livedream.core.redact import redact
from livedream.core.supervisor import SupervisedThread, start_thread
from livedream.panel.curtain import Curtain, covered_by
from livedream.panel.kept import Kept
from livedream.panel.setup import Setup

_log = logging.getLogger(__name__)

COMMAND: Final = (sys.executable, "-m", "livedream", "live")
_STOP_S: Final = 3.0  # a show closes within a second; after this it is killed
_LOOK_S: Final = 0.2
_LAST_S: Final = 0.1  # a panel tells of changes 15 times a second
_OPEN_S: Final = 1.0
_FIRST_PAUSE_S: Final = 2.0
_LONGEST_PAUSE_S: Final = 30.0
_WELL_S: Final = 60.0  # a show that ran for so long was well
_LINES: Final = 40
_PANEL: Final = re.compile(r"panel: http://127\.0\.0\.1:(\d+)/")
_OPEN: Final = "livedream: window is open"
_OWN_WEIGHTS: Final = ("--weights=", "--settings-from=")  # a film's settings may name some
_PAINTED: Final = "studio-painted.png"  # beside the file of what was set
_REFUSED: Final = 2  # the exit code of what cannot be


@dataclass(frozen=True, slots=True)
class ShowState:
    """state: "stopped", "starting", "running", "stopping", or "waiting" to begin again.

    since_s: monotonic.  line: the last one of its log.  error: why the last one ended, "" for well.
    refused: whether it could not be started as it was set up.  number: counts shows.
    """

    state: str = "stopped"
    since_s: float = 0.0
    line: str = ""
    error: str = ""
    refused: bool = False
    number: int = 0


class ShowProcess:
    """Starts, watches and ends the shows.

    changed: called, from any thread, when `state` or `port` has changed.
    kept: a file for what was set on the show's panel, None: for as long as this lives.
    command: of a show.  stop_s: what it has for closing before it is killed.
    first_pause_s: before one that failed begins again; doubles. All three for tests.
    """

    def __init__(
        self, changed: Callable[[], None] = lambda: None, command: tuple[str, ...] = COMMAND,
        *, stop_s: float = _STOP_S, first_pause_s: float = _FIRST_PAUSE_S, kept: Path | None = None,
    ) -> None:  # fmt: skip
        self.state = ShowState()
        self.port: int | None = None  # of the running show's own panel
        self.lines: deque[str] = deque(maxlen=_LINES)
        self._changed, self._command, self._first_pause_s = changed, command, first_pause_s
        self._stop_s = stop_s
        self._kept = Kept.read(kept)
        self._kept_in = kept
        self._painting = None if kept is None else kept.with_name(_PAINTED)
        self._curtain = Curtain()
        self._wanted: Setup | None = None
        self._asked = 0  # counts wishes
        self._ran = 0  # the last wish for which a show ran
        self._closing = False
        self._wake = threading.Condition()
        self._thread: SupervisedThread | None = None

    @property
    def left_with(self) -> str:
        """The preset with which the last show ended and the next goes on, "" for none."""
        return str(self._kept.state.get("preset") or "")

    def open(self) -> None:
        self._thread = start_thread("show", self._run)

    def start(self, setup: Setup) -> None:
        """Begin this one, in place of any that runs; returns at once."""
        self._want(setup)

    def stop(self) -> None:
        """End the show; returns at once. Whatever it is busy with, it has ended soon after."""
        self._want(None)

    def close(self) -> None:
        self._closing = True
        self._want(None)
        if self._thread is not None:
            self._thread.close(self._stop_s + 2.0)

    def _want(self, setup: Setup | None) -> None:
        with self._wake:
            self._wanted = setup
            self._asked += 1
            self._wake.notify_all()

    def _run(self) -> None:
        pause_s = self._first_pause_s
        while not self._closing:
            with self._wake:
                asked, setup = self._asked, self._wanted
                if setup is None:
                    if not self._closing:
                        self._wake.wait()
                    continue
            begun_s = time.monotonic()
            code = self._play(setup, asked)
            if self._asked != asked:  # it was told to end
                pause_s = self._first_pause_s
                if self._wanted is None:
                    self._say("stopped")
                continue
            error = "" if code == 0 else self._last_line(code)
            # Closed, or refused; but one that ran may have to wait for its camera to come back.
            if code == 0 or (code == _REFUSED and self._ran != asked):
                with self._wake:
                    if self._asked == asked:
                        self._wanted = None
                self._say("stopped", error=error, refused=code == _REFUSED)
                continue
            _log.warning("the show ended by itself: %s", error)
            pause_s = self._first_pause_s if time.monotonic() - begun_s > _WELL_S else pause_s
            self._say("waiting", error=error)
            self._curtain.lower(setup.words)
            self._pause(asked, pause_s)
            if self._wanted is None:
                self._say("stopped")
            pause_s = min(2 * pause_s, _LONGEST_PAUSE_S)

    def _pause(self, asked: int, seconds: float) -> None:
        """Until something else is wanted, at most so long."""
        with self._wake:
            self._wake.wait_for(lambda: self._asked != asked, seconds)

    def _play(self, setup: Setup, asked: int) -> int:
        """One show from its beginning to its end; returns its exit code."""
        if self._kept.beginning != _beginning(setup):
            self._kept = Kept(self._kept_in, _beginning(setup))
        self._kept.begin(setup.words)
        words = [*setup.words]
        if self._painting is not None:
            if not self._kept.state:
                with suppress(OSError):  # another program looks at it, or there is none
                    self._painting.unlink()
            words.append(f"--painting={self._painting}")
        if not self._kept.state:
            words += setup.opening
        else:
            words += self._kept.program_file()
            network = self._kept.values.get("network")
            # It would be loaded beside the first one. Own weights are for that one alone: there the
            # network changes later, as it does for a prompt that brings one.
            if network and not any(word.startswith(_OWN_WEIGHTS) for word in words):
                words.append(f"--network={network}")
        if covered_by(words) is None:
            self._curtain.lift()
        self.lines.clear()
        self._say("starting", number=self.state.number + 1)
        child = start_child(
            [*self._command, *words, "--panel=127.0.0.1:0"],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
        )  # fmt: skip
        assert child.stderr is not None
        listener = start_thread("show's log", partial(self._listen, child.stderr), restart=False)
        try:
            return self._watch(child, setup.words, asked)
        finally:
            self._kept.write(at_once=True)
            if child.poll() is None:
                child.kill()
            end_child(child, _STOP_S)
            listener.close(_STOP_S)
            self.port = None  # after all that the show said

    def _watch(self, child: "subprocess.Popen[bytes]", words: Sequence[str], asked: int) -> int:
        """Until the child has ended; it is made to when something else is wanted."""
        killed_s, unsaid = float("inf"), self._kept.messages()
        while child.poll() is None:
            if self._asked == asked and self.port is not None:
                with suppress(OSError, WebSocketException):  # it is busy, or ends
                    self._attend(asked, unsaid)
            elif self._asked != asked and killed_s == float("inf"):
                self._say("stopping")
                if self._wanted is not None:  # another is to follow
                    self._curtain.lower(words)
                killed_s = time.monotonic() + self._stop_s
                child.terminate()
            elif time.monotonic() > killed_s:
                child.kill()
            with self._wake:
                self._wake.wait(_LOOK_S)
        return child.wait()

    def _attend(self, asked: int, unsaid: list[dict[str, Any]]) -> None:
        """Hear what the show's own panel says, as one of its pages, until something changes.

        unsaid: what it has to be told first, and was not when the link broke.
        """
        with connect(
            f"ws://127.0.0.1:{self.port}/socket", open_timeout=_OPEN_S, close_timeout=0.1,
            max_size=None, compression=None, proxy=None,
        ) as link:  # fmt: skip
            again = not unsaid
            while unsaid:
                link.send(json.dumps(unsaid[0]))
                del unsaid[0]
            self._ran = asked
            self._say("running")
            leave_s = float("inf")
            while time.monotonic() < leave_s:  # or until the link ends, with the child
                if self._asked != asked:  # what was set last may be on its way
                    leave_s = min(leave_s, time.monotonic() + _LAST_S)
                with suppress(TimeoutError):
                    said = link.recv(timeout=_LOOK_S)
                    if isinstance(said, str):
                        message = json.loads(said)
                        if again:  # this is no beginning: what was set meanwhile counts
                            message.pop("hello", None)
                        self._kept.hear(message)
                self._kept.write()

    def _listen(self, stderr: IO[bytes]) -> None:
        """Read what a show says, until it ends."""
        with stderr:
            for raw in stderr:
                line = redact(raw.decode(errors="replace").rstrip())
                found = _PANEL.fullmatch(line)
                if found:
                    self.port = int(found[1])
                    with self._wake:
                        self._wake.notify_all()
                    continue
                if line == _OPEN:
                    self._curtain.lift()
                if line.strip():
                    self.lines.append(line.removeprefix("livedream: "))
                    _log.info("%s", self.lines[-1])
                    self._say(line=self.lines[-1])

    def _last_line(self, code: int) -> str:
        """Why it ended: the last thing it said, else how."""
        said = next((line for line in reversed(self.lines) if line.strip("^ ")), "")
        if code < 0:
            return f"it was killed (signal {-code})"
        return said or f"it ended with code {code}"

    def _say(self, state: str = "", **more: Any) -> None:
        """state: "" for the same as before."""
        if state == "stopped":
            self._curtain.lift()
        with self._wake:
            if state and state != self.state.state:
                fresh = {"error": "", "refused": False, "line": "", "since_s": time.monotonic()}
                more = {**fresh, "state": state, **more}
            self.state = replace(self.state, **more)
        self._changed()


def _beginning(setup: Setup) -> tuple[str, ...]:
    """What a show begins with; only another beginning undoes what was set since."""
    return (*setup.opening, *(w for w in setup.words if w.startswith("--settings-from=")))
