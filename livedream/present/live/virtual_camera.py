"""A virtual camera: what OBS, browsers and meetings take for a webcam (pyvirtualcam).

Linux: v4l2loopback with exclusive_caps=1. Windows: OBS's own virtual camera, or Unity Capture.
macOS: OBS's. pyvirtualcam is under the GPL-2.0 and therefore an extra.
"""

from fractions import Fraction
from typing import Any

from livedream.core.errors import SinkError
from livedream.present.live import LiveFrame
from livedream.present.live.address import Address
from livedream.present.live.shared import fitted


class VirtualCameraOutput:
    """`camera` or `camera:NAME`: /dev/video10, "OBS Virtual Camera", "Unity Video Capture"."""

    delay_ms = 0.0  # not measured: no such device was at hand

    def __init__(self, address: Address, width: int, height: int, rate: Fraction) -> None:
        self._device = address.rest or None
        address.finish()
        self.name = f"camera {self._device}" if self._device else "camera"
        self._width, self._height, self._rate = width, height, float(rate)
        self._camera: Any = None

    def open(self) -> None:
        import pyvirtualcam

        try:
            self._camera = pyvirtualcam.Camera(
                self._width, self._height, self._rate, device=self._device
            )
        except (RuntimeError, ValueError, OSError) as error:
            reason = " ".join(str(error).split())
            raise SinkError(f"no virtual camera can be opened: {reason}") from error
        self.name = f"camera {self._camera.device}"

    def write(self, frame: LiveFrame) -> None:
        try:
            self._camera.send(fitted(frame.rgb, self._width, self._height))
        except RuntimeError as error:
            raise SinkError(f"{self.name}: {error}") from error

    def close(self) -> None:
        camera, self._camera = self._camera, None
        if camera is not None:
            camera.close()
