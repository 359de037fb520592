#!/usr/bin/env python3
"""Random messages to every controller: no crash, no parameter outside its range.

    python scripts/control_fuzz.py --messages 100000

OSC datagrams, WebSocket messages and MIDI messages in turn: right ones, right ones with wrong
values, and noise; regions, words and strokes of a brush among them. What is refused must change
nothing and be answered where it was said; texts that are known to be right or wrong must be taken
or refused. After every thousand the parameters are checked; at the end each controller must
still do what it is asked. A random seed is printed, so that a failure can be repeated with --seed.
`scripts/live_endure.py controllers` does the same to a running session.

A little longer than other files: all controllers are sent the same kinds of right and wrong.
"""

import argparse
import asyncio
import json
import logging
import os
import random
import re
import socket
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, Final
from unittest.mock import patch

import mido
from pythonosc.osc_message_builder import OscMessageBuilder

from livedream.control.catalogue import Catalogue, check_objective
from livedream.control.live_parameters import Change, LiveParameters
from livedream.control.midi import MidiInput, MidiMap
from livedream.control.osc import OscServer
from livedream.control.presets import Presets
from livedream.control.programs import ShowSettings
from livedream.control.show import ACTIONS, Show
from livedream.core.addresses import Endpoint
from livedream.core.errors import SettingsError
from livedream.core.settings import DreamSettings
from livedream.panel.broadcast import Broadcaster, Client
from livedream.panel.messages import MessageHandler
from livedream.present.live.placement import Placement
from livedream.present.live.wall_control import ACTIONS as WALL_ACTIONS
from livedream.present.live.wall_control import SETTINGS, DisplayState, WallControl, part_of
from livedream.region.painting import kept_files

NUMBERS: Final = (
    0, 1, -1, 0.5, 2, 1e9, -1e9, 1e308, -1e308, float("inf"), float("-inf"), float("nan"),
    2**31, 2**63 - 1, -(2**63), True, False,
)  # fmt: skip
TEXTS: Final = (
    "", "eyes", "eyes + 0.5*weave", "eyes +", "class:goldfish", "../../etc/passwd", "\0",
    "🙂" * 99,
    "dreamnet-birds", "360p", "0x0", "99999x99999", "-1*eyes", "1e308*eyes + 1e308*weave",
    "a" * 5000,
)  # fmt: skip


_BEATS_OR_BARS: Final = (
    "off", "beat", "bar", "bar:1", "bar:8", "beat:3", "bar:4096", "beat:4096",
)  # fmt: skip
_NEITHER: Final = (
    "", "bars", "bar:", "bar:0", "bar:-1", "bar:1.5", "bar:4097", "bar:08", "off:2", "Bar",
    "bar:" + "9" * 5000, "beat: 4", "bar:8 ", "bar:\u0663", "4",
)  # fmt: skip

# By parameter: what must be taken, and what must be refused, whatever the network.
RIGHT: Final = {
    "where": (
        "", "moving", "still & !left", "painted & !moving", "!dark | (top & smooth)",
        "rect(0.1, 0.2, 0.5, 0.5)", "visitors(30)",
        "key(#00ff00)", "painted | edges",
    ),
    "objective": ("", "classes@left"),
    "prompt": ("",),
    "on": _BEATS_OR_BARS,
    "launch": _BEATS_OR_BARS,
}  # fmt: skip
WRONG: Final = {
    "where": (
        "left |", "rect(0, 0, 2, 1)", "key(#00ff0)", "mask(/nowhere.png)", "mask(/etc/passwd)",
        "network(nothing.onnx)", "(" * 60, "!" * 60 + "left", "left right", "leftt", "visitors(x)",
        "mask()", "left & " * 300 + "left", "painted(1)", "\x01",
    ),
    "objective": ("eyes@", "eyes@lef", "eyes@mask(/nowhere.png)", "@left", "eyes@left weave"),
    "prompt": ("owl@nowhere", "@left", "owl@", "in in in", "owl@mask(/nowhere.png)", "owl@(left"),
    "on": _NEITHER,
    "launch": _NEITHER,
}  # fmt: skip
# These depend on the network.
WORDS: Final = (
    "owl", "owl@left in snow@top", "dog -cat", "beetle@painted", "qwrtz", "kind:dog", "a" * 3000,
    "eyes@moving + weave@!moving", "kind:dog@painted + 0.5*weave",
)  # fmt: skip


class NoPorts:
    def names(self) -> list[str]:
        return []

    def open(self, name: str, receive: Any) -> Any:
        raise OSError(name)


