"""Engines: what carries the steps of an octave out, and how fast.

Behind one door stand several: PyTorch's autograd, which runs everywhere and is what the others
are measured against, and quicker ones for the machines that have them. Each dreams the same dream
(`tests/peer/test_engines.py`). `livedream.dream.engines.opening` chooses.

What may change from frame to frame without a new engine: everything in `DreamSettings` that
`ascend` reads (step_size, smoothing, laplacian), the size of the picture, how many steps are taken
and how far they are shifted, and the objective's weights, which are changed in place. An engine
that has recorded something for one size records it anew for another, and keeps the last few.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from livedream.core.settings import DreamSettings
from livedream.dream.networks.network import Network
from livedream.dream.objectives.binding import BoundObjective, Measured
from livedream.dream.tiles import Margins

__all__ = ["Engine", "EngineSpec"]


@dataclass(frozen=True, eq=False, slots=True)
class EngineSpec:
    """What an engine is made for: the slope of one objective on one network.

    objective: on the device; its weights change in place, the rest never does.
    dtype: of the network and its activations; pictures and slopes are float32.
    patient: steps may wait for what an engine has to make first, and are the same every time;
    otherwise it takes a slower way meanwhile, as a live show wants it.
    """

    network: Network
    objective: BoundObjective
    device: torch.device
    dtype: torch.dtype
    wait_for_compile: bool = True


class Engine(Protocol):
    """The door to the ascent's steps.

    name: as `DreamSettings.engine` calls it.

    climb: some steps up from x, (1, 3, h, w) float32 in [0, 1] on the device, in place.  shifts:
    one for each step; the network sees the picture with such mirrored margins (left, right, top,
    bottom; px), whose sums are the same in all of them, so that all steps have one shape.  Each
    step divides the slope by its mean size (`steps.normalised`), goes step_size / 255 along it and
    clips to [0, 1].

    gradient: the objective's slope at a picture that already has its margins, (1, 3, h, w)
    float32, times any positive factor.  measured: of the whole picture that this one is a tile
    of (`BoundObjective.measure`); the factor is then the same for all of its tiles.

    prepare: whether steps on pictures of these sizes, (width, height) with margins, can be taken at
    once; what an engine has to make for them is begun beside.  True as well where that failed:
    there is nothing to wait for.

    detours: how often steps took the slower way, see `EngineSpec.wait_for_compile`.
    """

    @property
    def name(self) -> str: ...

    @property
    def fallbacks(self) -> int: ...

    def ascend(self, x: Tensor, shifts: Sequence[Margins], settings: DreamSettings) -> None: ...

    def gradient(self, seen: Tensor, measured: Measured | None = None) -> Tensor: ...

    def prepare(self, sizes: Sequence[tuple[int, int]]) -> bool: ...
