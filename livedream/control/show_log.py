"""The show log: everything a show was made of, one JSON object a line.

Each session begins with a header: settings, grade and `on` at the start, the canvas, the source.
A show that is started again goes on in the same file, with a header of its own. Then, each with its
time `t` in seconds since the start of the session:

    {"t": 1.25, "set": {"strength": 22}, "by": "panel", "glide_s": 0.1}     one change
    {"t": 9.0, "set": {"hue": 40, ...}, "by": "osc", "seconds": 4}          several, together
    {"t": 9.1, "trigger": "reset", "by": "keys"}
    {"t": 9.1, "paint": [[0.2, 0.4], ...], "brush": 0.15, ...}              see region/painting
    {"t": 0.0, "painted": "iVBORw0..."}                                     what was kept before
    {"t": 9.2, "offsets": {"hue": {"modulator1": 0.0312}}}                  what moves it; null: end
    {"t": 8.0, "bpm": 124.0, "beats": 16.25, "by": "Link"}                  tempo, beats since a bar
    {"t": 0.1, "recording": "camera-0001.mkv"}                              its first frame was then

The file is written by a thread of its own; while the disk is full, lines wait.
"""

import base64
import json
import logging
import queue
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any, BinaryIO, Final

from livedream.control.live_parameters import Change, LiveParameters
from livedream.control.modulation import Offsets
from livedream.control.programs import ShowSettings
from livedream.control.tempo import Tempo
from livedream.core.errors import SinkError, os_reason
from livedream.core.health import Health
from livedream.core.parameters import declared
from livedream.core.redact import redact
from livedream.core.supervisor import FaultLog, SupervisedThread, start_thread
from livedream.core.version import __version__

_log = logging.getLogger(__name__)

LOG_VERSION: Final = 1
PAUSE_S: Final = 0.5  # before a line is tried again that the disk did not take
# Modulators are logged this often; a replay goes evenly from one line to the next. What jumps, by
# more than half of what it ever was, is logged at once, as it was before and after.
OFFSETS_S: Final = 0.1
_JUMP: Final = 0.5
_LEAST: Final = 0.02  # heuristic: share of a range; what never was that does not jump
_TEMPO_S: Final = 0.5  # so is the tempo, where it is another than the last line says:
_OFF_BPM: Final = 0.05  # heuristic: by more than this...
_OFF_BEAT_S: Final = 0.02  # ...or this
_LONGEST_HEADER: Final = 65536  # characters; one has about 2,000
_MOST_WAITING: Final = 100_000  # lines; a disk that hangs for minutes loses some, not the memory


