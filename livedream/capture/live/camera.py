"""Cameras: found by index, path or part of the name; asked, then read back.

Many cameras give 1080 lines raw at 5 frames per second and 30 as MJPG, so MJPG is asked for
first, then size, then rate, and what the camera really does is reported. OpenCV's BGR ends here.
"""

import logging
import math
import os
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

import cv2
import numpy as np

from livedream.capture.live import Opened, named, shown_name, stated_rate
from livedream.core.errors import SourceError
from livedream.core.frame import Picture

_log = logging.getLogger(__name__)

_SETTLE_S: Final = 1.0  # heuristic: a camera that sees only black after that is in the dark
_BLACK: Final = 12  # of 255: above, a dim scene
_YUV_ZEROS: Final = (0, 135, 0)  # Y, U and V of 0, by BT.601
_NEAR: Final = 12  # 8-bit steps, for JPEG and the other matrices
_MOST_ZEROS: Final = 0.1  # heuristic: no scene has as much of exactly this green
_TWIN_S: Final = 5.0  # heuristic: a camera that was reset is back by then
_FAILURES: Final = 5  # reads in a row that may fail: some drivers hiccup...
_STALLED_S: Final = 1.0  # ...unless one waited so long in vain: no camera's frames are as far apart
# How long a read waits for a frame on Linux, s: OpenCV's own 10 are too long for one that stalls,
# and some cameras take two for their first.
_V4L_WAIT_S: Final = "3"


@dataclass(frozen=True, slots=True)
class Camera:
    """A camera of this machine. index: OpenCV's, with its backend.  path: "" where unknown."""

    index: int
    name: str
    path: str = ""
    backend: int = cv2.CAP_ANY


def list_cameras() -> list[Camera]:
    """Those that the system knows, each once, in the order of their index."""
    # Media Foundation's hardware transforms take up to a minute to open a camera (opencv #17687).
    os.environ.setdefault("OPENCV_VIDEOIO_MSMF_ENABLE_HW_TRANSFORMS", "0")
    os.environ.setdefault("OPENCV_VIDEOIO_V4L_SELECT_TIMEOUT", _V4L_WAIT_S)
    from cv2_enumerate_cameras import enumerate_cameras

    backend = {"linux": cv2.CAP_V4L2, "win32": cv2.CAP_MSMF, "darwin": cv2.CAP_AVFOUNDATION}
    try:
        found = enumerate_cameras(backend.get(sys.platform, cv2.CAP_ANY))
    except (ValueError, OSError, NotImplementedError):  # nothing there, or no way to ask
        return []
    cameras = [
        Camera(
            int(c.index),
            shown_name(c.name or f"camera {c.index}"),
            str(c.path or ""),
            int(c.backend),
        )
        for c in found
    ]
    return sorted({camera.index: camera for camera in reversed(cameras)}.values(),
                  key=lambda camera: camera.index)  # fmt: skip


def find_camera(text: str, cameras: list[Camera]) -> Camera:
    """The camera that `text` means: an index, a path, the name or part of it, whatever its case.

    Raises SourceError that lists what there is.
    """
    found = [c for c in cameras if text in (str(c.index), c.path)]
    if not found and not text.isdecimal():  # "2" is no part of "USB2.0 Camera"
        found = named(text, cameras, lambda camera: camera.name)
    if found:
        return found[0]
    wanted = f"no camera {text!r}" if text else "no camera"
    there = ", ".join(f"{c.index} ({c.name})" for c in cameras)
    choice = f"; there are {there}" if there else " found"
    raise SourceError(f"{wanted}{choice}; try 'livedream live synthetic:clouds' or a file")


def what_to_try() -> str:
    """What to try when a camera does not open."""
    if sys.platform == "darwin":  # where several programs may use one at a time
        return "allow it in System Settings, Privacy & Security, Camera, and start again"
    return "close other programs that use it"


def blank(rgb: Picture) -> str:
    """What a picture is that a camera sends before it sees: "black", "green", or "".

    Green is what a buffer full of zeros becomes, or the part of it that was not filled.
    """
    thin = rgb[::4, ::4]
    if np.percentile(thin, 99) <= _BLACK:
        return "black"
    zeros = np.abs(thin.astype(np.int16) - _YUV_ZEROS).max(axis=2) <= _NEAR
    return "green" if zeros.mean() > _MOST_ZEROS else ""


