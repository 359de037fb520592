"""Automation: what moves a film's parameters over its time, as hands move those of a live show.

Presets in turn give the targets, curves take the place of those that they name, modulators go on
top. Everything is a function of the film's time: a render that goes on in the middle, and workers
that begin at different pieces, see what one that began at the beginning sees, to the bit.
"""

import heapq
import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from fractions import Fraction
from functools import partial
from itertools import cycle
from typing import Any, Final, Self

import numpy as np
from numpy.typing import NDArray

from livedream.control.catalogue import check_weights, objective_check, own_objective_of
from livedream.control.curves import LEFT_OUT, MOVABLE, Curve, Curves, Keyframe
from livedream.control.live_parameters import LiveParameters
from livedream.control.modulation import MAXIMUM, Modulation, Modulator
from livedream.control.presets import Preset
from livedream.control.programs import Every, Step, faded_beats
from livedream.control.soundtrack import Soundtrack, listen
from livedream.control.tempo import BEATS_PER_BAR, USUAL_BPM, checked_bpm
from livedream.core.errors import RegionError, SettingsError, WeightsError
from livedream.core.settings import DREAMED, DreamSettings
from livedream.core.snapshot import Snapshot
from livedream.region.text import parse_region
from livedream.region.wanted import check_region

_LONGEST_BAR: Final = 32
_FEWEST_BEATS: Final = 4


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
    on: when the next step is there, instead of after its seconds.  bpm: beats a minute: where there
    is sound about so many, else exactly.  bar: beats in a bar, None: as it is heard.  bar_at_s: a
    time at which one begins.  heard: the film's sound, once it was heard.
    """

    curves: Curves = field(default_factory=Curves)
    modulators: tuple[Modulator, ...] = ()
    steps: tuple[tuple[Step, Preset], ...] = ()
    loop: bool = True
    kept: frozenset[str] = frozenset()
    on: Every | None = None
    bpm: float | None = None
    bar: int | None = None
    bar_at_s: float | None = None
    heard: Soundtrack | None = None

    def __post_init__(self) -> None:
        if self.bpm is not None:
            checked_bpm(self.bpm)
        if self.bar is not None and not 1 <= self.bar <= _LONGEST_BAR:
            raise SettingsError(f"bar: must be 1 to {_LONGEST_BAR} beats (got {self.bar})")
        for preset in self._presets:
            together = self.modulators_with(preset)
            if len(together) > MAXIMUM:
                raise SettingsError(f"modulators: must be at most {MAXIMUM} (got {len(together)})")
            for one in together:
                if one.parameter not in MOVABLE or not MOVABLE[one.parameter].can_be_modulated:
                    raise SettingsError(
                        f"modulator: {one.parameter!r} cannot be changed during a film; "
                        "docs/parameters.md lists what has a slider"
                    )

    def modulators_with(self, preset: Preset | None) -> list[Modulator]:
        """The modulators that run with a preset."""
        return list(dict.fromkeys([*self.modulators, *(preset.modulators if preset else ())]))

    @property
    def listens(self) -> bool:
        """Whether anything follows the film's sound."""
        return self.follows_beats or any(one.source != "lfo" for one in self._every_modulator)

    @property
    def follows_beats(self) -> bool:
        """Whether anything goes by beats and bars."""
        return self.on is not None or any(one.beats > 0 for one in self._every_modulator)

    @property
    def _every_modulator(self) -> Iterator[Modulator]:
        return (one for preset in self._presets for one in self.modulators_with(preset))

    @property
    def must_listen(self) -> bool:
        """Whether it was asked for by name, so that a film without sound is an error."""
        sounds = any(one.source != "lfo" for one in self.modulators)
        return sounds or (self.on is not None and self.bpm is None)

    @property
    def _presets(self) -> tuple[Preset | None, ...]:
        return (None, *(preset for _, preset in self.steps))

    def hearing(self, blocks: Iterable[NDArray[np.float32]]) -> Self:
        """With the film's sound, see `livedream.capture.sound`.

        Raises SettingsError where no beat is found and one is needed.
        """
        heard = listen(blocks, self.bpm, self.bar, self.bar_at_s)
        if len(heard.beat_times) < _FEWEST_BEATS:
            if self.on is not None and self.bpm is None:
                raise SettingsError("on: no beat was found; give the tempo, such as --bpm 120")
            steady = self._steady
            heard = replace(heard, beat_times=steady.beat_times, bar=steady.bar, first=0)
        return replace(self, heard=heard)

    @property
    def _steady(self) -> Soundtrack:
        return Soundtrack.steady(
            self.bpm or USUAL_BPM, self.bar or BEATS_PER_BAR, self.bar_at_s or 0.0
        )

    @property
    def soundtrack(self) -> Soundtrack:
        """What was heard, else silence with a steady beat."""
        return self.heard or self._steady

    def brought(self, settings: DreamSettings) -> Iterator[DreamSettings]:
        """The settings with what each preset, and each keyframe of a text, makes of what is dreamed
        and where.  Raises SettingsError where that cannot be."""
        texts = [{one.name: one.value} for one in self.curves.keyframes]
        for values in (*(preset.values for _, preset in self.steps), *texts):
            new = {name: values[name] for name in (*DREAMED, "where") if name in values}
            if "objective" in new:
                new.setdefault("prompt", "")
            if new:
                yield settings.replace(**new)

    def identity(self) -> dict[str, Any]:
        """Everything that the pictures depend on, for a rendered file's metadata."""
        found: dict[str, Any] = {}
        if self.curves.keyframes:
            found["curves"] = str(self.curves)
        if self.modulators:
            found["modulators"] = [one.as_dict() for one in self.modulators]
        if self.steps:
            found["presets"] = [
                # A preset alone stays; JSON knows no infinity.
                [
                    step.hold_s if math.isfinite(step.hold_s) else None,
                    step.crossfade_s,
                    preset.to_toml(),
                ]
                for step, preset in self.steps
            ]
            found |= {"loop": self.loop, "given": sorted(self.kept & MOVABLE.keys())}
        tempo = {"on": self.on and str(self.on), "bpm": self.bpm, "bar": self.bar,
                 "bar_at_s": self.bar_at_s}  # fmt: skip
        return found | {name: value for name, value in tempo.items() if value is not None}

    def cues(self) -> Iterator[Cue]:
        """The presets after the first, in order of their times.

        After their seconds a crossfade begins; on a beat or bar it ends, and began on a beat.
        """
        sound, begin_s = self.soundtrack, 0.0
        turns = cycle(self.steps) if self.loop else iter(self.steps)
        for number, (step, preset) in enumerate(turns):
            wanted_s = preset.crossfade_s if step.crossfade_s is None else step.crossfade_s
            if number and self.on is None:
                yield Cue(begin_s, wanted_s, preset)
            elif number and self.on is not None:
                beats = self.on.beats(sound.bar)
                end_s = sound.time_of(number * beats)
                faded = faded_beats(sound.beats(end_s) - sound.beats(end_s - wanted_s), beats)
                start_s = sound.time_of(number * beats - faded)
                yield Cue(start_s, end_s - start_s, preset)
            begin_s += step.hold_s


