"""Which networks are here and what can be dreamed in them, found out without loading any.

dreamnet's files say it themselves; for the others `livedream layers NAME` is asked, in a process
of its own, once they are looked at.
"""

import json
import struct
import subprocess
import sys
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from livedream.core.supervisor import start_thread
from livedream.dream.networks.registry import NetworkSpec, models_folder, registry

__all__ = ["Catalogue", "LayerCard", "NetworkCard"]

DEFAULT_NETWORK: Final = "dreamnet"
_LARGEST_HEADER: Final = 16 * 1024 * 1024  # bytes; of safetensors, here some ten thousand
_ASKED_S: Final = 120.0


@dataclass(frozen=True, slots=True)
class LayerCard:
    """note: what it shows, in words, or empty."""

    name: str
    channels: int
    note: str = ""


@dataclass(frozen=True, slots=True)
class NetworkCard:
    """mark: changes when the weights do; a name for pictures made with them."""

    name: str
    summary: str
    objective: str
    mark: str


class Catalogue:
    """Thread-safe. told: called when layers that were asked for are known."""

    def __init__(self, told: Callable[[], None] = lambda: None) -> None:
        self._told = told
        self._lock = threading.Lock()
        self._layers: dict[str, tuple[LayerCard, ...]] = {}
        self._asked: set[str] = set()
        self._networks = tuple(_present())

    @property
    def networks(self) -> tuple[NetworkCard, ...]:
        """Those whose weights are here, as they were when this was made."""
        return self._networks

    def find(self, name: str) -> NetworkCard | None:
        """The network of that name; "" is the default one."""
        wanted = name or DEFAULT_NETWORK
        return next((card for card in self._networks if card.name == wanted), None)

    def layers(self, name: str) -> tuple[LayerCard, ...]:
        """Of a network that is here; empty while they are being found out, or for another."""
        card = self.find(name)
        if card is None:
            return ()
        with self._lock:
            if card.name in self._layers or card.name in self._asked:
                return self._layers.get(card.name, ())
            self._asked.add(card.name)
        spec = registry()[card.name]
        if spec.builder == "dreamnet":
            return self._found(card.name, _dreamnet_layers(models_folder() / spec.file))
        start_thread(
            "layers", lambda: self._found(card.name, _asked_layers(card.name)), restart=False
        )
        return ()

    def _found(self, name: str, layers: tuple[LayerCard, ...]) -> tuple[LayerCard, ...]:
        with self._lock:
            self._layers[name] = layers
        self._told()
        return layers


def _present() -> list[NetworkCard]:
    from livedream.dream.networks.weights import network_status

    here = {status.name for status in network_status() if status.present}
    return [
        NetworkCard(name, spec.summary, _objective(spec), (spec.sha256 or "unmarked")[:8])
        for name, spec in registry().items()
        if name in here
    ]


def _objective(spec: NetworkSpec) -> str:
    """What it dreams when it is not told; a dreamnet's file may say so itself."""
    if spec.objective or spec.builder != "dreamnet":
        return spec.objective
    return str(_account(models_folder() / spec.file).get("default_objective", ""))


def _dreamnet_layers(path: Path) -> tuple[LayerCard, ...]:
    """From the file's own account of itself."""
    said = _account(path)
    notes = dict(said.get("layers", {}))
    return tuple(
        LayerCard(str(one["name"]), int(one["channels"]), str(notes.get(one["name"], "")))
        for one in said.get("config", {}).get("layers", ())
    )


def _account(path: Path) -> dict[str, Any]:
    """What the file says of itself: layers, default objective, licence."""
    return dict(json.loads(_header(path).get("__metadata__", {}).get("livedream", "{}")))


def _header(path: Path) -> dict[str, Any]:
    """safetensors: the length of a JSON header in eight bytes, then the header."""
    with path.open("rb") as file:
        (length,) = struct.unpack("<Q", file.read(8))
        if length > _LARGEST_HEADER:
            return {}
        return dict(json.loads(file.read(length)))


def _asked_layers(name: str) -> tuple[LayerCard, ...]:
    """As `livedream layers NAME` prints them when piped: a line of tabs for each."""
    try:
        found = subprocess.run(
            [sys.executable, "-m", "livedream", "layers", name],
            capture_output=True, text=True, timeout=_ASKED_S, check=True,
        )  # fmt: skip
    except (OSError, subprocess.SubprocessError):
        return ()
    rows = [line.split("\t") for line in found.stdout.splitlines()[1:]]
    return tuple(LayerCard(row[0], int(row[1]), row[-1]) for row in rows if len(row) >= 6)
