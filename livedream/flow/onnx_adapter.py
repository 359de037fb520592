"""How a flow network in an ONNX file wants to be asked, and what its answer means.

Convention. Two inputs `current` and `previous`, (1, 3, H, W) float32 RGB in [0, 1]; the last
output (1, 2, H, W), (x, y) in pixels from current to previous. A network that is built otherwise
says so as JSON under `livedream.flow` in its own metadata, or in `FILE.onnx.toml` beside it:

    direction = "second-to-first"
    pixels = "0..255"
"""

import json
import math
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Final, Self

import numpy as np
from numpy.typing import NDArray

from livedream.core.errors import FlowError, first_line
from livedream.core.frame import Picture

METADATA_KEY: Final = "livedream.flow"
NAMES: Final = ("current", "previous")

_CHOICES: Final = {
    "direction": ("first-to-second", "second-to-first"),
    "inputs": ("two", "one"),
    "pixels": ("0..1", "0..255", "-1..1"),
    "channels": ("RGB", "BGR"),
}
_PIXELS: Final = {"0..1": (1 / 255, 0.0), "0..255": (1.0, 0.0), "-1..1": (1 / 127.5, -1.0)}


@dataclass(frozen=True, slots=True, kw_only=True)
class FlowAdapter:
    """One network's convention. Raises FlowError for a value that makes no sense.

    direction: first-to-second: its flow starts on the pixels of the first input, so the first one
    gets the current picture; second-to-first: the other way round. Inputs that are called
    `current` and `previous` get what they say.
    inputs: two, or one (1, 6, H, W) with the first picture in front.
    pixels: the range of the input.  channels: their order.
    multiple_px, least_px: sides are padded to a multiple of the one and to at least the other.
    A side that the graph fixes is resized to instead.
    output: which one, by index (-1: the last) or name.
    unit_px: how many pixels of the network's input one unit of the output is; 0: undeclared, 1
    where the output is as large as the input.
    """

    direction: str = "first-to-second"
    inputs: str = "two"
    pixels: str = "0..1"
    channels: str = "RGB"
    multiple_px: int = 1
    least_px: int = 1
    output: int | str = -1
    unit_px: float = 0.0

    def __post_init__(self) -> None:
        checks = {
            name: (getattr(self, name) in choices, " or ".join(choices))
            for name, choices in _CHOICES.items()
        }
        for name in ("multiple_px", "least_px"):
            value = getattr(self, name)
            whole = type(value) is int and 1 <= value <= 4096
            checks[name] = whole, "a whole number from 1 to 4096"
        checks["output"] = type(self.output) in (int, str), "an index or a name"
        number = type(self.unit_px) in (int, float) and 0 <= self.unit_px < math.inf
        checks["unit_px"] = number, "a number of at least 0"
        for name, (fits, wanted) in checks.items():
            if not fits:
                raise FlowError(f"{name}: must be {wanted} (got {getattr(self, name)!r})")

    @classmethod
    def from_mapping(cls, found: Mapping[str, Any]) -> Self:
        known = [field.name for field in fields(cls)]
        unknown = sorted(set(found) - set(known))
        if unknown:
            raise FlowError(f"must be some of {', '.join(known)} (got {unknown[0]!r})")
        return cls(**found)

    def padded(self, side_px: int) -> int:
        """What a side of a dynamic axis becomes."""
        return -(-max(side_px, self.least_px) // self.multiple_px) * self.multiple_px

    def feed(
        self, current: Picture, previous: Picture, names: Sequence[str], dtype: type[np.floating]
    ) -> dict[str, NDArray[np.floating]]:
        """Input name to (1, 3, H, W) or (1, 6, H, W).  names: of the inputs, in order."""
        pair = [self._tensor(picture).astype(dtype) for picture in (current, previous)]
        if sorted(names) == sorted(NAMES):
            return dict(zip(NAMES, pair, strict=True))
        if self.direction == "second-to-first":
            pair.reverse()
        if self.inputs == "one":
            return {names[0]: np.concatenate(pair, axis=1)}
        return dict(zip(names, pair, strict=True))

    def _tensor(self, picture: Picture) -> NDArray[np.float32]:
        gain, offset = _PIXELS[self.pixels]
        ordered = picture[..., ::-1] if self.channels == "BGR" else picture
        planes = ordered.transpose(2, 0, 1)[None].astype(np.float32)
        return planes * np.float32(gain) + np.float32(offset)


def read_adapter(path: Path, metadata: Mapping[str, str], names: Sequence[str]) -> FlowAdapter:
    """What the file says of itself, else the sidecar, else the convention if the names are its.

    path: the ONNX file.  metadata: its metadata_props.  names: of its inputs.
    """
    sidecar = path.with_name(path.name + ".toml")
    own = METADATA_KEY in metadata
    if not own and not sidecar.is_file():
        if sorted(names) == sorted(NAMES):
            return FlowAdapter()
        raise FlowError(
            f"flow {path}: inputs {', '.join(names)} are not {' and '.join(NAMES)}; say in "
            f"{sidecar.name} how they are meant, such as: direction = \"first-to-second\", "
            'pixels = "0..1" (docs/flow.md)'
        )  # fmt: skip
    file = path if own else sidecar
    try:
        text = metadata[METADATA_KEY] if own else sidecar.read_text(encoding="utf-8-sig")
        found = json.loads(text) if own else tomllib.loads(text)
    except OSError as error:
        raise FlowError(f"flow {file}: not readable ({error})") from error
    except ValueError as error:
        raise FlowError(
            f"flow {file}: its convention does not parse ({first_line(error)})"
        ) from error
    if not isinstance(found, dict):
        raise FlowError(
            f"flow {file}: its convention must be an object of names (got {type(found).__name__})"
        )
    try:
        return FlowAdapter.from_mapping(found)
    except FlowError as error:
        place = f"metadata {METADATA_KEY}" if own else sidecar.name
        raise FlowError(f"flow {path}: {place}: {error}") from error
