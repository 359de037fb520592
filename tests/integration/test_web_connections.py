"""Connections that keep the web server waiting: they go, and whoever asks is answered."""

import asyncio
import http.client
import socket
from collections.abc import Iterator
from contextlib import ExitStack, suppress

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route, WebSocketRoute
from starlette.websockets import WebSocket, WebSocketDisconnect
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect

from livedream.core import web_connections
from livedream.core.addresses import Endpoint
from livedream.core.web import MOST_PAGES, WebServer

MANY = 250  # more than the server keeps
LARGE = 32 << 20  # bytes: more than lies in the sockets between
QUICK_S = 0.3


@pytest.fixture
def server() -> Iterator[WebServer]:
    async def index(request: Request) -> Response:
        return PlainTextResponse("here")

    async def large(request: Request) -> Response:
        return Response(bytes(LARGE))

    async def never(request: Request) -> Response:
        await asyncio.Event().wait()
        return Response()

    async def page(found: WebSocket) -> None:
        await found.accept()
        with suppress(WebSocketDisconnect, asyncio.CancelledError):
            while True:
                await found.send_text(await found.receive_text())

    made = WebServer("test", Endpoint("127.0.0.1", 0))
    pages = [Route("/", index), Route("/large", large), Route("/never", never)]
    made.serve(Starlette(routes=[*pages, WebSocketRoute("/page", page)]))
    try:
        assert answered(made) == (200, b"here")  # it has begun
        yield made
    finally:
        made.close()


def call(server: WebServer, text: str = "") -> socket.socket:
    link = socket.create_connection(("127.0.0.1", server.port), timeout=20)
    link.sendall(text.encode())
    return link


def asking(server: WebServer, path: str = "/", *headers: str) -> str:
    lines = [f"GET {path} HTTP/1.1", f"Host: 127.0.0.1:{server.port}", *headers]
    return "\r\n".join(lines) + "\r\n\r\n"


def answered(server: WebServer) -> tuple[int, bytes]:
    link = http.client.HTTPConnection("127.0.0.1", server.port, timeout=20)
    try:
        link.request("GET", "/")
        answer = link.getresponse()
        return answer.status, answer.read()
    finally:
        link.close()


def is_gone(link: socket.socket, slowly: str = "") -> bool:
    """Whether the server ends it, which is sent `slowly` meanwhile, a letter at a time."""
    link.settimeout(0.05 if slowly else 20)
    for letter in slowly or " ":
        try:
            while link.recv(1 << 16):
                pass
            return True
        except TimeoutError:
            pass
        except ConnectionError:
            return True
        with suppress(ConnectionError):
            link.sendall(letter.encode())
    return False


def open_page(server: WebServer) -> ClientConnection:
    return connect(f"ws://127.0.0.1:{server.port}/page", compression=None)


@pytest.mark.parametrize(
    "said",
    ["", "GET / HTTP/1.1\r\nHost:", "whole /", "whole /never"],
    ids=["silent", "half a request", "asked once", "waits for an answer"],
)
def test_connections_that_wait_keep_nobody_out(server: WebServer, said: str) -> None:
    if said.startswith("whole "):
        said = asking(server, said.removeprefix("whole "))
    with ExitStack() as held:
        for _ in range(MANY):
            held.enter_context(call(server, said))
        assert answered(server) == (200, b"here")


def test_the_one_that_has_waited_longest_goes_first(server: WebServer) -> None:
    with ExitStack() as held:
        first = held.enter_context(call(server))
        for _ in range(web_connections.MOST):
            last = held.enter_context(call(server))
        assert is_gone(first)
        last.sendall(asking(server).encode())
        assert last.recv(1 << 16).startswith(b"HTTP/1.1 200")


@pytest.mark.parametrize("asks_first", [False, True])
@pytest.mark.parametrize("slowly", ["", "GET / HTTP/1.1\r\nX: " + 400 * "a"])
def test_who_does_not_ask_is_let_go(
    server: WebServer, monkeypatch: pytest.MonkeyPatch, asks_first: bool, slowly: str
) -> None:
    with call(server, asking(server) if asks_first else "") as link:
        if asks_first:
            assert link.recv(1 << 16).startswith(b"HTTP/1.1 200")
        monkeypatch.setattr(web_connections, "ASKING_S", QUICK_S)
        assert is_gone(link, slowly)


def test_who_does_not_take_the_answer_is_let_go(
    server: WebServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    with call(server, asking(server, "/large")) as link:
        taken = len(link.recv(1))  # the answer has begun
        monkeypatch.setattr(web_connections, "ASKING_S", QUICK_S)
        with call(server) as later:
            assert is_gone(later)
        with suppress(ConnectionError):
            while some := link.recv(1 << 16):
                taken += len(some)
        assert taken < LARGE


def test_an_open_page_stays(server: WebServer, monkeypatch: pytest.MonkeyPatch) -> None:
    with open_page(server) as page, call(server) as silent:
        monkeypatch.setattr(web_connections, "ASKING_S", QUICK_S)
        assert is_gone(silent)  # and the page was opened before it
        with ExitStack() as held:
            for _ in range(MANY):
                held.enter_context(call(server))
            page.send("still")
            assert page.recv(20) == "still"


def test_one_page_too_many_is_told_so_and_may_come_later(server: WebServer) -> None:
    with ExitStack() as held:
        pages = [held.enter_context(open_page(server)) for _ in range(MOST_PAGES)]
        with open_page(server) as one_more, pytest.raises(ConnectionClosed) as closed:
            one_more.recv(20)
        assert closed.value.rcvd is not None
        assert (closed.value.rcvd.code, closed.value.rcvd.reason) == (
            1013,
            "too many pages are open",
        )
        assert answered(server) == (200, b"here")
        pages[0].close()
        while True:
            with open_page(server) as another, suppress(ConnectionClosed):
                another.send("mine")
                assert another.recv(20) == "mine"
                break
