"""Syphon: the picture in the memory of the graphics card, for other programs on macOS."""

from typing import Any

from livedream.core.errors import SinkError
from livedream.present.live import LiveFrame
from livedream.present.live.address import Address
from livedream.present.live.shared import fitted, sender_name, with_alpha


class SyphonOutput:
    """`syphon` or `syphon:NAME`, through Metal."""

    delay_ms = 0.0  # not measured: written without a Mac

    def __init__(self, address: Address, width: int, height: int) -> None:
        self._title = sender_name(address)
        self.name = f"syphon {self._title}"
        self._width, self._height = width, height
        self._server: Any = None

    def open(self) -> None:
        import syphon
        from syphon.utils.raw import create_mtl_texture

        try:
            self._server = syphon.SyphonMetalServer(self._title)
            self._texture = create_mtl_texture(self._server.device, self._width, self._height)
        except RuntimeError as error:
            raise SinkError(f"{self.name} cannot be opened: {error}") from error

    def write(self, frame: LiveFrame) -> None:
        from syphon.utils.numpy import copy_image_to_mtl_texture

        pixels = with_alpha(fitted(frame.rgb, self._width, self._height))
        copy_image_to_mtl_texture(pixels, self._texture)
        self._server.publish_frame_texture(self._texture)

    def close(self) -> None:
        server, self._server = self._server, None
        if server is not None:
            server.stop()
