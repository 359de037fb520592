"""MIDI: knobs, faders, keys and pads of any controller, learned by moving them.

A control is named by what sends it: `cc:1:7` (channel 1, controller 7), `note:1:60`, `bend:1`,
`program:1`. Its target is a parameter, `act:NAME` for an action, `preset:NAME`, `preset:*` for
program changes and presets in order, or `program:NAME`. What was learned is kept in `midi.toml` in
the user's folder. A MIDI clock leads the tempo: `midi_clock`.
"""

import contextlib
import logging
import re
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Final, Protocol

from livedream.capture.live import shown_name
from livedream.control.live_parameters import LiveParameters
from livedream.control.midi_clock import MidiClock
from livedream.control.programs import list_programs
from livedream.control.show import ACTIONS, Show
from livedream.core.errors import LivedreamError, SettingsError, SourceError, reason
from livedream.core.health import Health
from livedream.core.supervisor import FaultLog, SupervisedThread, start_thread
from livedream.core.user_folders import own_folder, toml_table, toml_text, write_whole

_log = logging.getLogger(__name__)

_POLL_S: Final = 0.2  # how often ports are looked for; a plug that is loose is out for longer
_NODES: Final = Path("/dev/snd")  # Linux: one anew for each time that a controller is plugged in
_LEARN_S: Final = 30.0  # how long learning waits for a control to be moved
_MOST: Final = 512  # learned controls


class Port(Protocol):
    def close(self) -> None: ...


class Ports(Protocol):
    """The door to MIDI: `RtMidiPorts`, or anything else that has names and opens them."""

    def names(self) -> Sequence[str]: ...

    def open(self, name: str, receive: Callable[[Any], None]) -> Port:
        """receive: called with each mido message, from any thread."""


class RtMidiPorts:
    """The system's MIDI inputs. Raises SettingsError where the library is not installed."""

    def __init__(self) -> None:
        try:
            import mido

            # Fails here, not at the first port.
            import mido.backends.rtmidi
        except ImportError as error:
            raise SettingsError(
                'midi: mido and python-rtmidi are not installed; pip install "livedream[midi]"'
            ) from error
        self._mido = mido

    def names(self) -> Sequence[str]:
        import rtmidi

        try:
            return list(self._mido.get_input_names())
        except (rtmidi.RtMidiError, OSError, RuntimeError) as error:
            raise SettingsError(f"midi: the system has no MIDI ({error})") from error

    def open(self, name: str, receive: Callable[[Any], None]) -> Port:
        port: Port = self._mido.open_input(name, callback=receive)
        return port


class MidiMap:
    """What each control does; kept in a file. Thread-safe enough: replaced, never changed."""

    def __init__(self, path: Path | None = None) -> None:
        self.path = path or own_folder() / "midi.toml"
        self.targets: Mapping[str, str] = {}
        if self.path.is_file():
            try:
                found = toml_table(self.path.read_text(encoding="utf-8-sig")).get("controls", {})
                self.targets = {str(k): str(v) for k, v in dict(found).items()}
                if len(self.targets) > _MOST:
                    raise ValueError(f"more than {_MOST} learned controls")
            except (OSError, ValueError, TypeError) as error:
                raise SettingsError(f"midi: {self.path} cannot be read ({error})") from error

    def bind(self, control: str, target: str | None) -> None:
        """Give a control a target, None removes it; written at once."""
        targets = {**self.targets}
        targets.pop(control, None)
        if target is not None:
            targets[control] = target
        if len(targets) > _MOST:
            raise SettingsError(f"midi: more than {_MOST} learned controls")
        self.targets = targets
        lines = [f"{toml_text(k)} = {toml_text(v)}" for k, v in targets.items()]
        write_whole(self.path, "\n".join(["[controls]", *lines]) + "\n")


