"""A seam in a long shot: two dreams of the same frames, of which one gives way to the other."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from livedream.core.device import in_reach
from livedream.core.frame import Frame, Motion, Picture
from livedream.dream.compose import compose, steps_of
from livedream.dream.dreamer import Dream, Dreamer
from livedream.dream.level import LevelledDream, scale_to_level

States = Sequence[Mapping[str, NDArray[np.generic]]]  # as `DreamState.arrays` gives them


class Seam:
    """Dreams a seam of so many frames: each dream is carried along the flow by itself, and what is
    shown goes from the one to the other, at the level of both.

    first: the dreamer of the first dream; the other shares its network.  states: before the seam,
    of the piece before it and of the one after it.
    """

    def __init__(self, first: Dreamer, states: States, frames: int) -> None:
        before, after = states
        other = Dreamer(first.settings, first.network, first.objective)
        other.start_s, other.planes.rate = first.start_s, first.planes.rate
        other.warm_up_s = first.warm_up_s
        first.restore(before)
        other.restore(after)
        self._dreamers, self._frames, self._done = (first, other), frames, 0

    def step(self, frame: Frame, motion: Motion | None = None) -> Dream:
        """Dream one frame. motion: since the frame before; None: nothing moved."""
        self._done += 1
        share = _share(self._done / (self._frames + 1))
        first = self._dreamers[0]
        both: list[tuple[LevelledDream, Tensor]] = []
        grounds: list[Picture] = []
        cut = motion is not None and motion.cut
        with first.timer.stage("dream"):
            for dreamer in self._dreamers:
                if cut:
                    dreamer.reset()
                seconds = dreamer.state.seconds_to(frame.time_s, cut=cut)
                keep = dreamer.advance(seconds)
                planes = dreamer.regions(frame.rgb, motion, seconds, dreamer.remains(seconds))
                if not grounds or planes is not None:
                    grounds.append(dreamer.ground(frame.rgb, planes))
                    picture = dreamer.picture(grounds[-1])
                carried = dreamer.carry(picture, motion, keep, planes)
                grown = dreamer.grow(picture, carried, planes)
                both.append((grown, grown.figures(carried)))
        (old, told), (new, found) = both
        mixed = old.residual.lerp(new.residual, share)
        level = old.level.lerp(new.level, share)
        target = float(level) if in_reach(level) else level
        plane = None if planes is None else first.plane(planes.grow)
        ground = grounds[0]
        if len(grounds) > 1:  # where a region differs, white would jump
            ground = np.asarray(cv2.addWeighted(ground, 1 - share, grounds[1], share, 0), np.uint8)
            picture = first.picture(ground)
        shown = scale_to_level(
            picture, torch.zeros_like(picture), mixed, target, plane,
            keep_colours=first.settings.keep_colours,
        )  # fmt: skip
        with first.timer.stage("compose"):
            rgb = compose(ground, steps_of(shown.residual))
        level, gain, flicker = told.lerp(found, share).tolist()
        return Dream(frame, replace(frame, rgb=rgb), level, gain, flicker, None)


def _share(passed: float) -> float:
    """How much of the new dream there is when so much of the seam has passed, both 0 to 1.

    Two dreams stand at right angles to each other, and what is shown turns from one to the other;
    at an even pace, so that no frame changes more than the others.
    """
    old, new = math.cos(passed * math.pi / 2), math.sin(passed * math.pi / 2)
    return new / (old + new)
