"""The planes of a live show's regions, frame by frame, at the camera's rate."""

from livedream.core.errors import RegionError, reason
from livedream.core.frame import Motion, Picture
from livedream.core.settings import DreamSettings, dream_size
from livedream.region.planes import Memory, PlaneReader, Planes, wanted_of


class LiveRegions:
    """note: why they are those of the frame before; empty where all is well."""

    def __init__(self) -> None:
        self._reader = PlaneReader()
        self._memory: Memory = {}
        self._last: Planes | None = None
        self.note = ""

    def step(
        self, settings: DreamSettings, rgb: Picture, motion: Motion | None, seconds: float
    ) -> Planes | None:
        """Those of the next frame, None where no region is named.

        seconds: since the frame before.
        """
        self.note = ""
        try:
            wanted = wanted_of(settings, ())
            if wanted is None:
                self._memory.clear()
                self._last = None
                return None
            half_life = settings.half_life
            self._last = self._reader.step(
                wanted, self._memory, rgb, motion,
                size=dream_size(settings.size, rgb.shape[1], rgb.shape[0]), seconds=seconds,
                fade=0.5 ** (seconds / half_life) if half_life > 0 else 0.0,
            )  # fmt: skip
        except RegionError as error:  # a file went away: the show goes on
            self.note = reason(error)
        return self._last
