"""Where weights come from: embedded, downloaded once into torch's cache, or a file of one's own.

Nothing is unpickled but tensors.  Embedded files are checked against the registry's SHA-256,
torchvision's against the eight digits of it that their names carry.
"""

import json
import pickle
import re
import warnings
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from livedream.core.downloads import Download, cached, obtain
from livedream.core.errors import SettingsError, WeightsError, first_line
from livedream.dream.networks.preprocessing import Preprocessing
from livedream.dream.networks.registry import METADATA_KEY, NetworkSpec, registry


@dataclass(frozen=True, slots=True)
class NetworkStatus:
    """One line of ``livedream networks``.  size_bytes: on disk, None when it is not there."""

    name: str
    present: bool
    size_bytes: int | None
    origin: Download


@dataclass(frozen=True, slots=True)
class WeightsMetadata:
    """What a weights file says about itself; None and empty where it says nothing.

    words: those in which it may name its architecture.
    """

    words: tuple[str, ...] = ()
    preprocessing: Preprocessing | None = None
    classes: tuple[str, ...] = ()
    default_objective: str | None = None
    licence: str | None = None
    layers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class WeightsFile:
    """What a weights file holds.  metadata: what it says about itself."""

    path: Path
    tensors: Mapping[str, Tensor]
    metadata: WeightsMetadata = field(default_factory=WeightsMetadata)

    @property
    def architecture(self) -> str | None:
        """The registered network that this is for, where the file tells."""
        return next((word for word in self.metadata.words if word in registry()), None)


def weights_origin(spec: NetworkSpec) -> Download:
    """Where this network's own weights are kept.  Embedded ones win over downloads."""
    if spec.own:
        mend = f"'livedream networks remove {spec.name}', then add it again"
        return Download(spec.file_path, None, spec.sha256, mend)
    if spec.file:
        return Download(spec.file_path, None, spec.sha256)
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


def locate_weights(spec: NetworkSpec, *, allow_unverified: bool = False) -> Path:
    """The verified file with this network's own weights, downloaded if need be.

    Raises WeightsError when it cannot be had or its checksum differs; the message says which
    file, which checksum and which folder.
    """
    origin = weights_origin(spec)
    fetched = not origin.path.is_file() and origin.url is not None
    if fetched and origin.sha256 is None and not allow_unverified:
        raise WeightsError(
            f"{spec.name}: {origin.url} has no published checksum, so the download cannot be "
            f"verified; run 'livedream networks fetch {spec.name} --unverified' to accept that"
        )
    return obtain(origin, spec.name, WeightsError)


def read_weights(path: Path, *, scripted: bool = False) -> WeightsFile:
    """Tensors and metadata of a ``.safetensors`` file or of a state dict saved by torch.

    scripted: whether it is a TorchScript archive, as OpenAI published CLIP: for files whose
    checksum has been verified.  Names lose the ``module.`` of DataParallel.  Raises WeightsError
    when the file is missing, damaged, or holds Python objects beside tensors.
    """
    if not path.is_file():
        raise WeightsError(f"weights {path}: no such file")
    metadata = WeightsMetadata()
    if path.suffix == ".safetensors":
        tensors, said = _read_safetensors(path)
        metadata = _metadata_of(said, path)
    else:
        tensors = _read_scripted(path) if scripted else _read_pickled(path)
    if not tensors:
        raise WeightsError(f"weights {path}: no tensors in it; must be a state dict")
    named = {name.removeprefix("module."): tensor for name, tensor in tensors.items()}
    return WeightsFile(path, named, metadata)


def read_account(path: Path) -> WeightsFile:
    """What a weights file says about itself, without its tensors, which stay on the disk.

    A state dict saved by torch says nothing.  Raises WeightsError as `read_weights` does.
    """
    if not path.is_file():
        raise WeightsError(f"weights {path}: no such file")
    said: dict[str, str] = {}
    if path.suffix == ".safetensors":
        try:
            with safe_open(path, framework="pt") as file:
                said = file.metadata() or {}
        except (SafetensorError, OSError) as error:
            raise _unreadable(path, error) from error
    return WeightsFile(path, {}, _metadata_of(said, path))


def _unreadable(path: Path, error: Exception) -> WeightsError:
    return WeightsError(f"weights {path}: not a readable safetensors file ({error})")


def _read_safetensors(path: Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    try:
        with safe_open(path, framework="pt") as file:
            names = file.keys()
            return {name: file.get_tensor(name) for name in names}, file.metadata() or {}
    except (SafetensorError, OSError) as error:
        raise _unreadable(path, error) from error


def _read_scripted(path: Path) -> dict[str, Tensor]:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FutureWarning)  # that TorchScript has no future
            found: dict[str, Tensor] = torch.jit.load(path, map_location="cpu").state_dict()  # type: ignore[no-untyped-call]
    except RuntimeError as error:
        raise WeightsError(
            f"weights {path}: no readable TorchScript archive ({first_line(error)})"
        ) from error
    return found


def _read_pickled(path: Path) -> dict[str, Tensor]:
    try:
        found = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        raise WeightsError(
            f"weights {path}: not a state dict of plain tensors; save one with "
            "torch.save(network.state_dict(), FILE), or as .safetensors"
        ) from error
    except (OSError, EOFError, RuntimeError, ValueError, KeyError) as error:
        raise WeightsError(
            f"weights {path}: not readable by torch.load ({first_line(error)})"
        ) from error
    for key in ("state_dict", "model"):
        if isinstance(found, Mapping) and isinstance(found.get(key), Mapping):
            found = found[key]
    if not isinstance(found, Mapping):
        raise WeightsError(f"weights {path}: must be a state dict (got {type(found).__name__})")
    return {str(name): value for name, value in found.items() if isinstance(value, Tensor)}


def _metadata_of(metadata: Mapping[str, str], path: Path) -> WeightsMetadata:
    """From a safetensors file's metadata, all of it optional.

    Ours carry one JSON object under ``livedream``: architecture, preprocess (or mean and std),
    classes, default_objective, licence, layers (name to what it shows).  Other files may say
    ``preprocess``, ``layout`` and ``source`` in plain words.  Raises WeightsError when they make no
    sense.
    """
    try:
        said: dict[str, Any] = {**metadata, **json.loads(metadata.get(METADATA_KEY, "{}"))}
        return WeightsMetadata(
            words=tuple(re.findall(r"[\w-]+", f"{said.get('architecture')} {said.get('layout')}")),
            preprocessing=_preprocessing(said),
            classes=tuple(str(name) for name in said.get("classes", ())),
            default_objective=_text(said.get("default_objective")),
            licence=_text(said.get("licence", said.get("source"))),
            layers={str(name): str(note) for name, note in dict(said.get("layers", {})).items()},
        )
    except (ValueError, TypeError, SettingsError) as error:
        raise WeightsError(f"weights {path}: metadata are invalid ({error})") from error


def _preprocessing(said: Mapping[str, Any]) -> Preprocessing | None:
    if "mean" in said and "std" in said:
        (r, g, b), (rs, gs, bs) = map(float, said["mean"]), map(float, said["std"])
        return Preprocessing((r, g, b), (rs, gs, bs))
    return Preprocessing.parse(str(said["preprocess"])) if "preprocess" in said else None


def _text(value: Any) -> str | None:
    return None if value is None else str(value)
