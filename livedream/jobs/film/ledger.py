"""What films are rendered by many workers, as small files that `livedream jobs` reads."""

import hashlib
import json
import os
import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Final

from livedream.core.errors import SettingsError, reason
from livedream.core.supervisor import start_thread
from livedream.core.user_folders import cache_folder, write_whole

_EVERY_S: Final = 1.0
_SILENT_S: Final = 30.0  # a head writes every second while it lives
_KEPT: Final = 20


@dataclass(frozen=True, slots=True)
class Entry:
    """A film. state: "running", "done", "stopped", "failed" or "died".  changed_s: of the clock."""

    output: str
    state: str = "running"
    done: int = 0
    frames: int = 0
    workers: int = 0
    why: str = ""
    begun_s: float = 0.0
    changed_s: float = 0.0


class Ledger:
    """Notes how far films are, and in the end what became of them.

    A thread writes it down, for as long as the head lives: it may have nothing to note for minutes,
    as while cuts are sought.
    """

    def __init__(self, outputs: Sequence[Path]) -> None:
        self._entries = {path: Entry(str(path), begun_s=time.time()) for path in outputs}
        self._lock = threading.Lock()

    def __enter__(self) -> "Ledger":
        self._write()
        self._thread = start_thread("ledger", self._write, every_s=_EVERY_S)
        return self

    def note(self, figures: Mapping[Path, tuple[int, int, int]]) -> None:
        """figures: (frames done, frames, workers) of each film."""
        for path, (done, frames, workers) in figures.items():
            found = replace(self._entries[path], done=done, frames=frames, workers=workers)
            self._entries[path] = found

    def done(self, path: Path) -> None:
        """The film is there, whole; all its frames are done before, while they are joined."""
        self._entries[path] = replace(self._entries[path], state="done", workers=0)
        self._write(path)

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        self._thread.close(_EVERY_S)
        for path in self._running:
            if isinstance(error, KeyboardInterrupt):
                state, why = "stopped", "--resume goes on"
            else:
                state, why = "failed", reason(error) if error else ""
            self._entries[path] = replace(self._entries[path], state=state, why=why, workers=0)
            self._write(path)

    @property
    def _running(self) -> list[Path]:
        return [path for path, entry in self._entries.items() if entry.state == "running"]

    def _write(self, *paths: Path) -> None:
        """paths: of which films, those that run where none is given."""
        with self._lock:
            for path in paths or self._running:
                entry = self._entries[path]
                name = hashlib.sha256(os.fsencode(path)).hexdigest()[:16]
                text = json.dumps({**asdict(entry), "changed_s": time.time()})
                with suppress(SettingsError):  # not worth a film
                    write_whole(_folder() / f"{name}.json", text)


def entries(now_s: float | None = None) -> list[Entry]:
    """The films of the last renders, the newest first; older files are deleted."""
    now_s = time.time() if now_s is None else now_s
    found: list[tuple[Entry, Path]] = []
    for path in _folder().glob("*.json"):
        with suppress(OSError, ValueError, TypeError):
            found.append((Entry(**json.loads(path.read_text(encoding="utf-8"))), path))
    found.sort(key=lambda one: -one[0].changed_s)
    for _, path in found[_KEPT:]:
        with suppress(OSError):
            path.unlink()
    return [_judged(entry, now_s) for entry, _ in found[:_KEPT]]


def _judged(entry: Entry, now_s: float) -> Entry:
    if entry.state == "running" and now_s - entry.changed_s > _SILENT_S:
        return replace(entry, state="died", workers=0, why="--resume goes on")
    return entry


def _folder() -> Path:
    return cache_folder() / "jobs"
