"""WHIP as a source: who is let in and who is refused. Pictures: see integration."""

import asyncio
import http.client
import logging
import re
import socket
import threading
from collections.abc import Callable, Iterator

import pytest
from ports import free_tcp_port
from waiting import PATIENCE_S, until

pytest.importorskip("aiortc", reason="wants the extra whip")

from aiortc import RTCConfiguration, RTCPeerConnection

from livedream.capture.live import Listening, LiveInput, open_live
from livedream.capture.live import whip as module
from livedream.capture.live.beside import is_live
from livedream.capture.live.whip import WhipInput
from livedream.capture.live.worker import Capture
from livedream.core.errors import SettingsError, SinkError, SourceError

SDP = {"Content-Type": "application/sdp"}


async def _offer(*kinds: str, direction: str = "sendonly", channel: bool = False) -> str:
    connection = RTCPeerConnection(RTCConfiguration(iceServers=[]))
    for kind in kinds:
        connection.addTransceiver(kind, direction=direction)
    if channel:
        connection.createDataChannel("chat")
    text = (await connection.createOffer()).sdp
    await connection.close()
    return text


def offer(*kinds: str, direction: str = "sendonly", channel: bool = False) -> bytes:
    return asyncio.run(_offer(*kinds, direction=direction, channel=channel)).encode()


OFFER = offer("video", "audio")


class Door:
    """A source that listens, and who knocks."""

    def __init__(self, host: str = "127.0.0.1", more: str = "") -> None:
        self.port = free_tcp_port()
        self._session = ""
        source = open_live(f"whip:{host}:{self.port}{more}")
        assert isinstance(source, WhipInput)
        self.source = source
        with pytest.raises(
            SourceError, match=f"nobody is sending yet: http://.*:{self.port}/whip$"
        ):
            source.open()

    def ask(
        self, method: str = "POST", path: str = "/whip", body: bytes | None = None, **headers: str
    ) -> tuple[int, str, http.client.HTTPMessage]:
        link = http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE_S)
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        link.request(method, path, body, {**(SDP if method == "POST" else {}), **named})
        answer = link.getresponse()
        with answer:
            found = answer.status, answer.read().decode(), answer.headers
        link.close()
        self._session = answer.headers.get("location", self._session)
        return found

    def end_session(self) -> None:
        if self._session:
            self.ask("DELETE", self._session.partition(str(self.port))[2])


@pytest.fixture(scope="module")
def house() -> Iterator[Door]:
    made = Door()
    yield made
    made.source.end()


@pytest.fixture
def door(house: Door) -> Iterator[Door]:
    """One that nobody sends to."""
    yield house
    house.end_session()


@pytest.mark.parametrize("text", ["whip", "whip:", "whip:8889", "whip://127.0.0.1:8889/whip"])
def test_what_it_is_called(text: str) -> None:
    source = open_live(text)
    assert isinstance(source, WhipInput) and isinstance(source, Listening)
    assert source.name == "whip 127.0.0.1:8889" and source.url == "http://127.0.0.1:8889/whip"
    assert is_live(text) and not is_live("whip.mp4")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("whip:127.0.0.1:99999", "the port must be 0 to 65535"),
        ("whip:?tokn=x", "option 'tokn' is not known; there are allow, token"),
        ("whip:?token={env:LIVEDREAM_NOT_SET}", "environment variable is not set"),
    ],
)
def test_a_wrong_address_is_one_line(text: str, said: str) -> None:
    with pytest.raises(SettingsError, match=re.escape(said)):
        open_live(text)


def test_without_aiortc_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(SourceError, match=r'pip install "livedream\[whip\]"'):
        open_live("whip")


