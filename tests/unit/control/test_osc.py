"""OSC over a real UDP port of this machine, and what is refused there."""

import random
import socket
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from pythonosc.osc_bundle_builder import OscBundleBuilder
from pythonosc.osc_message import OscMessage
from pythonosc.osc_message_builder import OscMessageBuilder
from waiting import PATIENCE_S, until

from livedream.control.live_parameters import Change, LiveParameters
from livedream.control.osc import OscServer
from livedream.control.presets import Presets
from livedream.control.show import Show
from livedream.core.addresses import listening
from livedream.core.errors import SettingsError, SinkError
from livedream.core.settings import DreamSettings
from livedream.present.live.placement import Placement
from livedream.present.live.wall_control import SETTINGS, DisplayState, WallControl

WALL = WallControl()


@pytest.fixture
def server(tmp_path: Path) -> Iterator[OscServer]:
    parameters = LiveParameters(DreamSettings())
    made = OscServer(
        parameters,
        Show(parameters, Presets(tmp_path)),
        listening(":0", "127.0.0.1:9001", name="osc"),
        wall=WALL,
    )
    made.start()
    yield made
    WALL.publish(())
    made.close()


@pytest.fixture
def sender(server: OscServer) -> Iterator[socket.socket]:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as made:
        made.bind(("127.0.0.1", 0))
        made.connect(("127.0.0.1", server.port))
        made.settimeout(PATIENCE_S)
        yield made


def message(address: str, *arguments: object) -> bytes:
    builder = OscMessageBuilder(address)
    for argument in arguments:
        builder.add_arg(argument)
    return bytes(builder.build().dgram)


def told(receiver: socket.socket, address: str) -> list[Any]:
    """The arguments of the next message to this address."""
    while (found := OscMessage(receiver.recv(65536))).address != address:
        pass
    return list(found.params)


def test_slider_places_values_texts_and_switches(server: OscServer, sender: socket.socket) -> None:
    parameters = server.parameters
    sender.send(message("/livedream/strength", 0.5))
    sender.send(message("/livedream/hue/value", -45.0))
    sender.send(message("/livedream/octaves/value", 3.0))
    sender.send(message("/livedream/objective", "eyes + weave"))
    sender.send(message("/livedream/freeze", 1))
    until(lambda: parameters.target("freeze"))
    assert parameters.target("strength") == 24
    assert parameters.target("hue") == -45
    assert parameters.target("octaves") == 3
    assert parameters.target("objective") == "eyes + weave"


def test_when_programs_change_and_which_one_runs(server: OscServer, sender: socket.socket) -> None:
    show = server.show
    sender.send(message("/livedream/on", 1.0))  # a fader at its end
    until(lambda: show.parameters.target("on") == "bar:32")
    sender.send(message("/livedream/on/value", "bar:12"))
    until(lambda: show.parameters.target("on") == "bar:12")
    sender.send(message("/livedream/program", "drifting"))
    until(lambda: show.running_program is not None)
    for refused, said in (
        (message("/livedream/on/value", "bar:0"), "on: must be off, beat, bar"),
        (message("/livedream/program", "/etc/passwd"), "program: no '/etc/passwd'"),
    ):
        sender.send(refused)
        (answer,) = told(sender, "/livedream/error")
        assert said in answer
    assert show.parameters.target("on") == "bar:12"
    sender.send(message("/livedream/program", 1))  # the action
    until(lambda: show.running_program is None)


def test_the_window_is_set_as_a_parameter_is(server: OscServer, sender: socket.socket) -> None:
    def answer() -> tuple[str, object]:
        found = OscMessage(sender.recv(65536))
        return found.address, found.params[0]

    sender.send(message("/livedream/wall/test_card", 1))
    assert answer() == ("/livedream/error", "wall: no window is open")
    states = DisplayState(0, "display 0", Placement()), DisplayState(1, "display 1", Placement())
    WALL.publish(states)
    told = [answer() for _ in range(2 * 2 * len(SETTINGS))]
    assert ("/livedream/wall/1/mesh/value", "2x2") in told
    sender.send(message("/livedream/wall/1/mesh", 1.0))
    sender.send(message("/livedream/wall/1/edge_left/value", 0.25))
    sender.send(message("/livedream/wall/test_card", 1))
    sender.send(message("/livedream/wall/1/undo", 0))  # a button let go
    sender.send(message("/livedream/wall/1/undo", 1))
    sender.send(message("/livedream/wall/1/mesh/value", "4x4"))
    assert answer()[0] == "/livedream/error"
    assert list(WALL.take()) == [
        (1, "mesh", "9x9"), (1, "edge_left", 0.25), (0, "test_card", True), (1, "undo", None)
    ]  # fmt: skip
    WALL.publish((states[0], replace(states[1], placement=Placement(edges=(0.25, 0, 0, 0)))))
    sender.send(message("/livedream/wall/1/edge_left"))  # who did it is told when it asks only
    assert answer() == ("/livedream/wall/1/edge_left/value", 0.25)
    assert answer() == ("/livedream/wall/1/edge_left", 0.5)


