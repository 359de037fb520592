"""A live show dreamed again: every frame gets its whole dream, however long that takes.

The walk is that of a live frame, with the board's snapshot of each frame's own time: the dream
travels and is carried along the flow, both networks of a crossfade dream, the look is laid on top.
"""

from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Final, Protocol

import numpy as np
import torch
from torch import Tensor

from livedream.core.frame import Frame, Motion, Picture
from livedream.core.grade import GradeSettings
from livedream.core.prefetch import prefetch
from livedream.core.settings import DreamSettings
from livedream.core.snapshot import Snapshot
from livedream.dream.compose import compose
from livedream.dream.dreamer import Dream, Dreamer
from livedream.flow.motion import MotionEstimator
from livedream.flow.opening import open_flow
from livedream.present.grading import Grading
from livedream.warp.carry import carry
from livedream.warp.travel import Travel, move

__all__ = ["Moments", "ShowDreamer"]

_FIRST_STEP_S: Final = 1 / 25  # heuristic: how long a frame with none before it counts


class Moments(Protocol):
    """What says how a show stands at a time: `livedream.control.show_reader.Playback`."""

    def snapshot(self, time_s: float) -> Snapshot: ...


class ShowDreamer:
    """Dreams a source as a show went.

    dreamer: for the first network; its state and clock are used throughout.  start_s: the show's
    time at the source's first frame.  Raises what `Dreamer` raises when the show changes to what
    cannot be had.
    """

    def __init__(self, dreamer: Dreamer, moments: Moments, start_s: float = 0.0) -> None:
        self._first, self._moments, self._start_s = dreamer, moments, start_s
        self._dreamers = {dreamer.settings.network: dreamer}
        self._grading = Grading()
        self._frozen: Picture | None = None

    def dreams(self, source: Iterable[Frame]) -> Iterator[Dream]:
        """The dreams of `source`, in order. Reading and flow run ahead in threads."""
        settings, clock = self._first.settings, self._first.clock
        flow = MotionEstimator(open_flow(settings.flow, device=settings.device), settings.flow_size)

        def moved(frames: Iterable[Frame]) -> Iterator[tuple[Frame, Motion | None]]:
            for frame in frames:
                with clock.stage("flow"):
                    motion = flow.step(frame)
                yield frame, motion

        with (
            prefetch(clock.timed("capture", source)) as captured,
            prefetch(moved(captured)) as pairs,
        ):
            for frame, motion in pairs:
                yield self.step(frame, motion)

    def step(self, frame: Frame, motion: Motion | None = None) -> Dream:
        """Dream one frame. motion: since the frame before; None: nothing moved."""
        now = self._moments.snapshot(self._start_s + frame.time_s)
        dreamer = self._dreamer(now.dream)
        state, clock = dreamer.state, dreamer.clock
        with clock.stage("warp"):
            picture = dreamer.picture(frame.rgb)
            if "reset" in now.triggers or (motion is not None and motion.cut):
                state.residual, state.age_s = None, 0.0
            passed_s = self._passed(frame)
            carried = self._carried(dreamer, picture, motion, now.look, passed_s)
        with clock.stage("dream"):
            residual, level = self._grown(now, dreamer, picture, carried)
            change = (residual - carried).abs().mean()
            flicker = float(change / residual.abs().mean().clamp_min(1e-6))
        with clock.stage("compose"):
            rgb = self._shown(frame.rgb, residual, now.look, passed_s)
        shown = replace(frame, rgb=rgb)
        return Dream(frame, shown, level, 1.0, flicker)

    def _dreamer(self, settings: DreamSettings) -> Dreamer:
        """The dreamer of these settings' network, adopting them; all share one state."""
        found = self._dreamers.get(settings.network)
        if found is None:
            found = Dreamer(settings)
            found.state, found.clock = self._first.state, self._first.clock
            self._dreamers[settings.network] = found
        found.adopt(settings)
        return found

    def _passed(self, frame: Frame) -> float:
        state = self._first.state
        passed_s = _FIRST_STEP_S
        if state.time_s is not None:
            passed_s = max(0.0, frame.time_s - state.time_s)
        state.time_s = frame.time_s
        state.age_s += passed_s
        return passed_s

    def _carried(
        self, dreamer: Dreamer, picture: Tensor, motion: Motion | None, look: GradeSettings,
        passed_s: float,
    ) -> Tensor:  # fmt: skip
        residual, half_life = dreamer.state.residual, dreamer.settings.half_life
        if residual is None or half_life <= 0:
            return torch.zeros_like(picture)
        if residual.shape != picture.shape:  # another size from here on
            residual = torch.nn.functional.interpolate(
                residual, picture.shape[2:], mode="bicubic", align_corners=False
            )
        if look.zoom != 1.0 or look.rotation or look.drift_x or look.drift_y:
            # A travel names the drift of the view, the look that of what is seen.
            travel = Travel(look.zoom, look.rotation, (-look.drift_x, -look.drift_y))
            residual = move(residual, travel, passed_s)
        return carry(residual, motion, picture, float(0.5 ** (passed_s / half_life)))

    def _grown(
        self, now: Snapshot, dreamer: Dreamer, picture: Tensor, carried: Tensor
    ) -> tuple[Tensor, float]:
        """The residual and its level; of two networks while one gives way to the other."""
        if now.previous is None or now.crossfade >= 1.0:
            joined = dreamer.grow(picture, carried)
            return joined.residual, joined.level
        fading = self._dreamer(now.previous)
        old = fading.grow(picture, carried.clone())
        new = dreamer.grow(picture, carried)
        residual = torch.lerp(old.residual, new.residual, now.crossfade)
        # Two dreams mixed are weaker than either: the level goes from one to the other instead.
        wanted = old.level + (new.level - old.level) * now.crossfade
        level = float(residual.square().mean().sqrt()) * 255.0
        if level > 0:
            residual.mul_(wanted / level).add_(picture).clamp_(0.0, 1.0).sub_(picture)
        dreamer.state.residual = residual
        return residual, wanted

    def _shown(
        self, rgb: Picture, residual: Tensor, look: GradeSettings, passed_s: float
    ) -> Picture:
        if look.freeze and self._frozen is not None:
            picture = self._frozen
        else:
            steps = (residual[0] * (255.0 * look.mix)).permute(1, 2, 0).contiguous().cpu().numpy()
            picture = compose(rgb, np.asarray(steps, np.float32))
            self._frozen = picture if look.freeze else None
        return self._grading.apply(picture, look, passed_s)