def test_an_offer_is_answered_and_its_session_ended(door: Door) -> None:
    status, answer, headers = door.ask(body=OFFER)
    assert status == 201 and headers["content-type"].startswith("application/sdp")
    assert answer.count("a=recvonly") == 2 and "H264" in answer
    hosts = set(re.findall(r"a=candidate:\S+ 1 udp \d+ (\S+) ", answer))
    assert hosts == {"127.0.0.1"}, "pictures come in where the offer did"
    place = headers["location"]
    assert place.startswith(f"http://127.0.0.1:{door.port}/whip/")
    path = place.partition(str(door.port))[2]
    assert door.ask("DELETE", path + "x")[0] == 404
    assert door.ask("PATCH", path)[0] == 405
    assert door.ask("DELETE", path)[0] == 200
    assert door.ask("DELETE", path)[0] == 404
    assert door.ask(body=OFFER)[0] == 201


def test_one_may_send_at_a_time(door: Door) -> None:
    assert door.ask(body=OFFER)[0] == 201
    status, said, _ = door.ask(body=OFFER)
    assert status == 409 and said == "livedream: 127.0.0.1 is already sending: stop it first\n"
    if (first := door.source._receiver.publisher) is not None:  # noqa: SLF001
        first.since_s -= 60.0  # nothing has come from it for so long
    assert door.ask(body=OFFER)[0] == 201


def _without(pattern: str, text: bytes = OFFER) -> bytes:
    return re.sub(pattern.encode(), b"", text, flags=re.MULTILINE)


def _av1() -> bytes:
    return re.sub(rb"(VP8|H264)/90000", b"AV1/90000", OFFER)


@pytest.mark.parametrize(
    ("make", "status", "said"),
    [
        (lambda: b"", 406, "one video"),
        (lambda: b"\xff\xfe\x00", 400, "UTF-8"),
        (lambda: b"GET / HTTP/1.1\r\n\r\n", 406, "one video"),
        (lambda: b"m=video 9 UDP/TLS/RTP/SAVPF x\r\n", 400, "cannot be read"),
        (lambda: b"v=0\r\nm=video 9 UDP/TLS/RTP/SAVPF 96\r\na=rtpmap:zz\r\n", 400, "cannot be"),
        (lambda: offer("audio"), 406, "one video"),
        (lambda: offer("video", "video"), 406, "one video"),
        (lambda: offer("video", channel=True), 406, "nothing else"),
        (lambda: offer("video", direction="recvonly"), 406, "must be sendonly (got recvonly)"),
        (_av1, 406, "must be H.264 or VP8"),
        (lambda: _without("^a=fingerprint.*\r\n"), 400, "lacks a fingerprint"),
        (lambda: _without("^a=ice-pwd.*\r\n"), 400, "cannot be read (ICE"),
        (lambda: _without("^a=rtcp-mux\r\n"), 400, "cannot be read (RTCP"),
    ],
)
def test_an_offer_that_cannot_be_taken(
    door: Door, make: Callable[[], bytes], status: int, said: str
) -> None:
    found, words, _ = door.ask(body=make())
    assert found == status and said in words and words.count("\n") == 1
    assert door.ask(body=OFFER)[0] == 201


@pytest.mark.parametrize(
    ("words", "status"),
    [
        ({"Content_Type": "application/json"}, 415),
        ({"Content_Type": "text/plain; application/sdp"}, 415),
        ({"body": b"x" * 65_537}, 413),
        ({"method": "GET"}, 405),
        ({"method": "PUT", "body": b"x"}, 405),
        ({"path": "/"}, 404),
        ({"path": "/whip/a/b"}, 404),
        ({"Host": "evil.example"}, 421),
        ({"Origin": "http://evil.example"}, 403),
        ({"Origin": "null", "method": "OPTIONS"}, 403),
        ({"method": "OPTIONS"}, 204),
    ],
)
def test_a_request_that_is_no_offer(door: Door, words: dict[str, str], status: int) -> None:
    assert door.ask(**{"body": OFFER, **words})[0] == status  # type: ignore[arg-type]


