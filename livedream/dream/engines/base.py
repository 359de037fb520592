"""What an engine computes, and what is asked of it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from livedream.core.settings import DreamSettings
from livedream.dream.networks.network import Network
from livedream.dream.objectives.binding import BoundObjective, Measured
from livedream.dream.objectives.terms import WHOLE, Place
from livedream.dream.tiles import Margins


@dataclass(frozen=True, eq=False, slots=True)
class EngineSpec:
    """What an engine computes: the gradient of one objective on one network.

    objective: on the device; its dials change in place, the rest never does.
    dtype: of the network and its activations; pictures and gradients are float32.
    wait_for_compile: steps may wait for what an engine has to compile first, and are the same every
    time; otherwise autograd takes them meanwhile, as in a live show.
    """

    network: Network
    objective: BoundObjective
    device: torch.device
    dtype: torch.dtype
    wait_for_compile: bool = True


class Engine(Protocol):
    """What `Ascent` asks for its steps."""

    @property
    def name(self) -> str:
        """As `DreamSettings.engine` calls it."""

    @property
    def fallbacks(self) -> int:
        """How often steps were left to autograd, see `EngineSpec.wait_for_compile`."""

    def ascend(self, x: Tensor, shifts: Sequence[Margins], settings: DreamSettings) -> None:
        """Take some steps from x, (1, 3, h, w) float32 in [0, 1] on the device, in place.

        shifts: one for each step; the network sees the picture with such mirrored margins (left,
        right, top, bottom; px), whose sums are the same in all of them, so that all steps have one
        shape.  Each step divides the gradient by its mean size (`steps.normalised`), goes
        step_size / 255 along it and clips to [0, 1].
        """

    def gradient(
        self, seen: Tensor, measured: Measured | None = None, place: Place = WHOLE
    ) -> Tensor:
        """The objective's gradient at a picture that already has its margins, (1, 3, h, w)
        float32, times any positive factor.

        measured: of the whole picture that this one is a tile of (`BoundObjective.measure`); the
        factor is then the same for all of its tiles.  place: of that tile.
        """

    def prepare(self, sizes: Sequence[tuple[int, int]]) -> bool:
        """Whether steps on pictures of these sizes, (width, height) with margins, can be taken at
        once; what an engine has to compile for them is begun in another thread.  True as well where
        that failed: there is nothing to wait for.
        """
