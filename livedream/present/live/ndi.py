"""NDI: pictures for projection software and for OBS with its NDI plugin, over the network."""

from fractions import Fraction
from typing import Any

from livedream.core.errors import SinkError
from livedream.present.live import LiveFrame
from livedream.present.live.address import Address
from livedream.present.live.shared import fitted, sender_name, with_alpha


class NdiOutput:
    """`ndi` or `ndi:NAME`. NDI finds its own way to receivers; it needs a network interface."""

    delay_ms = 0.0  # not measured

    def __init__(self, address: Address, width: int, height: int, rate: Fraction) -> None:
        self._title = sender_name(address)
        self.name = f"ndi {self._title}"
        self._width, self._height = width, height
        self._rate = rate.limit_denominator(1001)
        self._sender: Any = None

    def open(self) -> None:
        from cyndilib.sender import Sender
        from cyndilib.video_frame import VideoSendFrame
        from cyndilib.wrapper.ndi_structs import FourCC

        sender = Sender(self._title, clock_video=False, clock_audio=False)
        video = VideoSendFrame()
        video.set_resolution(self._width, self._height)
        video.set_frame_rate(self._rate)
        video.set_fourcc(FourCC.RGBX)
        sender.set_video_frame(video)
        try:
            sender.open()
        except Exception as error:  # the library's own class says no more
            raise SinkError(f"{self.name} cannot be opened: {error}") from error
        self._sender = sender

    def write(self, frame: LiveFrame) -> None:
        pixels = with_alpha(fitted(frame.rgb, self._width, self._height))
        if not self._sender.write_video(pixels.reshape(-1)):
            raise SinkError(f"{self.name}: the picture was not taken")

    def close(self) -> None:
        sender, self._sender = self._sender, None
        if sender is not None:
            sender.close()
