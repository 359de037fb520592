"""Modulators: a wave or a band of the music moves a parameter around its target."""

import dataclasses
import math
import re
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final, Protocol, TypeAlias

import numpy as np

from livedream.control.live_parameters import LiveParameters
from livedream.core.errors import SettingsError
from livedream.core.health import Health
from livedream.core.parameters import check_all, declare
from livedream.core.suggest import closest
from livedream.core.supervisor import SupervisedThread, start_thread

_STEADY: Final[Mapping[str, Callable[[float], float]]] = {
    "sine": lambda phase: math.sin(2 * math.pi * phase),
    "triangle": lambda phase: 1 - 4 * abs((phase + 0.25) % 1.0 - 0.5),
    "ramp": lambda phase: 2 * phase - 1,
    "saw": lambda phase: 1 - 2 * phase,
    "square": lambda phase: 1.0 if phase < 0.5 else -1.0,
}
SHAPES: Final = (*_STEADY, "random", "wander")
AUDIO_SOURCES: Final = ("level", "bass", "mid", "treble", "onset")
SOURCES: Final = ("lfo", *AUDIO_SOURCES)
MAXIMUM: Final = 32  # modulators at once; a preset with more is a slip
_STEP_S: Final = 1 / 60  # above the rate of any camera in common use

# By (parameter, key), in slider lengths; None: it is removed.
Offsets: TypeAlias = Mapping[tuple[str, str], float | None]


class Beats(Protocol):
    """What knows the beat: a tapped `Tempo`, or what was heard in a film's music.

    beats: how many have fallen at a time, fractions between them.
    """

    def beats(self, now_s: float) -> float: ...


@dataclass(frozen=True, kw_only=True)
class Modulator:
    """What moves which parameter, and how far. Raises SettingsError out of range.

    source: "lfo", or one of the audio's.  depth, offset: in units of the parameter's slider, -1
    to 1; what is added is offset + depth * source (a wave goes from -1 to 1, audio from 0 to 1).
    shape, phase: of the wave; phase in periods.  period_s: its period in seconds;
    beats: its period in beats of the tempo instead, where it is above 0.
    """

    parameter: str = declare("", "what is moved")
    source: str = declare("lfo", "what moves it", choices=SOURCES)
    depth: float = declare(0.2, "how far", minimum=-1.0, maximum=1.0)
    offset: float = declare(0.0, "added always", minimum=-1.0, maximum=1.0)
    shape: str = declare("sine", "of the wave", choices=SHAPES)
    period_s: float = declare(8.0, "of the wave", unit="s", minimum=0.05, maximum=3600.0)
    beats: float = declare(0.0, "its period in beats, above 0", minimum=0.0, maximum=1024.0)
    phase: float = declare(0.0, "in periods", minimum=0.0, maximum=1.0)

    def __post_init__(self) -> None:
        try:
            check_all(self)
        except SettingsError as error:
            raise SettingsError(f"modulator: {error}") from error

    @classmethod
    def from_mapping(cls, found: Mapping[str, Any]) -> "Modulator":
        """From a preset's table or a message. Raises SettingsError for what makes no sense."""
        known = {field.name for field in dataclasses.fields(cls)}
        if unknown := sorted(set(found) - known):
            raise SettingsError(f"modulator: unknown entry {unknown[0]!r}")
        if not isinstance(found.get("parameter"), str):
            raise SettingsError('modulator: must name a parameter, such as parameter = "hue"')
        return cls(**found)

    def as_dict(self) -> dict[str, Any]:
        """What differs from the default, and the parameter: for presets and messages."""
        return {
            field.name: getattr(self, field.name)
            for field in dataclasses.fields(self)
            if getattr(self, field.name) != field.default
        }

    def value(self, now_s: float, tempo: Beats, audio_level: Callable[[str], float]) -> float:
        """What it adds now, in units of the slider."""
        if self.source != "lfo":
            return self.offset + self.depth * audio_level(self.source)
        cycles = tempo.beats(now_s) / self.beats if self.beats > 0 else now_s / self.period_s
        return self.offset + self.depth * wave(self.shape, cycles + self.phase)


