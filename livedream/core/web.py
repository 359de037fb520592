"""The HTTP server of panel, OBS page and WHIP, and who may come in.

That is: the right Host, no foreign Origin, the token when on the network, no body where none is
expected. The token stands in the address, in a cookie, or in `Authorization: Bearer`. The Host is
checked against the addresses the server is reached under, so that a page elsewhere cannot reach it
through a name that points here (DNS rebinding); the Origin, so that a page elsewhere cannot use the
visitor's cookie.
"""

import asyncio
import contextlib
import hmac
import os
import secrets
import socket
import sys
from collections.abc import Callable, Coroutine
from dataclasses import replace
from typing import Any, Final
from urllib.parse import quote, unquote

from starlette.datastructures import MutableHeaders
from starlette.requests import HTTPConnection
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from livedream.core.addresses import Endpoint
from livedream.core.health import Health
from livedream.core.supervisor import SupervisedThread, start_thread

_COOKIE_S: Final = 30 * 24 * 3600
_LARGEST_HEAD: Final = 8 * 1024  # bytes of path, query and headers; a browser sends one or two
MOST_PAGES: Final = 64  # WebSockets that are open at once; a page of the studio has two
_TRY_LATER: Final = 1013  # of RFC 6455's registry
_LOOPBACK: Final = ("127.0.0.1", "localhost", "[::1]")
_HEADERS: Final = {
    # Nothing is loaded from elsewhere, no other page may frame this one or learn its address.
    "content-security-policy": "default-src 'self'; img-src 'self' blob: data:; "
    "style-src 'self' 'unsafe-inline'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'",
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
}


class Access:
    """The rules. token: to be asked for; "" for LIVEDREAM_TOKEN or a new one, or for none where
    only this machine can reach the server.  most_body: bytes of what is sent to it; with 0 it can
    only be read."""

    def __init__(self, endpoint: Endpoint, token: str = "", most_body: int = 0) -> None:
        self.endpoint = endpoint
        self.token = token
        self._most_body = most_body
        if not token and not endpoint.loopback:
            self.token = os.environ.get("LIVEDREAM_TOKEN") or secrets.token_urlsafe(16)

    def refusal(self, asked: HTTPConnection) -> tuple[int, str] | None:
        """(status, why) for a request that is refused, None for a welcome one."""
        if found := _wrong_kind(asked, self._most_body):
            return found
        client = asked.client.host if asked.client else ""
        if self.endpoint.allow and not self.endpoint.admits(client):
            return 403, "this address is not allowed (allow=...)"
        # Of a header that comes twice all values, so that it matches nothing.
        host = ",".join(asked.headers.getlist("host")).lower()
        if host not in self._hosts(asked):
            return 421, "wrong Host: open the page under the address printed at start"
        if asked.headers.getlist("origin") not in ([], [f"http://{host}"]):
            return 403, "wrong Origin: another page may not reach this one"
        watchdog = asked.scope["path"] == "/health" and Endpoint(client, 0).loopback
        known = self.knows_token(asked) or self._right(self._kept(asked))
        if not (watchdog or known or self._right(_bearer(asked))):
            return 401, "the token is missing or wrong: use the address or QR code printed at start"
        return None

    def knows_token(self, asked: HTTPConnection) -> bool:
        """Whether the token is in the address, or none is needed."""
        return self._right(asked.query_params.get("token", ""))

    def cookie(self) -> str:
        """The Set-Cookie for someone who came with the token in the address."""
        kept = f"{self._name}={quote(self.token, safe='')}"
        return f"{kept}; Max-Age={_COOKIE_S}; Path=/; HttpOnly; SameSite=Strict"

    @property
    def _name(self) -> str:
        return f"livedream-{self.endpoint.port}"

    def _kept(self, asked: HTTPConnection) -> str:
        return unquote(asked.cookies.get(self._name, ""))

    def _right(self, found: str) -> bool:
        return not self.token or hmac.compare_digest(found.encode(), self.token.encode())

    def _hosts(self, asked: HTTPConnection) -> set[str]:
        """What this machine is called, with the port that the connection came in on."""
        server = asked.scope.get("server") or (self.endpoint.host, self.endpoint.port)
        names = {*_LOOPBACK}
        if not self.endpoint.loopback:
            own = socket.gethostname().lower()  # as browsers write it
            local = str(server[0])
            names |= {f"[{local}]" if ":" in local else local, own, f"{own}.local"}
        hosts = {f"{name}:{server[1]}" for name in names}
        return hosts | names if server[1] == 80 else hosts


