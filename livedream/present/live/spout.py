"""Spout: the picture in the memory of the graphics card, for other programs on Windows."""

from typing import Any, Final

import numpy as np

from livedream.core.errors import SinkError
from livedream.present.live import LiveFrame
from livedream.present.live.address import Address
from livedream.present.live.shared import fitted, sender_name, with_alpha

_GL_RGBA: Final = 0x1908  # OpenGL's number for the order of the bytes


class SpoutOutput:
    """`spout` or `spout:NAME`."""

    delay_ms = 0.0  # not measured: written without a Windows machine

    def __init__(self, address: Address, width: int, height: int) -> None:
        self._title = sender_name(address)
        self.name = f"spout {self._title}"
        self._width, self._height = width, height
        self._sender: Any = None

    def open(self) -> None:
        import SpoutGL

        self._sender = SpoutGL.SpoutSender()
        self._sender.setSenderName(self._title)

    def write(self, frame: LiveFrame) -> None:
        pixels = with_alpha(fitted(frame.rgb, self._width, self._height))
        buffer = np.ascontiguousarray(pixels).tobytes()
        taken = self._sender.sendImage(buffer, self._width, self._height, _GL_RGBA, False, 0)
        if not taken:
            raise SinkError(f"{self.name}: the picture was not taken; is there a graphics card?")
        self._sender.setFrameSync(self._title)

    def close(self) -> None:
        sender, self._sender = self._sender, None
        if sender is not None:
            sender.releaseSender()
