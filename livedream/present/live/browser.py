"""A page that shows the dream: for OBS's Browser Source, or any browser.

Pictures travel through a WebSocket as JPEG, a layer as PNG, exact and not compressed. The page says
when it has shown one, and only then gets the newest: a client that stops reading holds nothing but
its own two pictures. The rules of `livedream.core.web` decide who may come in.
"""

import asyncio
import contextlib
from fractions import Fraction
from importlib import resources
from typing import Final

import cv2
import numpy as np
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Route, WebSocketRoute
from starlette.websockets import WebSocket, WebSocketDisconnect

from livedream.core.addresses import Address
from livedream.core.errors import SinkError
from livedream.core.frame import Picture
from livedream.core.web import WebServer
from livedream.present.live import LiveFrame
from livedream.present.live.live_picture import PICTURES, picture_of

DEFAULT_ADDRESS: Final = "127.0.0.1:8766"
_UNSEEN: Final = 2  # pictures on their way to a page: one travels while one is drawn
_PATIENCE_S: Final = 10.0  # for a page to say that it has seen a picture
# Compressing takes thirty times as long as this, and saves a quarter of the bytes. From 4.12 on
# OpenCV has to be told that there is nothing to filter for.
_UNFILTERED: Final = (
    (cv2.IMWRITE_PNG_FILTER, cv2.IMWRITE_PNG_FILTER_NONE)
    if hasattr(cv2, "IMWRITE_PNG_FILTER")
    else ()
)
_STORED: Final = (cv2.IMWRITE_PNG_COMPRESSION, 0, *_UNFILTERED)
_HEADERS: Final = {
    "cache-control": "no-store",
    # One file, its script inside; other than the panel it may be framed.
    "content-security-policy": "default-src 'self'; img-src data:; "
    "script-src 'unsafe-inline'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'",
}


def encoded(picture: Picture, quality: int) -> bytes:
    """(H, W, 3) as JPEG of that quality, 1 to 100; (H, W, 4) as PNG, exact.

    Raises SinkError for what OpenCV cannot encode.
    """
    if picture.shape[2] == 4:
        made, codes = cv2.imencode(".png", cv2.cvtColor(picture, cv2.COLOR_RGBA2BGRA), _STORED)
    else:
        whole_colour = cv2.IMWRITE_JPEG_SAMPLING_FACTOR, cv2.IMWRITE_JPEG_SAMPLING_FACTOR_444
        fine = [cv2.IMWRITE_JPEG_QUALITY, quality, *whole_colour]
        made, codes = cv2.imencode(".jpg", cv2.cvtColor(picture, cv2.COLOR_RGB2BGR), fine)
    if not made:
        raise SinkError("browser page: a picture could not be encoded")
    return np.asarray(codes).tobytes()


class _Page:
    """One that is open. picture: the newest, not yet sent.  credit: how many it may be sent."""

    def __init__(self) -> None:
        self.picture = b""
        self.wake = asyncio.Event()
        self.credit = asyncio.Semaphore(_UNSEEN)


class BrowserOutput:
    """`browser:HOST:PORT?of=layer&quality=90&token=...`; 127.0.0.1:8766 where it does not say.

    url: what to open, once opened, the token included; it is printed, and nowhere else.
    """

    delay_ms = 0.0  # not measured
    reached = True

    def __init__(self, address: Address, width: int, height: int, rate: Fraction) -> None:
        endpoint = address.endpoint(DEFAULT_ADDRESS, listens=True)
        self._quality = int(address.number("quality", 90, 1, 100))
        self._of = address.word("of", "dream", PICTURES)
        self._server = WebServer("browser page", endpoint, address.word("token", ""))
        address.finish()
        self.name = f"browser {endpoint}"
        self._printed = ""
        self._pages: set[_Page] = set()
        self._loop: asyncio.AbstractEventLoop | None = None

    @property
    def url(self) -> str:
        return self._server.url

    @property
    def pages(self) -> int:
        """How many are open."""
        return len(self._pages)

    def open(self) -> None:
        self._server.serve(self._application())
        self.name = f"browser {self._server.access.endpoint}"
        if self._printed != self.url:
            self._printed = self.url
            self._server.print_address()

    def write(self, frame: LiveFrame) -> None:
        if not self._pages or self._loop is None:
            return
        codes = encoded(picture_of(frame, self._of), self._quality)
        self._loop.call_soon_threadsafe(self._offer, codes)

    def close(self) -> None:
        self._server.close()

    # In the server's event loop

    def _offer(self, picture: bytes) -> None:
        for page in self._pages:
            page.picture = picture
            page.wake.set()

    def _application(self) -> Starlette:
        page = (resources.files("livedream.present.live") / "browser_page.html").read_bytes()

        async def index(request: Request) -> Response:
            return HTMLResponse(page, headers=_HEADERS)

        return Starlette(routes=[Route("/", index), WebSocketRoute("/pictures", self._serve)])

    async def _serve(self, socket: WebSocket) -> None:
        """One page, from its opening to its end."""
        await socket.accept()
        self._loop = asyncio.get_running_loop()
        page = _Page()
        self._pages.add(page)
        sender = asyncio.create_task(self._send(page, socket))
        try:
            while (await socket.receive())["type"] != "websocket.disconnect":
                page.credit.release()
        except asyncio.CancelledError:
            pass  # the output closes with pages open: no fault, and nothing to report
        finally:
            self._pages.discard(page)
            sender.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await sender

    async def _send(self, page: _Page, socket: WebSocket) -> None:
        with contextlib.suppress(WebSocketDisconnect, RuntimeError, OSError):
            while True:
                try:
                    await asyncio.wait_for(page.credit.acquire(), _PATIENCE_S)
                except TimeoutError:
                    await socket.close(1008, "nothing was read")
                    return
                await page.wake.wait()
                page.wake.clear()
                await socket.send_bytes(page.picture)
