"""A live show dreamed again, or a film as automation moves its parameters: every frame gets its
whole dream, however long that takes.

The walk is that of a live frame, with the live parameters of each frame's own time: the dream
travels and is carried along the flow, both networks of a crossfade dream, the picture is graded.
"""

from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Protocol

from livedream.core.frame import Frame, Motion
from livedream.core.snapshot import Snapshot
from livedream.dream.compose import steps_of
from livedream.dream.dreamer import Dream, Dreamer
from livedream.dream.dreamers import DreamerPool
from livedream.present.grading import Grading, travel_of


class Timeline(Protocol):
    """What says how a show stands at a time: `livedream.control.show_reader.Playback` of a log,
    `livedream.control.automation.FilmTimeline` of a film."""

    def snapshot(self, time_s: float) -> Snapshot: ...


class ShowDreamer:
    """Dreams a source as a show went.

    dreamer: for the first network; its state and clock are used throughout, and its `start_s` is
    the timeline's time where the source's begins.  Raises what `Dreamer` raises when the show
    changes to what cannot be had.
    """

    def __init__(self, dreamer: Dreamer, timeline: Timeline) -> None:
        self._pool, self._timeline = DreamerPool(dreamer), timeline
        self._grading = Grading()

    def dreams(self, source: Iterable[Frame]) -> Iterator[Dream]:
        """The dreams of `source`, in order. Reading and flow run ahead in threads."""
        return self._pool.first.dreams(source, step=self.step)

    def step(self, frame: Frame, motion: Motion | None = None) -> Dream:
        """Dream one frame. motion: since the frame before; None: nothing moved."""
        now = self._timeline.snapshot(self._pool.first.start_s + frame.time_s)
        dreamer = self._pool.get(now.dream)
        dreamer.planes.painted = now.painted
        with dreamer.timer.stage("warp"):
            cut = motion is not None and motion.cut
            if cut or "reset" in now.triggers:
                regions = {} if cut else dict(dreamer.state.regions)  # the show's went on, too
                dreamer.reset()
                dreamer.state.regions.update(regions)
            seconds = dreamer.state.seconds_to(frame.time_s, cut=cut)
            dreamer.resize(frame.rgb)
            travel = travel_of(now.grade)
            if travel is not None:
                dreamer.travel(travel, seconds)
        if now.fading is None and dreamer.on_device(frame.rgb):
            dream = dreamer.launch(frame, motion, seconds, mix=now.grade.mix)()
            rgb = self._grading.finish(dream.frame.rgb, None, now.grade, seconds)
            return replace(dream, frame=replace(frame, rgb=rgb))
        with dreamer.timer.stage("warp"):
            keep = dreamer.advance(seconds)
            fading = None if now.fading is None else self._pool.get(now.fading)
            faded = dreamer.remains(seconds)
            planes = dreamer.regions(frame.rgb, motion, seconds, faded, fading)
            picture = dreamer.picture(dreamer.ground(frame.rgb, planes))
            carried = dreamer.carry(picture, motion, keep, planes)
        with dreamer.timer.stage("dream"):
            if fading is None:
                levelled = dreamer.grow(picture, carried, planes)
            else:
                levelled = dreamer.grow_both(picture, carried, fading, now.crossfade, planes=planes)
            figures = levelled.figures(carried)
        with dreamer.timer.stage("compose"):
            steps = steps_of(levelled.residual, now.grade.mix)
            ground = dreamer.ground(frame.rgb, planes, now.grade.mix)
            rgb = self._grading.finish(ground, steps, now.grade, seconds)
        shown = replace(frame, rgb=rgb)
        level, gain, flicker = figures.tolist()
        return Dream(frame, shown, level, gain, flicker, dreamer.state, planes=planes)
