"""What answers at OBS's address may be anything: one line says what it is, and the show goes on."""

import base64
import contextlib
import hashlib
import itertools
import json
import os
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from livedream.cli import main
from livedream.control.live_parameters import LiveParameters
from livedream.control.obs import ObsControl
from livedream.control.obs_address import PASSWORD
from livedream.control.obs_notes import ObsNotes
from livedream.control.presets import Presets
from livedream.control.show import Show
from livedream.core.settings import DreamSettings

pytest.importorskip("obsws_python", reason="wants the extra obs")

PATIENCE = "livedream.control.obs_connection._PATIENCE_S"

Serve = Callable[[Callable[[socket.socket], object]], str]


@pytest.fixture
def serve(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Serve]:
    """Starts a server that does the same with whoever comes; its address."""
    monkeypatch.setenv(PASSWORD, "swordfish")
    monkeypatch.setenv("LIVEDREAM_HOME", str(tmp_path))
    monkeypatch.setattr(PATIENCE, 30.0)
    open_ones: list[socket.socket] = []
    threads: list[threading.Thread] = []

    def started(talk: Callable[[socket.socket], object]) -> str:
        server = socket.create_server(("127.0.0.1", 0))
        open_ones.append(server)

        def run() -> None:
            with contextlib.suppress(OSError):  # it is closed, or the other has gone
                while True:
                    peer, _ = server.accept()
                    open_ones.append(peer)
                    with contextlib.suppress(OSError):
                        talk(peer)

        threads.append(threading.Thread(target=run))
        threads[-1].start()
        return f"127.0.0.1:{server.getsockname()[1]}"

    yield started
    for one in open_ones:
        with contextlib.suppress(OSError):
            one.shutdown(socket.SHUT_RDWR)
        one.close()
    for thread in threads:
        thread.join()


def frame(text: str) -> bytes:
    return b"\x81\x7f" + struct.pack(">Q", len(text.encode())) + text.encode()


def asked(sent: bytes) -> str:
    """The text in a frame of a client, which masks it; "" in another one."""
    begin = 4 if sent[1] & 127 == 126 else 2
    mask, coded = sent[begin : begin + 4], sent[begin + 4 :]
    plain = bytes(one ^ mask[index % 4] for index, one in enumerate(coded))
    return plain.decode() if sent[0] & 15 == 1 else ""


