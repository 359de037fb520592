"""Between a page and the panel of the show that runs: each request and message passed on as it is.

Who may come in was decided before (`core.web`); the show's panel lets in this machine only.
"""

import asyncio
import contextlib
import http.client
import urllib.error
import urllib.request
from collections.abc import Coroutine
from typing import Any, Final

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response
from starlette.websockets import WebSocket, WebSocketDisconnect
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import WebSocketException

_PATIENCE_S: Final = 10.0
_HEADERS: Final = ("content-type", "cache-control")
_NO_SHOW: Final = 1013  # "try again later", RFC 6455's registry
# Opens what is on this machine; urllib's own would ask a proxy of the environment for it.
HERE: Final = urllib.request.build_opener(urllib.request.ProxyHandler({}))


async def pass_request(request: Request, port: int | None) -> Response:
    """What the show's panel answers. port: None while there is none."""
    missing = Response("no show runs\n", 503, {"cache-control": "no-store"}, "text/plain")
    if port is None:
        return missing
    url = f"http://127.0.0.1:{port}{request.scope['raw_path'].decode()}"
    try:
        return await run_in_threadpool(_asked, url)
    except (OSError, ValueError, http.client.HTTPException):  # it has ended meanwhile
        return missing


def _asked(url: str) -> Response:
    try:
        with HERE.open(url, timeout=_PATIENCE_S) as answer:
            status, headers, body = answer.status, answer.headers, answer.read()
    except urllib.error.HTTPError as error:
        with error:
            status, headers, body = error.code, error.headers, error.read()
    kept = {name: headers[name] for name in _HEADERS if headers[name]}
    return Response(body, status, kept)


async def pass_socket(page: WebSocket, port: int | None) -> None:
    """A page's socket and the show's, until either ends."""
    if port is None:
        await page.close(_NO_SHOW, "no show runs")
        return
    try:
        async with connect(
            f"ws://127.0.0.1:{port}/socket", open_timeout=_PATIENCE_S, close_timeout=0.1,
            max_size=None, compression=None, proxy=None,
        ) as show:  # fmt: skip
            await page.accept()
            await _first(_to_show(page, show), _to_page(page, show))
    except (OSError, WebSocketException):
        pass  # it has ended meanwhile; the page comes again
    with contextlib.suppress(RuntimeError, WebSocketDisconnect):  # the page went first
        await page.close(_NO_SHOW, "the show ended")


async def _to_show(page: WebSocket, show: ClientConnection) -> None:
    with contextlib.suppress(WebSocketDisconnect, KeyError):
        while True:
            await show.send(await page.receive_text())


async def _to_page(page: WebSocket, show: ClientConnection) -> None:
    with contextlib.suppress(WebSocketDisconnect, RuntimeError):
        async for message in show:
            if isinstance(message, str):
                await page.send_text(message)
            else:
                await page.send_bytes(message)


async def _first(*works: Coroutine[Any, Any, None]) -> None:
    """Until one of them ends."""
    tasks = [asyncio.create_task(one) for one in works]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