class MidiInput:
    """Listens to every port whose name contains `name` ("" or "all": every port).

    ports: None for the system's.  mapping: None for the user's own.
    """

    def __init__(
        self,
        parameters: LiveParameters,
        show: Show,
        name: str = "",
        *,
        ports: Ports | None = None,
        mapping: MidiMap | None = None,
    ) -> None:
        self.parameters, self.show = parameters, show
        self._name = "" if name == "all" else name
        self._ports = ports if ports is not None else RtMidiPorts()
        self.mapping = mapping if mapping is not None else MidiMap()
        self._tempo = MidiClock(show.tempo)
        self._open: dict[str, Port] = {}
        self._nodes: dict[str, int] = {}
        self._learning: str | None = None
        self._learn_until_s = 0.0
        self._waiting = False  # for a control to be moved, when `poll` last looked
        self._unopened: list[str] = []  # ports, each with the reason
        self._refused: dict[str, str] = {}  # the reason, by control
        self._logged: set[str] = set()  # controls that were refused something
        self._faults = FaultLog(_log, "midi")
        self._losses: dict[str, FaultLog] = {}  # by port
        self.messages = self.reconnects = 0
        self._seen: set[str] = set()
        self._thread: SupervisedThread | None = None

    @property
    def learning(self) -> str | None:
        """The target that waits for a control to be moved."""
        return self._learning if time.monotonic() < self._learn_until_s else None

    def learn(self, target: str | None) -> None:
        """The next control that is moved gets this target; None stops learning.

        Raises SettingsError for a target that nothing can be bound to.
        """
        if target is not None and not self._is_known(target):
            raise _unknown(target)
        self._learning, self._learn_until_s = target, time.monotonic() + _LEARN_S
        self.show.notify()

    def _is_known(self, target: str) -> bool:
        parameter = self.parameters.declared.get(target)
        kind, _, name = target.partition(":")
        return (
            (parameter is not None and parameter.has_unit)
            or (kind == "act" and name in ACTIONS)
            or (kind == "preset" and (name == "*" or name in self.show.presets.names))
            or (kind == "program" and name in list_programs()[0])
        )

    def start(self) -> None:
        """Look for ports now and from now on; none there is no error, one may be plugged in."""
        for control, target in self.mapping.targets.items():
            if not self._is_known(target):
                _log.warning("MIDI %s in %s: there is no %s", control, self.mapping.path, target)
        self.poll()
        self._thread = start_thread("midi", self.poll, every_s=_POLL_S)

    def close(self) -> None:
        if self._thread is not None:
            self._thread.close()
        for port in self._open.values():
            port.close()
        self._open.clear()

    def health(self) -> Health:
        fault = self._faults.fault
        state = "ok" if self._open and not fault else "lost"
        said = "; ".join([*self._open, *self._unopened, *self._refused.values()])
        detail = fault or said or "no port; plug a controller in"
        return Health("midi", state, detail, self.messages, 0, 0.0, self.reconnects)

    def receive(self, message: Any, *, port: str = "") -> None:
        """One mido message. Never raises: it is called from the driver's thread."""
        now_s = time.monotonic()
        with self._faults.catching():
            kind = getattr(message, "type", "")
            if self._tempo.receive(kind, now_s, port=port, position=getattr(message, "pos", 0)):
                return
            control, value, pressed = _control(message)
            if control is None:
                return
            self.messages += 1
            learning = self.learning
            try:
                # A key let go is not yet another key that was pressed.
                if learning is not None and pressed:
                    self._learning = None
                    self.mapping.bind(control, learning)
                    self.show.notify()
                    return
                target = self.mapping.targets.get(control)
                if target is not None:
                    self._do(target, value, pressed, message)
                if pressed:  # a key let go shows nothing
                    self._refused.pop(control, None)
            except LivedreamError as error:
                self._refuse(control, reason(error)[:200])

    def _refuse(self, control: str, reason: str) -> None:
        """Say why in the health until it works, and once for each control in the log."""
        self._refused[control] = f"{control} refused: {reason}"
        if control not in self._logged:
            self._logged.add(control)
            _log.warning("MIDI %s refused: %s", control, reason)

    def _do(self, target: str, value: float, pressed: bool, message: Any) -> None:
        kind, _, name = target.partition(":")
        if target in self.parameters.declared:
            parameter = self.parameters.declared[target]
            if parameter.kind is bool and message.type in ("note_on", "note_off"):
                if pressed:  # a pad switches over, as a key does
                    self.parameters.set(target, not self.parameters.target(target), origin="midi")
            else:
                self.parameters.set_unit(target, value, origin="midi")
        elif not pressed:
            return
        elif kind == "act":
            self.show.act(name, origin="midi")
        elif kind == "preset":
            names = self.show.presets.names
            if name == "*":
                number = message.program if message.type == "program_change" else 0
                name = names[number % len(names)] if names else ""
            self.show.call_preset(name, origin="midi")
        elif kind == "program":
            self.show.call_program(name, origin="midi")
        else:
            raise _unknown(target)

    def poll(self) -> None:
        """Open what came, close what went, and notify when nothing is learned any more."""
        waited, self._waiting = self._waiting, self.learning is not None
        if waited and not self._waiting:
            self.show.notify()
        unopened = []
        before, self._nodes = self._nodes, _device_nodes()
        anew = any(self._nodes.get(name, node) != node for name, node in before.items())
        try:
            there = [name for name in self._ports.names() if self._wanted(name)]
        except LivedreamError as error:
            unopened, there = [reason(error)], []
        # One that was out between two looks has the same name, and its port is dead.
        for gone in set(self._open) - set([] if anew else there):
            self._open.pop(gone).close()
            self._went(_unnumbered(gone), unopened[0] if unopened else "unplugged, or switched off")
        for name in there:
            if name in self._open:
                continue
            try:
                self._open[name] = self._ports.open(name, partial(self.receive, port=name))
            except (OSError, RuntimeError, LivedreamError) as error:
                unopened.append(f"{name}: {error}")
                continue
            self._came(_unnumbered(name))
        self._unopened = unopened

    def _went(self, name: str, why: str) -> None:
        losses = self._losses.setdefault(name, FaultLog(_log, f"MIDI {name}"))
        losses.failed(SourceError(why), "is lost", traceback=False)

    def _came(self, name: str) -> None:
        self.reconnects += name in self._seen
        self._seen.add(name)
        if name in self._losses:
            self._losses[name].recovered("is back")

    def _wanted(self, name: str) -> bool:
        # rtmidi's own through port carries what programs here send to themselves.
        return self._name.lower() in shown_name(name).lower() and "RtMidi" not in name


