"""Hands gone wild: random OSC datagrams, panel messages over a real WebSocket, MIDI messages.

Part of scripts/live_endure.py. Half of the messages are well formed with values anywhere, half are
noise. After every thousand the board is looked at: no parameter may have left its range.
"""

import json
import random
import socket
import tempfile
import time
from pathlib import Path
from typing import Any, Final

__all__ = ["hands"]

_WORDS: Final = (
    "strength", "octaves", "objective", "network", "zoom", "hue", "freeze", "blackout", "size",
    "nonsense", "__class__", "", "x" * 300, "reset", "next", "seed", "mask",
)  # fmt: skip


def hands(messages: int) -> dict[str, Any]:
    """A third of the messages each; the figures."""
    from livedream.control.live_parameters import LiveParameters
    from livedream.control.midi import MidiInput, MidiMap
    from livedream.control.osc import OscServer
    from livedream.control.presets import Presets
    from livedream.control.show import Show
    from livedream.core.addresses import Endpoint
    from livedream.core.health import StatusBoard
    from livedream.core.settings import DreamSettings
    from livedream.panel.app import Panel

    draw, wrong = random.Random(4), []
    with tempfile.TemporaryDirectory() as folder:
        parameters = LiveParameters(DreamSettings())
        show = Show(parameters, Presets(Path(folder)))
        osc = OscServer(parameters, show, Endpoint("127.0.0.1", 0))
        midi = MidiInput(
            parameters, show, ports=_NoPorts(), mapping=MidiMap(Path(folder) / "midi.toml")
        )
        for control, name in enumerate(parameters.declared):
            if parameters.declared[name].has_unit:
                midi.mapping.bind(f"1:cc:{control}", name)
        panel = Panel(
            parameters, StatusBoard(), lambda: None, Endpoint("127.0.0.1", 0), show, learner=midi
        )
        osc.start()
        panel.start()
        third = messages // 3
        try:
            wrong += _osc(osc, parameters, third, draw)
            wrong += _midi(midi, parameters, third, draw)
            wrong += _panel(panel, parameters, third, draw)
            alive = osc.health().state == "ok" and panel.health().state == "ok"
        finally:
            panel.close()
            osc.close()
    return {"messages": 3 * third, "out of range": wrong[:5], "alive": alive,
            "passed": alive and not wrong}  # fmt: skip


class _NoPorts:
    def names(self) -> list[str]:
        return []

    def open(self, name: str, told: Any) -> Any:
        raise OSError(name)


def _check(parameters: Any) -> list[str]:
    """Parameters of a snapshot that are outside their range."""
    from livedream.core.settings import declared

    found = parameters.snapshot()
    wrong = []
    for values in (found.dream, found.grade):
        for parameter in declared(type(values)):
            value = getattr(values, parameter.name)
            try:
                parameter.check(value)
            except ValueError:
                wrong.append(f"{parameter.name}={value!r}")
    return wrong


def _value(draw: random.Random) -> Any:
    choices = (
        draw.uniform(-2, 2), draw.uniform(-1e9, 1e9), float("nan"), float("inf"), draw.random(),
        draw.randint(-(2**31), 2**31 - 1), "text" * draw.randint(0, 40), True, None,
    )  # fmt: skip
    return draw.choice(choices)


def _osc(osc: Any, parameters: Any, count: int, draw: random.Random) -> list[str]:
    from pythonosc.osc_message_builder import OscMessageBuilder

    wrong: list[str] = []
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as out:
        out.connect(("127.0.0.1", osc.address.port))
        names = [*parameters.declared, *_WORDS]
        for index in range(count):
            datagram = draw.randbytes(draw.randint(0, 200))
            if draw.random() < 0.5:
                builder = OscMessageBuilder(f"/livedream/{draw.choice(names)}")
                for _ in range(draw.randint(0, 3)):
                    value = _value(draw)
                    if isinstance(value, int) and not isinstance(value, bool):
                        builder.add_arg(value, "i")
                    elif value is not None:
                        builder.add_arg(value)
                datagram = builder.build().dgram
            try:
                out.send(datagram)
            except OSError:  # nothing listens for a moment
                time.sleep(0.001)
            if index % 100 == 0:
                time.sleep(0.002)  # or the kernel drops most of them
            if index % 1000 == 0:
                wrong += _check(parameters)
    return wrong + _check(parameters)


def _midi(midi: Any, parameters: Any, count: int, draw: random.Random) -> list[str]:
    import mido

    kinds = ("control_change", "note_on", "note_off", "pitchwheel", "program_change", "clock",
             "sysex", "aftertouch")  # fmt: skip
    wrong: list[str] = []
    for index in range(count):
        kind = draw.choice(kinds)
        message = mido.Message(kind)
        if kind == "control_change":
            message = message.copy(control=draw.randint(0, 127), value=draw.randint(0, 127))
        elif kind.startswith("note"):
            message = message.copy(note=draw.randint(0, 127), velocity=draw.randint(0, 127))
        elif kind == "pitchwheel":
            message = message.copy(pitch=draw.randint(-8192, 8191))
        midi.receive(message)
        if index % 1000 == 0:
            wrong += _check(parameters)
    return wrong + _check(parameters)


def _panel(panel: Any, parameters: Any, count: int, draw: random.Random) -> list[str]:
    from websockets.exceptions import ConnectionClosed
    from websockets.sync.client import connect

    kinds = ("set", "set", "set", "default", "act", "preset", "program", "bpm", "modulators",
             "learn", "forget", "nonsense")  # fmt: skip
    names = [*parameters.declared, *_WORDS]
    wrong: list[str] = []
    address = f"ws://127.0.0.1:{panel.port}/socket"
    origin = f"http://127.0.0.1:{panel.port}"
    client = connect(address, origin=origin, max_size=None)  # type: ignore[arg-type]
    for index in range(count):
        text = draw.randbytes(draw.randint(0, 100)).decode("latin-1")
        if draw.random() < 0.7:
            kind = draw.choice(kinds)
            message = {kind: draw.choice([draw.choice(names), _value(draw)])}
            message[draw.choice(("value", "unit", "seconds"))] = _value(draw)
            text = json.dumps(message)
        try:
            client.send(text)
        except ConnectionClosed:  # it may throw a client out, not fall over
            client = connect(address, origin=origin, max_size=None)  # type: ignore[arg-type]
        if index % 200 == 0:
            _drain(client)
        if index % 1000 == 0:
            wrong += _check(parameters)
    client.close()
    return wrong + _check(parameters)


def _drain(client: Any) -> None:
    """Read what the panel has told meanwhile."""
    from websockets.exceptions import ConnectionClosed

    try:
        while True:
            client.recv(timeout=0.0)
    except (TimeoutError, ConnectionClosed):
        return
