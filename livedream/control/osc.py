"""OSC: every parameter and action by address, and changes sent back to who asked.

    /livedream/<parameter>         0..1 on the parameter's slider; a text is its value
    /livedream/<parameter>/value   the value in its unit, or by name
    /livedream/<action>            reset, next, freeze...; 0 (a button let go) is ignored
    /livedream/program             as an action, it starts or stops; with a name, that program
    /livedream/preset              a name, or its number from 0; then seconds of crossfade
    /livedream/tempo               beats per minute
    /livedream/wall/0/<setting>    of the display at 0 in --display, as a parameter; or an action
    /livedream/subscribe           send changes to this sender; with a number: to that port

A message without an argument to a parameter's address asks for its value. Whoever sends
anything gets changes for a minute, at the port it sent from, except of a parameter that it sets
itself. What is refused is answered there with /livedream/error and the reason.
"""

import contextlib
import logging
import math
import socket
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Final

from livedream.control.live_parameters import Change, LiveParameters
from livedream.control.show import ACTIONS, SWITCHES, Show
from livedream.core.addresses import Endpoint
from livedream.core.errors import LivedreamError, SettingsError, reason
from livedream.core.health import Health
from livedream.core.parameters import Parameter, as_number
from livedream.core.suggest import closest
from livedream.core.supervisor import SupervisedThread, start_thread
from livedream.present.live.wall_control import ACTIONS as WALL_ACTIONS
from livedream.present.live.wall_control import ROOT as WALL
from livedream.present.live.wall_control import SETTINGS as WALL_SETTINGS
from livedream.present.live.wall_control import WallControl

_log = logging.getLogger(__name__)

DEFAULT_ADDRESS: Final = "127.0.0.1:9001"
_ROOT: Final = "/livedream/"
_KEPT_S: Final = 60.0  # how long changes are sent to who has sent something
_MOST_RECEIVERS: Final = 16
_POLL_S: Final = 0.2
_LARGEST: Final = 65535  # bytes in a UDP datagram
_ERROR: Final = _ROOT + "error"
_CALLED: Final = "osc"  # no receiver's origin: who calls a preset cannot know what it sets
_MOST_LOGGED: Final = 200  # addresses whose refusal is logged, each once