class FilmTimeline:
    """Parameters at the time of each frame; times must not go back.

    settings: those without automation.  rate: frames per second.  network_given: see
    `LiveParameters`.
    """

    def __init__(
        self,
        automation: Automation,
        settings: DreamSettings,
        rate: Fraction,
        *,
        network_given: bool = False,
    ) -> None:
        self._automation, self._now_s = automation, 0.0
        self._there = {settings.network}  # whose weights are: it is loaded before the film begins
        self._flow = settings.flow
        sound = automation.soundtrack

        def clock() -> float:
            return self._now_s

        self._parameters = LiveParameters(
            settings, None, clock, own_objective=own_objective_of(settings),
            check_objective=objective_check(settings, live=False), network_given=network_given,
        )  # fmt: skip
        self._modulation = Modulation(
            self._parameters, sound, lambda name: sound.value(name, self._now_s), clock
        )
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
        # A network clears the objective, and an objective the prompt: those come behind it.
        self._texts = sorted(
            ((t, one) for t, one in timed if one.name not in self._curves),
            key=lambda pair: (pair[0], [*DREAMED, pair[1].name].index(pair[1].name)),
        )
        self._held = automation.kept | self._curved
        self._events = heapq.merge(
            ((cue.begin_s, partial(self._go, cue, self._held)) for cue in automation.cues()),
            ((t, partial(self._switch, one)) for t, one in self._texts),
            key=lambda pair: pair[0],
        )
        self._next = next(self._events, None)

    def snapshot(self, time_s: float) -> Snapshot:
        """The parameters at a time of the film, in seconds."""
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

    def check(self) -> None:
        """Go through everything that presets and keyframes of texts bring, on a timeline of no
        other use: what cannot be dreamed is found before the hours until it comes.

        Presets first: they leave alone what curves name.  Raises SettingsError, which says where.
        """
        for number, (_, preset) in enumerate(self._automation.steps):
            if number:
                self._go(Cue(0.0, 0.0, preset), self._held)
            self._check_network(f"preset {preset.name}: ")
            self._check_where(f"preset {preset.name}: ")
        for _, keyframe in self._texts:
            self._switch(keyframe)
            if keyframe.name == "network":
                self._check_network(f"curves: {keyframe}: ")
            if keyframe.name == "where":
                self._check_where(f"curves: {keyframe}: ")

    def _check_network(self, whose: str) -> None:
        network = self._parameters.target("network")
        if network not in self._there:
            try:
                check_weights(network)
                self._there.add(network)
            except WeightsError as error:
                raise SettingsError(f"{whose}network: {error}") from error

    def _check_where(self, whose: str) -> None:
        where = self._parameters.target("where")
        try:
            if where.strip():
                check_region(parse_region(where), live=False, flow=self._flow)
        except RegionError as error:
            raise SettingsError(f"{whose}where: {error}") from error

    def _set(self, values: Mapping[str, Any]) -> None:
        self._parameters.apply(values, ramp_s=0.0)

    def _switch(self, keyframe: Keyframe) -> None:
        """A text or switch takes its keyframe's value."""
        try:
            self._set({keyframe.name: keyframe.value})
        except SettingsError as error:
            raise SettingsError(f"curves: {keyframe}: {error}") from error

    def _go(self, cue: Cue, held: frozenset[str]) -> None:
        """Go over to a preset; what is held stays."""
        if not held.isdisjoint(DREAMED):
            held |= set(DREAMED)
        values = {
            name: value
            for name, value in cue.preset.over(self._started_with).items()
            if name not in held and name not in LEFT_OUT
        }
        try:
            if cue.crossfade_s > 0:
                self._parameters.apply(values, seconds=cue.crossfade_s)
            else:
                self._set(values)
        except SettingsError as error:
            raise SettingsError(f"preset {cue.preset.name}: {error}") from error
        self._modulation.replace(self._automation.modulators_with(cue.preset), cue.crossfade_s)
