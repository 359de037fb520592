"""Automation: what moves a film's parameters over its time, as hands move those of a live show.

Presets in turn give the targets, curves take the place of those that they name, modulators go on
top. Everything is a function of the film's time: a render that goes on in the middle, and workers
that begin at different pieces, see what one that began at the beginning sees, to the bit.
"""

import heapq
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from functools import partial
from itertools import cycle
from typing import Any, Final

from livedream.control.catalogue import own_objective
from livedream.control.curves import LEFT_OUT, MOVABLE, Curve, Curves
from livedream.control.live_parameters import LiveParameters
from livedream.control.modulation import MAXIMUM, Modulation, Modulator
from livedream.control.presets import Preset
from livedream.control.programs import Step
from livedream.control.tempo import Tempo
from livedream.core.errors import SettingsError
from livedream.core.settings import DreamSettings
from livedream.core.snapshot import Snapshot

_DREAMED: Final = frozenset(("network", "objective", "prompt"))  # each says what is dreamed


@dataclass(frozen=True, slots=True)
class Cue:
    """A preset that comes. begin_s: when its crossfade begins, which takes `crossfade_s`."""

    begin_s: float
    crossfade_s: float
    preset: Preset


@dataclass(frozen=True, kw_only=True)
class Automation:
    """What moves parameters over a film's time. Raises SettingsError for what cannot be.

    steps: of a program, with their presets: one after the other.  loop: and again.
    kept: parameters that were given by hand, which presets leave as they are.
    """

    curves: Curves = field(default_factory=Curves)
    modulators: tuple[Modulator, ...] = ()
    steps: tuple[tuple[Step, Preset], ...] = ()
    loop: bool = True
    kept: frozenset[str] = frozenset()

    def __post_init__(self) -> None:
        for preset in (None, *(preset for _, preset in self.steps)):
            together = self.modulators_with(preset)
            if len(together) > MAXIMUM:
                raise SettingsError(f"modulators: must be at most {MAXIMUM} (got {len(together)})")
            for one in together:
                if one.parameter not in MOVABLE or not MOVABLE[one.parameter].has_unit:
                    raise SettingsError(
                        f"modulator: {one.parameter!r} cannot be moved in a film; "
                        "docs/parameters.md lists what has a slider"
                    )

    def modulators_with(self, preset: Preset | None) -> list[Modulator]:
        """The modulators that run with a preset."""
        return list(dict.fromkeys([*self.modulators, *(preset.modulators if preset else ())]))

    def identity(self) -> dict[str, Any]:
        """Everything that the pictures depend on, for a rendered file's metadata."""
        found: dict[str, Any] = {}
        if self.curves.keyframes:
            found["curves"] = str(self.curves)
        if self.modulators:
            found["modulators"] = [one.as_dict() for one in self.modulators]
        if self.steps:
            found["presets"] = [
                [step.hold_s, step.crossfade_s, preset.to_toml()] for step, preset in self.steps
            ]
        return found

    def cues(self) -> Iterator[Cue]:
        """The presets after the first, in order of their times."""
        begin_s, turns = 0.0, cycle(self.steps) if self.loop else iter(self.steps)
        for number, (step, preset) in enumerate(turns):
            if number:
                wanted_s = step.crossfade_s
                yield Cue(begin_s, preset.crossfade_s if wanted_s is None else wanted_s, preset)
            begin_s += step.hold_s


class FilmTimeline:
    """Parameters at the time of each frame; times must not go back.

    settings: those without automation.  rate: frames per second.  start_s: the film's time where
    the frames' begins, for a part of a film.
    """

    def __init__(
        self,
        automation: Automation,
        settings: DreamSettings,
        rate: Fraction,
        start_s: float = 0.0,
    ) -> None:
        self._automation, self._start_s, self._now_s = automation, start_s, 0.0

        def clock() -> float:
            return self._now_s

        self._parameters = LiveParameters(settings, None, clock, own_objective=own_objective)
        self._modulation = Modulation(self._parameters, Tempo(), clock=clock)
        self._started_with = self._parameters.targets()
        self._curved = automation.curves.names
        self._modulation.replace(automation.modulators)
        if automation.steps:
            self._go(Cue(0.0, 0.0, automation.steps[0][1]), automation.kept)
        timed = automation.curves.timed(rate)
        numbers = sorted(n for n in self._curved if MOVABLE[n].kind in (int, float))
        self._curves = {
            name: Curve([pair for pair in timed if pair[1].name == name],
                        self._parameters.target(name))
            for name in numbers
        }  # fmt: skip
        texts = ((t, one) for t, one in timed if one.name not in self._curves)
        held = automation.kept | self._curved
        self._events = heapq.merge(
            ((cue.begin_s, partial(self._go, cue, held)) for cue in automation.cues()),
            ((t, partial(self._set, {one.name: one.value})) for t, one in texts),
            key=lambda pair: pair[0],
        )
        self._next = next(self._events, None)

    def snapshot(self, time_s: float) -> Snapshot:
        """The parameters at a frame's time, in seconds."""
        time_s += self._start_s
        while self._next is not None and self._next[0] <= time_s:
            self._now_s, event = self._next
            event()
            self._next = next(self._events, None)
        self._now_s = time_s
        found = {n: MOVABLE[n].clamp(curve.at(time_s)) for n, curve in self._curves.items()}
        if any(self._parameters.target(name) != value for name, value in found.items()):
            self._set(found)
        self._modulation.step(time_s)
        return self._parameters.snapshot(time_s)

    def _set(self, values: Mapping[str, Any]) -> None:
        self._parameters.apply(values, ramp_s=0.0)

    def _go(self, cue: Cue, held: frozenset[str]) -> None:
        """Go over to a preset; what is held stays."""
        if held & _DREAMED:
            held |= _DREAMED
        values = {
            name: value
            for name, value in cue.preset.over(self._started_with).items()
            if name not in held and name not in LEFT_OUT
        }
        if cue.crossfade_s > 0:
            self._parameters.apply(values, seconds=cue.crossfade_s)
        else:
            self._set(values)
        self._modulation.replace(self._automation.modulators_with(cue.preset), cue.crossfade_s)
