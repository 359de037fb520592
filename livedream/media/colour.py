"""Colour between RGB bytes and decoded or encoded frames, by the matrix and range of their tags.

Convention. Tags are H.273 numbers as FFmpeg counts them, 2 = unspecified. Untagged pictures are
read as players read them: BT.709 from 720 lines on, BT.601 below; limited range unless the
pixel format says otherwise. A file keeps the tags of its source; without tags, and for high
dynamic range, which the source has tone-mapped, it is BT.709 in limited range, and says so.

Chroma is interpolated bicubically with accurate rounding: measured against the matrices written
out in numpy, each byte is within 1 of 255 (the default of libswscale is up to 4 off). Where chroma
lies in what is read is the task of `siting`. What is written has it on the left one of two columns,
where every codec here expects it. 4:2:0 is made so by a filter of 1 2 1 along the row and the mean
of two rows (measured: RMS error of a round trip 0.43 instead of the 0.82 of 255 that libswscale's
middle has).
"""

from dataclasses import replace
from typing import Any, cast

import av
import cv2
import numpy as np
from av.video.codeccontext import VideoCodecContext
from numpy.typing import NDArray

from livedream.core.frame import ColourTags, Picture
from livedream.media.filters import FrameFilter
from livedream.media.hdr import HDR_TRANSFERS
from livedream.media.matrices import BT2020_CL, WRITTEN_OUT, refuse, written_out
from livedream.media.siting import left_sited

HD_LINES = 720  # from here on, untagged video is BT.709: what players assume
BT709 = ColourTags(1, 1, 1, False)

_SMPTE170M = 6
_BT2020_NCL = 9
_MATRICES = (1, 4, 5, 6, 7, _BT2020_NCL)  # those that libswscale knows
# swscale.h's numbers; PyAV before 18 has no names for the last three.
_BICUBIC, _FULL_CHR_H_INT, _FULL_CHR_H_INP, _ACCURATE_RND = 0x4, 0x2000, 0x4000, 0x40000
_TO_RGB = _BICUBIC | _FULL_CHR_H_INT | _ACCURATE_RND
_FROM_RGB = _BICUBIC | _FULL_CHR_H_INP | _ACCURATE_RND
_YUV = ("yuv", "nv12", "p010")
# Of libswscale, which else makes and ends one for each core with every frame: at 320x180 that takes
# seven times as long as the conversion itself.
ONE_THREAD = 1


def tags_of(frame: av.VideoFrame) -> ColourTags:
    """The colours of a decoded frame: its tags, the matrix filled in where it has none.

    Raises SourceError for the few matrices that nothing here converts.
    """
    if is_rgb(frame):
        return BT709
    refuse(frame.colorspace, transfer=frame.color_trc)
    full = frame.color_range == 2 or frame.format.name.startswith("yuvj")
    space = _matrix(frame.colorspace, frame.height)
    return ColourTags(space, frame.color_primaries, frame.color_trc, full)


def _matrix(space: int, lines: int) -> int:
    if space in _MATRICES or space in WRITTEN_OUT:
        return space
    return BT709.space if lines >= HD_LINES else _SMPTE170M


def to_rgb(
    frame: av.VideoFrame, tags: ColourTags, size: tuple[int, int], pixels: str = "rgb24"
) -> NDArray[Any]:
    """One decoded frame as (H, W, 3) RGB, uint8, or uint16 where `pixels` are "rgb48le".

    size: (width, height) wanted; a stream that changes its size halfway is scaled to it.
    Transfer and primaries are left alone: ordinary video stays as it was graded.
    """
    width, height = size
    if not is_rgb(frame):
        frame.color_range = 2 if tags.full_range else 1
        if tags.space in WRITTEN_OUT:
            return _rounded(written_out(frame, tags, _TO_RGB), size, pixels)
        frame.colorspace = tags.space
    turned = frame.reformat(width, height, format=pixels, interpolation=_TO_RGB, threads=ONE_THREAD)
    # A copy in any case: the padding at the end of lines goes, and so does the decoder's buffer.
    return np.array(turned.to_ndarray(), order="C")


def _rounded(rgb: NDArray[np.float32], size: tuple[int, int], pixels: str) -> NDArray[Any]:
    if rgb.shape[1::-1] != size:
        rgb = np.clip(cv2.resize(rgb, size, interpolation=cv2.INTER_CUBIC), 0, 1)
    deep = pixels == "rgb48le"
    return np.rint(rgb * (65535 if deep else 255)).astype(np.uint16 if deep else np.uint8)


