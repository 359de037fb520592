"""What the head-up display says, as plain values: from status and parameters to rows of words."""

from dataclasses import dataclass
from typing import Final

from livedream.core.health import Health, Status

_MOST_STAGES: Final = 7
_MOST_OUTPUTS: Final = 6


@dataclass(frozen=True, slots=True)
class Figure:
    """A large number with its name and unit; alarm: it asks for attention."""

    name: str
    value: str
    unit: str
    alarm: bool = False


@dataclass(frozen=True, slots=True)
class Bar:
    """A length from 0 to 1, with words on both sides; mark: a line across it, None for none."""

    name: str
    value: str
    length: float
    mark: float | None = None


@dataclass(frozen=True, slots=True)
class Lamp:
    """The state of a source or an output: "ok", "starting", "lost" or "failed"."""

    name: str
    state: str
    detail: str


@dataclass(frozen=True, slots=True)
class Hud:
    """Everything the display shows at a moment.  title: the preset in force, if any."""

    title: str
    clock: str
    figures: tuple[Figure, ...]
    strength: Bar
    stages: tuple[Bar, ...]
    governor: str
    dream: str
    lamps: tuple[Lamp, ...]


def hud_of(status: Status, strength: float, now_s: float, title: str = "") -> Hud:
    """The display for a status.  strength: what is asked for.  now_s: monotonic."""
    stages = list(status.stages_ms.items())[:_MOST_STAGES]
    longest = max((ms for _, ms in stages), default=1.0) or 1.0
    scale = max(strength, status.level, 1e-6) * 1.25
    width, height = status.dream_size
    # What is well may be left out, what is not may not; sorted keeps their order.
    outputs = sorted(status.outputs, key=lambda output: output.state == "ok")[:_MOST_OUTPUTS]
    failing = [thread for thread in status.threads if thread.state != "ok"]
    return Hud(
        title=title or "livedream",
        clock=_clock(status.uptime_s),
        figures=(
            Figure("frames", f"{status.fps:.1f}", "fps"),
            Figure("dreams", f"{status.dreams_per_s:.1f}", "per s"),
            Figure("latency", f"{status.latency_ms:.0f}", "ms", status.latency_ms > 150),
            Figure("dream age", f"{status.dream_age_ms:.0f}", "ms", status.dream_age_ms > 400),
        ),
        strength=Bar(
            "strength",
            f"{status.level:.1f} / {strength:.1f}",
            min(1.0, status.level / scale),
            min(1.0, strength / scale),
        ),
        stages=tuple(Bar(name, f"{ms:.1f}", ms / longest) for name, ms in stages),
        governor=status.governor,
        dream=f"{width}x{height}, {_count(status.octaves, 'octave')}, "
        f"{_count(status.iterations, 'iteration')}",
        lamps=tuple(
            _lamp(health, now_s) for health in (status.source, *status.beside, *outputs, *failing)
        ),
    )


def _lamp(health: Health, now_s: float) -> Lamp:
    if health.state == "ok":
        detail = f"{health.dropped} dropped" if health.dropped else ""
    else:
        detail = f"{health.state} {max(0.0, now_s - health.since_s):.0f} s"
    return Lamp(health.name, health.state, detail)


def _count(number: float, noun: str) -> str:
    return f"{number:g} {noun}{'' if number == 1 else 's'}"


def _clock(seconds: float) -> str:
    whole = int(seconds)
    return f"{whole // 3600:d}:{whole // 60 % 60:02d}:{whole % 60:02d}"
