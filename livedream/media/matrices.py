"""Colour matrices of H.273 that libswscale does not know, written out.

YCgCo (8), the constant luminance of BT.2020 (10), and the two that follow from the primaries
(12, 13). What is left (SMPTE ST 2085, ICtCp, IPT-C2, YCgCo-R) is refused: it needs more than a
matrix, and hardly any file has it.
"""

from typing import Any

import av
import numpy as np
from numpy.typing import NDArray

from livedream.core.errors import SourceError
from livedream.core.frame import ColourTags

YCGCO, BT2020_CL, DERIVED_NCL, DERIVED_CL = 8, 10, 12, 13
WRITTEN_OUT = (YCGCO, BT2020_CL, DERIVED_NCL, DERIVED_CL)
_REFUSED = {11: "SMPTE ST 2085", 14: "ICtCp", 15: "IPT-C2", 16: "YCgCo-Re", 17: "YCgCo-Ro"}
# (x, y) of red, green, blue and white, H.273 table 2.
_D65, _C, _DCI = (0.3127, 0.3290), (0.310, 0.316), (0.314, 0.351)
_PRIMARIES = {
    1: ((0.640, 0.330), (0.300, 0.600), (0.150, 0.060), _D65),
    4: ((0.670, 0.330), (0.210, 0.710), (0.140, 0.080), _C),
    5: ((0.640, 0.330), (0.290, 0.600), (0.150, 0.060), _D65),
    6: ((0.630, 0.340), (0.310, 0.595), (0.155, 0.070), _D65),
    7: ((0.630, 0.340), (0.310, 0.595), (0.155, 0.070), _D65),
    8: ((0.681, 0.319), (0.243, 0.692), (0.145, 0.049), _C),
    9: ((0.708, 0.292), (0.170, 0.797), (0.131, 0.046), _D65),
    11: ((0.680, 0.320), (0.265, 0.690), (0.150, 0.060), _DCI),
    12: ((0.680, 0.320), (0.265, 0.690), (0.150, 0.060), _D65),
    22: ((0.630, 0.340), (0.295, 0.605), (0.155, 0.077), _D65),
}
_BT2020 = 9
_CAMERA_CURVES = (1, 2, 6, 14, 15)  # all one curve: BT.709, BT.601, BT.2020 (2: not said)
_BITS = (8, 9, 10, 12, 14, 16)  # of libswscale's yuv444p formats

Planes = NDArray[np.float32]


def refuse(space: int, *, transfer: int = 2) -> None:
    """Raise SourceError, in one line, for colours that nothing here can convert."""
    name = _REFUSED.get(space)
    if space in (BT2020_CL, DERIVED_CL) and transfer not in _CAMERA_CURVES:
        name = "constant luminance with high dynamic range"
    if name is not None:
        raise SourceError(
            f"its colours are stored as {name} (matrix {space}), which cannot be converted: "
            "convert it to BT.709 or BT.2020 first"
        )


def written_out(frame: av.VideoFrame, tags: ColourTags, flags: int) -> NDArray[np.float32]:
    """A decoded frame in one of the matrices WRITTEN_OUT as (H, W, 3) RGB in [0, 1].

    flags: of libswscale, by which halved chroma is brought to full size.
    """
    bits = next(b for b in _BITS if b >= frame.format.components[0].bits)
    pixels = "yuv444p" if bits == 8 else f"yuv444p{bits}le"
    space, frame.colorspace = frame.colorspace, 1  # libswscale takes it, and changes nothing by it
    whole = frame.reformat(format=pixels, interpolation=flags, threads=1)  # see colour.py
    frame.colorspace = space
    steps: NDArray[Any] = np.stack([_samples(plane, bits) for plane in whole.planes[:3]], axis=-1)
    scale = 1 << (bits - 8)
    middle = np.array([0, 128, 128], np.float32) * scale
    signal: NDArray[Any]
    if tags.full_range:
        signal = (steps - middle) / ((1 << bits) - 1)
    else:
        black = np.array([16, 0, 0], np.float32) * scale
        # YCgCo is made of limited RGB as it stands (H.273, equations 47 to 49).
        reach = [219, 219, 219] if tags.space == YCGCO else [219, 224, 224]
        signal = (steps - middle - black) / (np.array(reach, np.float32) * scale)
    y, u, v = np.moveaxis(signal.astype(np.float32), -1, 0)
    if tags.space == YCGCO:
        rgb = np.stack([y - u + v, y + u, y - u - v], axis=-1)
    else:
        rgb = _from_luma(y, u, v, tags)
    return np.asarray(np.clip(rgb, 0, 1), np.float32)


def _from_luma(y: Planes, u: Planes, v: Planes, tags: ColourTags) -> Planes:
    primaries = _BT2020 if tags.space == BT2020_CL else tags.primaries
    kr, kb = luma_weights(primaries)
    kg = 1 - kr - kb
    if tags.space == DERIVED_NCL:
        red, blue = y + 2 * (1 - kr) * v, y + 2 * (1 - kb) * u
        return np.stack([red, (y - kr * red - kb * blue) / kg, blue], axis=-1)
    # Constant luminance: luma is the curve of linear light, H.273 equations 59 to 69.
    reach = {k: (float(curve(1 - k)), 1 - float(curve(k))) for k in (kr, kb)}
    blue = y + 2 * u * np.where(u <= 0, *reach[kb])
    red = y + 2 * v * np.where(v <= 0, *reach[kr])
    green = (light(y) - kr * light(red) - kb * light(blue)) / kg
    return np.stack([red, curve(np.maximum(green, 0)), blue], axis=-1)


def luma_weights(primaries: int) -> tuple[float, float]:
    """(Kr, Kb) that follow from primaries (H.273 equations 53 and 55), BT.709's where unknown."""
    *corners, white = (
        (x / y, 1, (1 - x - y) / y) for x, y in _PRIMARIES.get(primaries, _PRIMARIES[1])
    )
    # How much of each makes white: its share of light, since y / y = 1.
    share = np.linalg.solve(np.array(corners).T, np.array(white))
    return float(share[0]), float(share[2])


def curve(linear: Any) -> Any:
    """The camera's curve of BT.709 and BT.2020: light to signal, both in [0, 1]."""
    a, b = 1.09929682680944, 0.018053968510807
    linear = np.asarray(linear)
    return np.where(linear < b, 4.5 * linear, a * np.maximum(linear, b) ** 0.45 - (a - 1))


def light(signal: Any) -> Any:
    """The inverse of `curve`."""
    a, b = 1.09929682680944, 0.018053968510807
    signal = np.asarray(signal)
    above = np.maximum((signal + (a - 1)) / a, 0) ** (1 / 0.45)
    return np.where(signal < 4.5 * b, signal / 4.5, above)


def _samples(plane: Any, bits: int) -> Planes:
    dtype = np.uint8 if bits == 8 else np.dtype("<u2")
    lines = np.frombuffer(plane, dtype).reshape(plane.height, -1)
    return np.asarray(lines[:, : plane.width], np.float32)
