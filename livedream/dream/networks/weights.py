"""Where weights come from: embedded, downloaded once into torch's cache, or a file of one's own.

Nothing is unpickled but tensors.  Embedded files are checked against the registry's SHA-256,
torchvision's against the eight digits of it that their names carry.
"""

import pickle
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from livedream.core.downloads import Download, cached, file_sha256, obtain
from livedream.core.errors import WeightsError
from livedream.dream.networks.metadata import FileNotes, read_notes
from livedream.dream.networks.registry import NetworkSpec, models_folder, registry

__all__ = [
    "Checkpoint",
    "NetworkStatus",
    "file_sha256",
    "locate_weights",
    "network_status",
    "read_checkpoint",
    "weights_origin",
]


@dataclass(frozen=True, slots=True)
class NetworkStatus:
    """One line of ``livedream networks``.  size_bytes: on disk, None when it is not there."""

    name: str
    present: bool
    size_bytes: int | None
    origin: Download


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """What a weights file holds.  notes: what it says about itself."""

    path: Path
    tensors: Mapping[str, Tensor]
    notes: FileNotes = field(default_factory=FileNotes)

    @property
    def architecture(self) -> str | None:
        """The registered network that this is for, where the file tells."""
        return self.notes.names_one_of(registry())


def weights_origin(spec: NetworkSpec) -> Download:
    """Where this network's own weights are kept.  Embedded ones win over downloads."""
    if spec.file:
        return Download(models_folder() / spec.file, None, spec.sha256)
    if spec.weights:
        from torchvision.models import get_weight

        return cached(get_weight(spec.weights).url)
    return cached(spec.url, spec.sha256)


def network_status() -> list[NetworkStatus]:
    """Every registered network and whether its weights are there; nothing is downloaded."""
    found = []
    for spec in registry().values():
        origin = weights_origin(spec)
        present = origin.path.is_file()
        size = origin.path.stat().st_size if present else None
        found.append(NetworkStatus(spec.name, present, size, origin))
    return found


def locate_weights(
    spec: NetworkSpec,
    *,
    allow_download: bool = True,
    allow_unverified: bool = False,
    progress: bool = True,
) -> Path:
    """The verified file with this network's own weights, downloaded if need be.

    Raises WeightsError when it cannot be had or its checksum differs; the message says which
    file, which checksum and which folder.
    """
    origin = weights_origin(spec)
    if not origin.path.is_file() and origin.url is not None:
        if not allow_download:
            raise WeightsError(
                f"{spec.name}: weights are not here; {origin.by_hand} from {origin.url}"
            )
        if origin.sha256 is None and not allow_unverified:
            raise WeightsError(
                f"{spec.name}: {origin.url} has no published checksum, so the download cannot be "
                f"verified; run 'livedream networks fetch {spec.name} --unverified' to accept that"
            )
    return obtain(origin, spec.name, WeightsError, progress=progress)


def read_checkpoint(path: Path) -> Checkpoint:
    """Tensors and metadata of a ``.safetensors`` file or of a state dict saved by torch.

    Names lose the ``module.`` of DataParallel.  Raises WeightsError when the file is missing,
    damaged, or holds Python objects beside tensors.
    """
    if not path.is_file():
        raise WeightsError(f"weights {path}: no such file")
    notes = FileNotes()
    if path.suffix == ".safetensors":
        tensors, metadata = _read_safetensors(path)
        notes = read_notes(metadata, path)
    else:
        tensors = _read_pickled(path)
    if not tensors:
        raise WeightsError(f"weights {path}: no tensors in it, wanted a state dict")
    named = {name.removeprefix("module."): tensor for name, tensor in tensors.items()}
    return Checkpoint(path, named, notes)


def _read_safetensors(path: Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    try:
        with safe_open(path, framework="pt") as file:
            names = file.keys()
            return {name: file.get_tensor(name) for name in names}, file.metadata() or {}
    except (SafetensorError, OSError) as error:
        raise WeightsError(f"weights {path}: not a readable safetensors file ({error})") from error


def _read_pickled(path: Path) -> dict[str, Tensor]:
    try:
        found = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        raise WeightsError(
            f"weights {path}: no state dict of plain tensors; save one with "
            "torch.save(network.state_dict(), FILE), or as .safetensors"
        ) from error
    except (OSError, EOFError, RuntimeError, ValueError, KeyError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise WeightsError(f"weights {path}: not readable by torch.load ({reason})") from error
    for key in ("state_dict", "model"):
        if isinstance(found, Mapping) and isinstance(found.get(key), Mapping):
            found = found[key]
    if not isinstance(found, Mapping):
        raise WeightsError(f"weights {path}: found {type(found).__name__}, wanted a state dict")
    return {str(name): value for name, value in found.items() if isinstance(value, Tensor)}
