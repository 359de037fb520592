"""Flow: how a frame moved since the one before it.

A flow estimator compares two pictures of the same size. `MotionEstimator` adds what the dream
needs besides: a steady flow where the picture has no structure, where the previous frame did not
show a place, and whether there was a cut.
"""

from types import ModuleType
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from livedream.core.device import choose_device
from livedream.core.errors import FlowError
from livedream.core.frame import FlowField, Motion, Picture
from livedream.core.kernels import opened
from livedream.warp.remap import Plane

if TYPE_CHECKING:
    from livedream.flow.inverse_search import InverseSearch

Gray = NDArray[np.uint8]  # (h, w)


class FlowEstimator(Protocol):
    """What compares two pictures.

    current, previous: (h, w, 3) uint8 RGB of one size.
    Returns (2, h, w) float32 px, from current to previous.
    """

    def estimate(self, current: Picture, previous: Picture) -> FlowField: ...


@runtime_checkable
class MotionFinder(FlowEstimator, Protocol):
    """An estimator that does all of `motion.compare` itself.

    current, previous: (h, w, 3) uint8 RGB of one size.  The motion is at half their size.
    """

    def motion(self, current: Picture, previous: Picture) -> Motion: ...


class DeviceFlow(Protocol):
    """What compares two pictures on the device they lie on, both ways at once.

    pictures: (2, 3, h, w) float32 RGB in [0, 1], the current one and the previous one.
    Returns (2, 2, h // 2, w // 2) float32 px of the whole pictures, at half their size, though
    never less than a pixel: from current to previous, and from previous to current.
    The operations depend on the size alone and never wait for the device.
    """

    device: torch.device

    def both(self, pictures: Tensor) -> Tensor: ...


class ZeroFlow:
    """Nothing moves: for still pictures, and for tests."""

    def estimate(self, current: Picture, previous: Picture) -> FlowField:
        return np.zeros((2, *current.shape[:2]), np.float32)


def open_flow(name: str, *, device: str = "auto") -> FlowEstimator:
    """The estimator that `--flow NAME` means: a name of the settings' FLOWS, or an .onnx file.

    device: where a network runs; on CUDA `dis` and all of the comparison do too.
    Raises FlowError for an estimator that cannot be had, SettingsError for a device.
    """
    if name.endswith(".onnx"):  # first: raft-small.onnx is a file
        from livedream.flow.onnx import OnnxFlow

        return OnnxFlow(name, device)
    if name == "none":
        return ZeroFlow()
    if name == "farneback":
        from livedream.flow.classic import FarnebackFlow

        return FarnebackFlow()
    if name.startswith("dis"):
        return _open_dis(name, device)
    if name.startswith("raft-"):
        return _open_raft(name, device)
    raise FlowError(f"flow {name!r} is not known")


def _open_dis(name: str, device: str) -> FlowEstimator:
    if name == "dis" and (place := choose_device(device)).type == "cuda":
        from livedream.flow.device_estimator import DeviceEstimator

        return DeviceEstimator(open_search(place))
    from livedream.flow.classic import DisFlow

    return DisFlow(name)


def open_search(device: torch.device, *, kernels: bool | None = None) -> "InverseSearch":
    """Our own inverse search.

    kernels: whether by Triton's, if they run there; None: on CUDA.
    """
    from livedream.flow.inverse_search import InverseSearch

    def tried() -> ModuleType:
        from livedream.flow import search_kernels

        across, down = (torch.arange(side, device=device) / 3 for side in (48, 33))
        wall = 0.5 + 0.25 * (across.sin() + down.cos()[:, None])
        pair = torch.stack([wall[1:], wall[:-1]])[:, None].expand(-1, 3, -1, -1)
        ours, theirs = (InverseSearch(device, own).both(pair) for own in (search_kernels, None))
        if not torch.allclose(ours, theirs, atol=0.01):
            raise RuntimeError("another result than PyTorch's")
        return search_kernels

    wanted = device.type == "cuda" if kernels is None else kernels
    return InverseSearch(device, opened("flow", tried) if wanted else None)


def _open_raft(name: str, device: str) -> FlowEstimator:
    from livedream.flow.raft import RaftFlow

    network = RaftFlow(name, device)
    if choose_device(device).type != "cuda":
        return network
    from livedream.flow.device_estimator import DeviceEstimator

    return DeviceEstimator(network)


def gray(picture: NDArray[np.uint8]) -> Gray:
    """(h, w) uint8 of an RGB picture."""
    return np.asarray(cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY), np.uint8)


def luma(pictures: Tensor) -> Tensor:
    """(n, h, w) float32 whole 8-bit steps of (n, 3, h, w) RGB in [0, 1]: `gray`, on any device."""
    red, green, blue = pictures.unbind(1)
    # Rec. 601, as OpenCV has it.
    return (255.0 * (0.299 * red + 0.587 * green + 0.114 * blue)).round_()


def halved(plane: NDArray[Any]) -> Plane:
    """(h, w) float32: an (H, W) plane at half its size, never less than a pixel."""
    height, width = plane.shape
    size = max(1, width // 2), max(1, height // 2)
    return np.asarray(cv2.resize(plane, size, interpolation=cv2.INTER_AREA), np.float32)


def quartered(plane: Gray) -> Gray:
    """(h, w): an (H, W) gray at a quarter of its size, halved twice: a third of the time."""
    for _ in range(2):
        height, width = plane.shape
        size = max(1, width // 2), max(1, height // 2)
        plane = np.asarray(cv2.resize(plane, size, interpolation=cv2.INTER_AREA), np.uint8)
    return plane


def flow_halved(flow: FlowField) -> FlowField:
    """(2, h, w): a flow at half its size, its px those of the whole picture as before."""
    return np.stack([halved(part) for part in flow])


def sampled_median(plane: Plane) -> float:
    """The median of a plane, of every fourth pixel both ways: in steps of a frame it is enough."""
    height, width = plane.shape
    return median(plane[min(1, height - 1) :: 4, min(1, width - 1) :: 4])


def median(values: NDArray[Any]) -> float:
    """The middle one, of an even number the upper: half the time of NumPy's."""
    middle = values.size // 2
    return float(np.partition(values, middle, axis=None)[middle])
