"""Pictures for other programs: NDI, Spout, Syphon and virtual cameras, each by a package.

NDI goes over the network, Spout (Windows) and Syphon (macOS) through the graphics card's memory. A
virtual camera is what OBS, browsers and meetings take for a webcam (pyvirtualcam, under the GPL-2.0
and therefore an extra). Linux: v4l2loopback with exclusive_caps=1. Windows: OBS's own virtual
camera, or Unity Capture. macOS: OBS's.
"""

from fractions import Fraction
from typing import Any, Final

import cv2
import numpy as np

from livedream.core.addresses import Address
from livedream.core.errors import SettingsError, SinkError
from livedream.core.frame import Picture
from livedream.core.live_sound import SOUND_RATE, LiveSound, resumed
from livedream.core.shrink import fitted
from livedream.present.live import LiveFrame
from livedream.present.live.live_picture import OPAQUE, PICTURES, picture_of

_SOUND_BLOCK: Final = 480  # samples; 10 ms
_LONGEST_NAME: Final = 200  # bytes; from 250 on NDI fails, longer ones end the process
_GL_RGBA: Final = 0x1908  # OpenGL's number for the order of the bytes


class _Sender:
    """What they have in common: `KIND` or `KIND:NAME?of=layer`, one size.

    _of: which picture goes out, one of _pictures.  _lossy: whether it is compressed on its way.
    _sender: the package's own object while it is open.  _end: its method that ends it.
    """

    delay_ms = 0.0  # not measured
    reached = True
    _default = "livedream"  # the name under which others see the picture
    _end = "close"
    _pictures: tuple[str, ...] = PICTURES
    _lossy = False

    def __init__(self, address: Address, width: int, height: int, rate: Fraction) -> None:
        self._of = address.word("of", "dream", self._pictures)
        address.finish()
        self._title = address.rest or self._default
        if len(self._title.encode()) > _LONGEST_NAME or not self._title.isprintable():
            raise SettingsError(
                f"{address.scheme}: a name must be up to {_LONGEST_NAME} printable characters "
                f"(got {self._title[:40]!r}, {len(self._title)} characters)"
            )
        self.name = f"{address.scheme} {self._title}".rstrip()
        self._width, self._height, self._rate = width, height, rate
        self._sender: Any = None

    def _picture(self, frame: LiveFrame) -> Picture:
        """(H, W, 3) or, of a layer, (H, W, 4) uint8, at the size that was announced."""
        picture = picture_of(frame, self._of, soft=self._lossy)
        return np.ascontiguousarray(fitted(picture, self._width, self._height))

    def _rgba(self, frame: LiveFrame) -> Any:
        """(H, W, 4) uint8, opaque unless it is a layer."""
        picture = self._picture(frame)
        return picture if self._of == "layer" else cv2.cvtColor(picture, cv2.COLOR_RGB2RGBA)

    def close(self) -> None:
        sender, self._sender = self._sender, None
        if sender is not None:
            getattr(sender, self._end)()


class NdiOutput(_Sender):
    """`ndi` or `ndi:NAME`. NDI finds its own way to receivers; it needs a network interface.

    Receivers play sound and picture as they come, so both go out together. What is laid over
    another picture, the layer or the matte, has no sound: that picture has its own.
    """

    _lossy = True

    def __init__(
        self, address: Address, width: int, height: int, rate: Fraction,
        sound: LiveSound | None = None,
    ) -> None:  # fmt: skip
        super().__init__(address, width, height, rate)
        self._sound = None if self._of in ("layer", "matte") else sound
        self._next: int | None = None  # the sample that was not sent yet

    def open(self) -> None:
        from cyndilib.audio_frame import AudioSendFrame
        from cyndilib.sender import Sender
        from cyndilib.video_frame import VideoSendFrame
        from cyndilib.wrapper.ndi_structs import FourCC

        sender = Sender(self._title, clock_video=False, clock_audio=False)
        video = VideoSendFrame()
        video.set_resolution(self._width, self._height)
        video.set_frame_rate(self._rate.limit_denominator(1001))
        video.set_fourcc(FourCC.RGBA if self._of == "layer" else FourCC.RGBX)
        sender.set_video_frame(video)
        if self._sound is not None:
            audio = AudioSendFrame(_SOUND_BLOCK)
            audio.sample_rate, audio.num_channels = SOUND_RATE, 2
            sender.set_audio_frame(audio)
        self._next = None
        try:
            sender.open()
        except Exception as error:  # the library does not say why; this was seen
            raise SinkError(
                f"{self.name} cannot be opened: another program may use this name; try ndi:NAME"
            ) from error
        self._sender = sender

    def write(self, frame: LiveFrame) -> None:
        if not self._sender.write_video(self._rgba(frame).reshape(-1)):
            raise SinkError(f"{self.name}: the picture was not accepted")
        if self._sound is not None:
            self._write_sound(self._sound, frame.captured_s)

    def _write_sound(self, sound: LiveSound, captured_s: float) -> None:
        """What is heard while the picture is seen, as far as it has come."""
        begin = round(captured_s * SOUND_RATE)
        self._next = begin if self._next is None else resumed(self._next, begin)
        while self._next < begin + SOUND_RATE / self._rate:
            block = sound.take(self._next, _SOUND_BLOCK, begin)
            if block is None:
                break
            self._sender.write_audio(np.ascontiguousarray(block.T))
            self._next += _SOUND_BLOCK


class SpoutOutput(_Sender):
    """`spout` or `spout:NAME`; written without a Windows machine."""

    _end = "releaseSender"

    def open(self) -> None:
        import SpoutGL

        self._sender = SpoutGL.SpoutSender()
        self._sender.setSenderName(self._title)

    def write(self, frame: LiveFrame) -> None:
        pixels = self._rgba(frame).tobytes()
        if not self._sender.sendImage(pixels, self._width, self._height, _GL_RGBA, False, 0):
            raise SinkError(f"{self.name}: the picture was not accepted; is there a graphics card?")
        self._sender.setFrameSync(self._title)


class SyphonOutput(_Sender):
    """`syphon` or `syphon:NAME`, through Metal; written without a Mac."""

    _end = "stop"

    def open(self) -> None:
        import syphon
        from syphon.utils.raw import create_mtl_texture

        try:
            self._sender = syphon.SyphonMetalServer(self._title)
            self._texture = create_mtl_texture(self._sender.device, self._width, self._height)
        except RuntimeError as error:
            raise SinkError(f"{self.name} cannot be opened: {error}") from error

    def write(self, frame: LiveFrame) -> None:
        from syphon.utils.numpy import copy_image_to_mtl_texture

        copy_image_to_mtl_texture(self._rgba(frame), self._texture)
        self._sender.publish_frame_texture(self._texture)


class VirtualCameraOutput(_Sender):
    """`camera` or `camera:NAME`: /dev/video10, "OBS Virtual Camera", "Unity Video Capture"."""

    _default = ""  # the first there is
    _pictures = OPAQUE

    def open(self) -> None:
        import pyvirtualcam

        try:
            self._sender = pyvirtualcam.Camera(
                self._width, self._height, float(self._rate), device=self._title or None
            )
        except (RuntimeError, ValueError, OSError) as error:
            reason = " ".join(str(error).split())
            raise SinkError(f"no virtual camera can be opened: {reason}") from error
        self.name = f"camera {self._sender.device}"

    def write(self, frame: LiveFrame) -> None:
        try:
            self._sender.send(self._picture(frame))
        except RuntimeError as error:
            raise SinkError(f"{self.name}: {error}") from error
