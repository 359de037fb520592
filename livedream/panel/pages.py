"""The page's own files and its address, the same for a show's panel and for the studio."""

import io
from importlib.resources import files
from pathlib import Path
from typing import Final

import segno
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from livedream.core.errors import reason
from livedream.core.redact import redact
from livedream.core.web import WebServer

# By suffix; the system's own table is wrong on some Windows machines.
_TYPES: Final = {
    ".html": "text/html", ".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml",
}  # fmt: skip
FRESH: Final = {"cache-control": "no-cache"}
NOT_JSON: Final = "message: not JSON"


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


def broken(error: Exception) -> str:
    """What a page is told of a fault of livedream's own."""
    return f"livedream failed ({redact(reason(error))[:200]}); its log says more"
