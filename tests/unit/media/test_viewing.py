"""The pictures of a stream: size, shape of pixels, the tags of frames without any."""

from fractions import Fraction

import av
import numpy as np
import pytest

from livedream.core.errors import SourceError
from livedream.core.frame import ColourTags
from livedream.media.filters import FrameFilter
from livedream.media.viewing import View, squared


@pytest.mark.parametrize(
    ("size", "aspect", "wanted"),
    [
        ((720, 576), Fraction(64, 45), (1024, 576)),
        ((720, 480), Fraction(8, 9), (720, 540)),
        ((1440, 1080), Fraction(4, 3), (1920, 1080)),
        ((64, 48), Fraction(1), (64, 48)),
    ],
)
def test_square_pixels_lose_no_detail(
    size: tuple[int, int], aspect: Fraction, wanted: tuple[int, int]
) -> None:
    assert squared(*size, aspect) == wanted


@pytest.mark.parametrize("damaged", [None, Fraction(0), Fraction(1, 4000), Fraction(900)])
def test_a_shape_of_pixels_that_cannot_be_is_taken_for_square(damaged: Fraction | None) -> None:
    view = View(av.VideoFrame(64, 48, "yuv420p"), "h264")
    assert view.aspect(damaged) == 1
    assert view.aspect(Fraction(4, 3)) == Fraction(4, 3)


@pytest.mark.parametrize("transfer", [16, 18])
def test_high_dynamic_range_is_mapped_for_streams_as_for_files(transfer: int) -> None:
    frame = av.VideoFrame.from_ndarray(np.full((48, 64, 3), 148, np.uint8), format="rgb24")
    bright = frame.reformat(format="yuv420p10le")
    bright.colorspace, bright.color_primaries, bright.color_trc = 9, 9, transfer
    view = View(bright, "hevc")
    assert view.colour == ColourTags(1, 1, 1, False)
    assert any("tone-mapped" in note for note in view.notes)
    assert view(bright).shape == (48, 64, 3)


def test_what_cannot_be_converted_is_refused() -> None:
    frame = av.VideoFrame(64, 48, "yuv444p10le")
    frame.colorspace = 14
    with pytest.raises(SourceError, match="ICtCp"):
        View(frame, "hevc")


@pytest.mark.parametrize(
    ("codec", "pixels", "given", "moves"),
    [
        ("prores", "yuv422p10le", None, True),  # says nothing: the left, not libswscale's middle
        ("prores", "yuv422p10le", "left", False),
        ("vp9", "yuv420p", None, True),
        ("av1", "yuv420p", "topleft", False),
        ("h264", "yuv420p", "center", False),  # always says: believed
        ("mjpeg", "yuvj422p", "center", False),  # JFIF's own place
    ],
)
def test_chroma_without_a_place_is_taken_to_lie_on_the_left(
    codec: str, pixels: str, given: str | None, moves: bool
) -> None:
    frame = av.VideoFrame(64, 48, pixels)
    if given is not None:
        frame = FrameFilter(("setparams", f"chroma_location={given}"))(frame)
    deep = np.uint16 if "10" in pixels else np.uint8
    for number, plane in enumerate(frame.planes):
        lines = np.full((plane.height, plane.line_size // deep().itemsize), 128, deep)
        lines[:, : plane.width] += (2 * np.arange(plane.width)).astype(deep) if number else 0
        plane.update((lines * (4 if deep is np.uint16 else 1)).tobytes())
    frame.colorspace, frame.color_range = 1, 1
    shown = View(frame, codec)(frame).astype(int)
    plain = frame.reformat(format="rgb24", interpolation=0x4 | 0x2000 | 0x40000).to_ndarray()
    assert (np.abs(shown - plain)[:, 8:-8].max() > 0) == moves