def is_rgb(frame: av.VideoFrame) -> bool:
    """Whether the samples are RGB already, or indices into a palette of it."""
    return frame.format.is_rgb or frame.format.name == "pal8"


def has_alpha(frame: av.VideoFrame) -> bool:
    """Whether the pixel format carries transparency."""
    name = frame.format.name
    return name.startswith(("rgba", "bgra", "argb", "abgr", "yuva", "gbrap", "ya", "ayuv", "vuya"))


def output_tags(source: ColourTags) -> ColourTags:
    """The tags that a file dreamed from such a source gets."""
    if source.transfer in HDR_TRANSFERS:
        return BT709
    if source.space in WRITTEN_OUT:  # no encoder's input: the nearest that everything knows
        return replace(source, space=_BT2020_NCL if source.space == BT2020_CL else BT709.space)
    return source if source.space in _MATRICES else BT709


def tag(context: VideoCodecContext, tags: ColourTags) -> None:
    """Write the tags into an encoder, so that the stream carries them."""
    if context.pix_fmt and not context.pix_fmt.startswith(_YUV):
        return  # RGB needs no matrix, and a tag would be wrong
    context.colorspace = tags.space
    context.color_primaries = tags.primaries
    context.color_trc = tags.transfer
    context.color_range = 2 if tags.full_range else 1


def from_rgb(
    rgb: Picture, pixels: str, tags: ColourTags, sited: FrameFilter | None = None
) -> av.VideoFrame:
    """A picture (H, W, 3) uint8, with alpha (H, W, 4), as a frame in the encoder's pixel format.

    sited: a `left_sited` to use again for every picture of a film.
    """
    if pixels.startswith("yuva"):
        colour = np.ascontiguousarray(rgb[:, :, :3])
        plain = from_rgb(colour, pixels.replace("yuva", "yuv"), tags, sited)
        return _with_alpha(plain, rgb[:, :, 3], pixels)
    if rgb.shape[2] == 4:
        frame = av.VideoFrame.from_ndarray(rgb, format="rgba")
        return frame.reformat(format=pixels, threads=ONE_THREAD)
    frame = av.VideoFrame.from_ndarray(rgb, format="rgb24")
    if not pixels.startswith(_YUV):
        return frame.reformat(format=pixels, threads=ONE_THREAD)
    # RGB has no matrix: what stands here is handed on to the result (PyAV before 18.1 has no
    # other way to ask for BT.2020).
    frame.colorspace = tags.space
    left = pixels == "yuv420p"
    if not left and "444" not in pixels:
        frame = (sited or left_sited())(frame)
    converted = frame.reformat(
        format="yuv444p" if left else pixels,
        interpolation=_FROM_RGB,
        src_color_range=2,
        dst_color_range=2 if tags.full_range else 1,
        threads=ONE_THREAD,
    )
    return _halved_left(converted) if left else converted


def _with_alpha(plain: av.VideoFrame, alpha: NDArray[np.uint8], pixels: str) -> av.VideoFrame:
    """The same samples with alpha beside them; full range, whatever theirs is."""
    frame = av.VideoFrame(plain.width, plain.height, pixels)
    frame.colorspace, frame.color_range = plain.colorspace, plain.color_range
    for plane in range(3):
        _samples(frame, plane)[:] = _samples(plain, plane)
    most = (1 << frame.format.components[3].bits) - 1
    memory = _samples(frame, 3)
    memory.view(np.uint16 if most > 255 else np.uint8)[:] = np.rint(alpha * (most / 255))
    return frame


def _halved_left(whole: av.VideoFrame) -> av.VideoFrame:
    """yuv444p to yuv420p, chroma on the left column and between the rows."""
    halved = av.VideoFrame(whole.width, whole.height, "yuv420p")
    halved.colorspace, halved.color_range = whole.colorspace, whole.color_range
    _samples(halved, 0)[:] = _samples(whole, 0)
    along, down = np.array([0.25, 0.5, 0.25]), np.array([0.5, 0.5])
    for plane in (1, 2):
        smooth = cv2.sepFilter2D(
            _samples(whole, plane), -1, along, down, anchor=(1, 0), borderType=cv2.BORDER_REPLICATE
        )
        _samples(halved, plane)[:] = smooth[::2, ::2]
    return halved


def _samples(frame: av.VideoFrame, number: int) -> NDArray[np.uint8]:
    """A plane's own memory as bytes, without the padding at the end of its lines."""
    plane = frame.planes[number]
    memory = np.frombuffer(cast(Any, plane), np.uint8)
    wide = plane.width * (1 if frame.format.components[number].bits <= 8 else 2)
    return memory.reshape(plane.height, plane.line_size)[:, :wide]
