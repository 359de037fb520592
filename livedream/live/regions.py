"""The planes of a live show's regions, frame by frame, at the camera's rate."""

import time
from concurrent.futures import Future, ThreadPoolExecutor
from functools import lru_cache
from typing import Final

from livedream.capture.live.beside import LivePictures
from livedream.core.errors import LivedreamError, ObjectiveError, reason
from livedream.core.frame import Motion, Picture
from livedream.core.settings import dream_size
from livedream.core.snapshot import Snapshot
from livedream.dream.objectives.prompt import dreamed
from livedream.dream.objectives.text import parse_objective
from livedream.region.planes import PlaneReader, Planes
from livedream.region.segmentation import network_score
from livedream.region.value import Leaf, Region
from livedream.region.visitors import Memory
from livedream.region.wanted import wanted_of
from livedream.warp.remap import Plane

# Heuristic: a network that takes longer, so often in a row, would cost frames.
_LONG_S: Final = 0.010
_LOOKS: Final = 3


class LivePlanes(PlaneReader):
    """A network that takes long looks in a thread of its own, at the newest frame when it is free.

    Meanwhile what it found before goes along with the motion.
    """

    def __init__(self, pictures: LivePictures | None = None) -> None:
        super().__init__(pictures)
        self._looks: dict[str, int] = {}  # that took long, one after the other
        self._beside: dict[str, Future[tuple[Plane, float]]] = {}
        self._due_s: dict[str, float] = {}
        self._pool = ThreadPoolExecutor(1, "livedream-regions")

    def look(self, leaf: Leaf, rgb: Picture) -> Plane | None:
        name = str(leaf)
        if self._looks.get(name, 0) < _LOOKS:
            found, took_s = _timed_score(leaf, rgb)
            self._looks[name] = self._looks.get(name, 0) + 1 if took_s > _LONG_S else 0
            return found
        running = self._beside.get(name)
        if running is None:
            if time.perf_counter() >= self._due_s.get(name, 0.0):
                self._beside[name] = self._pool.submit(_timed_score, leaf, rgb)
            return None
        if not running.done():
            return None
        del self._beside[name]
        found, took_s = running.result()
        self._due_s[name] = time.perf_counter() + took_s  # the dream needs the processor too
        return found

    def cut(self) -> None:
        for running in self._beside.values():
            running.cancel()  # one that runs already goes on, and nobody asks what it found
        self._beside.clear()
        self._due_s.clear()


def _timed_score(leaf: Leaf, rgb: Picture) -> tuple[Plane, float]:
    """And how long it took, s."""
    start_s = time.perf_counter()
    return network_score(leaf, rgb), time.perf_counter() - start_s


class LiveRegions:
    """pictures: the live sources of masks.  begun_s: when the show did, monotonic.

    note: why planes are those of the frame before; empty where all is well.
    """

    def __init__(self, pictures: LivePictures | None = None, begun_s: float = 0.0) -> None:
        self._reader, self._begun_s = LivePlanes(pictures), begun_s
        self._live = pictures is not None
        self._memory: Memory = {}
        self._last: Planes | None = None
        self.note = ""

    def step(
        self, snapshot: Snapshot, rgb: Picture, motion: Motion | None, seconds: float
    ) -> Planes | None:
        """Those of the next frame, None where no region is named.

        seconds: since the frame before.
        """
        self.note = ""
        settings = snapshot.dream
        terms = _regions_of(settings.prompt, settings.objective)
        if snapshot.fading is not None:
            terms += _regions_of(snapshot.fading.prompt, snapshot.fading.objective)
        try:
            wanted = wanted_of(settings, terms, live=self._live)
            if wanted is None:
                self._memory.clear()
                self._reader.cut()
                self._last = None
                return None
            half_life, self._reader.painted = settings.half_life, snapshot.painted
            self._last = self._reader.step(
                wanted, self._memory, rgb, motion,
                size=dream_size(settings.size, rgb.shape[1], rgb.shape[0]), seconds=seconds,
                fade=0.5 ** (seconds / half_life) if half_life > 0 else 0.0,
                time_s=snapshot.time_s - self._begun_s,
            )  # fmt: skip
        except LivedreamError as error:  # the show goes on
            self.note = reason(error)
        return self._last


@lru_cache(maxsize=32)
def _regions_of(prompt: str, objective: str) -> tuple[Region | None, ...]:
    """Of its terms; a network's own objective has none."""
    try:
        return tuple(term.region for term in parse_objective(dreamed(prompt, objective, "")).terms)
    except ObjectiveError:  # empty, or what the dreamer refuses
        return (None,)
