"""What a dream carries from one frame to the next."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Final, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from livedream.core.device import exact

FIRST_STEP_S: Final = 1 / 25  # heuristic: the time that a frame with none before it stands for
# Heuristic (docs/decisions/warm-up.md): dreams in a second of a film, whatever its frame rate. With
# 17 frames a second or more each has one.
_FILM_HZ: Final = 25
_WARMING: Final = 3.0  # heuristic: seconds of warm-up that a second of film has credit for
_AT_ONCE: Final = 3.0  # heuristic: warm-ups that the credit holds at most
_REGION: Final = "region "  # before the names of their arrays in a checkpoint


@dataclass
class DreamState:
    """What one frame leaves to the next; written to by `Dreamer`, but for a still's `wandered` and
    a zoom's `time_s`.

    residual: (1, 3, h, w) float32 in units of the picture, None before the first frame.
    momentum: of its size, see `livedream.dream.momentum`; None where there is none.
    gain: what the last addition was multiplied with, 0-d.
    age_s: how long the dream has grown since the start or the last cut.
    step_s: how long ago the dream before was, set by `Dreamer.advance`.
    wandered: how often each region of the picture has changed its class, see `ClassesPart`.
    time_s: of the last frame.  frames: dreams so far, of which a film's frame may have several;
    with the seed it fixes all randomness.
    fresh: no frame of the scene was dreamed yet.  credit_s: what warm-ups may still take.
    regions: what `livedream.region.planes` carries.
    """

    residual: Tensor | None = None
    momentum: Tensor | None = None
    gain: Tensor | None = None
    age_s: float = 0.0
    step_s: float = 0.0
    wandered: float = 0.0
    time_s: float | None = None
    frames: int = 0
    fresh: bool = True
    credit_s: float = math.inf
    regions: dict[str, NDArray[np.float32]] = field(default_factory=dict)

    def reset(self) -> None:
        """Start afresh, as after a cut: nothing that was dreamed before it is carried on.

        The clock goes on: `frames`, so that no two shots draw the same, `wandered`, `time_s` and
        `credit_s`.
        `gain` counts only together with a momentum.
        """
        self.residual = self.momentum = None
        self.age_s = 0.0
        self.fresh = True
        self.regions.clear()

    def seconds_to(self, time_s: float, *, cut: bool = False) -> float:
        """The time since the frame before, which this one is from now on."""
        before_s, self.time_s = self.time_s, time_s
        seconds = FIRST_STEP_S if before_s is None else max(0.0, time_s - before_s)
        self.credit_s += _WARMING * seconds  # a slide's whole time counts, too
        return min(seconds, FIRST_STEP_S) if cut else seconds

    def spans(self, seconds: float, warm_up_s: float | None, *, moves: bool = False) -> list[float]:
        """How long passes before each of a frame's dreams, in s; the frame then is fresh no more.

        seconds: since the frame before, as `seconds_to` says.  warm_up_s: see `Dreamer`; None: a
        frame is dreamed once.  moves: a region depends on motion, which nobody knows in a scene's
        first frame: it is not warmed up.
        Others stand for the warm-up, as far as there is credit for it: strobe lights, of which each
        flash is a cut, take four times as long, not 25 times.
        """
        fresh, self.fresh = self.fresh, False
        if warm_up_s is None:
            return [seconds]
        self.credit_s = min(self.credit_s, _AT_ONCE * warm_up_s)
        given_s = 0.0 if moves else min(warm_up_s, self.credit_s)
        if fresh and given_s > 0.0:
            self.credit_s -= given_s
            dreams = max(1, round(given_s * _FILM_HZ))
            return [given_s / dreams] * dreams
        last_s = min(seconds, 1.0)  # of a slide: little is left of what was dreamed before
        dreams = max(1, int(last_s * _FILM_HZ + 0.49))  # 2.5 is always 2, whatever the last bit
        each_s = last_s / dreams
        return [seconds - each_s * (dreams - 1)] + [each_s] * (dreams - 1)

    def advance(self, seconds: float, wander: float) -> None:
        """Let time pass. wander: the setting, in seconds."""
        self.age_s += seconds
        self.step_s = seconds
        if wander > 0:
            self.wandered += seconds / wander

    def copy(self) -> Self:
        """One that stays as it is."""
        residual, momentum, gain = (
            None if part is None else part.clone()
            for part in (self.residual, self.momentum, self.gain)
        )
        regions = dict(self.regions)
        return replace(self, residual=residual, momentum=momentum, gain=gain, regions=regions)

    def arrays(self) -> dict[str, NDArray[np.generic]]:
        """As plain arrays, for a checkpoint."""
        time_s = np.nan if self.time_s is None else self.time_s
        gain = np.nan if self.gain is None else float(self.gain)
        times = (gain, self.age_s, time_s, self.frames, self.wandered, self.credit_s, self.fresh)
        clock = np.array(times, np.float64)
        found: dict[str, NDArray[np.generic]] = {"clock": clock}
        for name, carried in (("residual", self.residual), ("momentum", self.momentum)):
            if carried is not None:
                found[name] = carried.cpu().contiguous().numpy().copy()
        return found | {f"{_REGION}{name}": plane for name, plane in self.regions.items()}

    @classmethod
    def from_arrays(cls, found: Mapping[str, NDArray[np.generic]], device: torch.device) -> Self:
        clock = map(float, found["clock"].astype(np.float64))
        gain, age_s, time_s, frames, wandered, credit_s, fresh = clock
        residual, momentum = (
            torch.from_numpy(found[name].copy()).to(device) if name in found else None
            for name in ("residual", "momentum")
        )  # fmt: skip
        last = None if np.isnan(gain) else torch.tensor(gain, dtype=exact(device), device=device)
        regions = {
            name.removeprefix(_REGION): np.asarray(plane, np.float32)
            for name, plane in found.items()
            if name.startswith(_REGION)
        }
        return cls(
            residual, momentum, last, age_s, wandered=wandered,
            time_s=None if np.isnan(time_s) else time_s, frames=int(frames), fresh=bool(fresh),
            credit_s=credit_s, regions=regions,
        )  # fmt: skip
