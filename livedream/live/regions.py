"""The planes of a live show's regions, frame by frame, at the camera's rate."""

from functools import lru_cache

from livedream.capture.live.beside import LivePictures
from livedream.core.errors import ObjectiveError, RegionError, SourceError, reason
from livedream.core.frame import Motion, Picture
from livedream.core.settings import dream_size
from livedream.core.snapshot import Snapshot
from livedream.dream.objectives.prompt import dreamed
from livedream.dream.objectives.text import parse_objective
from livedream.region.memory import Memory
from livedream.region.planes import PlaneReader, Planes
from livedream.region.value import Region
from livedream.region.wanted import wanted_of


class LiveRegions:
    """pictures: the live sources of masks.

    note: why planes are those of the frame before; empty where all is well.
    """

    def __init__(self, pictures: LivePictures | None = None) -> None:
        self._reader = PlaneReader(pictures)
        self._live = pictures is not None
        self._memory: Memory = {}
        self._last: Planes | None = None
        self._time_s = 0.0
        self.note = ""

    def step(
        self, snapshot: Snapshot, rgb: Picture, motion: Motion | None, seconds: float
    ) -> Planes | None:
        """Those of the next frame, None where no region is named.

        seconds: since the frame before.
        """
        self.note = ""
        self._time_s += seconds
        settings = snapshot.dream
        terms = _regions_of(settings.prompt, settings.objective)
        if snapshot.fading is not None:
            terms += _regions_of(snapshot.fading.prompt, snapshot.fading.objective)
        try:
            wanted = wanted_of(settings, terms, live=self._live)
            if wanted is None:
                self._memory.clear()
                self._last = None
                return None
            half_life, self._reader.painted = settings.half_life, snapshot.painted
            self._last = self._reader.step(
                wanted, self._memory, rgb, motion,
                size=dream_size(settings.size, rgb.shape[1], rgb.shape[0]), seconds=seconds,
                fade=0.5 ** (seconds / half_life) if half_life > 0 else 0.0, time_s=self._time_s,
            )  # fmt: skip
        except (RegionError, SourceError) as error:  # a file went away: the show goes on
            self.note = reason(error)
        return self._last


@lru_cache(maxsize=32)
def _regions_of(prompt: str, objective: str) -> tuple[Region | None, ...]:
    """Of its terms; a network's own objective has none."""
    try:
        return tuple(term.region for term in parse_objective(dreamed(prompt, objective, "")).terms)
    except ObjectiveError:  # empty, or what the dreamer refuses
        return (None,)
