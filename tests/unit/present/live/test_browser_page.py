"""The page for OBS: served, shown, refused; by a client of its own (Chromium: see integration)."""

import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from urllib.parse import urlsplit

import cv2
import numpy as np
import pytest
from panel_made import Stage
from waiting import PATIENCE_S, until
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

from livedream.core.addresses import Endpoint
from livedream.core.errors import SinkError
from livedream.core.frame import Picture
from livedream.present.live import LiveFrame, open_output
from livedream.present.live.browser import BrowserOutput


def opened(text: str) -> BrowserOutput:
    output = open_output(text, width=32, height=18, rate=Fraction(25))
    assert isinstance(output, BrowserOutput)
    output.open()
    return output


@pytest.fixture
def page() -> Iterator[BrowserOutput]:
    output = opened("browser:127.0.0.1:0")
    yield output
    output.close()


def clients(output: BrowserOutput, wanted: int) -> None:
    until(lambda: output.pages == wanted)


def here(output: BrowserOutput) -> str:
    """Where this machine reaches it: HOST:PORT."""
    return f"127.0.0.1:{urlsplit(output.url).port}"


def get(output: BrowserOutput, path: str = "/", **headers: str) -> tuple[int, bytes]:
    request = urllib.request.Request(f"http://{here(output)}{path}", headers=headers)
    try:
        with urllib.request.urlopen(request, timeout=PATIENCE_S) as answer:
            return answer.status, answer.read()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read()


def live(rgb: Picture, index: int = 0) -> LiveFrame:
    return LiveFrame(rgb, time.monotonic(), index)


def test_pictures_arrive(page: BrowserOutput, texture: Picture) -> None:
    with connect(f"ws://{here(page)}/pictures") as client:
        clients(page, 1)
        page.write(live(texture))
        codes = np.frombuffer(client.recv(timeout=PATIENCE_S), np.uint8)
        found = cv2.cvtColor(cv2.imdecode(codes, cv2.IMREAD_COLOR), cv2.COLOR_BGR2RGB)
        assert np.abs(found.astype(int) - texture).mean() < 3
    clients(page, 0)


def test_a_client_that_says_nothing_gets_two_and_then_the_newest(page: BrowserOutput) -> None:
    with connect(f"ws://{here(page)}/pictures") as client:
        clients(page, 1)
        for index in range(30):
            page.write(live(np.full((18, 32, 3), 8 * index, np.uint8)))
            time.sleep(0.005)
        got = [client.recv(timeout=PATIENCE_S), client.recv(timeout=PATIENCE_S)]
        with pytest.raises(TimeoutError):
            client.recv(timeout=0.2)
        client.send("seen")
        got.append(client.recv(timeout=PATIENCE_S))
        levels = [cv2.imdecode(np.frombuffer(g, np.uint8), cv2.IMREAD_COLOR).mean() for g in got]
        assert levels[2] == pytest.approx(8 * 29, abs=2)


def test_the_page_and_what_is_not_there(page: BrowserOutput) -> None:
    status, body = get(page)
    assert status == 200
    assert b"<canvas" in body
    assert b"http" not in body.replace(b"/^http/", b"")  # nothing is loaded from elsewhere
    for path in ("/etc/passwd", "/../../etc/passwd", "/%2e%2e/x", "/pictures"):
        assert get(page, path)[0] == 404


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Host": "evil.example"}, 421),
        ({"Host": ""}, 421),
        ({"Origin": "http://evil.example"}, 403),
        ({"Origin": "null"}, 403),
    ],
)
def test_foreign_names_and_pages_are_refused(
    page: BrowserOutput, headers: dict[str, str], status: int
) -> None:
    assert get(page, **headers)[0] == status


def test_a_foreign_page_gets_no_pictures(page: BrowserOutput) -> None:
    with (
        connect(
            f"ws://{here(page)}/pictures",
            origin="http://evil.example",  # type: ignore[arg-type]
        ) as link,
        pytest.raises(ConnectionClosed),
    ):
        link.recv(timeout=30)


def test_on_the_network_it_needs_its_token() -> None:
    output = opened("browser:0.0.0.0:0")
    try:
        token = output.url.partition("?token=")[2]
        assert len(token) >= 20
        assert get(output)[0] == 401
        assert get(output, "/?token=wrong")[0] == 401
        assert get(output, f"/?token={token}")[0] == 200
        with (
            connect(f"ws://{here(output)}/pictures") as link,
            pytest.raises(ConnectionClosed, match="token"),
        ):
            link.recv(timeout=30)
        with connect(f"ws://{here(output)}/pictures?token={token}"):
            clients(output, 1)
    finally:
        output.close()


def test_the_address_is_printed_once_and_not_logged(
    capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG")
    output = open_output("browser:0.0.0.0:0", width=32, height=18, rate=Fraction(25))
    assert isinstance(output, BrowserOutput)
    for _ in range(2):  # lost, and opened again
        output.open()
        output.close()
    printed = capsys.readouterr().err
    token = output.url.partition("?token=")[2]
    assert printed == f"browser page: {output.url}\n"
    assert token and token not in caplog.text + output.name
    output = opened("browser:0")
    output.close()
    assert capsys.readouterr().err == f"browser page: http://{here(output)}/\n"


def test_an_address_is_printed_in_one_piece(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Browser page and panel open in threads of their own, and their lines once became one."""
    pieces: list[str] = []
    monkeypatch.setattr(sys.stderr, "write", pieces.append)
    page = open_output("browser:0.0.0.0:0", width=32, height=18, rate=Fraction(25))
    assert isinstance(page, BrowserOutput)
    page.open()
    page.close()
    Stage(tmp_path, Endpoint("0.0.0.0", 8765)).panel.print_address()
    assert [piece.split(":")[0] for piece in pieces] == ["browser page", "panel"]
    assert pieces[0] == f"browser page: {page.url}\n"
    assert pieces[1].count("\n") > 10 and pieces[1].endswith("\n")  # the QR code with it


def test_a_token_of_ones_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LIVEDREAM_TOKEN", "from outside")
    output = open_output("browser:0.0.0.0:0", width=32, height=18, rate=Fraction(25))
    assert isinstance(output, BrowserOutput)
    assert output.url.endswith("?token=from%20outside")
    output = open_output(
        "browser:127.0.0.1:0?token={env:LIVEDREAM_TOKEN}", width=32, height=18, rate=Fraction(25)
    )
    assert isinstance(output, BrowserOutput)
    assert output.url.endswith("?token=from%20outside")


def test_only_those_who_are_allowed() -> None:
    output = opened("browser:127.0.0.1:0?allow=192.168.1.0/24")
    try:
        assert get(output)[0] == 200  # this machine
    finally:
        output.close()


def test_a_port_that_is_taken(page: BrowserOutput) -> None:
    with pytest.raises(SinkError, match="another port"):
        opened(f"browser:{here(page)}")


def test_it_opens_again_after_closing() -> None:
    output = opened("browser:127.0.0.1:0")
    first = here(output)
    for _ in range(3):
        assert get(output)[0] == 200
        output.close()
        output.open()
        assert here(output) == first
    output.close()