def test_actions_presets_and_tempo(server: OscServer, sender: socket.socket) -> None:
    show = server.show
    sender.send(message("/livedream/preset", "ink", 2.0))
    until(lambda: show.preset_name == "ink")
    sender.send(message("/livedream/next", 0.0))  # a button let go
    sender.send(message("/livedream/tempo", 97.0))
    until(lambda: show.tempo.bpm == 97)
    assert show.preset_name == "ink"
    sender.send(message("/livedream/next"))
    until(lambda: show.preset_name == "jellyfish")
    sender.send(message("/livedream/preset", 0))
    until(lambda: show.preset_name == show.presets.names[0])
    sender.send(message("/livedream/freeze"))
    until(lambda: server.parameters.target("freeze"))


def test_a_bundle_is_several_messages(server: OscServer, sender: socket.socket) -> None:
    bundle = OscBundleBuilder(0)  # type: ignore[arg-type]
    for name, value in (("mix", 0.25), ("brightness", 0.75)):
        builder = OscMessageBuilder(f"/livedream/{name}")
        builder.add_arg(value)
        bundle.add_content(builder.build())  # type: ignore[arg-type]
    sender.send(bundle.build().dgram)
    until(lambda: server.parameters.target("brightness") == 1.5)
    assert server.parameters.target("mix") == 0.25


def test_the_sender_is_told_what_others_change(server: OscServer, sender: socket.socket) -> None:
    sender.send(message("/livedream/strength", 0.5))
    until(lambda: server.parameters.target("strength") == 24)
    server.parameters.set("hue", 90.0, origin="panel 1")
    first, second = (OscMessage(sender.recv(1000)) for _ in range(2))
    assert (first.address, first.params) == ("/livedream/hue/value", [90.0])
    assert (second.address, second.params) == ("/livedream/hue", [0.75])
    sender.send(message("/livedream/strength"))  # a question
    assert OscMessage(sender.recv(1000)).params == [24.0]


def test_of_two_who_set_one_at_once_the_value_that_stays_is_told_last(server: OscServer) -> None:
    parameters = server.parameters

    def meanwhile(change: Change) -> None:
        if change.origin == "midi":
            parameters.set("hue", 45.0, origin="panel 1")

    parameters.listen(meanwhile)  # before the server does: that hears of "midi" last
    later = OscServer(parameters, server.show, listening(":0", "127.0.0.1:9001", name="osc"))
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as listener:
        listener.bind(("127.0.0.1", 0))
        listener.settimeout(PATIENCE_S)
        later.start()
        try:
            later.receive(message("/livedream/subscribe"), *listener.getsockname())
            parameters.set("hue", 10.0, origin="midi")
            assert [told(listener, "/livedream/hue/value") for _ in range(2)] == [[45.0], [45.0]]
        finally:
            later.close()


def test_feedback_goes_to_the_port_that_is_asked_for(
    server: OscServer, sender: socket.socket
) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as listener:
        listener.bind(("127.0.0.1", 0))
        listener.settimeout(PATIENCE_S)
        sender.send(message("/livedream/subscribe", listener.getsockname()[1]))
        until(lambda: server.messages == 1)
        # What it does itself it knows; it may listen elsewhere than where it sends from.
        sender.send(message("/livedream/strength", 0.5))
        until(lambda: server.messages == 2)
        server.parameters.set("mix", 0.5)
        assert OscMessage(listener.recv(1000)).address == "/livedream/mix/value"


@pytest.mark.parametrize(
    ("address", "value", "name"),
    [
        ("preset", "ink", "contrast"),
        ("program", "drifting", "contrast"),
        ("next", 1, "contrast"),
        ("home", 1, "contrast"),
        ("stronger", 1, "strength"),
        ("network", "dreamnet-birds", "objective"),
    ],
)
def test_who_calls_a_preset_or_an_action_is_told_what_it_set(
    server: OscServer, sender: socket.socket, address: str, value: object, name: str
) -> None:
    sender.send(message(f"/livedream/{address}", value))
    (value,) = told(sender, f"/livedream/{name}/value")
    assert value == pytest.approx(server.parameters.target(name))  # it comes with 32 bits


