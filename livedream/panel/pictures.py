"""Pictures for the panel: presets, and what layers and channels dream of, drawn when asked for.

Drawn ones are kept in the user's cache, by network and by the mark of its weights. A motif is named
as on pages: NETWORK/LAYER or NETWORK/LAYER:CHANNEL.
"""

import math
import re
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from importlib.resources import files
from pathlib import Path
from typing import Final

import cv2
import numpy as np

from livedream.control.catalogue import Catalogue
from livedream.control.presets import Presets
from livedream.core.children import end_child, start_child
from livedream.core.errors import SettingsError
from livedream.core.frame import Picture
from livedream.core.shrink import fitted
from livedream.core.supervisor import SupervisedThread, start_thread
from livedream.core.user_folders import cache_folder, checked_name
from livedream.warp.remap import Plane

_BATCH: Final = 12  # motifs to a process: its start takes as long as about four of them
_MOST_WANTED: Final = 96  # waiting; what was asked for first is dropped, and asked for again
_DRAWN_S: Final = 600.0
_AGAIN_S: Final = 60.0  # until one that failed is tried again: a busy machine may have been why
_REGION_PX: Final = 160  # width: an edge that moves is seen, a few kB
_COLOUR_BGR: Final = (195, 207, 94)  # what moves by itself has on the page
_TINTED: Final = 70.0  # of 255
_LINED: Final = 230.0
_PRESET_PX: Final = 360  # width of a saved preset's picture
_MOTIF: Final = re.compile(r"([a-z0-9_.-]{1,60})/([\w./-]{1,120}?)(?::(0|[1-9]\d{0,4}))?", re.ASCII)


def jpeg(rgb: Picture, width_px: int, quality: int = 75) -> bytes:
    """(H, W, 3) uint8 as JPEG, at most `width_px` wide."""
    height, width = rgb.shape[:2]
    if width > width_px:
        rgb = fitted(rgb, width_px, max(1, round(height * width_px / width)))
    _, coded = cv2.imencode(
        ".jpg", cv2.cvtColor(rgb, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, quality]
    )
    return coded.tobytes()


def outlined(region: Plane) -> bytes:
    """Where a region is, (h, w) in [0, 1], as a small PNG to lay over the preview: a tint within,
    a line along its edge."""
    height, width = region.shape
    across = min(width, _REGION_PX)
    small = across, max(1, round(height * across / width))
    plane = cv2.resize(region, small, interpolation=cv2.INTER_AREA)
    inside = (plane > 0.5).astype(np.uint8)
    line = cv2.dilate(inside, np.ones((3, 3), np.uint8)) - inside
    alpha = np.maximum(plane * _TINTED, line * _LINED)
    painted = np.empty((*alpha.shape, 4), np.uint8)
    painted[:, :, :3], painted[:, :, 3] = _COLOUR_BGR, alpha
    return cv2.imencode(".png", painted)[1].tobytes()


def file_name(motif: str) -> str:
    """Of the picture of LAYER or LAYER:CHANNEL; layers have letters, digits and _ . / - only."""
    return motif.replace("/", "+").replace(":", "@") + ".jpg"


class Pictures:
    """Thread-safe. drawn: called, from any thread, with a motif and whether it could be drawn."""

    def __init__(
        self,
        catalogue: Catalogue,
        presets: Presets,
        folder: Path | None = None,
        drawn: Callable[[str, bool], None] = lambda motif, there: None,
    ) -> None:
        self._catalogue, self._presets, self._drawn = catalogue, presets, drawn
        self.folder = folder or cache_folder() / "motifs"
        self._wanted: dict[str, None] = {}
        self._failed: dict[str, float] = {}  # when
        self._lock = threading.Lock()
        self._thread: SupervisedThread | None = None
        self._child: subprocess.Popen[bytes] | None = None
        self._closed = False

    def preset(self, name: str) -> bytes | None:
        """A preset's picture, None where it has none. Raises SettingsError for no preset."""
        found = self._presets.find(checked_name(name))
        folder = self._presets.folder if found.own else files("livedream") / "presets"
        path = folder / f"{found.name}.jpg"
        return path.read_bytes() if path.is_file() else None

    def keep(self, name: str, shown: Picture | None) -> None:
        """What was seen when the user's preset was saved."""
        if shown is not None:
            path = self._presets.folder / f"{checked_name(name)}.jpg"
            path.write_bytes(jpeg(shown, _PRESET_PX))

    def motif(self, text: str) -> bytes | None:
        """The picture of a motif.

        None while it is not there; it is then drawn. Raises SettingsError for what is no motif
        of a network that is here.
        """
        match = _MOTIF.fullmatch(text)
        card = self._catalogue.find(match[1]) if match else None
        if match is None or card is None:
            raise SettingsError(f"picture: no {text[:60]!r}")
        channels = {one.name: one.channels for one in self._catalogue.layers(card.name)}
        if int(match[3] or 0) >= channels.get(match[2], 0):
            raise SettingsError(f"picture: no {text[:60]!r}")
        path = self._path(text)
        if path.is_file():
            return path.read_bytes()
        self._want(text)
        return None

    def place(self, network: str) -> Path:
        card = self._catalogue.find(network)
        return self.folder / f"{network}-{card.mark if card else ''}"

    def _path(self, motif: str) -> Path:
        network, _, part = motif.partition("/")
        return self.place(network) / file_name(part)

    def close(self) -> None:
        with self._lock:
            self._closed = True
            self._wanted.clear()
            if self._child is not None:
                self._child.kill()
        if self._thread is not None:
            self._thread.close(0.3)  # a child of low priority takes long to go on a busy machine

    def _want(self, motif: str) -> None:
        if time.monotonic() - self._failed.get(motif, -math.inf) < _AGAIN_S:
            self._drawn(motif, False)
            return
        with self._lock:
            if self._closed:
                return
            self._wanted.pop(motif, None)  # what is on a page now comes first
            self._wanted[motif] = None
            if len(self._wanted) > _MOST_WANTED:
                del self._wanted[next(iter(self._wanted))]
            if self._thread is None or not self._thread.is_alive():
                self._thread = start_thread("pictures", self._draw)

    def _draw(self) -> None:
        """Draw what is wanted, batch by batch, until nothing is."""
        while True:
            with self._lock:
                if not self._wanted:
                    self._thread = None
                    return
                network = next(reversed(self._wanted)).partition("/")[0]
                batch = [one for one in self._wanted if one.startswith(f"{network}/")][-_BATCH:]
            self._draw_batch(network, batch)
            with self._lock:
                failed = [] if self._closed else [m for m in batch if not self._path(m).is_file()]
                for motif in batch:
                    self._wanted.pop(motif, None)
                self._failed |= dict.fromkeys(failed, time.monotonic())
            for motif in failed:
                self._drawn(motif, False)

    def _draw_batch(self, network: str, batch: list[str]) -> None:
        parts = {motif.removeprefix(f"{network}/"): motif for motif in batch}
        module = [sys.executable, "-m", "livedream.jobs.motifs"]
        with self._lock:
            if self._closed:
                return
            self._child = start_child(
                [*module, network, str(self.place(network)), *parts],
                stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
            )  # fmt: skip
        child = self._child
        late = threading.Timer(_DRAWN_S, child.kill)
        late.start()
        assert child.stdout is not None
        with child.stdout:
            for line in child.stdout:
                if motif := parts.get(line.decode().strip()):
                    self._drawn(motif, True)
        end_child(child, 1.0)  # it has said what it drew
        late.cancel()
        with self._lock:
            self._child = None
