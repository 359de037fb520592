"""Programs: presets one after the other, each for its time, with crossfades; for installations.

    title = "A day in the sky"
    loop = true

    [[steps]]
    preset = "drifting-eyes"
    hold_s = 90
    crossfade_s = 20

A step's crossfade is part of its time: it begins with it.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path
from typing import Any, Final, Self

from livedream.core.errors import SettingsError
from livedream.core.parameters import Grammar, check_all, declare
from livedream.core.suggest import closest
from livedream.core.user_folders import (
    own_folder,
    read_toml_files,
    toml_file_text,
    toml_table,
)

_MOST_STEPS: Final = 1000
_MOST_COUNTED: Final = 4096  # bars or beats
_LONGEST_S: Final = 7 * 24 * 3600.0


_EVERY: Final = re.compile(r"(beat|bar)(?::([1-9][0-9]{0,3}))?")
OFF: Final = "off"


@dataclass(frozen=True, slots=True)
class Every:
    """Every so many beats or bars. Raises ValueError out of range."""

    count: int
    unit: str = "bar"

    def __post_init__(self) -> None:
        if self.unit not in ("beat", "bar") or not 1 <= self.count <= _MOST_COUNTED:
            raise ValueError(f"{self} is out of range")

    @classmethod
    def parse(cls, text: str) -> Self:
        """`bar:8` or `beat:16`; `bar` is `bar:1`."""
        match = _EVERY.fullmatch(text)
        if match is None:
            raise ValueError(f"{text[:40]!r} is not bar:N or beat:N")
        return cls(int(match[2] or 1), match[1])

    @classmethod
    def read(cls, text: str) -> Self | None:
        """`parse`, or None for off."""
        return None if text == OFF else cls.parse(text)

    def beats(self, bar: int) -> int:
        """As beats, of which a bar has so many."""
        return self.count * (bar if self.unit == "bar" else 1)

    def __str__(self) -> str:
        return self.unit if self.count == 1 else f"{self.unit}:{self.count}"


_BEATS_OR_BARS: Final = Grammar(
    read=lambda text: str(Every.read(text) or OFF),
    wanted=f"off, beat, bar, beat:N or bar:N with N up to {_MOST_COUNTED}",
    metavar="bar:N",
    offered=(OFF, "beat", "bar", "bar:2", "bar:4", "bar:8", "bar:16", "bar:32"),
)


@dataclass(frozen=True, kw_only=True)
class ShowSettings:
    """When presets come, by the tempo: declared like the dream's parameters.

    Raises SettingsError for what they cannot be.
    """

    on: str = declare(
        OFF,
        "when a program's presets change: on every beat, bar or Nth bar of the tempo (bar:8); "
        "off: after their own times",
        group="programs", grammar=_BEATS_OR_BARS,
    )  # fmt: skip
    launch: str = declare(
        OFF,
        "launch quantization: a preset or program that you trigger arrives on the next beat, bar "
        "or Nth bar of the tempo (bar:4); off: at once",
        group="presets", grammar=_BEATS_OR_BARS,
    )  # fmt: skip

    def __post_init__(self) -> None:
        check_all(self)

    @property
    def every(self) -> Every | None:
        """What `on` says; None for off."""
        return Every.read(self.on)

    @property
    def launch_every(self) -> Every | None:
        """What `launch` says; None for off."""
        return Every.read(self.launch)


def faded_beats(wanted: float, until_next: int) -> int:
    """How many beats a crossfade takes that ends on one: at least one, and at most half of those
    until the next; none where none is wanted."""
    return max(1, min(round(wanted), until_next // 2)) if wanted > 0 and until_next > 1 else 0


def crossfade_ending(left: float, wanted_s: float, until_next: int, bpm: float) -> float | None:
    """How many seconds a crossfade takes that begins now and ends in `left` beats.

    None while it is not to begin yet: it takes `faded_beats`, or less where it comes late.
    """
    if left > faded_beats(wanted_s * bpm / 60.0, until_next):
        return None
    return max(0.0, left) * 60.0 / bpm


@dataclass(frozen=True, slots=True)
class Step:
    """preset: its name.  hold_s: until the next one.  crossfade_s: None for the preset's own."""

    preset: str
    hold_s: float
    crossfade_s: float | None = None


