"""A measurement as a value, as JSON, and read back."""

import json
from dataclasses import asdict, dataclass
from typing import Any, Final, Self

from livedream.core.errors import SettingsError

__all__ = ["SCHEMA", "BenchReport", "Machine", "Spread", "Suggestion"]

SCHEMA: Final = 1


@dataclass(frozen=True, slots=True)
class Spread:
    """Median and quartiles of something measured often; 95: what 19 of 20 stay below."""

    p25: float
    p50: float
    p75: float
    p95: float

    @classmethod
    def of(cls, values: list[float]) -> Self:
        import numpy as np

        return cls(*(round(float(v), 4) for v in np.percentile(values, (25, 50, 75, 95))))


@dataclass(frozen=True, slots=True)
class Machine:
    """What it was measured on.  commit: of livedream's checkout, empty where it is none."""

    processor: str
    cores: int
    device: str
    memory_gb: float
    system: str
    python: str
    livedream: str
    torch: str
    opencv: str
    commit: str


@dataclass(frozen=True, slots=True)
class Suggestion:
    """Settings that should keep the wanted pace, by this measurement.  fps: expected."""

    size: str
    octaves: int
    iterations: int
    fps: float


@dataclass(frozen=True, slots=True)
class BenchReport:
    """One measurement.

    settings: of the dream.  picture: width, height.  encoded: whether frames were encoded beside.
    fps: frames per second of the overlapped pipeline, whole run and its slowest.  stages_ms: each
    stage alone, one after the other; capture and present are a frame decoded and encoded (H.264),
    and not part of the pace.  octaves_ms: the ascent's share, smallest octave first.
    latency_ms: from a frame to its dream.  processor_ms: processor time of a frame, all threads.
    peak_gflops, copy_gbs: the device's limits.  ascent_gflop: arithmetic of a frame's
    ascent.  ascent_share: of the peak, while it ran; ascent_processor_share: the same in processor
    time on a CPU, which neighbours on the machine disturb less (0 elsewhere).
    """

    date: str
    machine: Machine
    settings: dict[str, Any]
    engine: str
    precision: str
    picture: tuple[int, int]
    frames: int
    encoded: bool
    fps: float
    frame_ms: Spread
    stages_ms: dict[str, Spread]
    octaves_ms: dict[str, Spread]
    latency_ms: Spread
    processor_ms: float
    peak_gflops: float
    copy_gbs: float
    ascent_gflop: float
    ascent_share: float
    ascent_processor_share: float
    memory_mb: float
    wanted_fps: float
    suggestions: tuple[Suggestion, ...]
    schema: int = SCHEMA

    def to_json(self) -> str:
        return json.dumps(asdict(self), indent=2) + "\n"

    @classmethod
    def from_json(cls, text: str) -> Self:
        """Raises SettingsError for what is no measurement of this schema."""
        try:
            found = json.loads(text)
            if found["schema"] != SCHEMA:
                raise SettingsError(f"benchmark: schema must be {SCHEMA} (got {found['schema']})")
            found["machine"] = Machine(**found["machine"])
            for name in ("frame_ms", "latency_ms"):
                found[name] = Spread(**found[name])
            for name in ("stages_ms", "octaves_ms"):
                found[name] = {key: Spread(**value) for key, value in found[name].items()}
            found["picture"] = tuple(found["picture"])
            found["suggestions"] = tuple(Suggestion(**one) for one in found["suggestions"])
            return cls(**found)
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            if isinstance(error, SettingsError):
                raise
            raise SettingsError(f"benchmark: not a measurement ({error!r})") from error