class AccessMiddleware:
    """Stands before the application (ASGI): refuses, or lets through with the safety headers."""

    def __init__(self, app: ASGIApp, access: Access) -> None:
        self._app, self._access = app, access
        self._pages = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        asked = HTTPConnection(scope)
        refusal = self._access.refusal(asked)
        if refusal is not None:
            await _refuse(scope, receive, send, *refusal)
            return

        async def sending(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in _HEADERS.items():
                    headers.setdefault(name, value)
                if self._access.token and self._access.knows_token(asked):
                    headers.append("set-cookie", self._access.cookie())
            await send(message)

        if scope["type"] != "websocket":
            await self._app(scope, receive, sending)
        elif self._pages >= MOST_PAGES:
            await _turn_away(receive, send, _TRY_LATER, "too many pages are open")
        else:
            self._pages += 1
            try:
                await self._app(scope, receive, sending)
            finally:
                self._pages -= 1


async def _turn_away(receive: Receive, send: Send, code: int, why: str) -> None:
    """Accepted first: of a WebSocket that never opened a browser tells its page no reason."""
    await receive()  # the connection's own first message
    await send({"type": "websocket.accept"})
    await send({"type": "websocket.close", "code": code, "reason": why})


async def _refuse(scope: Scope, receive: Receive, send: Send, status: int, why: str) -> None:
    if scope["type"] == "websocket":
        await _turn_away(receive, send, 4000 + status, why)
        return
    headers = {**_HEADERS, "connection": "close"}
    await PlainTextResponse(f"livedream: {why}\n", status, headers)(scope, receive, send)


def _bearer(asked: HTTPConnection) -> str:
    """The token of `Authorization: Bearer TOKEN` (RFC 6750), "" without one."""
    kind, _, token = asked.headers.get("authorization", "").partition(" ")
    return token.strip() if kind.lower() == "bearer" else ""


def _wrong_kind(asked: HTTPConnection, most_body: int) -> tuple[int, str] | None:
    headers, scope = asked.headers, asked.scope
    size = sum(len(name) + len(value) for name, value in headers.raw)
    if size + len(scope["path"]) + len(scope.get("query_string", b"")) > _LARGEST_HEAD:
        return 431, "the request is too long"
    if scope["type"] == "websocket":
        return None
    if not most_body and scope["method"] not in ("GET", "HEAD"):
        return 405, "only GET: changes go over the WebSocket"
    length = headers.get("content-length", "0")
    too_long = not length.isdecimal() or len(length) > 9 or int(length) > most_body
    if too_long or "transfer-encoding" in headers:
        most = f"at most {most_body} bytes, and say how many" if most_body else "no body"
        return 413, f"a request must have {most}"
    return None


class WebServer:
    """Serves one ASGI application under the rules of `Access`, in a thread of its own.

    name: of what is served, for people.  most_body: see `Access`.
    """

    def __init__(
        self, name: str, endpoint: Endpoint, token: str = "", *, most_body: int = 0
    ) -> None:
        self.name, self.access = name, Access(endpoint, token, most_body)
        self._server: Any = None
        self._socket: socket.socket | None = None
        self._thread: SupervisedThread | None = None
        self._closing = False

    @property
    def port(self) -> int:
        """The port in use, also where 0 was asked for."""
        return self.access.endpoint.port

    @property
    def url(self) -> str:
        """The address to open, with the token where one is needed."""
        endpoint = self.access.endpoint
        if endpoint.host in ("0.0.0.0", "::", ""):
            endpoint = replace(endpoint, host=_own_address())
        query = f"?token={quote(self.access.token, safe='')}" if self.access.token else ""
        return f"http://{endpoint}/{query}"

    def print_address(self) -> None:
        """On the terminal only: the address holds the token, and a log is read by others."""
        # In one piece, where print() writes two: other threads print at the same time, and two
        # addresses on one line are of no use.
        sys.stderr.write(self.address_lines())
        sys.stderr.flush()

    def address_lines(self) -> str:
        """What is printed of the address, whole lines."""
        return f"{self.name}: {self.url}\n"

    def serve(
        self, app: ASGIApp, alongside: Callable[[], Coroutine[Any, Any, None]] | None = None
    ) -> None:
        """Open the port and serve. Raises SinkError when it is taken.

        alongside: runs in the server's event loop; when it ends, both start again.
        """
        self._closing = False
        self._socket = self._bind()
        self._thread = start_thread(self.name, lambda: self._run(app, alongside))

    def close(self) -> None:
        self._closing = True
        if self._server is not None:
            self._server.should_exit = self._server.force_exit = True
        if self._thread is not None:
            self._thread.close()
        if self._socket is not None:
            self._socket.close()

    def health(self) -> Health:
        return self._thread.health() if self._thread else Health(self.name, "starting")

    def _bind(self) -> socket.socket:
        opened = self.access.endpoint.bind(self.name, socket.SOCK_STREAM)
        self.access.endpoint = replace(self.access.endpoint, port=opened.getsockname()[1])
        return opened

    def _run(self, app: ASGIApp, alongside: Callable[[], Coroutine[Any, Any, None]] | None) -> None:
        import uvicorn

        from livedream.core.web_connections import (
            ASKING_S,
            AskingConnection,
            PageConnection,
            let_go,
        )

        assert self._socket is not None, "serve has opened it"
        if self._socket.fileno() < 0:  # the server before has closed it
            self._socket = self._bind()
        opened = self._socket
        config = uvicorn.Config(
            AccessMiddleware(app, self.access), lifespan="off", log_level="warning",
            access_log=False, server_header=False, http=AskingConnection, ws=PageConnection,
            ws_max_size=64 * 1024, ws_per_message_deflate=False,
            h11_max_incomplete_event_size=16 * 1024, timeout_keep_alive=ASKING_S,
        )  # fmt: skip
        self._server = server = uvicorn.Server(config)
        if self._closing:
            return

        async def serve() -> None:
            besides = [asyncio.create_task(let_go(server.server_state.connections))]
            if alongside:
                besides.append(asyncio.create_task(alongside()))
            for beside in besides:
                beside.add_done_callback(lambda task: setattr(server, "should_exit", True))
            try:
                await server.serve(sockets=[opened])
            finally:
                for beside in besides:
                    beside.cancel()
                    with contextlib.suppress(asyncio.CancelledError):
                        await beside
                for connection in tuple(server.server_state.connections):
                    if connection.transport is not None:
                        connection.transport.abort()  # a client that reads nothing would hold it
                await asyncio.sleep(0)

        asyncio.run(serve())


def _own_address() -> str:
    """This machine's address on its network: what a packet outwards would carry. None is sent."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))  # TEST-NET-1, RFC 5737: nobody's
            return str(probe.getsockname()[0])
        except OSError:
            return "127.0.0.1"
