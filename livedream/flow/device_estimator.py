"""Pictures in host memory, compared on a device: up go two pictures, down comes their motion."""

import logging
from collections import OrderedDict
from contextlib import AbstractContextManager, nullcontext
from typing import Any, Final

import numpy as np
import torch
from torch.nn import functional as F

from livedream.core.cuda_graph import Capture, CudaGraphCapture, Step
from livedream.core.errors import first_line
from livedream.core.frame import DeviceMotion, FlowField, Motion, Picture
from livedream.flow import DeviceFlow
from livedream.flow.on_device import compare

_LOG: Final = logging.getLogger(__name__)
_KEPT: Final = 6  # sizes


class DeviceEstimator:
    """A `DeviceFlow` for pictures that are not on its device.

    On CUDA all of a comparison is one graph, on a stream of its own beside the dream.
    capture: None for CUDA graphs, and elsewhere for none; tests give one that runs anywhere.
    """

    def __init__(self, flow: DeviceFlow, capture: Capture | None = None) -> None:
        self.flow = flow
        self._stream: Any = None
        if flow.device.type == "cuda":
            self._stream = torch.cuda.Stream(flow.device)  # type: ignore[no-untyped-call]
            capture = capture or CudaGraphCapture(flow.device)
        self._capture = capture
        self._comparisons: OrderedDict[tuple[int, int], _Comparison] = OrderedDict()

    def estimate(self, current: Picture, previous: Picture) -> FlowField:
        """(2, h, w) px, current to previous; see `FlowEstimator`."""
        size = current.shape[:2]
        with torch.inference_mode(), self._beside():
            pair = torch.from_numpy(np.stack([current, previous])).to(self.flow.device)
            there = self.flow.both(pair.permute(0, 3, 1, 2) / 255.0)[:1]
            whole = F.interpolate(there, size, mode="bilinear", align_corners=False)
            return np.asarray(whole[0].cpu().numpy(), np.float32)

    def motion(self, current: Picture, previous: Picture) -> Motion:
        """See `MotionFinder`."""
        with torch.inference_mode(), self._beside():
            comparison = self._comparison(*current.shape[:2])
            comparison.pictures.copy_(torch.from_numpy(np.stack([current, previous])))
            (comparison.replay or comparison.run)()
            found = comparison.found
            return Motion(found.flow.cpu().numpy(), found.visibility.cpu().numpy(), bool(found.cut))

    def _beside(self) -> AbstractContextManager[Any]:
        return nullcontext() if self._stream is None else torch.cuda.stream(self._stream)

    def _comparison(self, height: int, width: int) -> "_Comparison":
        found = self._comparisons.pop((height, width), None)
        if found is None:
            found = _Comparison(self.flow, height, width)
            if self._capture is not None:
                try:
                    found.replay = self._capture(found.run)
                except RuntimeError as error:
                    _LOG.warning("flow: runs without a CUDA graph, slower (%s)", first_line(error))
                    self._capture = None
            while len(self._comparisons) >= _KEPT:
                self._comparisons.popitem(last=False)
        self._comparisons[height, width] = found
        return found


class _Comparison:
    """One comparison on memory that stays in place (see `cuda_graph`).

    pictures: (2, h, w, 3) uint8 RGB, current and previous.  found: what the last `run` made.
    replay: the capture of `run`, None: there is none.
    """

    found: DeviceMotion

    def __init__(self, flow: DeviceFlow, height: int, width: int) -> None:
        self._flow = flow
        self.pictures = torch.zeros(2, height, width, 3, dtype=torch.uint8, device=flow.device)
        self.replay: Step | None = None

    def run(self) -> None:
        self.found = compare(self._flow, self.pictures.permute(0, 3, 1, 2) / 255.0)
