"""A source's frames at the size of the output, and what becomes of pixels that are not square."""

from collections.abc import Iterator
from dataclasses import replace
from fractions import Fraction
from typing import Final

from livedream.capture import Source
from livedream.core.frame import Frame, SourceInfo
from livedream.core.settings import parse_size
from livedream.core.shrink import fitted
from livedream.media.viewing import squared

_FINEST_ASPECT: Final = 10_000  # of a ratio's second number; H.264 has 16 bits for it


def scaled_info(info: SourceInfo, size: str, *, square: bool = False) -> SourceInfo:
    """`info` at another size (see `parse_size`), sides even; itself for `source`.

    What is shown keeps its shape: the pixels' own changes instead, as with FFmpeg's scaler.
    square: what it is written to knows square pixels only.
    """
    if square and info.sample_aspect_ratio != 1:
        width, height = squared(info.width, info.height, info.sample_aspect_ratio)
        info = replace(info, width=width, height=height, sample_aspect_ratio=Fraction(1))
    width, height = parse_size(size, info.width, info.height, name="picture size")
    if (width, height) == (info.width, info.height):
        return info
    width, height = max(2, width // 2 * 2), max(2, height // 2 * 2)
    aspect = Fraction(1) if square else _kept_shape(info, width, height)
    return replace(info, width=width, height=height, sample_aspect_ratio=aspect)


def _kept_shape(info: SourceInfo, width: int, height: int) -> Fraction:
    """The sample aspect ratio with which `width` x `height` is shown in the shape of `info`."""
    shape = info.sample_aspect_ratio * info.width / info.height
    rounding = 2 * max(1.0, float(shape))  # px: even sides never fit exactly
    for simple in (Fraction(1), info.sample_aspect_ratio):
        if abs(width * simple - shape * height) <= rounding:
            return simple
    return (shape * height / width).limit_denominator(_FINEST_ASPECT)


def shape_notes(source: SourceInfo, written: SourceInfo) -> tuple[str, ...]:
    """What the user should know about the pixels' shape."""
    before, after = source.sample_aspect_ratio, written.sample_aspect_ratio
    if before == after:
        return ()
    size = f"{written.width}x{written.height}"
    if after == 1:
        return (f"pixels that are not square ({ratio_text(before)}) become square: {size}",)
    width, height = squared(written.width, written.height, after)
    return (
        f"{size} is shown as {width}x{height}, in the shape of the source "
        f"(pixels {ratio_text(after)})",
    )


def ratio_text(ratio: Fraction) -> str:
    return f"{ratio.numerator}:{ratio.denominator}"


def scaled(source: Source, info: SourceInfo) -> Iterator[Frame]:
    """The source's frames at the size of `info`."""
    for frame in source:
        yield replace(frame, rgb=fitted(frame.rgb, info.width, info.height))