class CameraInput:
    """text: "" for the first camera, else as in `find_camera`.

    size, fps: asked of the camera; None leaves it to the camera.  list_them, capture: for tests.
    A camera that comes back is looked for by the name and path it had, since its index may be
    another. Where there were several of that name at the start, the others are taken only when it
    has been away for some seconds, and it again when one of those goes.
    """

    def __init__(
        self,
        text: str = "",
        *,
        size: tuple[int, int] | None = None,
        fps: float | None = None,
        list_them: Callable[[], list[Camera]] = list_cameras,
        capture: Callable[..., Any] = cv2.VideoCapture,
    ) -> None:
        self.name = f"camera {text}".strip()
        self._text, self._size, self._fps = text, size, fps
        self._list, self._capture = list_them, capture
        self._known: Camera | None = None  # the one that was found first
        self._twins: set[str] = set()  # paths of others of its name
        self._away_since_s: float | None = None
        self._device: Any = None

    def open(self) -> Opened:
        self.close()
        camera = self._find()
        device = self._capture(camera.index, camera.backend)
        self._device = device
        if not device.isOpened():
            which = f"camera {camera.index} ({camera.name})"
            raise SourceError(f"{which} does not open: {what_to_try()}")
        device.set(cv2.CAP_PROP_FOURCC, cv2.VideoWriter.fourcc(*"MJPG"))
        if self._size is not None:
            device.set(cv2.CAP_PROP_FRAME_WIDTH, self._size[0])
            device.set(cv2.CAP_PROP_FRAME_HEIGHT, self._size[1])
        if self._fps is not None:
            device.set(cv2.CAP_PROP_FPS, self._fps)
        device.set(cv2.CAP_PROP_BUFFERSIZE, 1)  # a hint; the slot does it in any case
        opened = self._read_back(device, camera)
        self._known, self.name = self._known or camera, camera.name
        return opened

    def _find(self) -> Camera:
        cameras = self._list()
        known = self._known
        if known is None:
            found = find_camera(self._text, cameras)
            twins = [camera for camera in cameras if camera.name == found.name]
            self._twins = {camera.path for camera in twins} - {found.path}
            return found
        same = [camera for camera in cameras if camera.name == known.name]
        own = [camera for camera in same if camera.path == known.path]
        # Where paths are numbers (Linux), it may be back at another one.
        own += [camera for camera in same if camera.path not in self._twins]
        if own:
            self._away_since_s = None
            return own[0]
        now_s = time.monotonic()
        if self._away_since_s is None:
            self._away_since_s = now_s
        if not same or now_s - self._away_since_s < _TWIN_S:
            raise SourceError(f"{known.name} is unplugged")
        return same[0]

    def _read_back(self, device: Any, camera: Camera) -> Opened:
        """The first frame says what the size really is, the driver what the rate is."""
        rgb = self._settled(device, camera.name)
        height, width = rgb.shape[:2]
        rate = stated_rate(float(device.get(cv2.CAP_PROP_FPS)), self._fps or 30.0)
        code = int(device.get(cv2.CAP_PROP_FOURCC) or 0)
        pixels = "".join(chr(code >> shift & 255) for shift in (0, 8, 16, 24)).strip("\0 ") or "raw"
        detail = f"{width}x{height} {pixels}, {float(rate):g} fps"
        if self._size is not None and self._size != (width, height):
            detail += f" (asked for {self._size[0]}x{self._size[1]})"
        if self._fps is not None and abs(rate - self._fps) > 0.5:
            detail += f" (asked for {self._fps:g} fps)"
        return Opened(width, height, rate, detail)

    def _settled(self, device: Any, name: str) -> Picture:
        """The first picture that shows something, or what there is after a second."""
        until_s = time.monotonic() + _SETTLE_S
        rgb, left_out, why = self._picture(device), 0, ""
        while (found := blank(rgb)) and time.monotonic() < until_s:
            rgb, left_out, why = self._picture(device), left_out + 1, found
        if left_out:
            after = f", and still is after {_SETTLE_S:g} s" if found else ""
            _log.info("%s: %d frames skipped at the start (%s%s)", name, left_out, why, after)
        return rgb

    def _picture(self, device: Any, stalled_s: float = math.inf) -> Picture:
        for _ in range(_FAILURES):
            begun_s = time.monotonic()
            good, bgr = device.read()
            if good and bgr is not None:
                return np.asarray(cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB), np.uint8)
            if time.monotonic() - begun_s > stalled_s:
                break
            time.sleep(0.02)
        raise SourceError(f"{self.name}: no more frames")

    def read(self) -> Picture | None:
        if self._device is None:
            raise SourceError(f"{self.name}: not open")
        return self._picture(self._device, _STALLED_S)

    def close(self) -> None:
        device, self._device = self._device, None
        if device is not None:
            device.release()
