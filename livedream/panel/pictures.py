"""Pictures for the panel: presets, and what layers and channels dream of, drawn when asked for.

Drawn ones are kept in the user's cache, by network and by the mark of its weights.
"""

import re
import subprocess
import sys
import threading
from collections.abc import Callable
from importlib.resources import files
from pathlib import Path
from typing import Final

import cv2
import numpy as np

from livedream.control.catalogue import Catalogue
from livedream.control.presets import Presets
from livedream.core.errors import SettingsError
from livedream.core.frame import Picture
from livedream.core.supervisor import SupervisedThread, start_thread
from livedream.core.user_folders import cache_folder, checked_name

_BATCH: Final = 12  # motifs to a process: its start takes as long as about four of them
_MOST_WANTED: Final = 96  # waiting; what was asked for first is dropped, and asked for again
_DRAWN_S: Final = 600.0
_PRESET_PX: Final = 360  # width of a saved preset's picture
_MOTIF: Final = re.compile(r"([a-z0-9_.-]{1,60})/([\w./-]{1,120}?)(?::(\d{1,5}))?", re.ASCII)


def jpeg(rgb: Picture, width_px: int, quality: int = 75) -> bytes:
    """(H, W, 3) uint8 as JPEG, at most `width_px` wide."""
    height, width = rgb.shape[:2]
    if width > width_px:
        size = width_px, max(1, round(height * width_px / width))
        rgb = np.asarray(cv2.resize(rgb, size, interpolation=cv2.INTER_AREA), np.uint8)
    _, coded = cv2.imencode(
        ".jpg", cv2.cvtColor(rgb, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, quality]
    )
    return coded.tobytes()


def file_name(layer: str, channel: int | None) -> str:
    """Of a motif's picture: the layer's name has letters, digits and _ . / - only."""
    name = layer.replace("/", "+")
    return f"{name}.jpg" if channel is None else f"{name}.{channel:04d}.jpg"


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
        self._wanted: dict[tuple[str, str, int | None], None] = {}
        self._failed: set[tuple[str, str, int | None]] = set()
        self._lock = threading.Lock()
        self._thread: SupervisedThread | None = None
        self._child: subprocess.Popen[str] | None = None
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
        """The picture of NETWORK/LAYER or NETWORK/LAYER:CHANNEL.

        None while it is not there; it is then drawn. Raises SettingsError for what is no motif
        of a network that is here.
        """
        match = _MOTIF.fullmatch(text)
        card = self._catalogue.find(match[1]) if match else None
        if match is None or card is None:
            raise SettingsError(f"picture: no {text[:60]!r}")
        channel = None if match[3] is None else int(match[3])
        layer = next(
            (one for one in self._catalogue.layers(card.name) if one.name == match[2]), None
        )
        if layer is None or (channel is not None and channel >= layer.channels):
            raise SettingsError(f"picture: no {text[:60]!r}")
        path = self.place(card.name) / file_name(layer.name, channel)
        if path.is_file():
            return path.read_bytes()
        self._want((card.name, layer.name, channel))
        return None

    def place(self, network: str) -> Path:
        card = self._catalogue.find(network)
        return self.folder / f"{network}-{card.mark if card else ''}"

    def close(self) -> None:
        with self._lock:
            self._closed = True
            self._wanted.clear()
            if self._child is not None:
                self._child.kill()
        if self._thread is not None:
            self._thread.close(0.3)  # a child of low priority takes long to go on a busy machine

    def _want(self, motif: tuple[str, str, int | None]) -> None:
        if motif in self._failed:
            self._drawn(_text(motif), False)
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
                network = next(reversed(self._wanted))[0]
                batch = [one for one in self._wanted if one[0] == network][-_BATCH:]
            self._draw_batch(network, batch)
            with self._lock:
                failed = [one for one in batch if not self._closed and not self._is_there(one)]
                for motif in batch:
                    self._wanted.pop(motif, None)
                self._failed.update(failed)
            for motif in failed:
                self._drawn(_text(motif), False)

    def _is_there(self, motif: tuple[str, str, int | None]) -> bool:
        return (self.place(motif[0]) / file_name(motif[1], motif[2])).is_file()

    def _draw_batch(self, network: str, batch: list[tuple[str, str, int | None]]) -> None:
        names = {file_name(motif[1], motif[2]): _text(motif) for motif in batch}
        texts = [text.removeprefix(f"{network}/") for text in names.values()]
        module = [sys.executable, "-m", "livedream.jobs.motifs"]
        with self._lock:
            if self._closed:
                return
            self._child = subprocess.Popen(
                [*module, network, str(self.place(network)), *texts],
                stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
            )  # fmt: skip
        child = self._child
        late = threading.Timer(_DRAWN_S, child.kill)
        late.start()
        assert child.stdout is not None
        with child.stdout:
            for line in child.stdout:
                if text := names.get(line.strip()):
                    self._drawn(text, True)
        child.wait()
        late.cancel()
        with self._lock:
            self._child = None


def _text(motif: tuple[str, str, int | None]) -> str:
    """As pages name it: NETWORK/LAYER or NETWORK/LAYER:CHANNEL."""
    network, layer, channel = motif
    return f"{network}/{layer}" if channel is None else f"{network}/{layer}:{channel}"
