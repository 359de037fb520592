"""Forward and backward written out, for a CPU: no autograd, weights prepared once.

What it gains, and what was tried and did not: docs/decisions/speed-cpu.md.
"""

from collections.abc import Sequence
from typing import Final

import torch
from torch import Tensor

from livedream.core.errors import SettingsError
from livedream.core.settings import DreamSettings
from livedream.dream.engines import EngineSpec
from livedream.dream.engines.schedule import CompiledOps
from livedream.dream.engines.steps import step_along, with_margins
from livedream.dream.engines.strips import Strip, WorkerPool, crew, lay_bands, share_of
from livedream.dream.objectives.binding import Measured, added_up
from livedream.dream.tiles import Margins

__all__ = ["DirectEngine"]


class DirectEngine:
    """Pictures lie in memory as OpenCV has them, (h, w, 3), whatever their tensors' axes.

    Raises SettingsError for a device other than the CPU, and for a network with operations that it
    does not know.
    """

    name: Final = "direct"
    fallbacks: Final = 0

    def __init__(self, spec: EngineSpec) -> None:
        if spec.device.type != "cpu":
            raise SettingsError(f"engine: direct runs on a CPU, device {spec.device.type} found")
        self._spec = spec
        preprocessing = spec.network.preprocessing
        offset, gain = preprocessing.constants(spec.device, torch.float32)
        body = spec.network.truncated(spec.objective.layers)
        self._schedules = [CompiledOps(body, spec.dtype, gain[0])]
        self._reversed = preprocessing.channel_order == "BGR"
        # In the picture's own order, one value per row of the memory's last axis.
        self._offset, self._gain = (
            (value.flip(1) if self._reversed else value).view(3) for value in (offset, gain)
        )

    @torch.no_grad()
    def ascend(self, x: Tensor, shifts: Sequence[Margins], settings: DreamSettings) -> None:
        picture = x.contiguous(memory_format=torch.channels_last)
        height, width = x.shape[2:]
        for margins in shifts:
            left, _, top, _ = margins
            slope = self._slope(with_margins(picture, margins))
            seen = slope[:, :, top : top + height, left : left + width]
            step_along(picture, seen.float(), settings)
        if picture is not x:
            x.copy_(picture)

    @torch.no_grad()
    def gradient(self, seen: Tensor, measured: Measured | None = None) -> Tensor:
        return self._slope(seen.contiguous(memory_format=torch.channels_last), measured).float()

    def prepare(self, sizes: Sequence[tuple[int, int]]) -> bool:
        return True

    def _slope(self, seen: Tensor, measured: Measured | None = None) -> Tensor:
        """Like `gradient`, of a picture in channels_last, in the network's type."""
        height, width = seen.shape[2:]
        threads = torch.get_num_threads()
        bands = self._bands(width, height, threads)
        share = share_of(width, height, len(bands), threads)
        if share == threads:
            slope = self._whole(seen, measured)
        else:
            together = crew(len(bands), share, threads)
            if len(bands) == 1:
                (slope,) = together.each(lambda x: self._whole(x, measured), [seen])
            else:
                slope = self._side_by_side(seen, bands, measured, together)
        return slope.flip(1) if self._reversed else slope

    def _whole(self, seen: Tensor, measured: Measured | None) -> Tensor:
        schedule = self._schedules[0]
        found = schedule.forward(self._normal(seen))
        return schedule.backward(self._spec.objective.seeds(found, measured))

    def _bands(self, width: int, height: int, threads: int) -> list[Strip]:
        """Several only where what their margins leave out drowns in the precision anyway."""
        first = self._schedules[0]
        exact = self._spec.dtype is torch.float32 or not first.local
        bands = lay_bands(width, height, 1 if exact else threads)
        while len(self._schedules) < len(bands):
            self._schedules.append(first.twin())
        return bands

    def _side_by_side(
        self, seen: Tensor, bands: list[Strip], measured: Measured | None, together: WorkerPool
    ) -> Tensor:
        objective = self._spec.objective

        def there(number: int) -> tuple[tuple[Tensor, ...], Measured | None]:
            found = self._schedules[number].forward(self._normal(bands[number].cut(seen)))
            if measured is not None:
                return found, None
            return found, objective.measure(tuple(bands[number].cells(one) for one in found))

        def back(number: int) -> Tensor:
            slope = self._schedules[number].backward(objective.seeds(found[number][0], whole))
            return bands[number].core(slope)

        numbers = list(range(len(bands)))
        found = together.each(there, numbers)
        whole = measured
        for _, piece in found:
            if piece is not None:
                whole = piece if whole is None else added_up(whole, piece)
        return torch.cat(together.each(back, numbers), bands[0].axis)

    def _normal(self, seen: Tensor) -> Tensor:
        """`Preprocessing.normalise`, along whole rows of memory: several times as quick."""
        _, _, height, width = seen.shape
        rows = seen.permute(0, 2, 3, 1).reshape(height, width * 3)
        normal = rows * self._gain.repeat(width) + self._offset.repeat(width)
        found = normal.to(self._spec.dtype).view(1, height, width, 3).permute(0, 3, 1, 2)
        if self._reversed:
            return found.flip(1).contiguous(memory_format=torch.channels_last)
        return found
