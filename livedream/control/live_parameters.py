"""The live parameters: every controller writes them, the loop reads one snapshot per frame.

Each has a target, set by controllers; a value on its way there; and offsets that modulators add.
Whatever is written, a snapshot never holds a value outside its declared range.

A little longer than other files: targets, values and fades are one state, guarded by one lock.
"""

import contextlib
import logging
import math
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any, Final, TypeVar

from livedream.control.programs import ShowSettings
from livedream.control.ramp import Ramp, in_steps, mixed_objective
from livedream.core.errors import NetworkError, ObjectiveError, RegionError, SettingsError
from livedream.core.grade import GradeSettings
from livedream.core.listeners import Listeners
from livedream.core.parameters import Parameter, declared
from livedream.core.settings import DREAMED, DreamSettings
from livedream.core.snapshot import Snapshot
from livedream.dream.objectives.prompt import dreamed, dreaming_network, parse_prompt
from livedream.dream.objectives.text import parse_objective
from livedream.region.painting import Painting
from livedream.region.text import parse_region
from livedream.region.wanted import check_region

_log = logging.getLogger(__name__)

T = TypeVar("T", DreamSettings, GradeSettings)

TAKEN_BACK: Final = "network"  # origin of a change that undoes what the loaded network refused

_MOST_TRIGGERS: Final = 32  # pending at once; more are a fault or an attack
_MOST_OFFSET: Final = 4.0  # slider lengths; sums of larger ones could leave the numbers


@dataclass(frozen=True, slots=True)
class Change:
    """What a controller did in one call: new targets by name, a trigger, or something painted.

    time_s: monotonic.  ramp_s, seconds: as they were given to `set` and `apply`; enough to do the
    same again.  painted: as `Painting.do` takes it.
    """

    targets: Mapping[str, Any]
    origin: str
    time_s: float
    ramp_s: float | None = None
    seconds: float = 0.0
    trigger: str = ""
    painted: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class _Fade:
    """One network giving way to another."""

    network: str
    objective: str
    ramp: Ramp