def shaken(peer: socket.socket, *messages: str) -> None:
    """The beginning of a WebSocket, and each message once something was asked."""
    lines = [line.partition(": ") for line in peer.recv(4096).decode().split("\r\n")]
    key = next(value for name, _, value in lines if name.lower() == "sec-websocket-key")
    seal = hashlib.sha1((key + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11").encode()).digest()
    peer.sendall(
        b"HTTP/1.1 101 x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: "
        + base64.b64encode(seal) + b"\r\n\r\n"
    )  # fmt: skip
    for number, message in enumerate(messages):
        if number:
            peer.recv(65536)
        peer.sendall(frame(message))


def identified(peer: socket.socket, then: Callable[[socket.socket], object]) -> None:
    shaken(peer, '{"op": 0, "d": {}}', '{"op": 2, "d": {}}')
    peer.recv(65536)
    then(peer)


def answers(**by_request: Any) -> Callable[[socket.socket], None]:
    """An OBS that answers each request so, whatever comes of it."""

    def talk(peer: socket.socket) -> None:
        shaken(peer, '{"op": 0, "d": {}}', '{"op": 2, "d": {}}')
        while (sent := peer.recv(65536)) and (text := asked(sent)):
            kind = json.loads(text)["d"]["requestType"]
            said = {"requestStatus": {"result": True, "code": 100}}
            peer.sendall(
                frame(json.dumps({"d": said | {"responseData": by_request.get(kind, {})}}))
            )

    return talk


def slowly(peer: socket.socket) -> None:
    peer.sendall(frame("{}")[:2] + struct.pack(">Q", 1 << 40))
    while True:
        peer.sendall(b" ")
        time.sleep(0.05)


def without_end(peer: socket.socket) -> None:
    peer.sendall(frame("{}")[:2] + struct.pack(">Q", 1 << 40))
    while True:
        peer.sendall(b" " * 1_000_000)


def headers(peer: socket.socket, name: bytes, end: bytes, pause_s: float = 0.0) -> None:
    """Without end: each begins so and ends so."""
    peer.sendall(b"HTTP/1.1 101 x\r\n")
    for number in itertools.count():
        peer.sendall(name + b"%d" % number + end)
        time.sleep(pause_s)


def elsewhere(peer: socket.socket) -> None:
    """Sends on to a server of its own, which must not be asked."""
    with socket.create_server(("127.0.0.1", 0)) as other:
        other.settimeout(1.0)
        to = b"ws://127.0.0.1:%d/" % other.getsockname()[1]
        peer.sendall(b"HTTP/1.1 302 x\r\nLocation: " + to + b"\r\n\r\n")
        with contextlib.suppress(TimeoutError):
            found, _ = other.accept()
            shaken(found, '{"d": {}}', '{"op": 2, "d": {}}')


HTTP = b"HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\n\x1b[2Jpage"
REFUSED = json.dumps(
    {"d": {"requestStatus": {"result": False, "comment": "\x1b]0;x\x07\n" * 9999}}}
)


ANSWERS = [
    (lambda peer: peer.sendall(HTTP) or peer.close(), "is not OBS"),
    (lambda peer: peer.sendall(os.urandom(4096)) or peer.close(), "is not OBS|nothing answers"),
    (lambda peer: peer.close(), "is not OBS|nothing answers"),
    (lambda peer: headers(peer, b"X-", b": y\r\n" * 999), "more than 16 KiB|no whole"),
    (lambda peer: headers(peer, b"X" * 9999, b""), "more than 16 KiB|no whole"),
    (lambda peer: headers(peer, b"", b"\xff\r\n"), "is not OBS"),
    (elsewhere, "is not OBS|nothing answers"),
    (lambda peer: shaken(peer, "[]"), "is not OBS"),
    (lambda peer: shaken(peer, "{"), "is not OBS"),
    (lambda peer: shaken(peer, '{"d": {"authentication": {"salt": 3}}}'), "the password"),
    (lambda peer: shaken(peer, '{"d": {}}', '{"op": []}'), "is not OBS"),
    (lambda peer: identified(peer, lambda one: one.sendall(frame("[" * 99_999))), "recursion"),
    (lambda peer: identified(peer, lambda one: one.sendall(frame(REFUSED))), "GetInputList"),
    (lambda peer: identified(peer, without_end), "more than 16384 KiB"),
    (answers(GetInputList={"inputs": 3}), "what answers is not OBS"),
    (answers(GetInputList={"inputs": [{"inputName": []}]}), "what answers is not OBS"),
]  # fmt: skip
# On a busy machine the test itself may be silent for so long before it is meant to be.
SILENCE = [
    (lambda peer: None, "nothing answers"),
    (lambda peer: headers(peer, b"X-", b": y\r\n", 0.05), "no complete answer in 1 s"),
    (lambda peer: identified(peer, lambda one: one.sendall(frame("{")[:4])), "GetInputList"),
    (lambda peer: identified(peer, lambda one: None), "GetInputList: Timeout"),
    (lambda peer: identified(peer, slowly), "no complete answer in 1 s"),
]


@pytest.mark.parametrize(
    ("talk", "said", "patience_s"),
    [(talk, said, 30.0) for talk, said in ANSWERS]
    + [(talk, f"{said}|nothing answers", 0.5) for talk, said in SILENCE],
)
def test_whatever_answers_is_named_in_one_line(
    talk: Callable[[socket.socket], object], said: str, *, patience_s: float, serve: Serve,
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.setattr(PATIENCE, patience_s)
    show = Show(LiveParameters(DreamSettings()), Presets(tmp_path))
    control = ObsControl(show, serve(talk), ("udp://127.0.0.1:9000",))
    control.step()
    health = control.health()
    control.close()
    assert health.state == "lost" and show.preset_name == ""
    assert any(one in health.detail for one in said.split("|")), health.detail
    assert health.detail.isprintable() and len(health.detail) < 400
    assert "swordfish" not in health.detail


@pytest.mark.parametrize("offset", [float("inf"), float("nan"), -951, 10**400, "20", None, []])
def test_an_offset_that_no_microphone_has_is_not_written_down(
    offset: Any, serve: Serve, tmp_path: Path
) -> None:
    inputs = [{"inputName": f"Mic {n}", "inputKind": "pulse_input_capture"} for n in range(3)]
    obs = answers(
        GetInputList={"inputs": inputs}, CreateInput={"sceneItemId": 1},
        GetCurrentProgramScene={"currentProgramSceneName": "Scene"},
        GetVideoSettings={"baseWidth": 1920, "baseHeight": 1080},
        GetInputAudioSyncOffset={"inputAudioSyncOffset": offset},
    )  # fmt: skip
    show = Show(LiveParameters(DreamSettings()), Presets(tmp_path))
    control = ObsControl(show, serve(obs), ("udp://127.0.0.1:9000",))
    control.is_late("udp 127.0.0.1:9000", 250)
    control.step()
    assert "what answers is not OBS" in control.health().detail
    control.close()
    assert not any(one.offsets for one in ObsNotes.read().changes.values())


def test_scenes_of_any_name_are_listed(
    serve: Serve, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    names = ["[/b]", "\x1b[2JScene\n\ud800", "x" * 10_000]
    obs = answers(
        GetVersion={"obsVersion": "30\x1b[2J", "obsWebSocketVersion": []},
        GetSceneList={"scenes": [{"sceneName": name} for name in names]},
    )
    assert main(["obs", "--at", serve(obs)]) == 0
    assert all(line.isprintable() for line in capsys.readouterr().out.replace("\t", "").split("\n"))
    monkeypatch.setenv("FORCE_COLOR", "1")
    assert main(["obs", "--at", serve(obs)]) == 0
    assert "[/b]" in capsys.readouterr().out
    assert main(["obs", "--at", serve(answers(GetVersion=3))]) == 2
    assert "is not OBS" in capsys.readouterr().err
