"""Classic optical flow by OpenCV: DIS (Kroeger et al. 2016) and Farneback (2003)."""

from math import log2
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from livedream.core.errors import FlowError
from livedream.core.frame import FlowField, Picture
from livedream.flow import Gray, gray, halved

_SMALLEST_SIDE_PX: Final = 16  # both work in patches; OpenCV's DIS raises below 12

_PRESETS: Final = {
    "dis": cv2.DISOPTICAL_FLOW_PRESET_MEDIUM,
    "dis-fast": cv2.DISOPTICAL_FLOW_PRESET_FAST,
    "dis-ultrafast": cv2.DISOPTICAL_FLOW_PRESET_ULTRAFAST,
}
# Patch stride, gradient descents and refinements of `both` where they are not the preset's, as good
# for less (docs/decisions/flow.md); the way back only checks the way there.
_THERE: Final = {"dis": (4, 25, 3), "dis-fast": (4, 16, 3)}
_BACK: Final = {"dis": (5, 12, 2), "dis-fast": (4, 16, 3)}


class DisFlow:
    """Dense Inverse Search. preset: `dis` (medium), `dis-fast` or `dis-ultrafast`.

    No flow of an earlier frame is given to it as a start: the gain was small
    (docs/decisions/flow.md), and a stopped render could not be continued with equal frames.
    """

    def __init__(self, preset: str = "dis") -> None:
        if preset not in _PRESETS:
            raise FlowError(f"flow: must be one of {', '.join(_PRESETS)} (got {preset})")
        self._whole = _dis(preset)
        self._forward = _dis(preset, _THERE.get(preset))
        self._backward = _dis(preset, _BACK.get(preset))
        self._finest = self._whole.getFinestScale()

    def estimate(self, current: Picture, previous: Picture) -> FlowField:
        """By the preset as OpenCV has it."""
        return self._run(self._whole, gray(current), gray(previous), self._finest)

    def both(self, now: Gray, before: Gray) -> tuple[FlowField, FlowField]:
        """There and back, at half the pictures' size in px of the whole ones.

        Back only checks the way there and may be coarser. No preset looks at a picture at its full
        size: halved once, both ways begin there.
        """
        small, small_before = (halved(picture).astype(np.uint8) for picture in (now, before))
        finest = self._finest - 1
        there = self._run(self._forward, small, small_before, finest)
        back = self._run(self._backward, small_before, small, finest)
        return _smooth(there), _smooth(back)

    def _run(self, dis: cv2.DISOpticalFlow, now: Gray, before: Gray, finest: int) -> FlowField:
        """calc() down to that scale, or the coarsest that a small picture has.

        Left alone, OpenCV chooses other scales for small pictures, keeps them for the next ones,
        and reads beyond thin ones (28 x 100 px crashed). The formula for the coarsest is its own.
        """
        padded, patch = _padded(now), dis.getPatchSize()
        longer, shorter = max(padded.shape), min(padded.shape)
        coarsest = min(int(log2(longer / (4 * patch)) + 0.5), int(log2(shorter / patch)))
        dis.setFinestScale(min(finest, coarsest))
        return _planes(dis.calc(padded, _padded(before), None), now)  # type: ignore[call-overload]


class FarnebackFlow:
    """Polynomial expansion; slower than DIS, smoother in flat places."""

    def estimate(self, current: Picture, previous: Picture) -> FlowField:
        now, before = gray(current), gray(previous)
        # Five levels, each half as large, for motion up to a few dozen px; window 21 px and
        # neighbourhoods of 7 px with their sigma 1.5 as in OpenCV's documentation of polyN.
        found = cv2.calcOpticalFlowFarneback(  # type: ignore[call-overload]
            _padded(now), _padded(before), None, 0.5, 5, 21, 3, 7, 1.5, 0
        )
        return _planes(found, now)


def _dis(preset: str, tuned: tuple[int, int, int] | None = None) -> cv2.DISOpticalFlow:
    dis = cv2.DISOpticalFlow.create(_PRESETS[preset])
    if tuned is not None:
        stride, descents, refinements = tuned
        dis.setPatchStride(stride)
        dis.setGradientDescentIterations(descents)
        dis.setVariationalRefinementIterations(refinements)
    return dis


def _smooth(flow: FlowField) -> FlowField:
    """In px of the whole picture, and as smooth as grown to its size and halved again.

    Left out, what is carried along flickers by up to 2 % more (`dis`).
    """
    taps = np.array([0.125, 0.75, 0.125], np.float32)
    return np.stack(
        [
            cv2.sepFilter2D(part, -1, 2 * taps, taps, borderType=cv2.BORDER_REPLICATE)
            for part in flow
        ]
    ).astype(np.float32, copy=False)


def _padded(small: Gray) -> Gray:
    """With its border repeated where a side is too short."""
    height, width = small.shape
    bottom, right = max(0, _SMALLEST_SIDE_PX - height), max(0, _SMALLEST_SIDE_PX - width)
    padded = cv2.copyMakeBorder(small, 0, bottom, 0, right, cv2.BORDER_REPLICATE)
    return np.asarray(padded, np.uint8)


def _planes(found: NDArray[np.float32], now: Gray) -> FlowField:
    """OpenCV's (H, W, 2) as (2, h, w), without the padding."""
    height, width = now.shape
    return np.ascontiguousarray(found[:height, :width].transpose(2, 0, 1), np.float32)
