"""Reading a show log, and playing it to live parameters of its own: what `show_log` writes."""

import base64
import json
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any, Final

from livedream.control.catalogue import check_objective, check_weights, own_objective_of
from livedream.control.live_parameters import TAKEN_BACK, LiveParameters
from livedream.control.show_log import LOG_VERSION, OFFSETS_S
from livedream.core.errors import (
    NetworkError,
    ObjectiveError,
    RegionError,
    SettingsError,
    SourceError,
    os_reason,
)
from livedream.core.grade import GradeSettings
from livedream.core.settings import DREAMED, DreamSettings
from livedream.core.snapshot import Snapshot
from livedream.region.painting import decoded
from livedream.region.text import parse_region
from livedream.region.wanted import check_region

_ORIGIN: Final = "replay"
_CHECKED: Final = ("where", *DREAMED)


@dataclass(frozen=True, slots=True)
class ShowScript:
    """A show as it was written down.

    dream, grade: at the start.  canvas: (width, height) px of what was painted on.
    events: (seconds since the start, line), in order of time.
    recordings: name of a file, to the time of its first frame.
    """

    path: Path
    dream: DreamSettings
    grade: GradeSettings
    canvas: tuple[int, int]
    events: tuple[tuple[float, Mapping[str, Any]], ...]
    recordings: Mapping[str, float]

    def start_of(self, source: str) -> float:
        """When the first frame of `source` was captured: by its name, else the only or first one.

        0 where the log names no recording.
        """
        name = Path(source).name
        if name in self.recordings:
            return self.recordings[name]
        return min(self.recordings.values(), default=0.0)


def read_show(path: Path, source: str = "") -> ShowScript:
    """One session of the log in `path`: the one that recorded `source`, else the last.

    A session's last line that was cut off by a crash is left out. Raises SettingsError, with the
    line, for what is no show log.
    """
    version = None
    with suppress(OSError):  # reading says why
        found = path.stat()
        version = found.st_mtime_ns, found.st_size
    return _read_show(path, source, version)


@lru_cache(maxsize=1)  # several of a render's steps ask for it, and a log may hold a week
def _read_show(path: Path, source: str, version: tuple[int, int] | None) -> ShowScript:
    name, lines, is_it = Path(source).name, list[dict[str, Any]](), False
    for session in _sessions(path):
        records = any(one.get("recording") == name for one in session)
        if records or not is_it:
            lines, is_it = session, records
    header, *rest = lines
    if header.get("log") != LOG_VERSION:
        raise SettingsError(f"--replay: {path} was written by another version of livedream")
    try:
        dream = DreamSettings.from_mapping(header["dream"])
        grade = GradeSettings(**header["grade"])
        width, height = map(int, header.get("canvas", (16, 9)))
        events = sorted(((float(one["t"]), one) for one in rest), key=lambda pair: pair[0])
        _leave_out_refused(dream, events)
    except (KeyError, TypeError, ValueError) as error:
        raise SettingsError(f"--replay: {path}: {error}") from error
    recordings = {str(one["recording"]): t for t, one in events if "recording" in one}
    return ShowScript(path, dream, grade, (width, height), tuple(events), recordings)


def _leave_out_refused(began: DreamSettings, events: list[tuple[float, dict[str, Any]]]) -> None:
    """Networks that could not be had and objectives they refused were never dreamed.

    With such a network goes whatever was set since what is now dreamed again.
    """
    # What was to be dreamed, and the lines that said so.
    found = [({name: getattr(began, name) for name in DREAMED}, dict[str, Any]())]
    for _, line in events:
        values = line.get("set", {})
        new = {name: values[name] for name in DREAMED if name in values}
        now = {**found[-1][0], **new}
        if not new:
            continue
        if line.get("by") != TAKEN_BACK:
            found.append((now, values))
        elif "network" in new and any(then == now for then, _ in found):
            while found[-1][0] != now:
                _, refused = found.pop()
                for name in DREAMED:
                    refused.pop(name, None)
        else:
            _, refused = found.pop()
            for name in new:
                refused.pop(name, None)
            found.append((now, refused))


def _sessions(path: Path) -> Iterator[list[dict[str, Any]]]:
    """The lines of one session after the other, its header first; at least one.

    A log may hold months: no more than two sessions are in memory.
    """
    found: list[dict[str, Any]] = []
    fault = ""
    for number, line in enumerate(_lines(path), 1):
        if not line.strip():
            continue
        try:
            one = json.loads(line)
            if not isinstance(one, dict):
                raise ValueError("not an object")
        except ValueError as error:
            fault = fault or f"--replay: {path}, line {number}: not JSON ({error})"
            continue
        if "log" in one:
            if found:
                yield found
            found = []
        elif not found:
            break
        elif fault:
            raise SettingsError(fault)
        fault = ""
        found.append(one)
    if not found:
        raise SettingsError(
            f"--replay: {path} is not a show log; give a file that livedream live --show-log wrote"
        )
    yield found


def _lines(path: Path) -> Iterator[str]:
    try:
        with path.open(encoding="utf-8", errors="replace", newline="\n") as file:
            yield from file
    except OSError as error:
        raise SettingsError(f"--replay: {path} cannot be read ({os_reason(error)})") from error


