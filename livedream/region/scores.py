"""How much each place of a frame belongs to a region that depends on the picture, 0 to 1.

In each score 0.5 is where most people would draw the line; `DreamSettings.threshold` moves it.
"""

from typing import Final

import cv2
import numpy as np

from livedream.core.frame import FlowField, Picture
from livedream.flow import gray
from livedream.flow.camera_motion import rest_of_flow
from livedream.warp.remap import Plane

# Heuristics, by eye on the test clips: 8-bit luma at which a place is neither dark nor bright, and
# how far from it the score is nearly 0 or 1.
_DARK: Final = 90.0
_BRIGHT: Final = 165.0
_SLOPE: Final = 12.0
# A place is an edge by the mean slope around it, 8-bit steps a pixel of a picture 135 lines high.
_EDGE: Final = 6.0
_AROUND: Final = 1 / 27  # of the height: how far around a place is looked
# A colour is the key's within this distance, 8-bit steps of chroma; luma counts less.
_KEY: Final = 40.0
_LUMA_SHARE: Final = 0.5
# A place moves by this many heights of the picture a second, after the camera's own motion.
_SPEED: Final = 0.06
_LINES: Final = 64  # at which motion is looked at
_TINY_S: Final = 1e-3


def dark(rgb: Picture) -> Plane:
    return _by_luma(rgb, _DARK, -_SLOPE)


def bright(rgb: Picture) -> Plane:
    return _by_luma(rgb, _BRIGHT, _SLOPE)


def _by_luma(rgb: Picture, middle: float, slope: float) -> Plane:
    """Of a place and what is next to it: single leaves of a tree are no region."""
    table = 1.0 / (1.0 + np.exp((middle - np.arange(256)) / slope))
    side = 1 + 2 * round(_AROUND / 2 * rgb.shape[0])
    luma = cv2.blur(gray(rgb), (side, side))
    return np.asarray(cv2.LUT(luma, table.astype(np.float32)), np.float32)


def edges(rgb: Picture) -> Plane:
    """Where there is detail."""
    height = rgb.shape[0]
    luma = gray(rgb)
    across, down = (cv2.Scharr(luma, cv2.CV_32F, *axis, scale=1 / 32) for axis in ((1, 0), (0, 1)))
    slope = _blurred(np.asarray(cv2.magnitude(across, down), np.float32), _AROUND * height)
    return np.asarray(slope / (slope + _EDGE * 135 / height), np.float32)


def key(rgb: Picture, colour: str) -> Plane:
    """Where the picture has a colour, `#rrggbb`."""
    wanted = np.array([[[int(colour[at : at + 2], 16) for at in (1, 3, 5)]]], np.uint8)
    picture, target = (cv2.cvtColor(one, cv2.COLOR_RGB2YCrCb) for one in (rgb, wanted))
    apart = cv2.absdiff(picture, np.broadcast_to(target, picture.shape))
    weights = np.array([[_LUMA_SHARE**2, 1.0, 1.0]], np.float32) / np.float32(_KEY**2)
    squares = cv2.transform(np.square(apart, dtype=np.float32), weights)
    return np.asarray(1.0 / (1.0 + squares), np.float32)


def moving(flow: FlowField, seconds: float) -> Plane:
    """Where a flow is another than the camera's, (h', w') of some size between 64 and 128 lines.

    flow: (2, h, w) px, over so many seconds.
    """
    whole = flow.shape[1]
    rest = rest_of_flow(_coarse(flow))
    speed = cv2.magnitude(rest[0], rest[1]) * np.float32(1 / (whole * max(seconds, _TINY_S)))
    speed = _blurred(np.asarray(speed, np.float32), _AROUND * rest.shape[1])
    return np.asarray(speed / (speed + np.float32(_SPEED)), np.float32)


def _coarse(flow: FlowField) -> FlowField:
    """The same flow, its values too, of fewer places; what is blurred so far needs no more."""
    while flow.shape[1] >= 2 * _LINES:
        size = max(1, flow.shape[2] // 2), flow.shape[1] // 2
        flow = np.stack([cv2.resize(part, size) for part in flow])  # linear: the mean of four
    return flow


def _blurred(plane: Plane, radius: float) -> Plane:
    side = 1 + 2 * max(1, round(radius))
    return np.asarray(cv2.blur(plane, (side, side)), np.float32)
