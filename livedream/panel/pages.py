"""The page's own files, its address and its WebSocket, the same for a show's panel and for the
studio."""

import asyncio
import contextlib
import io
import json
import logging
from collections.abc import Awaitable, Callable
from importlib.resources import files
from pathlib import Path
from typing import Any, Final

import segno
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.websockets import WebSocket, WebSocketDisconnect

from livedream.core.errors import reason
from livedream.core.redact import redact
from livedream.core.web import WebServer

_log = logging.getLogger(__name__)

_LARGEST_MESSAGE: Final = 32 * 1024  # characters
_MOST_PER_S: Final = 400  # messages of one page; a dragged slider sends about 60
_STUCK_S: Final = 20.0  # a page that takes nothing for so long is let go
# By suffix; the system's own table is wrong on some Windows machines.
_TYPES: Final = {
    ".html": "text/html", ".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml",
}  # fmt: skip
FRESH: Final = {"cache-control": "no-cache"}
_MERGED: Final = ("values", "drawn")  # one by one; of everything else the newest is sent


class PageServer(WebServer):
    """Serves them."""

    def address_lines(self) -> str:
        """Where the panel is; with a QR code when a phone can reach it."""
        lines = io.StringIO(super().address_lines())
        if self.access.token:
            lines.seek(0, io.SEEK_END)
            segno.make(self.url, micro=False).terminal(out=lines, compact=True)
        return lines.getvalue()

    def page_routes(self, *, studio: bool = False) -> list[Route]:
        """studio: whether shows are set up on the page."""
        static = (files("livedream.panel") / "static").iterdir()
        parts = [*static, files("livedream.core") / "icon.svg"]
        pages = {path.name: path.read_bytes() for path in parts if Path(path.name).suffix in _TYPES}
        if studio:
            pages["index.html"] = pages["index.html"].replace(b"<body>", b"<body data-studio>")

        async def page(request: Request) -> Response:
            name = request.path_params.get("name", "index.html")
            if name not in pages:
                return Response("not found\n", 404, media_type="text/plain")
            return Response(pages[name], media_type=_TYPES[Path(name).suffix], headers=FRESH)

        async def code(request: Request) -> Response:
            drawn = io.BytesIO()
            shape = segno.make(self.url, micro=False)
            shape.save(drawn, kind="svg", scale=4, border=2, light="#fff")
            return Response(drawn.getvalue(), media_type="image/svg+xml", headers=FRESH)

        return [Route("/", page), Route("/static/{name}", page), Route("/code.svg", code)]


class PageSocket:
    """One page that is open. It has no queue: what it is sent next is one merged message, so a page
    that stops reading is sent less, holds nothing up and costs one dictionary.

    unsent: to be sent next, and behind it `picture`.
    """

    def __init__(self, socket: WebSocket) -> None:
        self.unsent: dict[str, Any] = {}
        self.picture: bytes | None = None
        self.wake = asyncio.Event()
        self._socket = socket

    def add(self, **parts: Any) -> None:
        """Merge into what is sent next."""
        for name, part in parts.items():
            if name in _MERGED:
                self.unsent.setdefault(name, {}).update(part)
            else:
                self.unsent[name] = part
        self.wake.set()

    async def serve(self, hear: Callable[[Any], Awaitable[None]]) -> None:
        """Send what there is and pass on what the page says, until it is gone."""
        sender = asyncio.create_task(self._send())
        try:
            await self._receive(hear)
        except asyncio.CancelledError:
            pass  # the server closes with pages open: no fault, and nothing to report
        finally:
            sender.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await sender

    async def _send(self) -> None:
        with contextlib.suppress(WebSocketDisconnect, RuntimeError, OSError):
            while True:
                await self.wake.wait()
                self.wake.clear()
                unsent, self.unsent = self.unsent, {}
                picture, self.picture = self.picture, None
                try:
                    async with asyncio.timeout(_STUCK_S):
                        if unsent or picture is None:  # empty: a sign of life
                            await self._socket.send_text(json.dumps(unsent, allow_nan=False))
                        if picture is not None:
                            await self._socket.send_bytes(picture)
                except TimeoutError:
                    await self._socket.close(1008, "nothing was read")
                    return

    async def _receive(self, hear: Callable[[Any], Awaitable[None]]) -> None:
        clock = asyncio.get_running_loop().time
        second, count = clock(), 0
        while True:
            message = await self._socket.receive()
            if message["type"] == "websocket.disconnect":
                return
            now = clock()
            if now - second >= 1.0:
                second, count = now, 0
            count += 1
            if count > _MOST_PER_S:  # what is not read holds its sender up, nobody else
                await asyncio.sleep(max(0.0, second + 1.0 - now))
            await self.take(message.get("text"), hear)

    async def take(self, text: str | None, hear: Callable[[Any], Awaitable[None]]) -> None:
        """One message as it came: what is wrong with it, or with us, is answered."""
        try:
            found = json.loads(text) if text and len(text) <= _LARGEST_MESSAGE else None
        except (ValueError, RecursionError):
            self.add(fault="message: not JSON", at="")
            return
        try:
            await hear(found)
        except Exception as error:  # of our own: whoever moved something is told too
            _log.exception("a message of a page")
            said = f"livedream failed ({redact(reason(error))[:200]}); its log says more"
            self.add(fault=said, at="")
