"""The newest dream of a live show, and how it takes the place of what was shown before it.

Little by little, over the time that a dream takes, so that nothing jumps at the dream's rate. One
that is smaller than the dream before lacks its finest detail; that goes as slowly as is allowed,
and until then what is shown keeps the larger size.
"""

from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from livedream.core.frame import Picture
from livedream.warp.accumulated_flow import AccumulatedFlow, warp_steps

Steps = NDArray[np.float32]  # (h, w, 3) residual in 8-bit steps

_LONGEST_FADE_S: Final = 0.3  # a dream that comes seldom is still seen soon
_AT_ONCE: Final = 1.2  # of a frame's time: dreams that come as often need no fading


@dataclass(frozen=True, slots=True)
class Grown:
    """A dream. before: what was shown on the same frame until then, at its own size if that was
    larger; `after` itself where nothing was, or where it is not needed.

    picture: with the dream on it, where that is done on the device.  took_s: see `Dream`.
    """

    before: Steps
    after: Steps
    level: float
    picture: Picture | None = None
    took_s: float | None = None

    @property
    def shrank(self) -> bool:
        """Whether what was shown before is larger."""
        return self.before.shape != self.after.shape


@dataclass(frozen=True, slots=True)
class NewestDream:
    """index, dreamed_s: of the frame that it was dreamed on, and when that was captured.

    serial: dreams finished so far.  fades_s: from when on the dream before gives way to it, and how
    long that takes, 0 where it takes its place at once.
    """

    dream: Grown
    index: int
    dreamed_s: float
    serial: int
    fades_s: tuple[float, float]

    def share(self, now_s: float) -> float:
        """How much of what is shown is this dream, 0 to 1."""
        begun_s, takes_s = self.fades_s
        return min(1.0, max(0.0, (now_s - begun_s) / takes_s)) if takes_s else 1.0

    def blend(self, now_s: float, mix: float = 1.0) -> Steps:
        """What is shown, as far as it is dream. mix: how much of it."""
        before, after, share = self.dream.before, self.dream.after, self.share(now_s)
        if share >= 1.0:
            return after if mix >= 1.0 else after * np.float32(mix)
        if self.dream.shrank:
            after = warp_steps(after, AccumulatedFlow(), size_of(before))
        mixed = cv2.addWeighted(before, mix * (1.0 - share), after, mix * share, 0.0)
        return np.asarray(mixed, np.float32)


def fading(
    dream: Grown, base: NewestDream | None, now_s: float, interval_s: float, period_s: float
) -> tuple[float, float]:
    """`NewestDream.fades_s` of a dream that arrives now.

    base: the dream before.  interval_s, period_s: from dream to dream and from frame to frame.
    """
    begun_s = now_s - period_s  # the first frame shows some of it
    if dream.shrank:
        if base is not None and base.dream.shrank:  # under way
            begun_s = base.fades_s[0]
        return begun_s, _LONGEST_FADE_S
    takes_s = min(interval_s, _LONGEST_FADE_S)
    return begun_s, 0.0 if takes_s <= _AT_ONCE * period_s else takes_s


def size_of(steps: Steps) -> tuple[int, int]:
    """(width, height) px."""
    return steps.shape[1], steps.shape[0]
