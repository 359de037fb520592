"""A live show dreamed again: every frame gets its whole dream, however long that takes.

The walk is that of a live frame, with the board's snapshot of each frame's own time: the dream
travels and is carried along the flow, both networks of a crossfade dream, the look is laid on top.
"""

from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Protocol

from torch import Tensor

from livedream.core.frame import Frame, Motion, Picture
from livedream.core.grade import GradeSettings
from livedream.core.snapshot import Snapshot
from livedream.dream.compose import compose, steps_of
from livedream.dream.dreamer import Dream, Dreamer, DreamerPool
from livedream.present.grading import Grading, travel_of

__all__ = ["Moments", "ShowDreamer"]


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
        self._pool, self._moments, self._start_s = DreamerPool(dreamer), moments, start_s
        self._grading = Grading()
        self._frozen: Picture | None = None

    def dreams(self, source: Iterable[Frame]) -> Iterator[Dream]:
        """The dreams of `source`, in order. Reading and flow run ahead in threads."""
        return self._pool.first.dreams(source, step=self.step)

    def step(self, frame: Frame, motion: Motion | None = None) -> Dream:
        """Dream one frame. motion: since the frame before; None: nothing moved."""
        now = self._moments.snapshot(self._start_s + frame.time_s)
        dreamer = self._pool.get(now.dream)
        with dreamer.timer.stage("warp"):
            picture = dreamer.picture(frame.rgb)
            if "reset" in now.triggers or (motion is not None and motion.cut):
                dreamer.reset()
            seconds = dreamer.seconds_since_last(frame)
            keep = dreamer.advance(seconds)
            dreamer.resize(picture)
            travel = travel_of(now.look)
            if travel is not None:
                dreamer.travel(travel, seconds)
            carried = dreamer.carry(picture, motion, keep)
        with dreamer.timer.stage("dream"):
            if now.fading is None:
                levelled = dreamer.grow(picture, carried)
            else:
                fading = self._pool.get(now.fading)
                levelled = dreamer.grow_both(picture, carried, fading, now.crossfade)
            flicker = levelled.flicker(carried)
        with dreamer.timer.stage("compose"):
            rgb = self._shown(frame.rgb, levelled.residual, now.look, seconds)
        shown = replace(frame, rgb=rgb)
        return Dream(frame, shown, levelled.level, levelled.gain, flicker)

    def _shown(
        self, rgb: Picture, residual: Tensor, look: GradeSettings, passed_s: float
    ) -> Picture:
        if look.freeze and self._frozen is not None:
            picture = self._frozen
        else:
            picture = compose(rgb, steps_of(residual, look.mix))
            self._frozen = picture if look.freeze else None
        return self._grading.apply(picture, look, passed_s)
