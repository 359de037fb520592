"""RGB bytes to what an encoder takes, with the matrix that is tagged on the output.

The frames of a source whose colours are tagged keep those tags: what the decoder's matrix took
apart, the same matrix puts together. Without a tag, and for high dynamic range, which the source
has tone-mapped, the output is BT.709 in limited range, and says so.
"""

import av
from av.video.codeccontext import VideoCodecContext
from av.video.reformatter import Interpolation

from livedream.frame import ColourTags, Picture

_ACCURATE = int(Interpolation.BICUBIC | Interpolation.ACCURATE_RND | Interpolation.FULL_CHR_H_INP)
_HDR_TRANSFERS = (16, 18)  # PQ and HLG
# H.273 matrix to libswscale's number for it.
_MATRICES = {1: 1, 4: 4, 5: 5, 6: 5, 7: 7, 9: 9}
BT709 = ColourTags(1, 1, 1, False)


def output_tags(source: ColourTags) -> ColourTags:
    """The tags that a file dreamed from such a source gets."""
    if source.transfer in _HDR_TRANSFERS or source.space not in _MATRICES:
        return BT709
    return source


def tag(context: VideoCodecContext, tags: ColourTags) -> None:
    """Write the tags into an encoder, so that the stream carries them."""
    if context.pix_fmt and not context.pix_fmt.startswith(("yuv", "nv12", "p010")):
        return  # RGB needs no matrix, and a tag would be wrong
    context.colorspace = tags.space
    context.color_primaries = tags.primaries
    context.color_trc = tags.transfer
    context.color_range = 2 if tags.full_range else 1


def from_rgb(rgb: Picture, pixels: str, tags: ColourTags) -> av.VideoFrame:
    """A picture (H, W, 3) uint8 as a frame in the encoder's pixel format."""
    frame = av.VideoFrame.from_ndarray(rgb, format="rgb24")
    if not pixels.startswith(("yuv", "nv12", "p010")):
        return frame.reformat(format=pixels)
    return frame.reformat(
        format=pixels,
        interpolation=_ACCURATE,
        src_color_range=2,
        dst_colorspace=_MATRICES[tags.space],
        dst_color_range=2 if tags.full_range else 1,
        dst_color_trc=None,
    )