@dataclass
class _Slope:
    """From 0 to 1, or back where `speed` is below 0: per second, since a moment."""

    speed: float
    since_s: float
    start: float = 0.0

    def at(self, now_s: float) -> float:
        """0 to 1; a formula of time, so that it does not matter how often it is asked for."""
        passed_s = max(0.0, now_s - self.since_s)
        if math.isinf(self.speed):
            return float(self.speed > 0)
        return min(1.0, max(0.0, self.start + self.speed * passed_s))


@dataclass
class _Running:
    """A modulator that fades in or out, by its gain.

    was: another of the same wave or source, whose depth and offset turn into this one's.
    """

    modulator: Modulator
    key: str
    gain: _Slope
    was: Modulator | None = None
    turned: _Slope | None = None

    @property
    def stays(self) -> bool:
        return self.gain.speed >= 0

    def turn(self, modulator: Modulator, speed: float, now_s: float) -> None:
        self.was, self.modulator = self.at(now_s), modulator
        self.turned = _Slope(speed, now_s)

    def at(self, now_s: float) -> Modulator:
        """With the depth and offset of this moment."""
        share = 1.0 if self.turned is None else self.turned.at(now_s)
        if self.was is None or share >= 1.0:
            return self.modulator
        was, now = self.was, self.modulator
        return dataclasses.replace(
            now,
            depth=was.depth + (now.depth - was.depth) * share,
            offset=was.offset + (now.offset - was.offset) * share,
        )

    def value(self, now_s: float, tempo: Beats, audio_level: Callable[[str], float]) -> float:
        return self.gain.at(now_s) * self.at(now_s).value(now_s, tempo, audio_level)


