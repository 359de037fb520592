"""Decoded pictures to RGB bytes, with the matrix and the range that their tags mean.

Convention. Tags are H.273 numbers as FFmpeg counts them, 2 = unspecified. Untagged pictures are
read as players read them: BT.709 from 720 lines on, BT.601 below; limited range unless the
pixel format says otherwise. Chroma is interpolated bicubically with accurate rounding: measured
against the matrices written out in numpy, each byte is within 1 of 255 (the default of libswscale
is up to 4 off).
"""

from typing import Any, cast

import av
import numpy as np
from numpy.typing import NDArray

from livedream.core.frame import ColourTags, Picture

HD_LINES = 720  # from here on, untagged video is BT.709: what players assume
BT709 = ColourTags(1, 1, 1, False)

_SMPTE170M = 6
_BT2020_NCL, _BT2020_CL = 9, 10
_MATRICES = (1, 4, 5, 6, 7, 9)  # those that libswscale knows
# swscale.h's numbers; PyAV before 18 has no names for the last two.
_BICUBIC, _FULL_CHR_H_INT, _ACCURATE_RND = 0x4, 0x2000, 0x40000
_ACCURATE = _BICUBIC | _FULL_CHR_H_INT | _ACCURATE_RND


def tags_of(frame: av.VideoFrame) -> ColourTags:
    """The colours of a decoded frame: its tags, the matrix filled in where it has none."""
    if is_rgb(frame):
        return BT709
    full = frame.color_range == 2 or frame.format.name.startswith("yuvj")
    space = _matrix(frame.colorspace, frame.height)
    return ColourTags(space, frame.color_primaries, frame.color_trc, full)


def _matrix(space: int, lines: int) -> int:
    if space == _BT2020_CL:  # constant luminance is read as the other kind, as players do
        return _BT2020_NCL
    if space in _MATRICES:
        return space
    return BT709.space if lines >= HD_LINES else _SMPTE170M


def to_rgb(frame: av.VideoFrame, tags: ColourTags, size: tuple[int, int]) -> Picture:
    """One decoded frame as (H, W, 3) uint8 RGB.

    size: (width, height) wanted; a stream that changes its size halfway is scaled to it.
    Transfer and primaries are left alone: ordinary video stays as it was graded.
    """
    return cast(Picture, _converted(frame, tags, size, "rgb24"))


def to_rgb48(frame: av.VideoFrame, tags: ColourTags, size: tuple[int, int]) -> NDArray[np.uint16]:
    """The same with 16 bits a channel, still in the source's own transfer and primaries."""
    return cast("NDArray[np.uint16]", _converted(frame, tags, size, "rgb48le"))


def _converted(
    frame: av.VideoFrame, tags: ColourTags, size: tuple[int, int], pixels: str
) -> NDArray[Any]:
    if not is_rgb(frame):
        frame.colorspace = tags.space
        frame.color_range = 2 if tags.full_range else 1
    width, height = size
    turned = frame.reformat(width, height, format=pixels, interpolation=_ACCURATE)
    # A copy in any case: the padding at the end of lines goes, and so does the decoder's buffer.
    return np.array(turned.to_ndarray(), order="C")


def is_rgb(frame: av.VideoFrame) -> bool:
    """Whether the samples are RGB already, or indices into a palette of it."""
    return frame.format.is_rgb or frame.format.name == "pal8"


def has_alpha(frame: av.VideoFrame) -> bool:
    """Whether the pixel format carries transparency."""
    name = frame.format.name
    return name.startswith(("rgba", "bgra", "argb", "abgr", "yuva", "gbrap", "ya", "ayuv", "vuya"))
