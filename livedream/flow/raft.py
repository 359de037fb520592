"""RAFT (Teed and Deng 2020) as torchvision ships it: two sizes of one learned estimator.

Slower than DIS by far on a CPU, at home on a GPU. Its weights are downloaded into torch's cache
when it is first opened.
"""

from contextlib import AbstractContextManager, nullcontext
from typing import Any, Final

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F
from torch.overrides import TorchFunctionMode

from livedream.core.device import choose_device
from livedream.core.downloads import cached, obtain
from livedream.core.errors import FlowError, ShapeError
from livedream.core.frame import FlowField, Picture
from livedream.flow.on_device import halved

_WEIGHTS: Final = {
    "raft-small": "Raft_Small_Weights.C_T_V2",
    "raft-large": "Raft_Large_Weights.C_T_SKHT_V2",
}
_MULTIPLE_PX: Final = 8  # the features lie at an eighth of the size
_SMALLEST_SIDE_PX: Final = 128  # below it the fourth level of the correlation pyramid is empty
UPDATES: Final = 12  # of the flow; what torchvision's weights were trained and evaluated with


class RaftFlow:
    """RAFT, in float32; on CUDA the small one's convolutions in float16, its positions in float32.

    name: `raft-small` (1.0 million parameters) or `raft-large` (5.3 million).  device: as torch
    calls it; auto: CUDA, else Apple's MPS, else the CPU.  random_seed: random weights drawn with
    it instead of the trained ones, for tests; its flow means nothing.
    Raises FlowError for another name and weights that cannot be had, SettingsError for a device.
    """

    def __init__(
        self, name: str = "raft-small", device: str = "auto", *, random_seed: int | None = None
    ) -> None:
        if name not in _WEIGHTS:
            raise FlowError(f"flow: must be one of {', '.join(_WEIGHTS)} (got {name})")
        self._name = name
        self.device = choose_device(device)
        self._half = name == "raft-small" and self.device.type == "cuda"
        network = _trained(name) if random_seed is None else untrained(name, random_seed)
        self._network = network.to(self.device).eval().requires_grad_(False)

    def estimate(self, current: Picture, previous: Picture) -> FlowField:
        """(2, h, w) float32 px from current to previous, the last of the iterated flows."""
        if current.shape != previous.shape:
            raise ShapeError(
                f"{self._name}: the pictures must be of one size "
                f"(got {current.shape} and {previous.shape})"
            )
        with torch.inference_mode():
            pair = torch.from_numpy(np.stack([current, previous])).to(self.device)
            scaled = pair.permute(0, 3, 1, 2) / 255.0
            flows = self._flows(scaled[:1], scaled[1:])
            found: FlowField = flows[0].cpu().contiguous().numpy()
        return found

    def both(self, pictures: Tensor) -> Tensor:
        """There and back in one batch; see `DeviceFlow`."""
        return halved(self._flows(pictures, pictures.flip(0)))

    def _flows(self, first: Tensor, second: Tensor) -> Tensor:
        """(n, 2, h, w) float32 px from each first picture to its second, (n, 3, h, w) in [0, 1]."""
        height, width = first.shape[2:]
        precision: AbstractContextManager[Any] = (
            torch.autocast("cuda", torch.float16, cache_enabled=False)
            if self._half
            else nullcontext()
        )
        try:
            with precision, _PlacesOn(self.device):
                flows = self._network(_input(first), _input(second), num_flow_updates=UPDATES)
        except torch.OutOfMemoryError as error:
            raise FlowError(
                f"{self._name}: {self.device} has too little memory for {width}x{height} px, "
                "which grows with the square of the area; try a smaller --flow-size or --flow dis"
            ) from error
        last: Tensor = flows[-1][:, :, :height, :width].float()
        return last


class _PlacesOn(TorchFunctionMode):
    """Within, torchvision's grids of places are made on a device.

    From the CPU they would have to be brought there each time, which no CUDA graph can do.
    """

    def __init__(self, device: torch.device) -> None:
        super().__init__()
        self._device = device

    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        kwargs = dict(kwargs or {})
        if func in (torch.arange, torch.linspace):
            kwargs["device"] = self._device
        return func(*args, **kwargs)


def _input(pictures: Tensor) -> Tensor:
    """In [-1, 1], as large as RAFT needs, the border repeated."""
    height, width = pictures.shape[2:]
    right, bottom = _wanted(width) - width, _wanted(height) - height
    return F.pad(2.0 * pictures - 1.0, (0, right, 0, bottom), mode="replicate")


def _wanted(side_px: int) -> int:
    return max(_SMALLEST_SIDE_PX, -(-side_px // _MULTIPLE_PX) * _MULTIPLE_PX)


def untrained(name: str, seed: int) -> Any:
    """The network with weights of that seed; torch's own random state stays as it was."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return _empty(name)


def _trained(name: str) -> Any:
    from torchvision.models import get_weight

    download = cached(get_weight(_WEIGHTS[name]).url)
    path = obtain(
        download, f"flow {name}", FlowError, otherwise="; --flow dis needs no weights at all"
    )
    network = _empty(name)
    network.load_state_dict(torch.load(path, map_location="cpu", weights_only=True))
    return network


def _empty(name: str) -> Any:
    from torchvision.models.optical_flow import raft_large, raft_small

    return {"raft-small": raft_small, "raft-large": raft_large}[name](weights=None)