class Playback:
    """Plays a script to live parameters whose clock is the show's.

    kept: parameters of the dream that stay as `settings` have them, whatever the show did; where
    one of `DREAMED` is among them, all three.  network_given: see `LiveParameters`.
    """

    def __init__(
        self, script: ShowScript, settings: DreamSettings, kept: Collection[str] = (),
        *, network_given: bool = False,
    ) -> None:  # fmt: skip
        if not set(kept).isdisjoint(DREAMED):
            kept = {*kept, *DREAMED}
        self._script, self._settings = script, settings
        self._kept = {name: getattr(settings, name) for name in kept}
        self._now_s, self._next = 0.0, 0
        self._there: set[str] = set()  # networks whose weights are
        # Of each parameter and who moves it: when the last line about it was, and what it says.
        self._offsets: dict[tuple[str, str], tuple[float, float]] = {}
        dream = script.dream.replace(**self._kept)
        self.parameters = LiveParameters(
            dream, script.grade, lambda: self._now_s, own_objective=own_objective_of(dream),
            network_given=network_given,
        )  # fmt: skip
        self.parameters.painting.begin(*script.canvas)

    def snapshot(self, time_s: float) -> Snapshot:
        """The parameters `time_s` after the start; times must not go back."""
        events = self._script.events
        while self._next < len(events) and events[self._next][0] <= time_s:
            self._now_s, line = events[self._next]
            self._next += 1
            self._play(line)
        self._now_s = time_s
        with self._explained():
            self._move_on(time_s)
        found = self.parameters.snapshot(time_s)
        if not self._kept:
            return found
        previous = None if found.previous is None else self._held(found.previous)
        return replace(found, dream=self._held(found.dream), previous=previous)

    def check(self, begin_s: float, end_s: float) -> None:
        """Go through what is dreamed between two times, on a playback of no other use: what cannot
        be had is found before the hours until it comes.

        Live sources are among that, and files that have gone since.  Raises SettingsError, which
        says when.
        """
        events = self._script.events
        changes = (
            t for t, line in events
            if begin_s < t <= end_s and not line.get("set", {}).keys().isdisjoint(_CHECKED)
        )  # fmt: skip
        last_s = min(end_s, events[-1][0]) if events else begin_s
        checked: tuple[str, ...] | None = None
        for time_s in (begin_s, *changes, max(begin_s, last_s)):
            dream = self.snapshot(time_s).dream
            targets = {name: self.parameters.target(name) for name in _CHECKED}
            dream = self._held(dream.replace(**targets))
            wanted = tuple(getattr(dream, name) for name in _CHECKED)
            if wanted != checked:
                with self._explained():
                    self._check(dream)
                checked = wanted

    def _check(self, dream: DreamSettings) -> None:
        """Those of `_CHECKED`, but for what is kept, which is checked as in any other film."""
        name = "where"
        first = dream.network == self._settings.network
        try:
            if name not in self._kept and dream.where.strip():
                check_region(parse_region(dream.where), live=False, flow=dream.flow, painted=True)
            name = "prompt" if dream.prompt.strip() else "objective"
            if not first and dream.network not in self._there:  # the first one is loaded anyway
                check_weights(dream.network)
                self._there.add(dream.network)
            if "prompt" not in self._kept:
                objective = dream.objective if name == "objective" else ""
                check_objective(
                    dream.network, objective, dream.prompt,
                    live=False, flow=dream.flow, painted=True,
                    own_weights=first and bool(dream.weights),
                )  # fmt: skip
        except (ObjectiveError, RegionError) as error:
            why = f"{name}: {error}, or give --{name} for the whole film"
            raise SettingsError(why) from error
        except NetworkError as error:
            raise SettingsError(f"network: {error}") from error

    def _move_on(self, time_s: float) -> None:
        """Offsets on their way to those of the next line, which is written ten times a second."""
        events = self._script.events
        for place in range(self._next, len(events)):
            then_s, line = events[place]
            if then_s - time_s >= OFFSETS_S:
                return
            if "offsets" not in line:
                continue
            for name, offsets in line["offsets"].items():
                for key, offset in offsets.items():
                    if offset is None or (name, key) not in self._offsets:
                        continue
                    since_s, before = self._offsets[name, key]
                    since_s = max(since_s, then_s - OFFSETS_S)
                    share = (time_s - since_s) / (then_s - since_s)
                    self.parameters.modulate(name, key, before + share * (offset - before))
            return

    def _held(self, dream: DreamSettings) -> DreamSettings:
        """With what is kept, but for what is dreamed: that nobody sets, and no modulator moves."""
        kept = {name: value for name, value in self._kept.items() if name not in DREAMED}
        return dream.replace(**kept)

    def _play(self, line: Mapping[str, Any]) -> None:
        parameters = self.parameters
        with self._explained():
            if "set" in line:
                # What is kept is not set at all: a network that stays must not fade out.
                values = {n: value for n, value in line["set"].items() if n not in self._kept}
                parameters.apply(
                    values, seconds=float(line.get("seconds", 0.0)),
                    ramp_s=line.get("glide_s"), origin=_ORIGIN,
                )  # fmt: skip
            elif "trigger" in line:
                parameters.trigger(str(line["trigger"]), origin=_ORIGIN)
            elif "paint" in line or "painting" in line:
                parameters.paint(line, origin=_ORIGIN)
            elif "painted" in line:
                mask = decoded(base64.b64decode(line["painted"]))
                parameters.painting.begin(*self._script.canvas, mask)
            elif "offsets" in line:
                for name, offsets in line["offsets"].items():
                    for key, offset in offsets.items():
                        parameters.modulate(name, key, offset)
                        if offset is None:
                            self._offsets.pop((name, key), None)
                        else:
                            self._offsets[name, key] = self._now_s, float(offset)

    @contextmanager
    def _explained(self) -> Iterator[None]:
        """Within it a line that cannot be played is a SettingsError."""
        try:
            yield
        except (TypeError, ValueError, AttributeError, SourceError) as error:
            where = f"{self._script.path}, {self._now_s:g} s"
            raise SettingsError(f"--replay: {where}: {error}") from error