def test_a_thousand_offers_leave_nothing_behind(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(module, "_FIRST_S", 600.0)
    caplog.set_level(logging.INFO)
    door = Door()
    bodies = b"nonsense", b"m=video 9 UDP/TLS/RTP/SAVPF x\r\n", OFFER
    assert door.ask(body=OFFER)[0] == 201
    threads = set(threading.enumerate())
    head = (
        f"POST /whip HTTP/1.1\r\nHost: 127.0.0.1:{door.port}\r\n"
        "Content-Type: application/sdp\r\nContent-Length: "
    )
    asked = b"".join(f"{head}{len(body)}\r\n\r\n".encode() + body for body in bodies)
    found: list[str] = []
    with (
        socket.create_connection(("127.0.0.1", door.port), timeout=PATIENCE_S) as link,
        link.makefile("rb") as answers,
    ):
        for asked_for in range(30, 1021, 30):
            link.sendall(10 * asked)
            while len(found) < asked_for:
                line = answers.readline().decode()
                assert line, "the connection has ended"
                if line.startswith("HTTP/1.1 "):
                    found.append(line.split()[1])
    assert found == ["406", "400", "409"] * 340
    assert len(set(threading.enumerate()) - threads) < 10  # the server's own come and go
    door.source.end()
    lines = [one for one in caplog.records if "refused an offer" in one.getMessage()]
    assert 1 <= len(lines) <= 3, "seldom, however often it happens"
    assert all("\n" not in one.getMessage() and not one.exc_info for one in caplog.records)


def test_an_offer_that_never_ends(
    door: Door, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(module, "_ASKING_S", 0.2)
    head = (
        f"POST /whip HTTP/1.1\r\nHost: 127.0.0.1:{door.port}\r\n"
        "Content-Type: application/sdp\r\nContent-Length: 5000\r\n\r\nv=0"
    )
    with socket.create_connection(("127.0.0.1", door.port), timeout=PATIENCE_S) as link:
        link.sendall(head.encode())
        assert link.recv(100).startswith(b"HTTP/1.1 408 ")
    with socket.create_connection(("127.0.0.1", door.port), timeout=PATIENCE_S) as link:
        link.sendall(head.encode())
    assert door.ask(body=OFFER)[0] == 201
    assert not [one for one in caplog.records if one.exc_info]


def test_who_never_sends_is_let_go(door: Door, monkeypatch: pytest.MonkeyPatch) -> None:
    assert door.ask(body=OFFER)[0] == 201
    monkeypatch.setattr(module, "_FIRST_S", 0.1)
    receiver = door.source._receiver  # noqa: SLF001 (nothing else shows it)
    until(lambda: receiver.publisher is None)
    with pytest.raises(SourceError, match="nobody is sending yet"):
        door.source.open()


def test_on_the_network_it_wants_the_token(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    caplog.set_level(logging.DEBUG, "livedream")
    monkeypatch.setenv("LIVEDREAM_TOKEN", "between-us")
    door = Door("0.0.0.0")
    try:
        assert door.ask(body=OFFER)[0] == 401
        assert door.ask(body=OFFER, Authorization="Bearer between-you")[0] == 401
        assert door.ask(body=OFFER, Authorization="Basic between-us")[0] == 401
        status, _, headers = door.ask(body=OFFER, Authorization="Bearer between-us")
        assert status == 201
        path = headers["location"].partition(str(door.port))[2]
        assert door.ask("DELETE", path)[0] == 401
        assert door.ask("DELETE", path, Authorization="bearer between-us")[0] == 200
        with pytest.raises(SourceError) as error:
            door.source.open()
    finally:
        door.source.end()
    assert capsys.readouterr().err.count("/whip, bearer token between-us\n") == 1
    assert "between-us" not in caplog.text + str(error.value) + door.source.name


def test_a_port_that_is_taken_and_one_that_is_given_back() -> None:
    first = Door()
    source: LiveInput = open_live(f"whip:{first.port}")
    capture = Capture(source)
    capture.start()
    try:
        assert capture.wait(PATIENCE_S) is None
        assert isinstance(capture.error, SinkError) and "another program" in str(capture.error)
        first.source.end()
        until(lambda: "nobody is sending yet" in capture.health().detail, state=capture.health)
    finally:
        capture.close()

    def refused() -> bool:
        try:
            socket.create_connection(("127.0.0.1", first.port), timeout=PATIENCE_S).close()
        except ConnectionRefusedError:
            return True
        return False

    until(refused)