def test_a_switch_is_asked_for_as_any_parameter(server: OscServer, sender: socket.socket) -> None:
    sender.send(message("/livedream/blackout/value"))
    answer = OscMessage(sender.recv(1000))
    assert (answer.address, bool(answer.params[0])) == ("/livedream/blackout/value", False)
    assert server.parameters.target("blackout") is False
    sender.send(message("/livedream/blackout"))  # without /value it is pressed
    until(lambda: server.parameters.target("blackout"))


def test_strangers_are_not_heard(server: OscServer) -> None:
    server.receive(message("/livedream/strength", 1.0), "192.168.1.5", 5000)
    assert server.parameters.target("strength") == 14
    assert (server.refused, server.messages) == (1, 0)
    allowed = OscServer(
        server.parameters,
        server.show,
        listening("0.0.0.0:0?allow=192.168.1.0/24", "127.0.0.1:9001", name="osc"),
    )
    allowed.receive(message("/livedream/strength", 1.0), "192.168.1.5", 5000)
    allowed.receive(message("/livedream/strength", 0.0), "192.168.2.5", 5000)
    assert server.parameters.target("strength") == 48


def test_on_the_network_somebody_must_be_allowed(server: OscServer) -> None:
    with pytest.raises(SettingsError, match="allow="):
        OscServer(
            server.parameters, server.show, listening("0.0.0.0:9001", "127.0.0.1:1", name="osc")
        )


def test_a_taken_port_is_one_line(server: OscServer) -> None:
    taken = listening(str(server.port), "127.0.0.1:9001", name="osc")
    with pytest.raises(SinkError, match="give another port"):
        OscServer(server.parameters, server.show, taken).start()


@pytest.mark.parametrize(
    ("text", "host", "port"),
    [
        ("", "127.0.0.1", 9001),
        ("7000", "127.0.0.1", 7000),
        (":7000", "127.0.0.1", 7000),
        ("0.0.0.0", "0.0.0.0", 9001),
        ("[::1]:7", "::1", 7),
    ],
)
def test_addresses(text: str, host: str, port: int) -> None:
    found = listening(text, "127.0.0.1:9001", name="osc")
    assert (found.host, found.port) == (host, port)


@pytest.mark.parametrize("text", ["a:b", "1.2.3.4:99999", ":1?allow=nobody", ":1?allowed=1.2.3.4"])
def test_wrong_addresses(text: str) -> None:
    with pytest.raises(SettingsError, match="osc"):
        listening(text, "127.0.0.1:9001", name="osc")


def test_noise_changes_nothing_and_ends_nothing(server: OscServer, sender: socket.socket) -> None:
    noise, before = random.Random(4), server.parameters.targets()
    seed = message("/livedream/strength", 0.5, "text", True)
    for _ in range(2000):
        changed = bytearray(seed)
        for _ in range(noise.randrange(1, 6)):
            changed[noise.randrange(len(changed))] = noise.randrange(256)
        server.receive(bytes(changed[: noise.randrange(len(changed) + 1)]), "127.0.0.1", 5000)
    # Bundles in bundles, as deep as a datagram can hold.
    server.receive(b"".join(b"#bundle\0" + bytes(8) + b"\0\0\xff\xff" for _ in range(3000)),
                 "127.0.0.1", 5000)  # fmt: skip
    assert server.faults > 1000
    strength = server.parameters.declared["strength"]  # what is left of the message may be right
    found = server.parameters.targets()
    assert strength.check(found["strength"]) == found["strength"]
    assert found == {**before, "strength": found["strength"]}
    sender.send(message("/livedream/mix", 0.125))
    until(lambda: server.parameters.target("mix") == 0.125)


def test_what_is_refused_is_answered_and_logged_once(
    server: OscServer, sender: socket.socket, caplog: pytest.LogCaptureFixture
) -> None:
    for address, value, reason in (
        ("/livedream/strenght", 0.5, "did you mean strength"),
        ("/resolume/layer1", 1, "/livedream/..."),
        ("/livedream/objective", "eyes +", "at character"),
        ("/livedream/strenght", 0.5, "did you mean strength"),
    ):
        sender.send(message(address, value))
        found = OscMessage(sender.recv(1000))
        assert found.address == "/livedream/error"
        assert reason in found.params[0]
    assert caplog.text.count("strenght") == 1
    sender.send(message("/livedream/error", "an answer is not answered"))
    sender.send(message("/livedream/strength"))
    assert OscMessage(sender.recv(1000)).address == "/livedream/strength/value"