class Fuzz:
    """The controllers of one set of live parameters, and random messages for them.

    show: of a running session; None for one of its own.
    """

    def __init__(self, folder: Path, seed: int, show: Show | None = None) -> None:
        self.random = random.Random(seed)
        if show is None:
            parameters = LiveParameters(DreamSettings(), check_objective=check_objective)
            parameters.painting.begin(640, 360)
            show = Show(parameters, Presets(folder / "presets"))
        self.parameters, self.show = show.parameters, show
        self.changes: list[Change] = []
        self._unlisten = self.parameters.listen(self.changes.append)
        self.answers = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.answers.bind(("127.0.0.1", 0))
        self.answers.setblocking(False)
        self.wall = WallControl()
        self.displays = [
            DisplayState(0, "display 0", Placement()),
            DisplayState(1, "display 1", Placement()),
        ]
        self.wall.publish(tuple(self.displays))
        self.osc = OscServer(self.parameters, self.show, Endpoint("127.0.0.1", 0), wall=self.wall)
        self.osc.start()
        self.midi = MidiInput(
            self.parameters, self.show, ports=NoPorts(), mapping=MidiMap(folder / "midi.toml")
        )
        self.messages = MessageHandler(
            self.parameters, self.show, Catalogue(), self.midi, wall=self.wall
        )
        self.pages = Broadcaster(self.messages, dict, lambda: None)
        self.client = Client(None, 1)  # type: ignore[arg-type]
        self.runner = asyncio.Runner()
        self.walls = [
            f"wall/{number}{one}"
            for one in (*SETTINGS, *WALL_ACTIONS, "fault", "mesh/value", "edge_left/value")
            for number in ("", "0/", "1/", "2/", "-1/")
        ]
        self.names = [*self.parameters.declared, "seed", "nothing", "", "_lock", *self.walls[::9]]
        self.presets = [*self.show.presets.names, "none"]
        self.sent = self.said = self.painted = self.walled = 0  # said: refusals that were answered
        for number in range(64):
            parameter = self.parameters.declared[self.random.choice(list(self.parameters.declared))]
            if parameter.has_unit:
                self.midi.mapping.bind(f"cc:1:{number}", parameter.name)
        self.midi.mapping.bind("note:1:5", "act:next")
        self.midi.mapping.bind("program:1", "preset:*")

    def close(self) -> None:
        self.runner.close()
        self.osc.close()
        self._unlisten()
        self.answers.close()

    def any_value(self) -> Any:
        r = self.random
        return r.choice((
            r.random(), r.uniform(-300, 300), r.randrange(-9, 99), r.choice(NUMBERS),
            r.choice(TEXTS), r.choice(WORDS), None,
        ))  # fmt: skip

    def any_text(self) -> tuple[str, str, bool]:
        """A parameter, a text for it, and whether that must be taken."""
        name = self.random.choice(list(RIGHT))
        right = self.random.random() < 0.5
        return name, self.random.choice((RIGHT if right else WRONG)[name]), right

    def judge(self, refused: bool, origin: str, name: str, right: bool | None) -> None:
        """What was refused has changed nothing; `right`: it must have been taken or not."""
        changes = [one for one in self.changes if one.origin == origin]
        assert not (refused and changes), (origin, name, changes)
        if right is not None:
            assert refused is not right, (origin, name, self.text)
            assert not right or any(name in one.targets for one in changes), (
                origin,
                name,
                self.text,
            )

    def step(self) -> None:
        self.changes.clear()
        send = (self.send_osc, self.send_page, self.send_midi, self.send_text, self.send_stroke)
        self.random.choice(send)()
        self.do_wall()
        self.sent += 1

    def do_wall(self) -> None:
        """What the window's thread does; nothing reaches it that it cannot do."""
        for number, name, value in self.wall.take():
            assert name in {**SETTINGS, **WALL_ACTIONS}, name
            if name in SETTINGS:
                default = value is None and name.startswith("edge_")
                assert default or SETTINGS[name].check(value) == value
            if name.startswith("edge_") or name in ("gamma", "brightness"):
                state = self.displays[number]
                with suppress(SettingsError):  # of several in one message
                    placement = replace(state.placement, **part_of(state.placement, name, value))
                    self.displays[number] = replace(state, placement=placement)
                self.walled += 1
        self.wall.publish(tuple(self.displays))

    def send_text(self) -> None:
        """A region or words that must be taken or refused, by OSC or from a page."""
        name, text, right = self.any_text()
        self.text = text
        if self.random.random() < 0.5:
            self.page({"set": name, "value": text}, name, right)
        else:
            builder = OscMessageBuilder(f"/livedream/{name}")
            builder.add_arg(text)
            self.datagram(bytes(builder.build().dgram), name, right)

    def send_stroke(self) -> None:
        """Parts of strokes, some of them out of range."""
        r = self.random
        side = r.choice((1.0, 1.0, 1.0, 1.5))
        points: Any = [[side * r.random(), side * r.random()] for _ in range(r.randrange(1, 34))]
        brush: Any = r.choice((0.02, 0.1, 1.0, 0.0, 1.01, self.any_value()))
        flags: Any = r.choice((True, False)), r.choice((True, False, True, False, 1))
        if r.random() < 0.1:
            points = r.choice((self.any_value(), [self.any_value()], [[self.any_value()] * 2]))
        right = (
            isinstance(points, list) and 1 <= len(points) <= 32
            and all(isinstance(one, list) and len(one) == 2 for one in points)
            and all(is_within(x, 0, 1) for one in points for x in one)
            and is_within(brush, 0.02, 1.0) and all(isinstance(one, bool) for one in flags)
        )  # fmt: skip
        message = {"paint": points, "brush": brush, "erase": flags[0], "begins": flags[1]}
        before = self.parameters.painting.painted
        self.page(message)
        assert self.refused is not right, message
        assert right or self.parameters.painting.painted is before
        self.painted += right

    def page(self, message: Any, name: str = "", right: bool | None = None) -> None:
        """A message from a page; its refusal is answered there, with what it is about."""
        self.refused = self.send_line(json.dumps(message))
        self.judge(self.refused, self.client.origin, name, right)
        if self.refused and name:
            assert self.client.unsent["at"] == name
            assert self.client.unsent["values"][name][0] == self.parameters.target(name)

    def send_line(self, line: str) -> bool:
        """Whether it was refused."""
        self.client.unsent.pop("fault", None)
        self.runner.run(self.client.take(line, partial(self.pages.receive, self.client)))
        fault = self.client.unsent.get("fault", "")
        assert not fault.startswith("livedream failed"), fault
        refused = bool(fault)
        self.said += refused
        return refused

    def datagram(self, datagram: bytes, name: str, right: bool | None = None) -> None:
        """An OSC message from this machine; its refusal is answered at the port it came from."""
        host, port = self.answers.getsockname()
        list(self.received())  # refusals of others on this machine
        faults = self.osc.faults
        self.osc.receive(datagram, host, port)
        refused = self.osc.faults > faults
        answered = any(one.startswith(b"/livedream/error\0") for one in self.received())
        assert answered is refused, (datagram[:200], self.osc.health().detail)
        self.said += refused
        self.judge(refused, f"osc {host}:{port}", name, right)

    def received(self) -> Iterator[bytes]:
        """The answers that have come."""
        with suppress(BlockingIOError):
            while True:
                yield self.answers.recv(65536)

    def send_osc(self) -> None:
        r = self.random
        name = r.choice(
            (*self.names, *self.walls, *ACTIONS, "preset", "tempo", "subscribe", "a/b/c")
        )
        builder = OscMessageBuilder("/livedream/" + name + r.choice(("", "", "/value", "/x")))
        for _ in range(r.randrange(3)):
            value = self.any_value()
            if isinstance(value, int) and not isinstance(value, bool):
                value = max(-(2**31), min(2**31 - 1, value))
            if value is not None:
                try:
                    builder.add_arg(value)
                except (ValueError, OverflowError):
                    builder.add_arg(0.5)
        try:
            datagram = bytearray(builder.build().dgram)
        except Exception:  # what cannot be written cannot be sent
            return
        if r.random() < 0.5:
            self.datagram(bytes(datagram), name)
            return
        for _ in range(r.randrange(1, 5)):
            datagram[r.randrange(len(datagram))] = r.randrange(256)
        self.osc.receive(
            bytes(datagram), r.choice(("127.0.0.1", "10.0.0.9")), r.randrange(1, 65536)
        )

    def send_page(self) -> None:
        r = self.random
        entry = r.choice((
            {"set": r.choice(self.names), "unit": self.any_value()},
            {"set": r.choice(self.walls), "unit": self.any_value()},
            {"set": r.choice(self.walls), "value": r.choice(("3x3", 0.4, True, self.any_value()))},
            {r.choice(("act", "default")): r.choice(self.walls)},
            {"set": r.choice(self.names), "value": self.any_value()},
            {"apply": {r.choice(self.names): self.any_value() for _ in range(r.randrange(4))}},
            {"default": r.choice(self.names)}, {"act": r.choice((*ACTIONS, "explode", 3))},
            {"preset": r.choice(self.presets), "seconds": self.any_value()},
            {"program": r.choice((None, "drifting", "/etc/passwd", self.any_value()))},
            {"bpm": self.any_value()}, {"learn": r.choice((*self.names, self.any_value()))},
            {"modulators": self.any_modulators()}, {"forget": self.any_value()},
            {"ready": self.any_value()}, {"overlay": self.any_value()},
            {"painting": r.choice(("undo", "clear", self.any_value()))},
            {"keep": r.choice(("painted", "mine", "../up", self.any_value()))}, self.any_value(),
        ))  # fmt: skip
        text = json.dumps(entry)
        if r.random() < 0.2:
            at = r.randrange(len(text) + 1)
            text = text[:at] + r.choice('{}[]",:e9\0') * r.randrange(1, 4) + text[at + 1 :]
            self.send_line(text)
        else:
            self.page(entry)

    def any_modulators(self) -> Any:
        r = self.random
        fields = ("parameter", "source", "depth", "offset", "shape", "period_s", "beats", "x")
        some = [
            {
                "parameter": r.choice(self.names),
                **{r.choice(fields): self.any_value() for _ in range(r.randrange(3))},
            }
            for _ in range(r.randrange(4))
        ]
        return r.choice((some, some, some, self.any_value(), [1, 2]))

    def send_midi(self) -> None:
        r = self.random
        data = bytes([r.randrange(0x80, 0xF0), r.randrange(128), r.randrange(128)])
        if 0xC0 <= data[0] < 0xE0:
            data = data[:2]
        self.midi.receive(mido.Message.from_bytes(data))

    def check(self) -> None:
        """Every target and every value of the moment is within its declaration."""
        now = time.monotonic()
        self.show.modulation.step(now)
        snapshot = self.parameters.snapshot()
        for name, parameter in self.parameters.declared.items():
            parameter.check(self.parameters.target(name))
            if name not in vars(ShowSettings()):  # which no picture shows
                parameter.check(getattr(snapshot.grade, name, getattr(snapshot.dream, name, None)))
            assert 0 <= self.parameters.unit(name) <= 1, name
        assert 20 <= self.show.tempo.bpm <= 300
        assert snapshot.painted is not None
        assert 0 <= snapshot.painted.plane.min() <= snapshot.painted.plane.max() <= 1
        for path in kept_files():
            assert re.fullmatch(r"[a-z0-9-]{1,40}\.png", path.name), path

    def alive(self) -> None:
        """Each controller still does what it is asked."""
        builder = OscMessageBuilder("/livedream/strength/value")
        builder.add_arg(11.0)
        self.osc.receive(bytes(builder.build().dgram), "127.0.0.1", 9)
        assert self.parameters.target("strength") == 11
        assert not self.send_line('{"set": "strength", "value": 12}')
        assert self.parameters.target("strength") == 12
        self.midi.learn(None)
        self.midi.mapping.targets = {}  # random ones may have filled it
        self.midi.mapping.bind("cc:9:9", "strength")
        message = mido.Message("control_change", channel=8, control=9, value=127)
        self.midi.receive(message)
        assert self.parameters.target("strength") == 48


