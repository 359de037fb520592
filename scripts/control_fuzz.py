#!/usr/bin/env python3
"""Random messages to every controller: no crash, no parameter outside its range.

    python scripts/control_fuzz.py --messages 100000

OSC datagrams, WebSocket messages and MIDI messages in turn: right ones, right ones with wrong
values, and noise. After every thousand the parameters are checked; at the end each controller must
still do what it is asked. A random seed is printed, so that a failure can be repeated with --seed.
"""

import argparse
import json
import logging
import random
import tempfile
import time
from pathlib import Path
from typing import Any, Final

import mido
from pythonosc.osc_message_builder import OscMessageBuilder

from livedream.control.catalogue import Catalogue
from livedream.control.live_parameters import LiveParameters
from livedream.control.midi import MidiInput, MidiMap
from livedream.control.osc import OscServer
from livedream.control.presets import Presets
from livedream.control.show import ACTIONS, Show
from livedream.core.addresses import Endpoint
from livedream.core.settings import DreamSettings
from livedream.panel.broadcast import Broadcaster, Client
from livedream.panel.messages import MessageHandler

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


class NoPorts:
    def names(self) -> list[str]:
        return []

    def open(self, name: str, receive: Any) -> Any:
        raise OSError(name)


class Fuzz:
    """The controllers of one set of live parameters, and random messages for them."""

    def __init__(self, folder: Path, seed: int) -> None:
        self.random = random.Random(seed)
        self.parameters = LiveParameters(DreamSettings())
        self.show = Show(self.parameters, Presets(folder / "presets"))
        self.osc = OscServer(self.parameters, self.show, Endpoint("127.0.0.1", 0))
        self.osc.start()
        self.midi = MidiInput(
            self.parameters, self.show, ports=NoPorts(), mapping=MidiMap(folder / "midi.toml")
        )
        self.messages = MessageHandler(self.parameters, self.show, Catalogue(), self.midi)
        self.pages = Broadcaster(self.messages, dict, lambda: None)
        self.client = Client(None, 1)  # type: ignore[arg-type]
        self.names = [*self.parameters.declared, "seed", "nothing", "", "_lock"]
        self.presets = [*self.show.presets.names, "none"]
        self.sent = self.faults = 0
        for number in range(64):
            parameter = self.parameters.declared[self.random.choice(list(self.parameters.declared))]
            if parameter.has_unit:
                self.midi.mapping.bind(f"cc:1:{number}", parameter.name)
        self.midi.mapping.bind("note:1:5", "act:next")
        self.midi.mapping.bind("program:1", "preset:*")

    def close(self) -> None:
        self.osc.close()

    def any_value(self) -> Any:
        r = self.random
        return r.choice((
            r.random(), r.uniform(-300, 300), r.randrange(-9, 99), r.choice(NUMBERS),
            r.choice(TEXTS), None,
        ))  # fmt: skip

    def step(self) -> None:
        self.random.choice((self.send_osc, self.send_page, self.send_midi))()
        self.sent += 1

    def send_osc(self) -> None:
        r = self.random
        name = r.choice((*self.names, *ACTIONS, "preset", "tempo", "subscribe", "a/b/c"))
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
            datagram = bytearray(r.randbytes(40))
        if r.random() < 0.3:
            for _ in range(r.randrange(1, 5)):
                datagram[r.randrange(len(datagram))] = r.randrange(256)
        self.osc.receive(
            bytes(datagram), r.choice(("127.0.0.1", "10.0.0.9")), r.randrange(1, 65536)
        )

    def send_page(self) -> None:
        r = self.random
        entry = r.choice((
            {"set": r.choice(self.names), "unit": self.any_value()},
            {"set": r.choice(self.names), "value": self.any_value()},
            {"default": r.choice(self.names)}, {"act": r.choice((*ACTIONS, "explode", 3))},
            {"preset": r.choice(self.presets), "seconds": self.any_value()},
            {"program": r.choice((None, "drifting", self.any_value()))},
            {"bpm": self.any_value()}, {"learn": r.choice((*self.names, self.any_value()))},
            {"modulators": self.any_modulators()}, {"forget": self.any_value()},
            {"ready": self.any_value()}, self.any_value(),
        ))  # fmt: skip
        text = json.dumps(entry)
        if r.random() < 0.2:
            at = r.randrange(len(text) + 1)
            text = text[:at] + r.choice('{}[]",:e9\0') * r.randrange(1, 4) + text[at + 1 :]
        self.pages.receive(self.client, text)

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
            parameter.check(getattr(snapshot.grade, name, getattr(snapshot.dream, name, None)))
            assert 0 <= self.parameters.unit(name) <= 1, name
        assert 20 <= self.show.tempo.bpm <= 300

    def alive(self) -> None:
        """Each controller still does what it is asked."""
        builder = OscMessageBuilder("/livedream/strength/value")
        builder.add_arg(11.0)
        self.osc.receive(bytes(builder.build().dgram), "127.0.0.1", 9)
        assert self.parameters.target("strength") == 11
        self.pages.receive(self.client, '{"set": "strength", "value": 12}')
        assert self.parameters.target("strength") == 12
        self.midi.learn(None)
        self.midi.mapping.targets = {}  # random ones may have filled it
        self.midi.mapping.bind("cc:9:9", "strength")
        message = mido.Message("control_change", channel=8, control=9, value=127)
        self.midi.receive(message)
        assert self.parameters.target("strength") == 48


def run(messages: int, seed: int, folder: Path) -> Fuzz:
    """Send `messages`; raises what goes wrong."""
    fuzz = Fuzz(folder, seed)
    try:
        for number in range(1, messages + 1):
            fuzz.step()
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
        f"parameter within its range; OSC {fuzz.osc.messages} understood, "
        f"{fuzz.osc.faults} faults, {fuzz.osc.refused} refused; MIDI {fuzz.midi.messages}"
    )


if __name__ == "__main__":
    main()
