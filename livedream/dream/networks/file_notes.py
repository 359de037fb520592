"""What a network's weights file says of itself: layers, classes, what it dreams by default.

Nothing here imports torch: networks are listed and words looked up before any is loaded.
"""

import json
from dataclasses import dataclass
from functools import cache
from itertools import accumulate
from pathlib import Path
from typing import Any

from livedream.core.errors import NetworkError, reason
from livedream.dream.networks.registry import DREAMNET, METADATA_KEY, NetworkSpec
from livedream.dream.networks.words import imagenet_classes


@dataclass(frozen=True, slots=True)
class FileNotes:
    """notes: layers, classes, default objective, licence.  inner: modules that have weights."""

    notes: dict[str, Any]
    inner: frozenset[str]


def file_notes(spec: NetworkSpec) -> FileNotes:
    """What a weights file of ours or the user's says of itself; its tensors stay on the disk.

    Raises NetworkError when it is gone or damaged.
    """
    return _read_file(spec.file_path, spec.sha256)


def class_names(spec: NetworkSpec) -> tuple[str, ...]:
    """A network's classes in order, without loading it; empty where only its labels say them."""
    if spec.builder == DREAMNET:
        return tuple(map(str, file_notes(spec).notes.get("classes", ())))
    return imagenet_classes() if spec.weights.endswith("IMAGENET1K_V1") else ()


@cache
def _read_file(path: Path, sha256: str | None) -> FileNotes:
    """sha256: another file of that name is read again."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="numpy") as opened:
            notes = json.loads((opened.metadata() or {}).get(METADATA_KEY, "{}"))
            if not isinstance(notes, dict):
                raise ValueError(f"says of itself {str(notes)[:40]!r}")
            parts = [name.lower().split(".")[:-1] for name in opened.keys()]  # noqa: SIM118
    except (SafetensorError, OSError, ValueError) as error:
        raise NetworkError(f"weights {path}: cannot be read ({reason(error)})") from error
    join = lambda a, b: f"{a}.{b}"  # noqa: E731
    return FileNotes(notes, frozenset(name for one in parts for name in accumulate(one, join)))