class LiveParameters:
    """Thread-safe.  `painting`: the mask of the region `painted`.

    own_objective: the objective a network dreams when none is named, so that a change to it and
    away from it can be a ramp; "" where unknown.  check_objective: raises LivedreamError for what
    the network (first argument) cannot dream, objective or prompt; without it only the
    grammar is checked.  network_given: see `Dreamer`; as the user's weights are, it is the one
    that is named at the beginning, and dreams every prompt while it is.
    """

    def __init__(
        self,
        dream: DreamSettings,
        grade: GradeSettings | None = None,
        clock: Callable[[], float] = time.monotonic,
        *,
        show: ShowSettings | None = None,
        own_objective: Callable[[str], str] | None = None,
        check_objective: Callable[[str, str, str], None] | None = None,
        network_given: bool = False,
    ) -> None:
        grade = grade or GradeSettings()
        self._clock = clock
        self._own_objective = own_objective or (lambda network: "")
        self._check_objective = check_objective or check_grammar
        kinds = DreamSettings, GradeSettings, ShowSettings
        everything = {p.name: p for cls in kinds for p in declared(cls)}
        self._declared = MappingProxyType({n: p for n, p in everything.items() if p.live})
        self._targets: dict[str, Any] = {
            **vars(dream),
            **vars(grade),
            **vars(show or ShowSettings()),
        }
        self._own = dream.network if dream.weights or network_given else None
        # The network here is the one that dreams, which a prompt may have chosen; not its target.
        self._values = {**self._targets, "network": self.dreams(dream.network, dream.prompt)}
        self._ramps: dict[str, tuple[Ramp, Callable[[float], Any]]] = {}  # value by share
        self._offsets: dict[str, dict[str, float]] = {}
        self._fade: _Fade | None = None
        self._left: dict[str, dict[str, str]] = {}  # targets of `DREAMED`, by who dreamed them last
        self._triggers: set[str] = set()
        self._listeners: Listeners[Change] = Listeners()
        self._changing = threading.Lock()  # one change after the other; before the other lock
        self._lock = threading.Lock()
        self.painting = Painting()
        dream = dream.replace(network=self._values["network"])
        self._last = Snapshot(clock(), dream, grade, painted=self.painting.painted)

    @property
    def declared(self) -> Mapping[str, Parameter]:
        """Those that may change while running, in the order of their declaration."""
        return self._declared

    def target(self, name: str) -> Any:
        self._parameter(name)
        return self._targets[name]

    def targets(self) -> dict[str, Any]:
        """Of every live parameter."""
        with self._lock:
            return {name: self._targets[name] for name in self._declared}

    @property
    def dreaming(self) -> str:
        """The network that dreams, or is to: the one that is named, or that the prompt chooses;
        empty for the default one."""
        network: str = self._values["network"]
        return network

    def dreams(self, network: str, prompt: str) -> str:
        """The network that would dream by these targets; as `dreaming`."""
        return network if network == self._own else dreaming_network(network, prompt)

    def unit(self, name: str) -> float:
        """The target as a slider's place, 0 to 1."""
        return self._parameter(name).to_unit(self.target(name))

    def set(self, name: str, value: Any, *, origin: str = "", ramp_s: float | None = None) -> None:
        """Give a parameter a new target, which it moves to: `apply` for a single one."""
        self.apply({name: value}, origin=origin, ramp_s=ramp_s)

    def set_unit(self, name: str, unit: float, *, origin: str = "") -> None:
        """Set a parameter by a slider's place, clamped to 0..1. Raises SettingsError for text."""
        self.set(name, self._parameter(name).from_unit(unit), origin=origin)

    def apply(
        self,
        values: Mapping[str, Any],
        *,
        seconds: float = 0.0,
        origin: str = "",
        ramp_s: float | None = None,
    ) -> None:
        """Set several, all or none.

        seconds: how long they are on their way; 0: as each is declared.  ramp_s: time constant
        instead of the declared one; 0: at once.
        Raises SettingsError for an unknown name and a value that may not be.
        """
        for what, time_s in (("seconds", seconds), ("ramp_s", ramp_s or 0.0)):
            if not 0.0 <= time_s < math.inf:
                raise SettingsError(f"{what}: must be at least 0 (got {time_s})")
        checked = self._read(values)
        with self._changing:
            self._complete(checked)
            self._check_together(checked)  # may read files: the loop's snapshot does not wait
            network = self._values["network"]
            if not checked.keys().isdisjoint(DREAMED):
                targets = {**self._targets, **checked}
                network = self.dreams(targets["network"], targets["prompt"])
            with self._lock:
                change = Change(checked, origin, self._clock(), ramp_s, seconds)
                self._advance(change.time_s)
                other = network != self._values["network"]
                if other:
                    left = {name: self._targets[name] for name in DREAMED}
                    self._left[self._values["network"]] = left
                    self._start_fade(change, network)
                for name, value in checked.items():
                    self._aim(name, value, change)
                if not other and "prompt" in checked:
                    self._aim_objective(change)
        self._listeners.tell(change)

    def take_back(self, network: str, dreams: str, kept: Mapping[str, str]) -> None:
        """Undo what a network refused, where that is wanted still.

        dreams: the network that goes on dreaming.  kept: what `network` dreams instead of the
        objective or prompt that it refused; empty: it cannot be had.
        """
        if self.dreaming != network:
            return
        before = None if dreams == network else self._left.get(dreams)
        # A network that was not named goes with the prompt that brought it.
        if before and (not kept or before["network"] == self._targets["network"]):
            kept = before
        try:
            self.apply(kept, origin=TAKEN_BACK, ramp_s=0.0)
        except SettingsError as error:  # such as a mask that has gone; the dream goes on
            _log.warning("what was dreamed before cannot be set again: %s", error)

    def check(self, values: Mapping[str, Any]) -> None:
        """Raise SettingsError for what `apply` would refuse; nothing is changed."""
        checked = self._read(values)
        self._complete(checked)
        self._check_together(checked)

    def modulate(self, name: str, key: str, offset_unit: float | None) -> None:
        """Move a parameter by part of its slider's length on top of its target.

        key: whose offset it is; a parameter's offsets add up.  None removes it.
        """
        parameter = self._parameter(name)
        if not parameter.can_be_modulated:
            raise SettingsError(f"{name}: is {parameter.wanted()}, which cannot be modulated")
        if offset_unit is not None and not math.isfinite(offset_unit):
            raise SettingsError(f"{name}: offset must be a finite number (got {offset_unit})")
        with self._lock:
            found = self._offsets.setdefault(name, {})
            if offset_unit is None:
                found.pop(key, None)
            else:
                found[key] = min(_MOST_OFFSET, max(-_MOST_OFFSET, offset_unit))
            if not found:
                del self._offsets[name]

    def trigger(self, name: str, *, origin: str = "") -> None:
        """Pass on to the loop what happens once: "reset", "tap"..."""
        if not name.isidentifier() or len(name) > 32:
            raise SettingsError(f"trigger: must be a word (got {name[:40]!r})")
        with self._lock:
            if len(self._triggers) < _MOST_TRIGGERS:
                self._triggers.add(name)
        self._listeners.tell(Change({}, origin, self._clock(), trigger=name))

    def paint(self, what: Mapping[str, Any], *, origin: str = "") -> None:
        """Paint, undo or clear, see `Painting.do`. Raises SettingsError for what makes no sense."""
        done = self.painting.do(what)
        self._listeners.tell(Change({}, origin, self._clock(), painted=done))

    def listen(self, listener: Callable[[Change], None]) -> Callable[[], None]:
        """Call `listener` with every change; it must not block. Returns how to stop that."""
        return self._listeners.add(listener)

    def snapshot(self, now_s: float | None = None) -> Snapshot:
        """The values of this moment; takes the triggers."""
        now_s = self._clock() if now_s is None else now_s
        with self._lock:
            self._advance(now_s)
            values = self._modulated()
            dream, grade = _rebuilt(self._last.dream, values), _rebuilt(self._last.grade, values)
            previous, crossfade = self._fading(dream, now_s)
            triggers, self._triggers = frozenset(self._triggers), set()
            self._last = Snapshot(
                now_s, dream, grade, previous, crossfade, triggers, self.painting.painted
            )
            return self._last

    def peek(self) -> Snapshot:
        """The last snapshot, for those who only read."""
        return self._last

    def _parameter(self, name: str) -> Parameter:
        parameter = self._declared.get(name)
        if parameter is None:
            known = name in self._targets
            why = "cannot change while running" if known else "is not a parameter"
            raise SettingsError(f"{str(name)[:40]!r} {why}: there are {', '.join(self._declared)}")
        return parameter

    def _read(self, values: Mapping[str, Any]) -> dict[str, Any]:
        return {name: self._parameter(name).read(value) for name, value in values.items()}

    def _complete(self, checked: dict[str, Any]) -> None:
        """Add what a change of network or objective clears."""
        if checked.get("network", self._targets["network"]) != self._targets["network"]:
            # The layers of one network mean nothing to another.
            checked.setdefault("objective", "")
        if "objective" in checked:  # which says more exactly what is wanted
            checked.setdefault("prompt", "")

    def _check_together(self, checked: Mapping[str, Any]) -> None:
        """What single checks cannot see: texts with a grammar, layers that a network lacks."""
        together = {**self._targets, **checked}
        _rebuilt(self._last.dream, together)
        if checked.get("where", "").strip():
            try:
                region = parse_region(checked["where"])
                check_region(region, live=True, flow=together["flow"], fetch=False)
            except RegionError as error:
                raise SettingsError(f"where: {error}") from error
        if checked.keys().isdisjoint(DREAMED):
            return
        name = "objective"
        try:
            self._check_objective(together["network"], together["objective"], "")
            name = "prompt"
            self._check_objective(together["network"], "", together["prompt"])
        except ObjectiveError as error:
            raise SettingsError(f"{name}: {error}") from error
        except NetworkError as error:
            raise SettingsError(f"network: {error}") from error

    def _start_fade(self, change: Change, network: str) -> None:
        """When another network is to dream, what dreamed until now fades out."""
        ramp, before = self._ramp("network", change), self._fade
        if ramp.share(change.time_s) >= 1.0:
            self._fade = None
        elif before is not None and before.network == network:
            back = ramp.back_from(before.ramp)
            self._fade = _Fade(self._values["network"], self._dreamed(self._values), back)
        elif before is None or before.ramp.share(change.time_s) > 0.5:
            self._fade = _Fade(self._values["network"], self._dreamed(self._values), ramp)
        else:  # the newcomer was hardly seen yet: what it was to replace stays
            self._fade = replace(before, ramp=ramp)
        self._ramps.pop("objective", None)
        for name in DREAMED:
            self._targets[name] = change.targets.get(name, self._targets[name])
            self._values[name] = self._targets[name]
        self._values["network"] = network

    def _ramp(self, name: str, change: Change) -> Ramp:
        constant_s = self._declared[name].ramp_s if change.ramp_s is None else change.ramp_s
        if name == "network" and change.seconds <= 0:
            # A share of two networks has an end: as long as the time constant's bulk.
            return Ramp(change.time_s, seconds=2 * constant_s)
        return Ramp(change.time_s, constant_s=constant_s, seconds=change.seconds)

    def _aim(self, name: str, value: Any, change: Change) -> None:
        self._targets[name] = value
        if name in DREAMED:
            return
        self._ramps.pop(name, None)
        start = self._values[name]
        if start == value:
            return
        ramp = self._ramp(name, change)
        number = isinstance(value, int | float) and not isinstance(value, bool)
        apart = self._declared[name].zero_apart and 0 in (start, value)
        if number and not apart and ramp.share(change.time_s) < 1.0:
            self._ramps[name] = ramp, lambda share: start + (value - start) * share
        else:
            self._values[name] = value

    def _aim_objective(self, change: Change) -> None:
        """Objective and prompt say the same thing in two ways; what changes is what they say.

        On the way it is an objective, whatever it was said by.
        """
        start, end = self._dreamed(self._values), self._dreamed(self._targets)
        running = self._ramps.pop("objective", None)
        if running is not None:  # where it is, not where it is shown: a fader moves many times
            start = running[1](running[0].share(change.time_s))
        ramp = self._ramp("objective", change)
        if start != end and ramp.share(change.time_s) < 1.0:
            # An own one that is not known is nothing to start from; two very long ones do not mix.
            with contextlib.suppress(ObjectiveError):
                self._ramps["objective"] = ramp, mixed_objective(start, end)
                self._values["objective"], self._values["prompt"] = start, ""
                return
        for name in ("objective", "prompt"):
            self._values[name] = self._targets[name]

    def _dreamed(self, values: Mapping[str, Any]) -> str:
        own = self._own_objective(self._values["network"])
        return dreamed(values["prompt"], values["objective"], own)

    def _advance(self, now_s: float) -> None:
        """Bring the values that are on their way to where they are now."""
        for name, (ramp, at) in tuple(self._ramps.items()):
            share = ramp.share(now_s)
            if share >= 1.0:
                for one in ("objective", "prompt") if name == "objective" else (name,):
                    self._values[one] = self._targets[one]
                del self._ramps[name]
            else:
                value = at(in_steps(share) if name == "objective" else share)
                text = isinstance(value, str)
                self._values[name] = value if text else self._declared[name].clamp(value)
        if self._fade is not None and self._fade.ramp.share(now_s) >= 1.0:
            self._fade = None

    def _modulated(self) -> dict[str, Any]:
        if not self._offsets:
            return self._values
        values = dict(self._values)
        for name, offsets in self._offsets.items():
            values[name] = self._declared[name].moved(values[name], sum(offsets.values()))
        return values

    def _fading(self, dream: DreamSettings, now_s: float) -> tuple[DreamSettings | None, float]:
        if self._fade is None:
            return None, 1.0
        previous = dream.replace(
            network=self._fade.network, objective=self._fade.objective, prompt=""
        )
        return previous, self._fade.ramp.share(now_s)


def _rebuilt(last: T, values: Mapping[str, Any]) -> T:
    """Settings of these values; the last ones where nothing has changed."""
    wanted = {name: values[name] for name in vars(last)}
    return last if wanted == vars(last) else type(last)(**wanted)


def check_grammar(network: str, objective: str, prompt: str) -> None:
    if objective:
        parse_objective(objective)
    if prompt.strip():
        parse_prompt(prompt)