def is_within(value: object, low: float, high: float) -> bool:
    """Whether JSON would write it as a number in that range."""
    return isinstance(value, int | float) and low <= value <= high


def run(
    messages: int, seed: int, folder: Path, show: Show | None = None,
    pause: Callable[[], None] = lambda: None,
) -> Fuzz:  # fmt: skip
    """Send `messages`; raises what goes wrong.

    folder: for what is saved.  pause: called after every hundred.
    """
    with patch.dict(os.environ, {"LIVEDREAM_HOME": str(folder)}):
        fuzz = Fuzz(folder, seed, show)
        try:
            for number in range(1, messages + 1):
                fuzz.step()
                if number % 100 == 0:
                    pause()
                if number % 1000 == 0 or number == messages:
                    fuzz.check()
            fuzz.alive()
        finally:
            fuzz.close()
    return fuzz


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--messages", type=int, default=100_000)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(2**31))
    args = parser.parse_args()
    logging.disable(logging.WARNING)
    print(f"seed {args.seed}", flush=True)
    start = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        fuzz = run(args.messages, args.seed, Path(folder))
    print(
        f"{fuzz.sent} messages in {time.monotonic() - start:.0f} s: nothing crashed, every "
        f"parameter within its range; {fuzz.said} refusals answered where they were said, "
        f"{fuzz.painted} strokes, {fuzz.walled} settings of the wall; "
        f"OSC {fuzz.osc.messages} understood, {fuzz.osc.faults} faults, "
        f"{fuzz.osc.refused} refused; MIDI {fuzz.midi.messages}"
    )


if __name__ == "__main__":
    main()
