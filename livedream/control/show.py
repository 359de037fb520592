"""The show: presets, programs, tempo and the actions that every controller can call.

One file, long as it is: all of it is guarded by one lock.
"""

import contextlib
import logging
import math
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

from livedream.control.launch import Called, LaunchQueue
from livedream.control.live_parameters import LiveParameters
from livedream.control.modulation import Modulation, Modulator
from livedream.control.preset_files import with_whole_paths
from livedream.control.presets import KEPT, LONGEST_CROSSFADE_S, Look, Preset, Presets
from livedream.control.programs import (
    Every,
    Program,
    ShowSettings,
    crossfade_ending,
    find_program,
    list_programs,
)
from livedream.control.tempo import BEATS_PER_BAR, Tempo
from livedream.core.errors import LivedreamError, SettingsError
from livedream.core.grade import MOMENTS
from livedream.core.health import Health
from livedream.core.listeners import Listeners
from livedream.core.supervisor import SupervisedThread, start_thread

_log = logging.getLogger(__name__)

# Name: what it does, for help, panel and documentation.
ACTIONS: Final[Mapping[str, str]] = {
    "freeze": "freeze or unfreeze the picture",
    "blackout": "fade to black and back",
    "reset": "clear the dream",
    "tap": "tap the tempo",
    "next": "the next preset",
    "previous": "the previous preset",
    "program": "start or stop the program",
    "mirror": "mirror the picture",
    "stronger": "a stronger dream",
    "weaker": "a weaker dream",
    "home": "reset all parameters to the values at the start, before any preset",
}
SWITCHES: Final = (*MOMENTS, "mirror")  # parameters, and actions when they toggle
FOLLOWED, ATTRACT = "program", "attract"  # origins of what a program does by itself
_STRENGTH_STEP: Final = 1 / 24  # of the slider; two steps RMS with the declared range
_PROGRAM_STEP_S: Final = 1 / 60  # what changes on the bar does so within a frame
_FIRST_PROGRAM: Final = "drifting"  # what the action starts before any other was chosen