def _device_nodes() -> dict[str, int]:
    """The inode of each MIDI device's file, by its name; empty on other systems."""
    found = {}
    for path in _NODES.glob("midiC*D*"):
        with contextlib.suppress(OSError):  # just gone
            found[path.name] = path.stat().st_ino
    return found


def _unnumbered(name: str) -> str:
    """A port's name without ALSA's numbers, which are others when it comes back."""
    return re.sub(r" \d+:\d+$", "", name)


def _unknown(target: str) -> SettingsError:
    return SettingsError(
        "midi: target must be a parameter, act:NAME, preset:NAME or program:NAME "
        f"(got {target[:40]!r})"
    )


def _control(message: Any) -> tuple[str | None, float, bool]:
    """(the control's name, its value 0 to 1, whether it was pressed or moved)."""
    kind = getattr(message, "type", "")
    channel = getattr(message, "channel", 0) + 1
    if kind == "control_change":
        return f"cc:{channel}:{message.control}", message.value / 127, message.value > 0
    if kind in ("note_on", "note_off"):
        velocity = message.velocity if kind == "note_on" else 0
        return f"note:{channel}:{message.note}", velocity / 127, velocity > 0
    if kind == "pitchwheel":
        return f"bend:{channel}", (message.pitch + 8192) / 16383, True
    if kind == "program_change":
        return f"program:{channel}", message.program / 127, True
    return None, 0.0, False
