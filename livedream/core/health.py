"""What a running dream says about itself: one immutable value, for HUD, panel and /health."""

import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Final

from livedream.core.redact import one_line, redact

_STATES: Final = ("ok", "starting", "lost", "failed")
_HANGS_S: Final = 5.0
_OPENS_S: Final = 25.0  # longer than any output gives itself: WHIP takes 20 at most
_LONGEST: Final = 500  # characters of a name or a detail


@dataclass(frozen=True, slots=True)
class Health:
    """How a source, an output or a controller is.

    state: "ok", "starting", "lost" (comes back by itself) or "failed" (does not).
    frames, dropped: since it was made.  since_s: monotonic time of the last change of state.
    name and detail are kept without passwords and keys, on one line, and cut where they are long.
    """

    name: str
    state: str
    detail: str = ""
    frames: int = 0
    dropped: int = 0
    since_s: float = 0.0
    reconnects: int = 0

    def __post_init__(self) -> None:
        if self.state not in _STATES:
            raise ValueError(f"state must be one of {', '.join(_STATES)} (got {self.state!r})")
        for name in ("name", "detail"):
            object.__setattr__(self, name, one_line(redact(getattr(self, name)), _LONGEST))


def while_busy(health: Health, since_s: float | None) -> Health:
    """`health` of what has been opening, or busy with one frame, since then; None: it is not.

    A driver may hang: what takes no frame for seconds is lost, whatever it says.
    """
    if since_s is None:
        return health
    busy_s, opening = time.monotonic() - since_s, health.state == "starting"
    if opening and busy_s >= _OPENS_S:
        return replace(health, state="lost", detail="does not open", since_s=since_s)
    if health.state == "ok" and busy_s >= _HANGS_S:
        return replace(health, state="lost", detail="takes no frame", since_s=since_s)
    return health


@dataclass(frozen=True, slots=True)
class Status:
    """Figures of the moment, plain values for JSON.

    time_s: monotonic.  fps: pictures shown per second.  dreams_per_s: full dreams finished.
    latency_ms: from capture to the composed picture.  dream_age_ms: since the capture of the
    frame that the newest part of the dream was dreamed on.  stages_ms: mean per picture.
    level: strength reached, 8-bit steps RMS.  governor: what it does, in words.
    beside: the live sources of masks and guides.  dream_size: (width, height) px.  frames: shown
    since the start.  notes: one line each.
    """

    time_s: float = 0.0
    fps: float = 0.0
    dreams_per_s: float = 0.0
    latency_ms: float = 0.0
    dream_age_ms: float = 0.0
    stages_ms: Mapping[str, float] = field(default_factory=dict)
    level: float = 0.0
    governor: str = "starting"
    dream_size: tuple[int, int] = (0, 0)
    octaves: int = 0
    iterations: int = 0
    source: Health = Health("source", "starting")
    beside: tuple[Health, ...] = ()
    outputs: tuple[Health, ...] = ()
    threads: tuple[Health, ...] = ()
    frames: int = 0
    uptime_s: float = 0.0
    notes: tuple[str, ...] = ()


class StatusBoard:
    """Where the loop publishes; any thread may read. Replacing one reference needs no lock."""

    def __init__(self) -> None:
        self._latest = Status()

    def publish(self, status: Status) -> None:
        self._latest = status

    def latest(self) -> Status:
        return self._latest