class Show:
    """Thread-safe; every method may be called by any controller.

    origin, everywhere: who does it, as text, so that nobody is notified of their own change.
    attracting: whether what plays is the attract program, which nobody has chosen.  chosen: preset
    and modulators that somebody has, as in a `Look`; only what was chosen last.
    The live parameter `on` says when programs change their presets, `launch` when what comes by
    `call_preset`, `call_program` and the actions is there: see `ShowSettings`.
    """

    def __init__(
        self,
        parameters: LiveParameters,
        presets: Presets | None = None,
        modulation: Modulation | None = None,
        tempo: Tempo | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.parameters = parameters
        self.presets = presets if presets is not None else Presets()
        for reason in self.presets.broken.values():
            _log.warning("%s", reason)
        self.tempo = tempo or Tempo(now_s=clock())
        self.modulation = modulation or Modulation(parameters, self.tempo, clock=clock)
        self.started_with = parameters.targets()
        self.attracting = False
        self.chosen: dict[str, Any] = {}
        self._clock = clock
        self._queue = LaunchQueue(parameters, self.tempo, clock)
        self._lock = threading.RLock()
        self._preset = ""
        self._program: Program | None = None
        self._program_before: Program | None = None
        self._begun_s = 0.0
        self._since_beats = -math.inf  # since when this step is there, by the tempo
        self._every: Every | None = None  # as `on` said when it was looked at last
        self._step = -1
        self._skipped: dict[int, str] = {}
        self._thread: SupervisedThread | None = None
        self._listeners: Listeners[()] = Listeners()

    @property
    def preset_name(self) -> str:
        """The preset called last, "" for none."""
        return self._preset

    @property
    def running_program(self) -> Program | None:
        return self._program

    @property
    def program_step(self) -> int:
        """The program's step we are in, from 0; -1 without a program."""
        return self._step % len(self._program.steps) if self._program else -1

    @property
    def queued(self) -> Called | None:
        """What was called and waits for its beat or bar."""
        return self._queue.waiting

    def preset(self, name: str, seconds: float | None = None, *, origin: str = "") -> None:
        """Go over to a preset. seconds: of crossfade, None for the preset's own.

        Raises SettingsError as `checked_preset` does and for more seconds than
        `LONGEST_CROSSFADE_S`; nothing is changed then.
        """
        found, seconds = self._checked_preset(name, seconds)
        with self._lock:
            look = Look(found.name, found.over(self.started_with), found.modulators)
            self._go(look, seconds, origin)
        self.notify()

    def call_preset(
        self, name: str, seconds: float | None = None, *, origin: str = "", now: bool = False
    ) -> None:
        """`preset` for what is called by hand: it is there on the beat or bar that `launch` says.

        What is called takes the place of what still waits; called once more, it comes at once.
        now: it does not wait.  Raises SettingsError as `preset` does.
        """
        found, seconds = self._checked_preset(name, seconds)
        self._call(Called(found.name, found.title, seconds, origin), now=now)

    def checked_preset(self, name: str) -> Preset:
        """A preset that can be gone over to; SettingsError for one that is not there, and for one
        with what cannot be dreamed here."""
        found = self.presets.find(name)
        try:
            self.parameters.check(found.over(self.started_with))
            self.modulation.checked(found.modulators)
        except SettingsError as error:
            raise SettingsError(f"preset {name}: {error}") from error
        return found

    def _checked_preset(self, name: str, seconds: float | None) -> tuple[Preset, float]:
        found = self.checked_preset(name)
        seconds = found.crossfade_s if seconds is None else seconds
        if not 0.0 <= seconds <= LONGEST_CROSSFADE_S:
            raise SettingsError(
                f"crossfade: must be 0 to {LONGEST_CROSSFADE_S:g} s (got {seconds})"
            )
        return found, seconds

    def _call(self, what: Called, *, now: bool) -> None:
        with self._lock:
            again = self._queue.put(what)
            self._launch(now=now or again)
        self.notify()

    def _launch(self, *, now: bool = False) -> None:
        """Go to what was called, if it is time. Raises SettingsError for what has gone since."""
        taken = self._queue.take(now=now)
        if taken is None:
            return
        what, seconds, beat = taken
        if what.program is None:
            self.preset(what.name, seconds, origin=what.origin)
        else:
            self.program(what.program, seconds, origin=what.origin)
            self._since_beats = beat

    def _go(self, look: Look, seconds: float, origin: str) -> None:
        checked = self.modulation.checked(look.modulators)
        self.parameters.apply(look.values, seconds=seconds, origin=origin)
        self.modulation.replace(checked, seconds)
        self._preset = look.preset
        if not self.attracts(origin):
            self.chosen = {"preset": look.preset, "modulators": look.modulators}

    def attracts(self, origin: str) -> bool:
        """Whether it is the attract program that does what comes from there."""
        return self.attracting and origin in (FOLLOWED, ATTRACT)

    def next(self, *, origin: str = "", by: int = 1) -> None:
        """The next preset in the list that can be dreamed, after the last the first.

        Raises SettingsError where none can.
        """
        names = self.presets.names
        if not names:
            raise SettingsError(
                f"presets: none found, neither livedream's nor in {self.presets.folder}"
            )
        queued = self._queue.waiting
        last = queued.name if queued is not None and queued.program is None else self._preset
        at = names.index(last) + by if last in names else min(0, by)
        for _ in names:
            try:
                return self.call_preset(names[at % len(names)], origin=origin)
            except SettingsError as error:  # its mask has gone, say
                failure = error
                _log.warning("skipped %s", error)
            at += by
        raise failure

    def act(self, name: str, *, origin: str = "") -> None:
        """Do one of `ACTIONS`. Raises SettingsError for another name."""
        if name not in ACTIONS:
            raise SettingsError(f"action: no {name[:40]!r}; there are {', '.join(ACTIONS)}")
        if name in SWITCHES:
            self.parameters.set(name, not self.parameters.target(name), origin=origin)
        elif name == "reset":
            self.parameters.trigger("reset", origin=origin)
        elif name == "tap":
            self.tap(origin=origin)
        elif name == "program":
            last = self._program_before or _FIRST_PROGRAM
            self._call_program(None if self._program else last, origin=origin)
        elif name in ("next", "previous"):
            self.next(origin=origin, by=1 if name == "next" else -1)
        elif name == "home":
            with self._lock:
                self._queue.waiting = None
            self.come_back(Look("", self.started_with, ()), origin=origin)
        else:
            step = _STRENGTH_STEP if name == "stronger" else -_STRENGTH_STEP
            self.parameters.set_unit(
                "strength", self.parameters.unit("strength") + step, origin=origin
            )

    def look(self) -> Look:
        """What is set now, for `come_back`."""
        with self._lock:
            return Look(self._preset, self.parameters.targets(), self.modulation.modulators)

    def come_back(self, look: Look, *, origin: str = "") -> None:
        """Set what was set then, within a second; what is frozen or black now stays so, and what
        was called and waits comes."""
        values = {n: v for n, v in look.values.items() if n not in MOMENTS}
        with self._lock:
            self._go(replace(look, values=values), 1.0, origin)
        self.notify()

    def tap(self, *, origin: str = "") -> float:
        """One tap of the tempo; returns the beats per minute."""
        bpm = self.tempo.tap(self._clock())
        self.parameters.trigger("tap", origin=origin)
        self.notify()
        return bpm

    def set_bpm(self, bpm: float) -> None:
        """The tempo as a number. Raises SettingsError out of range."""
        self.tempo.set_bpm(bpm, self._clock())
        self.notify()

    def modulate(self, modulators: Sequence[Modulator], seconds: float = 0.5) -> None:
        """Other modulators, faded over. Raises SettingsError for those that cannot run."""
        with self._lock:
            self.modulation.replace(modulators, seconds)
            self.chosen["modulators"] = tuple(modulators)
        self.notify()

    def program(
        self, program: "Program | str | None", seconds: float | None = None, *, origin: str = ""
    ) -> None:
        """Begin a program (one, a name or a path) from its first step; None ends it.

        seconds: of the first crossfade, None for its own.
        Raises SettingsError when it, or a preset it names, is missing or cannot be dreamed.
        """
        if program is not None:
            program = self.checked_program(program)
        with self._lock:
            self._skipped = {}
            ended = program is None and not self.attracting
            interrupted = program is not None and origin == ATTRACT
            if self._program is not None and (ended or interrupted):
                self._program_before = self._program
            self.attracting = self.attracts(origin)
            self._program, self._begun_s, self._step = program, self._clock(), -1
            self._since_beats = -math.inf
            queued = self._queue.waiting
            if program is not None:
                self.follow_program(origin, seconds)
            elif not self.attracting and queued is not None and queued.program is not None:
                self._queue.waiting = None  # who ends one by hand wants none
        self.notify()

    def call_program(self, name: str | None, *, origin: str = "", now: bool = False) -> None:
        """`program` for what is called by hand: it waits as `call_preset` does; None, which ends
        one, does not. By name only, so that nobody outside has a file opened."""
        if name is not None and name not in list_programs()[0]:
            raise SettingsError(f"program: no {str(name)[:40]!r}")
        self._call_program(name, origin=origin, now=now)

    def _call_program(
        self, program: "Program | str | None", *, origin: str, now: bool = False
    ) -> None:
        if program is None:
            self.program(None, origin=origin)
            return
        found = self.checked_program(program)
        _, seconds = self._checked_preset(found.steps[0].preset, found.steps[0].crossfade_s)
        self._call(Called(found.name, found.title, seconds, origin, found), now=now)

    def checked_program(self, program: "Program | str") -> Program:
        """A program (one, a name or a path) whose presets can all be dreamed, else SettingsError.

        Of one that was found before, as when its beat has come, they only have to be there still.
        """
        named = isinstance(program, str)
        found = find_program(program) if isinstance(program, str) else program
        checked: set[str] = set()
        for number, step in enumerate(found.steps, 1):
            if step.preset in checked:
                continue
            checked.add(step.preset)
            try:
                (self.checked_preset if named else self.presets.find)(step.preset)
            except SettingsError as error:
                raise SettingsError(f"program {found.name}, step {number}: {error}") from error
        return found

    def follow(self) -> None:
        """Do what is due at this moment: the program's step, then what was called by hand."""
        self.follow_program(FOLLOWED)
        try:
            with self._lock:
                self._launch()
        except LivedreamError as error:  # a preset was deleted or broken meanwhile
            _log.warning("launch: %s", error)
            self.notify()

    def follow_program(self, origin: str, first_s: float | None = None) -> None:
        """Go to the program's step of this moment, if it is not the one we are in.

        first_s: how long the first step's crossfade takes, None for its own.
        """
        with self._lock:
            program = self._program
            if program is None:
                return
            begins = self._step < 0
            at, crossfade_s = self._due(program)
            if at == self._step:
                return
            if begins and first_s is not None:
                crossfade_s = first_s
            self._step = at
            index = at % len(program.steps)
            step = program.steps[index]
            try:
                self.preset(step.preset, crossfade_s, origin=origin)
                self._skipped.pop(index, None)
            except LivedreamError as error:
                # A preset was deleted or broken meanwhile: on to the next step at once.
                self._begun_s -= step.hold_s
                if self._every is not None:
                    self._since_beats = self.tempo.beats(self._clock()) - self._every.beats(
                        BEATS_PER_BAR
                    )
                if index not in self._skipped:
                    self._skipped[index] = f"{program.name}: step {index + 1} skipped: {error}"
                    _log.warning("program %s", self._skipped[index])

    def _due(self, program: Program) -> tuple[int, float | None]:
        """The step to be in, and how long its crossfade takes, None for the preset's own.

        On a beat or bar it begins early, to end there.
        """
        now_s, steps, before = self._clock(), program.steps, self._every
        self._every = every = ShowSettings(on=self.parameters.target("on")).every
        if self._step < 0:
            return 0, steps[0].crossfade_s
        if every is None:
            if before is not None:  # the step we are in has its seconds from now on
                self._begun_s = now_s - program.begins_s(self._step)
            at = max(self._step, program.at(now_s - self._begun_s))
            return at, steps[at % len(steps)].crossfade_s
        beats, until_next = self.tempo.beats(now_s), every.beats(BEATS_PER_BAR)
        late = 1.0 if every == before else 0.0  # of a thread that was held up; else of the beat
        if not beats - late < self._since_beats + until_next <= beats + 2 * until_next:
            # The program or its counting has begun, or beats are counted anew: from this bar.
            bar = beats // BEATS_PER_BAR * BEATS_PER_BAR
            self._since_beats = bar + (beats - bar) // until_next * until_next
        after = self._step + 1
        if after >= len(steps) and not program.loop:
            return self._step, None
        step = steps[after % len(steps)]
        wanted_s = step.crossfade_s
        if wanted_s is None:
            with contextlib.suppress(SettingsError):  # gone meanwhile: found out when it is due
                wanted_s = self.presets.find(step.preset).crossfade_s
        left = self._since_beats + until_next - beats
        crossfade_s = crossfade_ending(left, wanted_s or 0.0, until_next, self.tempo.bpm)
        if crossfade_s is None:
            return self._step, None
        self._since_beats += until_next
        return after, min(crossfade_s, LONGEST_CROSSFADE_S)

    def save(self, name: str, title: str = "", about: str = "", crossfade_s: float = 4.0) -> Preset:
        """What is shown now, as a preset of the user's own. Raises SettingsError if it cannot be.

        Saved is what differs from the declared defaults, without what belongs to the machine; the
        files that objective and `where` name with their whole paths.
        """
        values = {
            name: value
            for name, value in self.parameters.targets().items()
            if name not in KEPT
            and (
                value != self.parameters.declared[name].default or value != self.started_with[name]
            )
        }
        preset = with_whole_paths(Preset(
            name=name, title=title[:60], about=about[:200], crossfade_s=crossfade_s,
            values=values, modulators=self.modulation.modulators, own=True,
        ))  # fmt: skip
        self.presets.save(preset)
        self._preset = name
        self.notify()
        return preset

    def listen(self, listener: Callable[[], None]) -> Callable[[], None]:
        """Call `listener` when preset, program, tempo or modulators change; it never waits."""
        return self._listeners.add(listener)

    def notify(self) -> None:
        self._listeners.tell()

    def start(self) -> None:
        """Start the thread that follows programs and what was called, and the modulators."""
        self.modulation.start()
        self._thread = start_thread("program", self.follow, every_s=_PROGRAM_STEP_S)

    def close(self) -> None:
        self.modulation.close()
        if self._thread is not None:
            self._thread.close()

    def health(self) -> Health:
        """ "lost" while a step of the program had to be skipped."""
        program, skipped = self._program, tuple(self._skipped.values())
        detail = skipped[0] if skipped else program.name if program else "none"
        return Health("program", "lost" if skipped else "ok", detail)
