"""Who may come in: the right Host, no foreign Origin, the token when on the network, no body.

The Host is checked against the addresses the panel is reached under, so that a page elsewhere
cannot reach it through a name that points here (DNS rebinding); the Origin, so that a page
elsewhere cannot use the visitor's cookie.
"""

import hmac
import secrets
import socket
from collections.abc import Awaitable, Callable, MutableMapping
from http.cookies import CookieError, SimpleCookie
from typing import Any, Final
from urllib.parse import parse_qs

from livedream.core.addresses import Address

__all__ = ["Access", "AccessMiddleware"]

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

_COOKIE_S: Final = 30 * 24 * 3600
_LARGEST_HEAD: Final = 8 * 1024  # bytes of path, query and headers; a browser sends one or two
_LOOPBACK: Final = ("127.0.0.1", "localhost", "[::1]")
_HEADERS: Final = (
    # Nothing is loaded from elsewhere, no other page may frame this one or learn its address.
    (b"content-security-policy",
     b"default-src 'self'; img-src 'self' blob: data:; style-src 'self' 'unsafe-inline'; "
     b"frame-ancestors 'none'; base-uri 'none'; form-action 'none'"),
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
)  # fmt: skip


class Access:
    """The rules. token: asked for unless only this machine can reach the panel."""

    def __init__(self, address: Address, token: str | None = None) -> None:
        self.address = address
        self.token = "" if address.loopback else token or secrets.token_urlsafe(12)

    def refusal(self, scope: Scope) -> tuple[int, str] | None:
        """(status, why) for a request that is refused, None for a welcome one."""
        if _head_size(scope) > _LARGEST_HEAD:
            return 431, "a shorter request wanted"
        headers = _headers(scope)
        host = headers.get("host", "")
        if host not in self._hosts(scope):
            return 421, "wrong Host: open the panel under the address it printed"
        origin = headers.get("origin")
        if origin is not None and origin != f"http://{host}":
            return 403, "wrong Origin: another page may not reach the panel"
        if scope["type"] == "http" and (found := _wrong_kind(scope["method"], headers)):
            return found
        if not self._knows_token(scope, headers):
            return 401, "the token is missing or wrong: use the address or QR code printed at start"
        return None

    def cookie(self, scope: Scope) -> str | None:
        """The Set-Cookie for someone who came with the token in the address."""
        if not self.token or not self._right(_query_token(scope)):
            return None
        name = f"livedream-{self.address.port}"
        return f"{name}={self.token}; Max-Age={_COOKIE_S}; Path=/; HttpOnly; SameSite=Strict"

    def _hosts(self, scope: Scope) -> set[str]:
        """What this machine is called, with the port that the connection came in on."""
        server = scope.get("server") or (self.address.host, self.address.port)
        names = {*_LOOPBACK}
        if not self.address.loopback:
            own = socket.gethostname()
            local = str(server[0])
            names |= {f"[{local}]" if ":" in local else local, own, f"{own}.local"}
        hosts = {f"{name}:{server[1]}" for name in names}
        return hosts | names if server[1] == 80 else hosts

    def _knows_token(self, scope: Scope, headers: dict[str, str]) -> bool:
        if not self.token or self._right(_query_token(scope)):
            return True
        client = scope.get("client")
        if scope["path"] == "/health" and client and Address(str(client[0]), 0).loopback:
            return True  # a watchdog on the same machine
        cookie: SimpleCookie = SimpleCookie()
        try:
            cookie.load(headers.get("cookie", ""))
        except CookieError:
            return False
        found = cookie.get(f"livedream-{self.address.port}")
        return found is not None and self._right(found.value)

    def _right(self, found: str) -> bool:
        return hmac.compare_digest(found.encode(), self.token.encode())


class AccessMiddleware:
    """Stands before the application (ASGI): refuses, or lets through with the safety headers."""

    def __init__(self, app: App, access: Access) -> None:
        self._app, self._access = app, access
        self.refused = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        refusal = self._access.refusal(scope)
        if refusal is not None:
            self.refused += 1
            await _refuse(scope, receive, send, *refusal)
            return
        cookie = self._access.cookie(scope) if scope["type"] == "http" else None

        async def sending(message: MutableMapping[str, Any]) -> None:
            if message["type"] == "http.response.start":
                found = [*message.get("headers", ()), *_HEADERS]
                if cookie is not None:
                    found.append((b"set-cookie", cookie.encode()))
                message = {**message, "headers": found}
            await send(message)

        await self._app(scope, receive, sending)


async def _refuse(scope: Scope, receive: Receive, send: Send, status: int, why: str) -> None:
    if scope["type"] == "websocket":
        await receive()  # the connection's own first message
        await send({"type": "websocket.close", "code": 4000 + status % 1000, "reason": why})
        return
    headers = [(b"content-type", b"text/plain; charset=utf-8"), (b"connection", b"close")]
    await send({"type": "http.response.start", "status": status, "headers": [*headers, *_HEADERS]})
    await send({"type": "http.response.body", "body": f"livedream: {why}\n".encode()})


def _wrong_kind(method: str, headers: dict[str, str]) -> tuple[int, str] | None:
    if method not in ("GET", "HEAD"):
        return 405, "only GET: changes go over the WebSocket"
    if headers.get("content-length", "0") != "0" or "transfer-encoding" in headers:
        return 413, "no body wanted"
    return None


def _head_size(scope: Scope) -> int:
    headers = sum(len(name) + len(value) for name, value in scope["headers"])
    return headers + len(scope["path"]) + len(scope.get("query_string", b""))


def _headers(scope: Scope) -> dict[str, str]:
    """Lower-case names; of a header that comes twice all values, so that it matches nothing."""
    found: dict[str, str] = {}
    for name, value in scope["headers"]:
        key, text = name.decode("latin-1").lower(), value.decode("latin-1")
        joint = "; " if key == "cookie" else ", "
        found[key] = f"{found[key]}{joint}{text}" if key in found else text
    return found


def _query_token(scope: Scope) -> str:
    query = scope.get("query_string", b"").decode("latin-1")
    return parse_qs(query, max_num_fields=16).get("token", [""])[0] if len(query) < 2048 else ""
