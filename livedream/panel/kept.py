"""What was set on a show's panel, kept for the next show and, in a file, for the next day."""

import json
import logging
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from livedream.control.programs import ShowSettings
from livedream.core.errors import SettingsError
from livedream.core.grade import MOMENTS
from livedream.core.parameters import declared
from livedream.core.redact import redact
from livedream.core.settings import DREAMED
from livedream.core.user_folders import write_whole

_log = logging.getLogger(__name__)

_WRITE_S: Final = 2.0
_STATE: Final = ("preset", "program", "bpm", "modulators")


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
