"""WHIP as an output: what it says where it is refused, and what it keeps to itself."""

import asyncio
import datetime
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from fractions import Fraction
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from waiting import no_thread_left

pytest.importorskip("aiortc", reason="wants the extra whip")

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from livedream.core.errors import SettingsError, SinkError
from livedream.present.live import LiveFrame, Output, open_output
from livedream.present.live.whip import WhipOutput


class Service:
    """Gives every offer the same answer: status, headers, body. `asked`: what came."""

    def __init__(self, status: int, body: bytes = b"", **headers: str) -> None:
        self.asked: list[tuple[str, str, str]] = []
        service = self

        class Handler(BaseHTTPRequestHandler):
            def answer(self) -> None:
                self.rfile.read(int(self.headers.get("content-length") or 0))
                token = self.headers.get("authorization", "")
                service.asked.append((self.command, self.path, token))
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                self.send_header("content-length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            do_POST = do_DELETE = do_GET = answer  # noqa: N815

            def log_message(self, *_: object) -> None: ...

        self.server = HTTPServer(("127.0.0.1", 0), Handler)
        self.port = self.server.server_port
        self._thread = threading.Thread(target=self.server.serve_forever, args=(0.02,))
        self._thread.start()

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()
        self._thread.join()


@pytest.fixture
def serve() -> Iterator[Callable[..., Service]]:
    made: list[Service] = []

    def begin(status: int, body: bytes = b"", **headers: str) -> Service:
        made.append(Service(status, body, **headers))
        return made[-1]

    yield begin
    for one in made:
        one.close()


def output(address: str) -> Output:
    return open_output(address, width=64, height=36, rate=Fraction(25))


@contextmanager
def opened(address: str) -> Iterator[Output]:
    made = output(address)
    try:
        yield made
    finally:
        made.close()


@pytest.mark.parametrize(
    "address",
    ["whip", "whip:", "whip:127.0.0.1:8889", "whip:ftp://h/x", "whip:https://me:pw@h/x",
     "whip:https:///x"],
)  # fmt: skip
def test_an_address_that_is_none(address: str) -> None:
    with pytest.raises(SettingsError, match="must be whip:https://HOST/PATH") as error:
        output(address)
    assert "pw" not in str(error.value)


def test_the_token_is_kept_elsewhere_and_does_not_show(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KEPT", "between-us")
    made = output("whip:https://live.example:8443/whip/stage?token={env:KEPT}&bitrate=2M&id=7")
    assert made.name == "whip live.example:8443"
    monkeypatch.setenv("KEPT", "two\x01lines")
    with pytest.raises(SettingsError, match="token must be one line") as error:
        output("whip:https://live.example/whip?token={env:KEPT}")
    assert "lines" not in str(error.value).replace("one line", "")
    with pytest.raises(SettingsError, match="environment variable is not set"):
        output("whip:https://live.example/whip?token={env:LIVEDREAM_NOT_SET}")


@pytest.mark.parametrize(
    ("status", "said"),
    [
        (401, "the token is missing or wrong"),
        (404, "there is nothing at that address"),
        (409, "somebody else sends there"),
        (503, r"refused the offer \(503\)"),
        (302, r"refused the offer \(302\)"),
        (200, "not as WHIP does"),
    ],
)
def test_a_refusal_is_one_line(serve: Callable[..., Service], status: int, said: str) -> None:
    service = serve(status, b"<html>between-us</html>", location="/elsewhere")
    address = f"whip:http://127.0.0.1:{service.port}/a?token=between-us&id=7&keyframe=2"
    with opened(address) as made, pytest.raises(SinkError, match=said) as error:
        made.open()
    assert "between-us" not in str(error.value)
    assert service.asked[0] == ("POST", "/a?id=7", "Bearer between-us")


def test_an_answer_that_is_none_ends_the_session(serve: Callable[..., Service]) -> None:
    sdp = {"content-type": "application/sdp", "location": "/session/1"}
    for body in (b"nonsense", b"\xff\xfe", b"x" * 70_000):
        service = serve(201, body, **sdp)
        with opened(f"whip:http://127.0.0.1:{service.port}/a") as made:
            with pytest.raises(SinkError):
                made.open()
            made.close()
        assert service.asked[-1][:2] == ("DELETE", "/session/1")


def test_a_redirect_is_followed_and_the_token_stays_with_its_host(
    serve: Callable[..., Service],
) -> None:
    last = serve(404)
    there = serve(307, location=f"http://127.0.0.1:{last.port}/b")
    elsewhere = serve(308, location=f"http://localhost:{last.port}/c")
    for service, token in ((there, "Bearer between-us"), (elsewhere, "")):
        address = f"whip:http://127.0.0.1:{service.port}/a?token=between-us"
        with opened(address) as made, pytest.raises(SinkError, match="nothing at that address"):
            made.open()
        assert last.asked[-1][2] == token
    round_about = serve(307, location="/a")
    address = f"whip:http://127.0.0.1:{round_about.port}/a"
    with opened(address) as made, pytest.raises(SinkError, match="from one address to the next"):
        made.open()
    assert len(round_about.asked) == 4


def _certificate(folder: Path) -> Path:
    """One that nobody vouches for, with its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
    now = datetime.datetime.now(datetime.UTC)
    made = (
        x509.CertificateBuilder().subject_name(name).issuer_name(name)
        .public_key(key.public_key()).serial_number(1)
        .not_valid_before(now).not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .sign(key, hashes.SHA256())
    )  # fmt: skip
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    path = folder / "both.pem"
    path.write_bytes(private + made.public_bytes(serialization.Encoding.PEM))
    return path


def test_a_certificate_that_nobody_vouches_for_is_refused(
    serve: Callable[..., Service], tmp_path: Path
) -> None:
    service = serve(401)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(_certificate(tmp_path))
    service.server.socket = context.wrap_socket(service.server.socket, server_side=True)
    address = f"whip:https://localhost:{service.port}/a?token=between-us"
    with opened(address) as made, pytest.raises(SinkError, match="CERTIFICATE_VERIFY_FAILED"):
        made.open()
    assert not service.asked, "the token was sent"


def test_from_https_it_is_not_sent_to_http() -> None:
    made = output("whip:https://live.example/a?token=between-us")
    assert isinstance(made, WhipOutput)
    with pytest.raises(SinkError, match="sends us to http"):
        made._send("POST", "http://live.example/a", b"", 1.0)  # noqa: SLF001 (no redirect by TLS)


def test_a_session_whose_address_is_none_leaves_nothing(serve: Callable[..., Service]) -> None:
    sdp = {"content-type": "application/sdp", "location": "/session 1"}
    service = serve(201, b"nonsense", **sdp)
    with no_thread_left(), opened(f"whip:http://127.0.0.1:{service.port}/a") as made:
        with pytest.raises(SinkError):
            made.open()
        made.close()


def test_keyframes_come_by_the_second_from_a_camera_in_the_dark(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It gives ten frames a second, where it is said to give 25."""
    waiting: asyncio.Queue[Any] = asyncio.Queue()

    async def leave() -> None: ...

    async def offer(made: WhipOutput) -> str:
        connection = SimpleNamespace(connectionState="connected", close=leave)
        pictures = SimpleNamespace(waiting=waiting)
        vars(made).update(_connection=connection, _pictures=pictures, _heard=None)
        return ""

    async def connect(made: WhipOutput, answer: str) -> None: ...

    monkeypatch.setattr(WhipOutput, "_offer", offer)
    monkeypatch.setattr(WhipOutput, "_ask", lambda *_: "")
    monkeypatch.setattr(WhipOutput, "_connect", connect)
    with opened("whip:http://127.0.0.1:9/a?encoder=libx264") as made:
        made.open()
        for index in range(31):
            made.write(LiveFrame(np.full((36, 64, 3), 8 * index, np.uint8), index / 10, index))
    packets = [waiting.get_nowait() for _ in range(waiting.qsize())]
    assert len(packets) == 31
    assert [float(one.pts * one.time_base) for one in packets if one.is_keyframe] == [0, 1, 2, 3]


def test_nobody_there_is_one_line_and_nothing_stays() -> None:
    with no_thread_left(), opened("whip:http://127.0.0.1:9/a") as made:
        for _ in range(3):
            with pytest.raises(SinkError, match=r"cannot be reached \(.*refused"):
                made.open()
            made.close()
