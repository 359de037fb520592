"""The walk of a frame: capture, flow, warp, dream, present.

What is carried is the residual (dream minus frame) at the dream's own size. Each frame it is
fetched along the flow, faded by its half-life, and what gradient ascent adds on top of it is
scaled so that the level stays where `strength` wants it. The residual is then scaled up onto the
full-size frame, whose own detail stays sharp.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from livedream.core.frame import Frame, Motion, Picture
from livedream.core.prefetch import Clock, prefetch
from livedream.core.settings import DreamSettings, dream_size
from livedream.core.shrink import shrunk
from livedream.dream.ascent import Ascent
from livedream.dream.compose import compose
from livedream.dream.device import choose_device, choose_dtype
from livedream.dream.level import LevelledDream, join
from livedream.dream.networks.network import Network, load_network
from livedream.dream.objectives.binding import BoundObjective, bind
from livedream.dream.objectives.text import parse_objective
from livedream.dream.spread import SpreadGain
from livedream.dream.transfer import Transfers
from livedream.flow.motion import MotionEstimator
from livedream.flow.opening import open_flow
from livedream.warp.carry import carry

_FIRST_STEP_S: Final = 1 / 25  # heuristic: how long a frame with none before it counts


@dataclass
class DreamState:
    """What one frame leaves to the next.

    residual: (1, 3, h, w) float32 in units of the picture, None before the first frame.
    age_s: how long the dream has been growing since the start or the last cut.
    time_s: of the last frame.  frames: dreamed so far; with the seed it fixes all randomness.
    """

    residual: Tensor | None = None
    age_s: float = 0.0
    time_s: float | None = None
    frames: int = 0

    def arrays(self) -> dict[str, NDArray[np.generic]]:
        """As plain arrays, for a checkpoint."""
        time_s = np.nan if self.time_s is None else self.time_s
        clock = np.array([self.age_s, time_s, self.frames], np.float64)
        found: dict[str, NDArray[np.generic]] = {"clock": clock}
        if self.residual is not None:
            found["residual"] = self.residual.cpu().contiguous().numpy().copy()
        return found

    @classmethod
    def from_arrays(cls, found: Mapping[str, NDArray[np.generic]], device: torch.device) -> Self:
        age_s, time_s, frames = (float(value) for value in found["clock"].astype(np.float64))
        residual = found.get("residual")
        return cls(
            residual=None if residual is None else torch.from_numpy(residual.copy()).to(device),
            age_s=age_s,
            time_s=None if np.isnan(time_s) else time_s,
            frames=int(frames),
        )


@dataclass(frozen=True, slots=True)
class Dream:
    """A dreamed frame.

    source: the frame as it was.  frame: the picture to show, with the same time.
    level: RMS of the residual in 8-bit steps, at the dream's size.
    gain: what the addition was multiplied with.
    flicker: mean size of what was new in the residual, against that of the whole; what
    `livedream measure` finds in the finished file is near it.
    """

    source: Frame
    frame: Frame
    level: float
    gain: float
    flicker: float


class Dreamer:
    """Dreams frames one after the other.

    settings: see `DreamSettings`.  network, objective: loaded ones to use instead of those the
    settings name.  patient: a dream may wait for what is made for a new size or objective, as every
    dream that shall come out the same again has to; not so a live show's.
    Raises NetworkError, ObjectiveError or SettingsError for what cannot be had.
    """

    device: torch.device
    dtype: torch.dtype
    network: Network
    objective: BoundObjective
    ascent: Ascent
    place: SpreadGain
    copies: Transfers
    _settings: DreamSettings

    def __init__(
        self,
        settings: DreamSettings | None = None,
        network: Network | None = None,
        objective: BoundObjective | None = None,
        *,
        wait_for_compile: bool = True,
    ) -> None:
        self._wait_for_compile = wait_for_compile
        self._past_fallbacks = 0  # of engines that gave way to another
        self.state = DreamState()
        self.clock = Clock()
        self._found(settings or DreamSettings(), network, objective)

    @property
    def settings(self) -> DreamSettings:
        """What is dreamed with now; to set it is to `adopt` it."""
        return self._settings

    @settings.setter
    def settings(self, settings: DreamSettings) -> None:
        self.adopt(settings)

    @property
    def fallbacks(self) -> int:
        """How often the ascent took a slower way, because it was not patient."""
        return self._past_fallbacks + self.ascent.engine.fallbacks

    def prepare(self, settings: DreamSettings, width: int, height: int) -> bool:
        """Whether a frame of this size can be dreamed by `settings` without a slower way.

        What that takes is begun beside; `settings` are not adopted yet, and what they say of
        network and objective is not looked at.
        """
        return self.ascent.prepare(settings, *dream_size(settings.size, width, height))

    def frames(self, source: Iterable[Frame]) -> Iterator[Frame]:
        """The dreamed frames of `source`, in order."""
        for dream in self.dreams(source):
            yield dream.frame

    def dreams(self, source: Iterable[Frame], before: Frame | None = None) -> Iterator[Dream]:
        """Like `frames`, with each dream's figures. Reading and flow run ahead in threads.

        before: the frame that came before the first of `source`, when going on from a state.
        """
        flow = MotionEstimator(open_flow(self.settings.flow), self.settings.flow_size)
        if before is not None:
            flow.remember(before)
        with prefetch(self.clock.timed("capture", source)) as captured:
            moved = ((frame, self._timed_motion(flow, frame)) for frame in captured)
            with prefetch(moved) as pairs:
                for frame, motion in pairs:
                    yield self.step(frame, motion)

    def adopt(
        self,
        settings: DreamSettings,
        network: Network | None = None,
        objective: BoundObjective | None = None,
    ) -> None:
        """Go on with other settings; the dream so far is carried on.

        Quick enough for every frame as long as network, targets of the objective, device, precision
        and engine stay what they are: strength, steps, octaves, sizes and the objective's weights
        may glide. What else has changed is loaded or made anew, unless it is handed over.
        network, objective: loaded ones, as for a new Dreamer.  flow and flow_size count from the
        next call of `dreams` on.  Raises what a new Dreamer raises, and is then as it was.
        """
        same = network is None and objective is None
        same = same and _foundation(settings) == _foundation(self._settings)
        if not same:
            self._found_anew(settings, network, objective)
            return
        place = self.place
        if settings.mask != self._settings.mask:
            place = SpreadGain.from_settings(settings)
        wanted = None
        if settings.objective != self._settings.objective:
            wanted = parse_objective(settings.objective or self.network.default_objective)
        if not self.ascent.adopt(settings, wanted):
            self._found_anew(settings, self.network, None)
            return
        self.place, self._settings = place, settings

    def restore(self, arrays: Mapping[str, NDArray[np.generic]]) -> None:
        """Go on from a state that `DreamState.arrays` gave."""
        self.state = DreamState.from_arrays(arrays, self.device)

    def _found_anew(
        self, settings: DreamSettings, network: Network | None, objective: BoundObjective | None
    ) -> None:
        fallbacks = self.fallbacks
        self._found(settings, network, objective)
        self._past_fallbacks = fallbacks

    def _found(
        self, settings: DreamSettings, network: Network | None, objective: BoundObjective | None
    ) -> None:
        """Make everything that the settings name; nothing is changed when that fails."""
        device = choose_device(settings.device)
        network = network or network_of(settings)
        wide = network.preprocessing.scale > 1
        dtype = choose_dtype(settings.precision, device, wide=wide)
        objective = objective or objective_of(settings, network)
        ascent = Ascent(
            network, objective, settings, device, dtype, wait_for_compile=self._wait_for_compile
        )
        self.place = SpreadGain.from_settings(settings)
        self._settings, self.device, self.dtype = settings, device, dtype
        self.copies = Transfers(device)
        self.network, self.objective, self.ascent = network, objective, ascent
        if self.state.residual is not None:
            self.state.residual = self.state.residual.to(device)

    def _timed_motion(self, flow: MotionEstimator, frame: Frame) -> Motion | None:
        with self.clock.stage("flow"):
            return flow.step(frame)

    def step(self, frame: Frame, motion: Motion | None = None) -> Dream:
        """Dream one frame. motion: since the frame before; None: nothing moved."""
        clock = self.clock
        with clock.stage("warp"):
            picture = self.picture(frame.rgb)
            keep = self._advance(frame, motion)
            carried = self._carried(picture, motion, keep)
        with clock.stage("dream"):
            joined = self.grow(picture, carried)
            change = (joined.residual - carried).abs_().mean()
            flicker = float(change / joined.residual.abs().mean().clamp_min(1e-6))
        with clock.stage("compose"):
            steps = self.copies.to_host((joined.residual[0] * 255.0).permute(1, 2, 0)).array()
            rgb = compose(frame.rgb, steps)
        shown = Frame(rgb, frame.pts, frame.time_base, frame.index, frame.duration)
        return Dream(frame, shown, joined.level, joined.gain, flicker)

    def grow(self, picture: Tensor, carried: Tensor) -> LevelledDream:
        """One moment's dream of `picture` on top of what is carried, its level held.

        picture, carried: (1, 3, h, w) float32 on the device, their sum in [0, 1]. The result is
        what the state goes on from.
        """
        settings, state = self.settings, self.state
        draw = np.random.default_rng([settings.seed, state.frames])
        added = self.ascent.addition((picture + carried).clamp_(0.0, 1.0), draw)
        added = self.place.shape(added, carried, settings)
        rising = min(1.0, state.age_s / settings.rise) if settings.rise > 0 else 1.0
        joined = join(
            picture, carried, added, settings.strength * rising, self.place.weight(picture),
            keep_colours=settings.keep_colours,
        )  # fmt: skip
        state.residual = joined.residual
        state.frames += 1
        return joined

    def picture(self, rgb: Picture) -> Tensor:
        """The frame at the dream's size: (1, 3, h, w) float32 in [0, 1] on the device."""
        height, width = rgb.shape[:2]
        rgb = shrunk(rgb, *dream_size(self.settings.size, width, height))
        picture = self.copies.to_device(rgb)
        return picture.permute(2, 0, 1)[None].float().div_(255.0)

    def _advance(self, frame: Frame, motion: Motion | None) -> float:
        """Set the clocks; returns what remains of the dream since the last frame, 0 to 1."""
        state, half_life = self.state, self.settings.half_life
        passed_s = _FIRST_STEP_S
        if state.time_s is not None:
            passed_s = max(0.0, frame.time_s - state.time_s)
        if motion is not None and motion.cut:
            state.residual, state.age_s = None, 0.0
            passed_s = min(passed_s, _FIRST_STEP_S)
        state.age_s += passed_s
        state.time_s = frame.time_s
        return float(0.5 ** (passed_s / half_life)) if half_life > 0 else 0.0

    def _carried(self, picture: Tensor, motion: Motion | None, keep: float) -> Tensor:
        residual = self.state.residual
        if residual is None or keep <= 0.0 or residual.shape != picture.shape:
            return torch.zeros_like(picture)
        return carry(residual, motion, picture, keep)


def _foundation(settings: DreamSettings) -> tuple[str, ...]:
    """What a change of needs another network, or the network elsewhere."""
    own = settings.network, settings.weights, settings.preprocess, settings.labels
    return *own, settings.device, settings.precision


def network_of(settings: DreamSettings) -> Network:
    """The network that the settings name, with its weights."""
    return load_network(
        settings.network or None,
        weights=Path(settings.weights) if settings.weights else None,
        preprocess=settings.preprocess or None,
        labels=Path(settings.labels) if settings.labels else None,
    )


def objective_of(settings: DreamSettings, network: Network) -> BoundObjective:
    """What the settings want amplified, else what this network dreams best."""
    return bind(parse_objective(settings.objective or network.default_objective), network)
