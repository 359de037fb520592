"""The panel as a controller: an HTTP server in a thread of its own."""

import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, replace
from typing import Any, Final

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route, WebSocketRoute

from livedream.control import Controller
from livedream.control.catalogue import Catalogue
from livedream.control.live_parameters import LiveParameters
from livedream.control.midi import MidiInput
from livedream.control.modulation import AUDIO_SOURCES
from livedream.control.show import Show
from livedream.core.addresses import Endpoint
from livedream.core.errors import SettingsError
from livedream.core.health import Health, StatusBoard
from livedream.panel.broadcast import Broadcaster
from livedream.panel.messages import MessageHandler, health
from livedream.panel.pages import FRESH, PageServer
from livedream.panel.pictures import Pictures, jpeg
from livedream.present.live import LiveFrame
from livedream.present.live.wall_control import WallControl

DEFAULT_ADDRESS: Final = "127.0.0.1:8765"


class Panel(PageServer):
    """Serves the page.

    newest: the newest picture shown, or None; called about 15 times a second while a page is open.
    controllers: others whose health is shown.  wall: the window's displays, None without a window.
    """

    def __init__(
        self,
        parameters: LiveParameters,
        status: StatusBoard,
        newest: Callable[[], LiveFrame | None],
        endpoint: Endpoint,
        show: Show,
        *,
        learner: MidiInput | None = None,
        controllers: Mapping[str, Controller] | None = None,
        token: str = "",
        wall: WallControl | None = None,
    ) -> None:
        super().__init__("panel", endpoint, token)
        self._parameters, self._show, self._wall = parameters, show, wall
        self._status, self._newest = status, newest
        self._controllers = controllers or {}
        # The broadcaster is made last: it needs what needs it.
        catalogue = Catalogue(lambda: self.broadcaster.restate())  # noqa: PLW0108
        drawn = lambda *motif: self.broadcaster.drawn(*motif)  # noqa: E731, PLW0108
        self.pictures = Pictures(catalogue, show.presets, drawn=drawn)
        messages = MessageHandler(
            parameters, show, catalogue, learner, self._saved, phone=bool(self.access.token),
            wall=wall,
        )  # fmt: skip
        self.broadcaster: Broadcaster = Broadcaster(messages, self._figures, newest)
        self._stops: list[Callable[[], None]] = []

    def start(self) -> None:
        """Open the port and serve. Raises SinkError when it is taken."""
        self.serve(self._application(), self.broadcaster.run)
        self._stops = [
            self._parameters.listen(self.broadcaster.changed),
            self._show.listen(self.broadcaster.restate),
        ]
        if self._wall is not None:
            self._stops.append(self._wall.listen(self.broadcaster.wall_changed))

    def close(self) -> None:
        for stop in self._stops:
            stop()
        super().close()
        self.pictures.close()

    def health(self) -> Health:
        found, pages = super().health(), len(self.broadcaster.clients)
        if found.state == "ok":
            return replace(found, detail=f"{pages} page{'' if pages == 1 else 's'} open")
        return found

    def _figures(self) -> dict[str, Any]:
        parts = {name: asdict(one.health()) for name, one in self._controllers.items()}
        parts["panel"] = asdict(self.health())
        tempo, now_s = self._show.tempo, time.monotonic()
        figures = health(asdict(self._status.latest()), parts, now_s)
        figures["tempo"] = {
            "bpm": tempo.bpm, "beats": round(tempo.beats(now_s), 3), "leader": tempo.leader(now_s)
        }  # fmt: skip
        if "audio" in parts:
            hear = self._show.modulation.audio_level
            figures["heard"] = {name: round(hear(name), 3) for name in AUDIO_SOURCES}
        return figures

    def _saved(self, name: str) -> None:
        newest = self._newest()
        self.pictures.keep(name, newest.rgb if newest else None)
        self.broadcaster.drawn(f"preset:{name}", True)

    def _application(self) -> Starlette:
        """The routes; what is not among them is not there."""

        async def figures(request: Request) -> Response:
            found = self._figures()
            return JSONResponse(found, 200 if found["state"] != "failed" else 503, headers=FRESH)

        async def picture(request: Request) -> Response:
            (kind, text), *_ = request.path_params.items()
            try:
                if kind == "preset":
                    return _picture(self.pictures.preset(text), missing=204)
                return _picture(self.pictures.motif(text), missing=202)
            except SettingsError:
                return Response("not found\n", 404, media_type="text/plain")

        async def preview(request: Request) -> Response:
            newest = self._newest()
            return _picture(jpeg(newest.rgb, 1280) if newest else None, "no-store")

        return Starlette(
            routes=[
                *self.page_routes(),
                Route("/health", figures),
                Route("/preset/{preset}.jpg", picture),
                Route("/motif/{motif:path}.jpg", picture),
                Route("/preview.jpg", preview),
                WebSocketRoute("/socket", self.broadcaster.serve),
            ]
        )


def _picture(found: bytes | None, caching: str = "max-age=600", *, missing: int = 404) -> Response:
    """missing: the status without a picture; 202 for one that is being drawn."""
    if found is None:
        return Response(status_code=missing, headers={"cache-control": "no-store"})
    return Response(found, media_type="image/jpeg", headers={"cache-control": caching})
