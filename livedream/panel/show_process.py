"""One show after another, each `livedream live` in a process of its own.

A driver that crashes takes its show with it and not the studio: the show is started again, as it
was. What was set on its panel is kept from one show to the next, and in a file from one day to the
next; what was painted there each show leaves in a file for the next.
"""

import json
import logging
import re
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import IO, Any, Final

from websockets.exceptions import WebSocketException
from websockets.sync.client import connect

from livedream.control.programs import ShowSettings
from livedream.core.children import end_child, start_child
from livedream.core.errors import SettingsError
from livedream.core.grade import MOMENTS
from livedream.core.parameters import declared
from livedream.core.redact import redact
from livedream.core.settings import DREAMED
from livedream.core.supervisor import SupervisedThread, start_thread
from livedream.core.user_folders import write_whole
from livedream.panel.curtain import Curtain, covered_by
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
_WRITE_S: Final = 2.0
_OWN_WEIGHTS: Final = ("--weights=", "--settings-from=")  # a film's settings may name some
_STATE: Final = ("preset", "program", "bpm", "modulators")
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


class Kept:
    """What a show's panel says about it: values, modulators, preset, program; and the tempo, where
    it was set by hand. What an attract program sets is not kept, since nobody chose it.

    beginning: what the show began with; another beginning undoes what was set since.
    said: the words that set `ShowSettings` or name weights, by name; another word undoes what was
    set of them, and other weights undo which network was to dream what.
    file: where it is kept, None: nowhere.
    """

    def __init__(self, file: Path | None = None, beginning: Sequence[str] = ()) -> None:
        self.beginning = tuple(beginning)
        self.said: dict[str, str] = {}
        self.values: dict[str, Any] = {}
        self.state: dict[str, Any] = {}
        self._bpm_set = 0  # by hand, in the show that runs
        self._meanwhile: dict[str, Any] | None = None  # set while an attract program plays
        self._file, self._written, self._written_s = file, "", 0.0

    @classmethod
    def read(cls, file: Path | None) -> "Kept":
        """As the last studio left it; empty where there is no file that can be read."""
        kept = cls(file)
        try:
            found = json.loads(file.read_text(encoding="utf-8")) if file is not None else {}
            kept.beginning = tuple(map(str, found["beginning"]))
            values, state = dict(found["values"]), {name: found[name] for name in _STATE}
            kept.said = dict(found.get("said", {}))
        except (OSError, ValueError, TypeError, KeyError, RecursionError):
            return kept
        # Nobody who comes back the next day is to find a picture that is black.
        kept.values = {name: value for name, value in values.items() if name not in MOMENTS}
        kept.state = state
        return kept

    def write(self, *, at_once: bool = False) -> None:
        """Where something has changed; at most every two seconds, but for at_once."""
        now_s = time.monotonic()
        if self._file is None or not self.state:
            return
        if not at_once and now_s - self._written_s < _WRITE_S:
            return
        self._written_s = now_s
        # An objective may name a camera whose address holds a password.
        values = {n: v for n, v in self.values.items() if redact(str(v)) == str(v)}
        state = {name: self.state.get(name) for name in _STATE}
        text = json.dumps(
            {"beginning": self.beginning, "said": self.said, **state, "values": values}, indent=1
        )
        if text != self._written:
            self._written = text
            try:
                write_whole(self._file, text + "\n")
            except SettingsError as error:  # the show goes on
                _log.warning("settings are not saved: %s", error)

    def begin(self, words: Sequence[str]) -> None:
        """A show begins by these words: what they say anew counts, not what was set before."""
        flags = {parameter.flag: parameter.name for parameter in declared(ShowSettings)}
        flags["--weights"] = "weights"
        split = ((word.partition("=")[0], word) for word in words)
        said = {flags[flag]: word for flag, word in split if flag in flags}
        for name in flags.values():
            if said.get(name) != self.said.get(name):
                self.values.pop(name, None)
        if "weights" in said and said["weights"] != self.said.get("weights"):
            # Set to nothing, not taken out: the preset may name a network.
            self.values |= dict.fromkeys(DREAMED, "")
        self.said = said
        self._bpm_set, self._meanwhile = 0, None
        if "--link" in words and self.state:
            self.state["bpm"] = None  # the tempo is the session's, which others play to

    def hear(self, message: Mapping[str, Any]) -> None:
        if "fault" in message:
            _log.warning("not restored from the last show: %s", message["fault"])
        if "hello" in message and self.state:
            return  # how a show begins; it has been told how to go on, and may not live to say so
        state = message.get("state")
        if state and state["attracting"] != (self._meanwhile is not None):
            # When it is over, all that it has set is set back: what is then left was set by hand.
            self.values |= self._meanwhile or {}
            self._meanwhile = {} if state["attracting"] else None
        values = self.values if self._meanwhile is None else self._meanwhile
        values |= {name: target for name, (target, _) in message.get("values", {}).items()}
        if state and self._meanwhile is None:
            by_hand, self._bpm_set = state["bpm_set"] != self._bpm_set, state["bpm_set"]
            self.state = {**state, "bpm": state["bpm"] if by_hand else self.state.get("bpm")}
        if self.state and message.get("status", {}).get("tempo", {}).get("leader"):
            self.state["bpm"] = None  # who leads says it again

    def program_file(self) -> list[str]:
        """The word for the program that plays, where a file was named; else a page can call it."""
        name = f"{self.state['program']}.toml" if self.state else ""
        return [
            word
            for word in self.beginning
            if word.startswith("--program=")
            and (path := Path(word.partition("=")[2])).name == name
            and path.is_file()
        ]

    def messages(self) -> list[dict[str, Any]]:
        """What has another show go on like that."""
        if not self.state:
            return []
        said: list[dict[str, Any]] = []
        if self.state["preset"]:
            said.append({"preset": self.state["preset"], "seconds": 0, "now": True})
        # One by one: what can no longer be set, such as a mask that is gone, is refused alone.
        together = {name: self.values[name] for name in DREAMED if name in self.values}
        rest = [{name: self.values[name]} for name in self.values if name not in together]
        said += [{"apply": values} for values in (together, *rest) if values]
        if self.state["bpm"] is not None:
            said.append({"bpm": self.state["bpm"]})
        said.append({"modulators": self.state["modulators"]})
        if self.state["program"] and not self.program_file():
            said.append({"program": self.state["program"], "now": True})
        return said


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
            # All else can change at once. The first network's own weights are no other's: there the
            # network changes, too.
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
