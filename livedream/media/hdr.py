"""High dynamic range down to what ordinary screens and networks expect.

PQ (SMPTE ST 2084) and HLG (ARIB STD-B67) in BT.2020 become BT.709. Each channel runs through one
curve: from the signal to light on a 1,000 cd/m2 display (Rec. ITU-R BT.2100, tables 4 and 5; the
system gamma of HLG, 1.2, is applied to each channel), then the roll-off of Report ITU-R BT.2390,
section 5.4.1 (a Hermite spline in PQ space) down to 203 cd/m2, the reference white of Report ITU-R
BT.2408. The primaries are then converted (BT.2087), and the light is encoded with the inverse of
BT.1886's exponent, 2.4. Curves are tables, so that a frame costs a few look-ups.
"""

from typing import cast

import cv2
import numpy as np
from numpy.typing import NDArray

from livedream.core.frame import Picture

PQ, HLG = 16, 18  # H.273 transfer characteristics
HDR_TRANSFERS = (PQ, HLG)

_PEAK = 1000.0  # cd/m2 that the source is taken to be graded for; files rarely say
_WHITE = 203.0  # cd/m2, BT.2408: what becomes the brightest white
_M1, _M2 = 2610 / 16384, 2523 / 4096 * 128  # ST 2084
_C1, _C2, _C3 = 3424 / 4096, 2413 / 4096 * 32, 2392 / 4096 * 32
_STEPS = 4096  # of both tables: 12 bits, more than the source has
# Linear BT.2020 to linear BT.709, Rec. ITU-R BT.2087 (inverse of its section 2 matrix).
_TO_BT709 = np.array(
    [[1.6605, -0.5876, -0.0728], [-0.1246, 1.1329, -0.0083], [-0.0182, -0.1006, 1.1187]],
    dtype=np.float32,
)

Curve = NDArray[np.float64]


class ToneMap:
    """Maps (H, W, 3) uint16 RGB in PQ or HLG to uint8 RGB in BT.709.

    transfer: PQ or HLG.  wide: the primaries are BT.2020, not already BT.709.
    """

    def __init__(self, transfer: int, *, wide: bool) -> None:
        signal = np.arange(_STEPS) / (_STEPS - 1)
        display = pq_to_light(signal) if transfer == PQ else hlg_to_light(signal)
        self._light = (rolled_off(display) / _WHITE).astype(np.float32)
        self._code = np.rint(255 * signal ** (1 / 2.4)).astype(np.uint8)
        self._wide = wide

    def __call__(self, rgb: NDArray[np.uint16]) -> Picture:
        light = np.take(self._light, rgb >> 4)
        if self._wide:
            light = cast("NDArray[np.float32]", cv2.transform(light, _TO_BT709))
        steps = np.clip(light * (_STEPS - 1) + 0.5, 0, _STEPS - 1).astype(np.uint16)
        code: Picture = np.take(self._code, steps)
        return code


def pq_to_light(signal: Curve) -> Curve:
    """PQ signal in [0, 1] to cd/m2 (ST 2084's EOTF)."""
    root = np.power(signal, 1 / _M2)
    ratio = np.maximum(root - _C1, 0) / (_C2 - _C3 * root)
    return 10_000 * np.power(ratio, 1 / _M1)


def light_to_pq(light: Curve) -> Curve:
    """cd/m2 to PQ signal in [0, 1] (the inverse EOTF)."""
    power = np.power(light / 10_000, _M1)
    return np.power((_C1 + _C2 * power) / (1 + _C3 * power), _M2)


def hlg_to_light(signal: Curve) -> Curve:
    """HLG signal in [0, 1] to cd/m2 on a display of 1,000 cd/m2, channel by channel."""
    a, b, c = 0.17883277, 0.28466892, 0.55991073  # BT.2100, table 5
    scene = np.where(signal <= 0.5, signal**2 / 3, (np.exp((signal - c) / a) + b) / 12)
    light: Curve = _PEAK * np.clip(scene, 0, 1) ** 1.2
    return light


def rolled_off(light: Curve) -> Curve:
    """BT.2390's roll-off: cd/m2 up to _PEAK become cd/m2 up to _WHITE, dark tones unchanged."""
    top = float(light_to_pq(np.array(_PEAK)))
    level = np.minimum(light_to_pq(light) / top, 1)
    most = float(light_to_pq(np.array(_WHITE))) / top
    knee = 1.5 * most - 0.5
    t = (level - knee) / (1 - knee)
    spline = (
        (2 * t**3 - 3 * t**2 + 1) * knee
        + (t**3 - 2 * t**2 + t) * (1 - knee)
        + (-2 * t**3 + 3 * t**2) * most
    )
    return pq_to_light(np.where(level < knee, level, spline) * top)
