"""Reads .safetensors where the package safetensors is not installed: `stand_in()`.

The format is eight bytes of length, a JSON header, and the tensors' bytes
(https://github.com/huggingface/safetensors#format).
"""

import importlib.util
import json
import sys
import types
from pathlib import Path
from typing import Any, Self

import torch

_TYPES = {"F32": torch.float32, "F16": torch.float16, "BF16": torch.bfloat16, "I64": torch.int64}


class SafetensorError(Exception):
    """Never raised here; the package's name for a damaged file."""


class safe_open:  # noqa: N801 - the package's name
    """The part of the package's class that livedream uses."""

    def __init__(self, path: str | Path, framework: str = "pt", device: str = "cpu") -> None:
        content = Path(path).read_bytes()
        length = int.from_bytes(content[:8], "little")
        self._header: dict[str, Any] = json.loads(content[8 : 8 + length])
        self._metadata = self._header.pop("__metadata__", {})
        self._bytes = bytearray(content[8 + length :])

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._bytes = bytearray()

    def metadata(self) -> dict[str, str]:
        return dict(self._metadata)

    def keys(self) -> list[str]:
        return list(self._header)

    def get_tensor(self, name: str) -> torch.Tensor:
        entry = self._header[name]
        start, end = entry["data_offsets"]
        flat = torch.frombuffer(self._bytes[start:end], dtype=_TYPES[entry["dtype"]])
        return flat.reshape(entry["shape"]).clone()


def stand_in() -> bool:
    """Take the package's place where it is missing; whether that was needed."""
    if importlib.util.find_spec("safetensors") is not None:
        return False
    module = types.ModuleType("safetensors")
    module.safe_open = safe_open  # type: ignore[attr-defined]
    module.SafetensorError = SafetensorError  # type: ignore[attr-defined]
    sys.modules["safetensors"] = module
    return True
