"""The panel as a hand: an HTTP server in a thread of its own."""

import sys
from collections.abc import Callable, Mapping
from dataclasses import replace
from importlib.resources import files
from typing import TYPE_CHECKING, Any, Final

from livedream.control import Controller
from livedream.control.catalogue import Catalogue
from livedream.control.live_parameters import LiveParameters
from livedream.control.modulation import AUDIO_SOURCES
from livedream.control.show import Show
from livedream.core.addresses import Endpoint
from livedream.core.errors import SettingsError
from livedream.core.frame import Picture
from livedream.core.health import Health, StatusBoard
from livedream.core.web import WebServer
from livedream.panel.broadcast import Broadcaster
from livedream.panel.messages import Learner, MessageHandler, health
from livedream.panel.pictures import Pictures

if TYPE_CHECKING:
    from starlette.responses import Response

__all__ = ["DEFAULT_ADDRESS", "Panel"]

DEFAULT_ADDRESS: Final = "127.0.0.1:8765"
_STATIC: Final[Mapping[str, str]] = {
    "panel.css": "text/css",
    "panel.js": "text/javascript",
    "controls.js": "text/javascript",
    "graphs.js": "text/javascript",
    "motifs.js": "text/javascript",
    "modulators.js": "text/javascript",
    "icon.svg": "image/svg+xml",
}


class Panel(WebServer):
    """Serves the page. hands: others whose health is shown; may be set before `start`.

    preview: the newest picture shown, (H, W, 3) uint8, or None; called about 15 times a second
    while a page is open.
    """

    def __init__(
        self,
        parameters: LiveParameters,
        status: StatusBoard,
        preview: Callable[[], Picture | None],
        endpoint: Endpoint,
        show: Show,
        *,
        learner: Learner | None = None,
        hands: Mapping[str, Controller] | None = None,
        token: str = "",
    ) -> None:
        super().__init__("panel", endpoint, token)
        self._parameters, self._status, self._preview, self._show = (
            parameters,
            status,
            preview,
            show,
        )
        self.hands: Mapping[str, Controller] = hands or {}
        self.catalogue = Catalogue(self._restate)
        self.pictures = Pictures(self.catalogue, show.presets, drawn=self._drawn)
        self.desk = MessageHandler(
            parameters, show, self.catalogue, learner, self._saved, phone=bool(self.access.token)
        )
        self.feed = Broadcaster(self.desk, self._figures, preview)
        self._stops: list[Callable[[], None]] = []

    def print_address(self) -> None:
        """Say where the panel is; with a QR code when a phone can reach it."""
        super().print_address()
        if self.access.token:
            import segno

            segno.make(self.url, micro=False).terminal(out=sys.stderr, compact=True)

    def start(self) -> None:
        """Open the port and serve. Raises SinkError when it is taken."""
        self.serve(self._application(), self.feed.run)
        self._stops = [
            self._parameters.listen(self.feed.changed),
            self._show.listen(self.feed.restate),
        ]

    def close(self) -> None:
        for stop in self._stops:
            stop()
        super().close()
        self.pictures.close()

    def health(self) -> Health:
        found, pages = super().health(), self.feed.clients
        if found.state == "ok":
            return replace(found, detail=f"{pages} page{'' if pages == 1 else 's'} open")
        return found

    def _figures(self) -> dict[str, Any]:
        hands = {name: hand.health().as_dict() for name, hand in self.hands.items()}
        hands["panel"] = self.health().as_dict()
        figures = health(self._status.latest().as_dict(), hands)
        if "audio" in self.hands:
            hear = self._show.modulation.heard
            figures["heard"] = {name: round(hear(name), 3) for name in AUDIO_SOURCES}
        return figures

    def _restate(self) -> None:
        self.feed.restate()

    def _drawn(self, motif: str, there: bool) -> None:
        self.feed.drawn(motif, there)

    def _saved(self, name: str) -> None:
        self.pictures.keep(name, self._preview())

    def _application(self) -> Any:
        """The routes; what is not among them is not there."""
        from starlette.applications import Starlette
        from starlette.requests import Request
        from starlette.responses import JSONResponse, Response
        from starlette.routing import Route, WebSocketRoute

        static = files("livedream.panel") / "static"
        pages = {name: (static / name).read_bytes() for name in (*_STATIC, "index.html")}
        fresh = {"cache-control": "no-cache"}

        async def index(request: Request) -> Response:
            return Response(pages["index.html"], media_type="text/html", headers=fresh)

        async def asset(request: Request) -> Response:
            name = request.path_params["name"]
            if name not in _STATIC:
                return Response("not found\n", 404, media_type="text/plain")
            return Response(pages[name], media_type=_STATIC[name], headers=fresh)

        async def figures(request: Request) -> Response:
            found = self._figures()
            return JSONResponse(found, 200 if found["state"] != "failed" else 503, headers=fresh)

        async def preset(request: Request) -> Response:
            try:
                return _picture(self.pictures.preset(request.path_params["name"]), missing=204)
            except SettingsError:
                return Response("not found\n", 404, media_type="text/plain")

        async def motif(request: Request) -> Response:
            try:
                return _picture(self.pictures.motif(request.path_params["motif"]), missing=202)
            except SettingsError:
                return Response("not found\n", 404, media_type="text/plain")

        async def preview(request: Request) -> Response:
            from livedream.panel.pictures import jpeg

            shown = self._preview()
            return _picture(None if shown is None else jpeg(shown, 1280), "no-store")

        async def code(request: Request) -> Response:
            return Response(_qr(self.url), media_type="image/svg+xml", headers=fresh)

        return Starlette(
            routes=[
                Route("/", index),
                Route("/static/{name}", asset),
                Route("/health", figures),
                Route("/preset/{name}.jpg", preset),
                Route("/motif/{motif:path}.jpg", motif),
                Route("/preview.jpg", preview),
                Route("/code.svg", code),
                WebSocketRoute("/socket", self.feed.serve),
            ]
        )


def _picture(
    found: bytes | None, caching: str = "max-age=600", *, missing: int = 404
) -> "Response":
    """missing: the status without a picture; 202 for one that is being drawn."""
    from starlette.responses import Response

    if found is None:
        return Response(status_code=missing, headers={"cache-control": "no-store"})
    return Response(found, media_type="image/jpeg", headers={"cache-control": caching})


def _qr(text: str) -> bytes:
    import io

    import segno

    drawn = io.BytesIO()
    segno.make(text, micro=False).save(drawn, kind="svg", scale=4, border=2, light="#fff")
    return drawn.getvalue()
