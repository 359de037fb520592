"""Engines: what computes the ascent's steps, and how fast.

PyTorch's autograd runs everywhere and is what the others are compared with: OpenVINO on x86 CPUs,
CUDA graphs on NVIDIA cards. Each dreams the same dream (`tests/peer/test_engines.py`). Why these:
docs/decisions/engines.md.

What may change from frame to frame without a new engine: everything in `DreamSettings` that
`ascend` reads (step_size, smoothing, laplacian), the size of the picture, how many steps are taken
and how far they are shifted, and the objective's weights, which are changed in place. An engine
that has compiled something for one size does so again for another, and keeps the last few.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from livedream.core.errors import SettingsError
from livedream.core.settings import DreamSettings
from livedream.dream.networks.network import Network
from livedream.dream.objectives.binding import BoundObjective, Measured
from livedream.dream.tiles import Margins

__all__ = ["Engine", "EngineSpec", "open_engine"]


@dataclass(frozen=True, eq=False, slots=True)
class EngineSpec:
    """What an engine computes: the gradient of one objective on one network.

    objective: on the device; its weights change in place, the rest never does.
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

    def gradient(self, seen: Tensor, measured: Measured | None = None) -> Tensor:
        """The objective's gradient at a picture that already has its margins, (1, 3, h, w)
        float32, times any positive factor.

        measured: of the whole picture that this one is a tile of (`BoundObjective.measure`); the
        factor is then the same for all of its tiles.
        """

    def prepare(self, sizes: Sequence[tuple[int, int]]) -> bool:
        """Whether steps on pictures of these sizes, (width, height) with margins, can be taken at
        once; what an engine has to compile for them is begun in another thread.  True as well where
        that failed: there is nothing to wait for.
        """


def open_engine(name: str, spec: EngineSpec) -> Engine:
    """The engine that ``--engine NAME`` means; ``auto``: the fastest on its device that can.

    ``auto`` looks at the device and the network, never at a clock: the same command gives the same
    dream, whatever else the machine was doing.  Raises SettingsError for one that cannot run here.
    """
    if name == "auto":
        try:
            return open_engine({"cpu": "openvino"}.get(spec.device.type, spec.device.type), spec)
        except SettingsError:  # it says that it cannot do this network here
            name = "torch"
    if name == "openvino":
        from livedream.dream.engines.openvino.engine import OpenVinoEngine

        return OpenVinoEngine(spec)
    if name == "cuda":
        from livedream.dream.engines.cuda.engine import CudaEngine

        return CudaEngine(spec)
    if name == "torch":
        from livedream.dream.engines.eager import EagerEngine

        return EagerEngine(spec)
    raise SettingsError(f"engine: must be auto, torch, openvino or cuda (got {name!r})")
