"""What a weights file says about itself.

Ours carry one JSON object under ``livedream``: architecture, preprocess (or mean and std),
classes, default_objective, licence, layers (name to what it shows).  Other files may say
``preprocess``, ``layout`` and ``source`` in plain words; all of it is optional.
"""

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from livedream.core.errors import SettingsError, WeightsError
from livedream.dream.networks.preprocessing import Preprocessing

__all__ = ["FileNotes", "read_notes"]

KEY = "livedream"


@dataclass(frozen=True, slots=True)
class FileNotes:
    """A file's own account; None and empty where it says nothing.

    words: those in which it may name its architecture, see `names_one_of`.
    """

    words: tuple[str, ...] = ()
    preprocessing: Preprocessing | None = None
    classes: tuple[str, ...] = ()
    default_objective: str | None = None
    licence: str | None = None
    layers: Mapping[str, str] = field(default_factory=dict)

    def names_one_of(self, networks: Iterable[str]) -> str | None:
        """The first network that the file's account of its architecture mentions."""
        known = set(networks)
        return next((word for word in self.words if word in known), None)


def read_notes(metadata: Mapping[str, str], path: Path) -> FileNotes:
    """From a safetensors file's metadata.  Raises WeightsError when they make no sense."""
    try:
        said: dict[str, Any] = {**metadata, **json.loads(metadata.get(KEY, "{}"))}
        return FileNotes(
            words=tuple(re.findall(r"[\w-]+", f"{said.get('architecture')} {said.get('layout')}")),
            preprocessing=_preprocessing(said),
            classes=tuple(str(name) for name in said.get("classes", ())),
            default_objective=_text(said.get("default_objective")),
            licence=_text(said.get("licence", said.get("source"))),
            layers={str(name): str(note) for name, note in dict(said.get("layers", {})).items()},
        )
    except (ValueError, TypeError, SettingsError) as error:
        raise WeightsError(f"weights {path}: metadata make no sense ({error})") from error


def _preprocessing(said: Mapping[str, Any]) -> Preprocessing | None:
    if "mean" in said and "std" in said:
        (r, g, b), (rs, gs, bs) = map(float, said["mean"]), map(float, said["std"])
        return Preprocessing((r, g, b), (rs, gs, bs))
    return Preprocessing.parse(str(said["preprocess"])) if "preprocess" in said else None


def _text(value: Any) -> str | None:
    return None if value is None else str(value)