class Modulation:
    """Runs the modulators in a thread of its own; a change of all of them fades over.

    audio_level: the level of an audio source, 0 to 1, by its name; without audio all are silent.
    on_step: called with the time and the offsets of each step and `move`; from their threads.
    Both may be set while it runs.
    """

    def __init__(
        self,
        parameters: LiveParameters,
        tempo: Beats,
        audio_level: Callable[[str], float] = lambda _: 0.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._parameters, self._tempo, self._clock = parameters, tempo, clock
        self.audio_level = audio_level
        self.on_step: Callable[[float, Offsets], None] | None = None
        self._lock = threading.Lock()
        self._running: list[_Running] = []
        self._made = 0
        self._thread: SupervisedThread | None = None

    @property
    def modulators(self) -> tuple[Modulator, ...]:
        """Those that run, without the ones that fade out."""
        with self._lock:
            return tuple(run.modulator for run in self._running if run.stays)

    def replace(self, modulators: Iterable[Modulator], seconds: float = 0.0) -> None:
        """Fade from what runs to `modulators`; those that are in both go on undisturbed, and of
        those that are in both but for depth and offset these change.

        Raises SettingsError, and changes nothing, for more than `MAXIMUM` or for a parameter
        that has no slider.
        """
        wanted = self.checked(modulators)
        speed = 1.0 / seconds if seconds > 0 else float("inf")
        with self._lock:
            now_s = self._clock()
            left = []
            for run in self._running:
                if run.stays and run.modulator in wanted:
                    wanted.remove(run.modulator)
                else:
                    left.append(run)
            for run in left:
                # A fader that is dragged says another one with each step: none would ever be heard.
                alike = [one for one in wanted if run.stays and _alike(one, run.modulator)]
                if alike:
                    wanted.remove(alike[0])
                    run.turn(alike[0], speed, now_s)
                else:
                    run.gain = _Slope(-speed, now_s, run.gain.at(now_s))
            for modulator in wanted:
                self._made += 1
                key = f"modulator{self._made}"
                self._running.append(_Running(modulator, key, _Slope(speed, now_s)))

    def checked(self, modulators: Iterable[Modulator]) -> list[Modulator]:
        """`modulators` as a list, or SettingsError when they cannot run."""
        wanted = list(modulators)
        if len(wanted) > MAXIMUM:
            raise SettingsError(f"modulators: must be at most {MAXIMUM} (got {len(wanted)})")
        for modulator in wanted:
            parameter = self._parameters.declared.get(modulator.parameter)
            if parameter is None or not parameter.can_be_modulated:
                raise SettingsError(
                    "modulator: must move a live parameter with a slider (got "
                    f"{modulator.parameter!r}); docs/parameters.md lists them"
                )
        return wanted

    def step(self, now_s: float) -> None:
        """Move everything to `now_s`, a time of the clock."""
        with self._lock:
            over = [run for run in self._running if not run.stays and run.gain.at(now_s) <= 0]
            self._running = [run for run in self._running if run not in over]
            running = list(self._running)
        offsets: dict[tuple[str, str], float | None] = {
            (run.modulator.parameter, run.key): None for run in over
        }
        for run in running:
            value = run.value(now_s, self._tempo, self.audio_level)
            offsets[run.modulator.parameter, run.key] = value
        self.move(now_s, offsets)

    def move(self, now_s: float, offsets: Offsets) -> None:
        """Offset parameters, for a modulator or for somebody else, and say so."""
        for (name, key), offset in offsets.items():
            self._parameters.modulate(name, key, offset)
        if self.on_step is not None:
            self.on_step(now_s, offsets)

    def start(self) -> None:
        self._thread = start_thread("modulation", self._follow_clock, every_s=_STEP_S)

    def close(self) -> None:
        if self._thread is not None:
            self._thread.close()

    def health(self) -> Health:
        return Health("modulation", "ok", f"{len(self.modulators)} running")

    def _follow_clock(self) -> None:
        self.step(self._clock())


def _alike(one: Modulator, other: Modulator) -> bool:
    """Whether they differ in depth and offset only."""
    return dataclasses.replace(one, depth=other.depth, offset=other.offset) == other


def parse_modulator(text: str) -> Modulator:
    """`strength:bass:0.4`, `hue:sine:0.1:20s` or `zoom:triangle:0.05:8beats`, as a modulator.

    What is moved, by what (a wave or a source of sound), how far in units of the slider, and a
    wave's period.  Raises SettingsError, with the part that is wrong.
    """
    name, source, depth, period = (*text.split(":", 3), "", "", "")[:4]
    if not (name and source and depth):
        raise SettingsError(
            f"modulator: must be PARAMETER:SOURCE:DEPTH, such as strength:bass:0.4 (got {text!r})"
        )
    name = name.strip().replace("-", "_")
    found: dict[str, Any] = {"parameter": name, "depth": _number(depth, text), "source": source}
    if source in SHAPES:
        found |= {"source": "lfo", "shape": source}
    elif source not in AUDIO_SOURCES:
        hint = closest(source, (*AUDIO_SOURCES, *SHAPES))
        there = ", ".join((*AUDIO_SOURCES, *SHAPES))
        raise SettingsError(f"modulator: no {source!r}; {hint or 'there are ' + there}")
    if period:
        match = re.fullmatch(r"([^a-z]+)(s|beats?)", period)
        if match is None or source not in SHAPES:
            of_wave = "8s or 4beats, of a wave"
            raise SettingsError(f"modulator: the period must be {of_wave} (got {text!r})")
        found["period_s" if match[2] == "s" else "beats"] = _number(match[1], text)
    return Modulator.from_mapping(found)


def _number(part: str, text: str) -> float:
    try:
        return float(part)
    except ValueError as error:
        raise SettingsError(f"modulator: {part!r} is not a number (in {text!r})") from error


def wave(shape: str, cycles: float, seed: int = 0) -> float:
    """The wave's value, -1 to 1, after `cycles` periods (their fraction is the phase).

    sine and triangle begin at 0 and rise; ramp rises from -1, saw falls from 1; square is 1, then
    -1.  random holds another value in each period, wander goes smoothly from one to the next; both
    are fixed by seed and period, so that a show can be played again.
    Raises SettingsError for another shape.
    """
    if shape not in SHAPES:
        raise SettingsError(f"wave: must be one of {', '.join(SHAPES)} (got {shape!r})")
    if not math.isfinite(cycles):
        return 0.0
    if shape in ("random", "wander"):
        now, after = (_drawn(math.floor(cycles) + step, seed) for step in (0, 1))
        phase = cycles - math.floor(cycles)
        return now if shape == "random" else now + (after - now) * phase * phase * (3 - 2 * phase)
    return _STEADY[shape](cycles - math.floor(cycles))


def _drawn(period: int, seed: int) -> float:
    """One number from -1 to 1 for each period; the same one each time."""
    return float(np.random.default_rng([seed, period % 2**32]).uniform(-1.0, 1.0))