class OscServer:
    """Listens on a UDP port. Senders that are neither this machine nor allowed are ignored.

    wall: the window's displays.

    Raises SettingsError for an address on the network that allows nobody.
    """

    def __init__(
        self,
        parameters: LiveParameters,
        show: Show,
        address: Endpoint,
        wall: WallControl | None = None,
    ) -> None:
        self._wall = wall if wall is not None else WallControl()
        if not address.loopback and not address.allow:
            raise SettingsError(
                f"osc: {address.host} is on the network; say who may send to it, for example "
                f"{address.host}:{address.port}?allow=192.168.1.0/24"
            )
        self.parameters, self.show, self.address = parameters, show, address
        self._socket: socket.socket | None = None
        self._thread: SupervisedThread | None = None
        self._stop = threading.Event()
        self._receivers: dict[tuple[str, int], float] = {}  # until when, monotonic
        self._askers: dict[tuple[str, int], str] = {}  # who has asked for a receiver, as an origin
        self._lock = threading.Lock()
        self._telling = threading.Lock()  # of one change after the other
        self._unlisten: list[Callable[[], None]] = []
        self._detail = ""
        self._logged: set[str] = set()
        self.messages = self.refused = self.faults = 0

    @property
    def port(self) -> int:
        """The port in use, also where 0 was asked for."""
        return int(self._socket.getsockname()[1]) if self._socket else self.address.port

    def start(self) -> None:
        """Open the port. Raises SinkError when it is taken."""
        opened = self.address.bind("osc", socket.SOCK_DGRAM)
        opened.settimeout(_POLL_S)
        self._socket = opened
        logging.getLogger().addFilter(_not_the_parsers)
        self._unlisten = [
            self.parameters.listen(self._changed), self._wall.listen(self._wall_changed)
        ]  # fmt: skip
        self._thread = start_thread("osc", self._run)

    def close(self) -> None:
        self._stop.set()
        for stop in self._unlisten:
            stop()
        if self._thread is not None:
            self._thread.close()
        if self._socket is not None:
            self._socket.close()
        logging.getLogger().removeFilter(_not_the_parsers)

    def health(self) -> Health:
        detail = self._detail or f"{self.address.host}:{self.port}"
        return Health("osc", "ok", detail, self.messages, self.refused + self.faults)

    def _run(self) -> None:
        assert self._socket is not None
        while not self._stop.is_set():
            try:
                datagram, sender = self._socket.recvfrom(_LARGEST)
            except TimeoutError:
                continue
            except OSError:
                # An ICMP answer to an earlier message, on some systems; the port stays open.
                self._stop.wait(0.01)
                continue
            self.receive(datagram, sender[0], sender[1])

    def receive(self, datagram: bytes, host: str, port: int) -> None:
        """One datagram. What is no OSC, or makes no sense, is counted in `faults` and let go."""
        if not self.address.admits(host):
            self.refused += 1
            return
        self._remember(host, port)
        for name, arguments in _messages(datagram):
            if name is None:
                self.faults += 1
                continue
            self.messages += 1
            try:
                self.message(name, arguments, host, port)
            except (LivedreamError, ValueError, OverflowError) as error:
                self.faults += 1
                self._refuse(name, reason(error)[:200], host, port)

    def _refuse(self, address: str, reason: str, host: str, port: int) -> None:
        """Say why where it was said, in the health, and once for each address in the log."""
        self._detail = f"refused: {reason}"
        if address not in self._logged and len(self._logged) < _MOST_LOGGED:
            self._logged.add(address)
            _log.warning("OSC from %s refused: %s", host, reason)
        with self._lock:
            there = {(host, port), *(key for key in self._receivers if key[0] == host)}
        self._send_all([_datagram(_ERROR, reason)], there)

    def message(self, address: str, arguments: Sequence[Any], host: str, port: int) -> None:
        """Do what one message says. Raises SettingsError for what makes no sense."""
        if not address.startswith(_ROOT):
            raise SettingsError(f"osc: address must be {_ROOT}... (got {address[:60]!r})")
        if address == _ERROR:
            return  # another livedream's answer; answering it would never end
        name, _, part = address[len(_ROOT) :].partition("/")
        origin = f"osc {host}:{port}"
        if address.startswith(_ROOT + WALL):
            path = address[len(_ROOT) :]
            self._wall_message(path, next(iter(arguments), None), origin, (host, port))
            return
        first = arguments[0] if arguments else None
        if part not in ("", "value"):
            raise SettingsError(f"osc: {address[:60]!r}: only /value may follow a parameter")
        toggles = name in SWITCHES and first is None and not part
        if name in self.parameters.declared and not toggles:
            self._parameter(name, part == "value", first, origin, (host, port))
        elif name == "subscribe":
            to = _port(first) if arguments else port
            self._remember(host, to, forever=True)
            self._askers[host, to] = origin
        elif name == "tempo":
            self.show.set_bpm(as_number(first, "osc: value"))
        elif name == "preset":
            seconds = as_number(arguments[1], "osc: seconds") if len(arguments) > 1 else None
            self.show.call_preset(self._preset(first), seconds, origin=_CALLED)
        elif name == "program" and isinstance(first, str):
            self.show.call_program(first, origin=_CALLED)
        elif name in ACTIONS:
            if first is None or as_number(first, "osc: value") > 0:
                self.show.act(name, origin=_CALLED)
        else:
            known = (*self.parameters.declared, *ACTIONS, "preset", "tempo", "subscribe")
            hint = closest(name, known) or "docs/control.md lists the addresses"
            raise SettingsError(f"osc: {address[:60]!r} is not an address of livedream; {hint}")

    def _parameter(
        self, name: str, real: bool, value: Any, origin: str, sender: tuple[str, int]
    ) -> None:
        parameter = self.parameters.declared[name]
        if value is None:
            self._send_value(name, self.parameters.target(name), [sender])
        elif real or isinstance(value, str) or not parameter.has_unit:
            self.parameters.set(name, value, origin=origin)
        else:
            self.parameters.set_unit(name, as_number(value, "osc: value"), origin=origin)

    def _wall_message(self, path: str, value: Any, origin: str, sender: tuple[str, int]) -> None:
        name = path.removesuffix("/value")
        if name.rpartition("/")[2] in WALL_ACTIONS:
            if value is None or as_number(value, "osc: value") > 0:
                self._wall.act(name)
        elif value is None:
            self._send_wall(name, self._wall.value(name), [sender])
        elif name != path or isinstance(value, str):
            self._wall.set(name, value, origin=origin)
        else:
            self._wall.set_unit(name, as_number(value, "osc: value"), origin=origin)

    def _preset(self, found: Any) -> str:
        if isinstance(found, str):
            return found
        number = round(as_number(found, "osc: preset"))
        names = self.show.presets.names
        if not 0 <= number < len(names):
            raise SettingsError(f"osc: preset must be 0 to {len(names) - 1} (got {number})")
        return names[number]

    def _remember(self, host: str, port: int, *, forever: bool = False) -> None:
        until_s = math.inf if forever else time.monotonic() + _KEPT_S
        with self._lock:
            known = self._receivers.get((host, port), -math.inf)
            if known == -math.inf and len(self._receivers) >= _MOST_RECEIVERS:
                del self._receivers[min(self._receivers, key=lambda key: self._receivers[key])]
            self._receivers[host, port] = max(known, until_s)

    def _changed(self, change: Change) -> None:
        """Send it to everyone but who did it. A datagram never waits for its reader."""
        others, everyone = self._all_but(change.origin), self._all_but("")
        with self._telling:
            for number, name in enumerate(change.targets):
                # The value of now: of two who set one at once, the first may be heard of last.
                value = self.parameters.target(name)
                # A message sets one parameter; what else that changes, its sender cannot know.
                self._send_value(name, value, everyone if number else others)

    def _wall_changed(self, values: Mapping[str, Any], origin: str) -> None:
        there = self._all_but(origin)
        for name, value in values.items():
            self._send_wall(name, value, there)

    def _all_but(self, origin: str) -> list[tuple[str, int]]:
        now_s = time.monotonic()
        with self._lock:
            self._receivers = {key: s for key, s in self._receivers.items() if s >= now_s}
            self._askers = {k: asker for k, asker in self._askers.items() if k in self._receivers}
            return [
                key
                for key in self._receivers
                if origin not in (f"osc {key[0]}:{key[1]}", self._askers.get(key))
            ]

    def _send_wall(self, name: str, value: Any, receivers: Sequence[tuple[str, int]]) -> None:
        self._send_as(WALL_SETTINGS[name.rpartition("/")[2]], name, value, receivers)

    def _send_value(self, name: str, value: Any, receivers: Sequence[tuple[str, int]]) -> None:
        self._send_as(self.parameters.declared[name], name, value, receivers)

    def _send_as(
        self, parameter: Parameter, name: str, value: Any, receivers: Sequence[tuple[str, int]]
    ) -> None:
        datagrams = [_datagram(f"{_ROOT}{name}/value", value)]
        if parameter.has_unit:
            datagrams.append(_datagram(f"{_ROOT}{name}", parameter.to_unit(value)))
        self._send_all(datagrams, receivers)

    def _send_all(self, datagrams: Sequence[bytes], receivers: Iterable[tuple[str, int]]) -> None:
        if self._socket is None:
            return
        for receiver in receivers:
            for datagram in datagrams:
                # Nobody there any more, or no route: the next message finds out again.
                with contextlib.suppress(OSError, OverflowError):
                    self._socket.sendto(datagram, receiver)


def _messages(datagram: bytes) -> list[tuple[str | None, list[Any]]]:
    """(address, arguments) of each message in a datagram; address None where it is no OSC."""
    from pythonosc.osc_packet import OscPacket, ParseError

    try:
        packet = OscPacket(datagram)
        return [(one.message.address, list(one.message.params)) for one in packet.messages]
    # Random bytes raise the first two; the others are what code that unpacks bytes can raise.
    except (ParseError, ValueError, LookupError, TypeError, ArithmeticError, RecursionError):
        return [(None, [])]


def _not_the_parsers(record: logging.LogRecord) -> bool:
    """python-osc logs each strange byte at the root; whoever sends some must not fill the log."""
    return "pythonosc" not in record.pathname


def _datagram(address: str, value: Any) -> bytes:
    from pythonosc.osc_message_builder import OscMessageBuilder

    builder = OscMessageBuilder(address)
    builder.add_arg(int(value) if isinstance(value, bool) else value)
    return bytes(builder.build().dgram)


def _port(value: Any) -> int:
    number = round(as_number(value, "osc: value"))
    if not 1 <= number <= 65535:
        raise SettingsError(f"osc: port must be 1 to 65535 (got {number})")
    return number
