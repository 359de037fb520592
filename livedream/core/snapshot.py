"""Every live parameter at one moment, as a frame is dreamed and shown by it."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from livedream.core.grade import GradeSettings
from livedream.core.settings import DreamSettings


@dataclass(frozen=True, slots=True, eq=False)
class Mask:
    """A mask of a region, as it was at one moment; two are equal if they are one object.

    plane: (h, w) in [0, 1].
    """

    plane: NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Snapshot:
    """What a show's live parameters are at one moment.

    time_s: monotonic.  dream, grade: ramped and modulated; while layers change the objective is a
    weighted sum.  previous: the dream that fades out while another network takes over.
    crossfade: share of `dream` in it, 1 when nothing fades.  triggers: since the last snapshot.
    painted: the mask of the region `painted`, None: the one that was kept.
    """

    time_s: float
    dream: DreamSettings
    grade: GradeSettings
    previous: DreamSettings | None = None
    crossfade: float = 1.0
    triggers: frozenset[str] = frozenset()
    painted: Mask | None = None

    @property
    def fading(self) -> DreamSettings | None:
        """The dream that gives way; None when nothing fades."""
        return self.previous if self.crossfade < 1.0 else None