@dataclass(frozen=True, kw_only=True)
class Program:
    """steps: at least one.  loop: begin again after the last, else it stays."""

    name: str
    title: str
    steps: tuple[Step, ...]
    loop: bool = True
    own: bool = False  # the user's, not the package's

    @property
    def length_s(self) -> float:
        return sum(step.hold_s for step in self.steps)

    def begins_s(self, step: int) -> float:
        """How long after the start a step begins, counted on through the loops."""
        loops, index = divmod(step, len(self.steps))
        return loops * self.length_s + sum(one.hold_s for one in self.steps[:index])

    def at(self, passed_s: float) -> int:
        """How many steps have begun before this one, `passed_s` after the start.

        Counted on through the loops: the step itself is `steps[at % len(steps)]`.
        """
        loops, within = divmod(max(0.0, passed_s), self.length_s)
        if loops and not self.loop:
            return len(self.steps) - 1
        ends = accumulate(step.hold_s for step in self.steps)
        index = next((i for i, end in enumerate(ends) if within < end), len(self.steps) - 1)
        return int(loops) * len(self.steps) + index


def read_program(text: str, name: str, *, own: bool = False) -> Program:
    """A program from its TOML. Raises SettingsError, with the file's name, for what is wrong."""
    try:
        found = toml_table(text)
    except SettingsError as error:
        raise SettingsError(f"program {name}: {error}") from error
    if unknown := sorted(set(found) - {"title", "loop", "steps"}):
        raise SettingsError(f"program {name}: unknown entry {unknown[0]!r}")
    steps = found.get("steps", [])
    if not isinstance(steps, list) or not 1 <= len(steps) <= _MOST_STEPS:
        raise SettingsError(f"program {name}: must have 1 to {_MOST_STEPS} [[steps]]")
    return Program(
        name=name,
        title=str(found.get("title", name)),
        steps=tuple(_step(one, f"program {name}, step {i}") for i, one in enumerate(steps, 1)),
        loop=bool(found.get("loop", True)),
        own=own,
    )


def _step(found: Mapping[str, Any], where: str) -> Step:
    if not isinstance(found, dict) or not isinstance(found.get("preset"), str):
        raise SettingsError(f'{where}: must have preset = "NAME"')
    if unknown := sorted(set(found) - {"preset", "hold_s", "crossfade_s"}):
        raise SettingsError(f"{where}: unknown entry {unknown[0]!r}")
    hold_s = _seconds(found.get("hold_s", 60.0), 0.1, f"{where}: hold_s")
    crossfade_s = found.get("crossfade_s")
    if crossfade_s is not None:
        crossfade_s = _seconds(crossfade_s, 0.0, f"{where}: crossfade_s")
        if crossfade_s > hold_s:
            raise SettingsError(
                f"{where}: a crossfade of {crossfade_s:g} s does not fit {hold_s:g} s"
            )
    return Step(found["preset"], hold_s, crossfade_s)


def _seconds(found: Any, least: float, where: str) -> float:
    if type(found) not in (int, float) or not least <= found <= _LONGEST_S:
        raise SettingsError(f"{where} must be {least:g} to {_LONGEST_S:g} s (got {found!r})")
    return float(found)


def list_programs(folder: Path | None = None) -> tuple[dict[str, Program], dict[str, str]]:
    """The package's programs and the user's own; of those that are wrong the reason. Both by name.

    folder: of the user's, None for `own_folder()/programs`.
    """
    folder = folder or own_folder() / "programs"
    found, broken = read_toml_files("presets/programs", folder, read_program)
    return dict(sorted(found.items())), broken


def find_program(text: str) -> Program:
    """A program by its file's path, or by name. Raises SettingsError when there is none."""
    path = Path(text)
    if path.suffix == ".toml":
        try:
            text = toml_file_text(path)
        except SettingsError as error:
            raise SettingsError(f"program: {error}") from error
        return read_program(text, path.stem)
    known, broken = list_programs()
    if text in broken:
        raise SettingsError(broken[text])
    if text not in known:
        hint = closest(text, known) or f"there are {', '.join(known)}, or give a .toml file"
        raise SettingsError(f"program: no {text!r}; {hint}")
    return known[text]