class ShowLog:
    """Writes the log, after what earlier sessions wrote into the same file.

    `begun_s`: when the session began, by `clock`; the log's times count from then.
    """

    def __init__(
        self,
        path: Path,
        parameters: LiveParameters,
        header: Mapping[str, Any] | None = None,
        clock: Callable[[], float] = time.monotonic,
        tempo: Tempo | None = None,
    ) -> None:
        self.path, self._parameters, self._tempo = path, parameters, tempo
        self.lines = self.lost = 0
        self._fault = ""
        self.begun_s = clock()
        self._lines: queue.SimpleQueue[str | None] = queue.SimpleQueue()
        self._moving = threading.Lock()  # modulators and the attract mode move in threads of theirs
        self._offsets: dict[tuple[str, str], float | None] = {}  # by parameter and who moves it
        self._logged: dict[tuple[str, str], float | None] = {}
        self._offsets_s = 0.0
        self._seen: dict[tuple[str, str], tuple[float, float, float]] = {}  # when, what, and peak
        self._beat = (0.0, 0.0, 0.0, "")  # as the last line about the tempo has it, and when
        self._closing = threading.Event()
        self._unlisten: Callable[[], None] = lambda: None
        self._file: BinaryIO | None = None
        self._thread: SupervisedThread | None = None
        self._faults = FaultLog(_log, "show log")
        self._more = dict(header or {})

    def start(self) -> None:
        """Open the file, write the header, listen to the live parameters.

        Raises SinkError when the file cannot be written or holds something else.
        """
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            if self.path.exists() and not _is_log(self.path):
                raise SinkError(f"log: {self.path} is not a show log; give another name")
            # Unbuffered: what a buffer holds when the disk is full is lost without a word.
            self._file = self.path.open("ab", buffering=0)
            if self._file.tell():  # a crash may have cut the last line off
                self._file.write(b"\n")
        except OSError as error:
            if isinstance(error, SinkError):
                raise
            raise SinkError(f"log: {self.path} cannot be written ({os_reason(error)})") from error
        self._put({**_header(self._parameters), **self._more})
        painted = self._parameters.painting.painted
        if painted is not None and painted.plane.any():
            png = base64.b64encode(self._parameters.painting.png()).decode()
            self._put({"t": 0.0, "painted": png})  # some 10 kB
        self._unlisten = self._parameters.listen(self._changed)
        self._thread = start_thread("log", self._write)

    def close(self) -> None:
        self._unlisten()
        self._lines.put(None)
        self._closing.set()
        if self._thread is not None:
            self._thread.close()
        if self._file is not None:
            self._file.close()

    def health(self) -> Health:
        state = "lost" if self._fault else "ok"
        return Health("log", state, self._fault or str(self.path), self.lines, self.lost)

    def recording(self, path: Path, first_s: float) -> None:
        """A recording of the camera began. first_s: monotonic capture time of its first frame."""
        self._put({"t": self._since(first_s), "recording": path.name})

    def modulated(self, now_s: float, offsets: Offsets) -> None:
        """As `Modulation.on_step`."""
        with self._moving:
            if self._tempo is not None:
                self._follow(self._tempo, now_s)
            jumped = [one for one, value in offsets.items() if self._jumps(one, value)]
            if jumped:
                before_s = max(self._seen[one][0] for one in jumped)
                for one in jumped:
                    self._offsets[one] = self._seen[one][1]
                    self._logged.pop(one, None)  # it has been that for long, perhaps
                self._put_offsets(before_s)
            for one, value in offsets.items():
                if value is None:
                    self._offsets[one] = None
                    self._seen.pop(one, None)
                else:
                    self._offsets[one] = now = round(value, 4)
                    peak = self._seen[one][2] if one in self._seen else 0.0
                    self._seen[one] = now_s, now, max(peak, abs(now))
            if self._offsets and (jumped or now_s - self._offsets_s > 0.9 * OFFSETS_S):
                self._put_offsets(now_s)

    def _jumps(self, one: tuple[str, str], value: float | None) -> bool:
        if value is None or one not in self._seen:
            return False
        _, before, peak = self._seen[one]
        return abs(value - before) > _JUMP * max(peak, abs(value), _LEAST)

    def _put_offsets(self, at_s: float) -> None:
        """A line about those that are others than the last line about them says."""
        found: dict[str, dict[str, float | None]] = {}
        for (name, key), value in self._offsets.items():
            if self._logged.get((name, key)) == value:
                continue
            found.setdefault(name, {})[key] = value
            if value is None:
                self._logged.pop((name, key), None)
            else:
                self._logged[name, key] = value
        if found:
            self._put({"t": self._since(at_s), "offsets": found})
        self._offsets, self._offsets_s = {}, at_s

    def _follow(self, tempo: Tempo, now_s: float) -> None:
        since_s, then, bpm_then, led_then = self._beat
        if since_s and now_s - since_s < _TEMPO_S:
            return
        bpm, beats, led = tempo.bpm, tempo.beats(now_s), tempo.leader(now_s)
        off_s = (beats - then) * 60 / bpm - (now_s - since_s)
        if abs(bpm - bpm_then) < _OFF_BPM and abs(off_s) < _OFF_BEAT_S and led == led_then:
            return
        self._beat = now_s, beats, bpm, led
        line = {"t": self._since(now_s), "bpm": round(bpm, 3), "beats": round(beats, 3)}
        self._put({**line, "by": led} if led else line)

    def _changed(self, change: Change) -> None:
        what: Mapping[str, Any] = {"set": _shown(change.targets)}
        if change.trigger:
            what = {"trigger": change.trigger}
        what = change.painted or what
        line = {"t": self._since(change.time_s), **what, "by": change.origin}
        if change.ramp_s is not None:
            line["glide_s"] = change.ramp_s
        if change.seconds:
            line["seconds"] = change.seconds
        self._put(line)

    def _since(self, time_s: float) -> float:
        return round(max(0.0, time_s - self.begun_s), 4)

    def _put(self, line: Mapping[str, Any]) -> None:
        if self._lines.qsize() < _MOST_WAITING:
            self._lines.put(json.dumps(line, ensure_ascii=False))
        else:
            self.lost += 1

    def _write(self) -> None:
        while (line := self._lines.get()) is not None:
            if not self._append(line + "\n"):
                self.lost += self._lines.qsize()  # the end among them stands for this line
                return

    def _append(self, line: str) -> bool:
        """Whether the file has taken the line. While the disk is full it waits, until the end."""
        assert self._file is not None, "start comes first"
        rest = line.encode()
        while True:
            try:
                while rest:
                    rest = rest[self._file.write(rest) or 0 :]
            except OSError as error:  # a full disk must not end the show
                self._fault = f"{self.path}: {os_reason(error)}"
                self._faults.failed(error, traceback=False)
                if self._closing.wait(PAUSE_S):
                    return False
                continue
            self.lines += 1
            self._fault = ""
            self._faults.recovered()
            return True


def _is_log(path: Path) -> bool:
    """Whether a file begins with a header, or is empty."""
    with path.open(encoding="utf-8", errors="replace") as file:
        first = file.readline(_LONGEST_HEADER)
    try:
        return not first.strip() or "log" in json.loads(first)
    except (ValueError, TypeError):
        return False


def _shown(values: Mapping[str, Any]) -> dict[str, Any]:
    """Without passwords, which the address of a live mask or guide may hold."""
    return {n: redact(value) if isinstance(value, str) else value for n, value in values.items()}


def _header(parameters: LiveParameters) -> dict[str, Any]:
    now, targets = parameters.peek(), parameters.targets()
    dream, grade = asdict(now.dream), asdict(now.grade)
    # The targets: what was set since the last picture is in no snapshot yet.
    return {
        "livedream": __version__,
        "log": LOG_VERSION,
        "dream": _shown({name: targets.get(name, value) for name, value in dream.items()}),
        "grade": {name: targets.get(name, value) for name, value in grade.items()},
        "show": {one.name: targets[one.name] for one in declared(ShowSettings)},
        "canvas": parameters.painting.size,
    }
