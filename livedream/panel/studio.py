"""The studio: the panel with a page on which shows are set up, started and stopped.

It outlives its shows: each runs in a process of its own (`show_process`) and serves a panel of its
own, to this machine only; the studio passes on what pages and that panel say to each other. A page
says, on a second WebSocket:

    {"start": {FIELD: VALUE, ...}}    {"stop": true}    {"quit": true}
    {"look": true}                                      for devices, again
    {"folder": PATH}                                    what is in it
"""

import asyncio
import itertools
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any, Final

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route, WebSocketRoute
from starlette.websockets import WebSocket

from livedream.core.addresses import Endpoint
from livedream.core.errors import LivedreamError, SettingsError, reason
from livedream.core.supervisor import SupervisedThread, start_thread
from livedream.panel.offers import Devices, find_devices, list_folder, offers
from livedream.panel.pages import FRESH, PageServer, PageSocket
from livedream.panel.passing import pass_request, pass_socket
from livedream.panel.setup import Form, SetupFile, field_of
from livedream.panel.show_process import COMMAND, ShowProcess

_TICK_S: Final = 0.1
_ALIVE_TICKS: Final = 10  # something is sent at least every so many: pages drop what is silent


class Studio(PageServer):
    """Serves it.

    form: what can be set up.  folder: where the last set-up is kept, None for the user's settings.
    command, devices: of a show, and what is found on this machine: for tests.  `done` is set when a
    page has said that the studio is to end.
    """

    def __init__(
        self, endpoint: Endpoint, form: Form, *, token: str = "", folder: Path | None = None,
        command: tuple[str, ...] = COMMAND, devices: Callable[[], Devices] = find_devices,
    ) -> None:  # fmt: skip
        super().__init__("panel", endpoint, token)
        self._form, self._file, self._devices = form, SetupFile(folder), devices
        self.show = ShowProcess(self._changed, command, kept=self._file.look)
        self.done = threading.Event()
        names = {field.name for field in form.fields}  # a later version may have others
        self._filled = {k: value for k, value in self._file.read().items() if k in names}
        self._offers = offers({})
        self._beginning = threading.Lock()
        self._asking = threading.Lock()  # of the two below
        self._looks = self._looks_again = False
        self._looking: SupervisedThread | None = None
        self._pages: list[PageSocket] = []
        self._news = threading.Event()

    def start(self) -> None:
        """Open the port and serve. Raises SinkError when it is taken."""
        self.serve(self._application(), self._tell)
        self.show.open()
        self._look()

    def close(self) -> None:
        self.show.close()
        super().close()
        if self._looking is not None:
            self._looking.close(1.0)

    def _changed(self) -> None:
        self._news.set()

    def _look(self) -> None:
        """Look for devices; where that is being done, once more: it may be past what is new."""
        with self._asking:
            self._looks_again = self._looks
            if self._looks:
                return
            self._looks = True
        self._looking = start_thread("devices", self._find, restart=False)
        self._changed()

    def _find(self) -> None:
        try:
            self._offers = offers(self._devices())
        finally:
            with self._asking:
                self._looks, again = False, self._looks_again
            self._changed()
            if again:
                self._look()

    def _state(self) -> dict[str, Any]:
        show = self.show.state
        return {
            "show": {
                **asdict(show),
                "seconds": round(time.monotonic() - show.since_s),
                "field": field_of(show.error, self._form.fields, self._filled),
            },
            "filled": self._filled,
            "offers": self._offers,
            "looking": self._looks,
            "look": self.show.left_with,
        }

    async def _tell(self) -> None:
        """Tell the pages what has changed, and that the studio is there, until cancelled."""
        for tick in itertools.count():
            await asyncio.sleep(_TICK_S)
            if self._news.is_set():
                self._news.clear()
                state = self._state()
                for page in self._pages:
                    page.add(**state)
            elif tick % _ALIVE_TICKS == 0:
                for page in self._pages:
                    page.add()

    async def _serve(self, socket: WebSocket) -> None:
        """One page, from its opening to its end."""
        await socket.accept()
        page = PageSocket(socket)
        fields = [asdict(field) for field in self._form.fields]
        page.add(fields=fields, phone=bool(self.access.token), **self._state())
        self._pages.append(page)
        try:
            await page.serve(partial(self._receive, page))
        finally:
            self._pages.remove(page)

    async def _receive(self, page: PageSocket, found: Any) -> None:
        """One message. What is refused changes nothing; the answer says why, and at which field."""
        try:
            await self._handle(page, found)
        except (LivedreamError, OSError) as error:  # such as a name that no file can have
            filled = found.get("start", {}) if isinstance(found, dict) else {}
            about = filled if isinstance(filled, dict) else {}
            said = reason(error)
            page.add(fault=said[:500], at=field_of(said, self._form.fields, about))

    async def _handle(self, page: PageSocket, message: Any) -> None:
        match message:
            case {"start": dict(filled)}:
                await run_in_threadpool(self._begin, filled)
            case {"stop": True}:
                self.show.stop()
            case {"quit": True}:
                self.done.set()
            case {"look": True}:
                self._look()
            case {"folder": str(path)}:
                page.add(folder=await run_in_threadpool(list_folder, path))
            case _:
                raise SettingsError("message: must be start, stop, quit, look or folder")

    def _begin(self, filled: Mapping[str, Any]) -> None:
        with self._beginning:  # two pages may start at once
            self._form.setup(filled)  # before anything is written
            kept = self._file.without_secrets(filled)
            setup = self._form.setup(kept)
            self._file.write(kept)
            self._filled = kept
            self.show.start(setup)
        self._changed()

    def _application(self) -> Starlette:
        async def figures(request: Request) -> Response:
            if self.show.port is not None:
                return await pass_request(request, self.show.port)
            state = self.show.state
            word = "failed" if state.error else "ok"
            return JSONResponse({"state": word, "show": asdict(state)}, headers=FRESH)

        async def passed(request: Request) -> Response:
            return await pass_request(request, self.show.port)

        async def socket(page: WebSocket) -> None:
            await pass_socket(page, self.show.port)

        return Starlette(
            routes=[
                *self.page_routes(studio=True),
                Route("/health", figures),
                Route("/preset/{preset}.jpg", passed),
                Route("/motif/{motif:path}.jpg", passed),
                Route("/preview.jpg", passed),
                WebSocketRoute("/socket", socket),
                WebSocketRoute("/studio", self._serve),
            ]
        )
