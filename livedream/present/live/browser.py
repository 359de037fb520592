"""A page that shows the dream: for OBS's Browser Source, or any browser.

Pictures travel as JPEG through a WebSocket. The page says when it has shown one, and only then
gets the newest: a client that stops reading holds nothing but its own two pictures. On an address
that others can reach, the page is shown only to those who have its token.
"""

import contextlib
import hmac
import ipaddress
import logging
import secrets
import threading
from collections.abc import Mapping
from http import HTTPStatus
from importlib import resources
from typing import Any, Final
from urllib.parse import parse_qs, urlsplit

import cv2
import numpy as np

from livedream.core.errors import SinkError
from livedream.core.latest_slot import LatestSlot, SlotClosed
from livedream.present.live import LiveFrame
from livedream.present.live.address import Address

_log = logging.getLogger(__name__)

_PORT: Final = 8766
_UNSEEN: Final = 2  # pictures on their way to a page: one travels while one is drawn
_PATIENCE_S: Final = 10.0  # for a page to say that it has seen a picture
_LOOK_S: Final = 0.5  # between two looks whether a client is still there, when nothing is sent
_MOST_CLIENTS: Final = 32


class BrowserOutput:
    """`browser:HOST:PORT?quality=90&token=...`; 127.0.0.1:8766 where it does not say.

    url: what to open, once opened, the token included.
    """

    delay_ms = 0.0  # not measured

    def __init__(self, address: Address) -> None:
        self._host, self._port = address.host_port("127.0.0.1", _PORT)
        self._quality = int(address.number("quality", 90, 1, 100))
        given = address.word("token", "")
        address.finish()
        self._open_to_all = not _is_loopback(self._host)
        self._token = given or (secrets.token_urlsafe(16) if self._open_to_all else "")
        self.name = f"browser {_shown(self._host)}:{self._port}"
        query = f"?token={self._token}" if self._token else ""
        self.url = f"http://{_shown(self._host)}:{self._port}/{query}"
        self._server: Any = None
        self._clients: set[LatestSlot[bytes]] = set()
        self._lock = threading.Lock()

    def open(self) -> None:
        from websockets.sync.server import serve

        page = resources.files("livedream.present.live") / "browser_page.html"
        self._page = page.read_bytes()
        # The server's own log tells of every client that comes and goes.
        quiet = logging.getLogger(f"{__name__}.connections")
        quiet.setLevel(logging.CRITICAL)
        try:
            self._server = serve(
                self._serve_client,
                self._host,
                self._port,
                process_request=self._answer,
                compression=None,
                max_size=1024,
                ping_timeout=_PATIENCE_S,
                close_timeout=0.5,
                logger=quiet,
            )
        except OSError as error:
            raise SinkError(
                f"{self.name} cannot be served ({error.strerror}): choose another port"
            ) from error
        threading.Thread(
            target=self._server.serve_forever, name="browser page", daemon=True
        ).start()

    def write(self, frame: LiveFrame) -> None:
        with self._lock:
            clients = list(self._clients)
        if not clients:
            return
        bgr = cv2.cvtColor(frame.rgb, cv2.COLOR_RGB2BGR)
        fine = [cv2.IMWRITE_JPEG_QUALITY, self._quality, *_WHOLE_COLOUR]
        made, codes = cv2.imencode(".jpg", bgr, fine)
        if not made:
            raise SinkError(f"{self.name}: a picture could not be encoded")
        picture = np.asarray(codes).tobytes()
        for slot in clients:
            slot.put(picture)

    def close(self) -> None:
        with self._lock:
            clients, self._clients = self._clients, set()
        for slot in clients:
            slot.close()
        if self._server is not None:
            self._server.shutdown()
            self._server = None

    # One thread per client

    def _answer(self, connection: Any, request: Any) -> Any:
        """The page, a refusal, or None for a WebSocket that may go on."""
        from websockets.datastructures import Headers
        from websockets.http11 import Response

        def respond(status: HTTPStatus, body: bytes, kind: str = "text/plain") -> Any:
            headers = Headers(
                {
                    "Content-Type": f"{kind}; charset=utf-8",
                    "Content-Length": str(len(body)),
                    "Cache-Control": "no-store",
                    "X-Content-Type-Options": "nosniff",
                    "Referrer-Policy": "no-referrer",
                    "Connection": "close",
                }
            )
            return Response(status.value, status.phrase, headers, body)

        refusal = self._refusal(request.path, request.headers)
        if refusal is not None:
            return respond(refusal, f"{refusal.phrase}\n".encode())
        path = urlsplit(request.path).path
        if path == "/":
            return respond(HTTPStatus.OK, self._page, "text/html")
        if path == "/pictures" and "Upgrade" in request.headers:
            return None
        return respond(HTTPStatus.NOT_FOUND, b"there is / only\n")

    def _refusal(self, path: str, headers: Mapping[str, str]) -> HTTPStatus | None:
        """Why a request is refused: a foreign page, a foreign name for this host, no token."""
        host = urlsplit(f"//{headers.get('Host', '')}").hostname or ""
        if not self._open_to_all and not _is_loopback(host):
            return HTTPStatus.MISDIRECTED_REQUEST
        origin = headers.get("Origin")
        if origin is not None and urlsplit(origin).netloc != headers.get("Host"):
            return HTTPStatus.FORBIDDEN
        if self._token:
            given = parse_qs(urlsplit(path).query).get("token", [""])[0]
            if not hmac.compare_digest(given.encode(), self._token.encode()):
                return HTTPStatus.UNAUTHORIZED
        return None

    def _serve_client(self, connection: Any) -> None:
        from websockets.exceptions import ConnectionClosed

        slot: LatestSlot[bytes] = LatestSlot()
        with self._lock:
            if len(self._clients) >= _MOST_CLIENTS:
                return
            self._clients.add(slot)
        unseen = 0
        try:
            while True:
                picture = slot.get(_LOOK_S)
                if picture is None:
                    if connection.close_code is not None:
                        return
                    continue
                connection.send(picture)
                unseen += 1
                while unseen >= _UNSEEN:
                    connection.recv(timeout=_PATIENCE_S)
                    unseen -= 1
        except (ConnectionClosed, SlotClosed, TimeoutError, OSError):
            pass
        finally:
            with self._lock:
                self._clients.discard(slot)
            with contextlib.suppress(Exception):
                connection.close()


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _shown(host: str) -> str:
    return f"[{host}]" if ":" in host else host


_WHOLE_COLOUR: Final = (
    cv2.IMWRITE_JPEG_SAMPLING_FACTOR,
    cv2.IMWRITE_JPEG_SAMPLING_FACTOR_444,
)
