"""Colours out: against the matrices of H.273 written out in numpy, and the tags."""

import av
import numpy as np
import pytest
from numpy.typing import NDArray

from livedream.core.frame import ColourTags
from livedream.media.colour import BT709, from_rgb, output_tags

MATRICES = {1: (0.2126, 0.0722), 6: (0.299, 0.114), 9: (0.2627, 0.0593)}
TILE = 16


@pytest.mark.parametrize("pixels", ["yuv420p", "yuv444p", "yuv422p10le"])
@pytest.mark.parametrize("space", MATRICES)
@pytest.mark.parametrize("full", [False, True])
def test_the_tagged_matrix_is_used(pixels: str, space: int, full: bool) -> None:
    colours = np.random.default_rng(5).integers(0, 256, (8, 8, 3))
    rgb = np.kron(colours, np.ones((TILE, TILE, 1))).astype(np.uint8)
    frame = from_rgb(rgb, pixels, ColourTags(space, 1, 1, full))
    kr, kb = MATRICES[space]
    share = colours / 255
    luma = share @ np.array([kr, 1 - kr - kb, kb])
    blue, red = (share[..., 2] - luma) / (2 - 2 * kb), (share[..., 0] - luma) / (2 - 2 * kr)
    if full:
        wanted = [255 * luma, 255 * blue + 128, 255 * red + 128]
    else:
        wanted = [219 * luma + 16, 224 * blue + 128, 224 * red + 128]
    for number, plane in enumerate(frame.planes):
        deep = "10" in pixels
        lines = np.frombuffer(plane, np.uint16 if deep else np.uint8).reshape(plane.height, -1)
        values = lines[:, : plane.width].astype(float) / (4 if deep else 1)
        down, across = plane.height // 8, plane.width // 8
        middle = values.reshape(8, down, 8, across)[:, down // 2, :, across // 2]
        assert np.abs(middle - wanted[number]).max() <= 1.1


def test_tags_are_kept_for_ordinary_video() -> None:
    pal = ColourTags(5, 5, 6, False)
    assert output_tags(pal) == pal


@pytest.mark.parametrize("tags", [ColourTags(), ColourTags(0, 1, 13), ColourTags(9, 9, 16)])
def test_without_tags_and_for_hdr_the_output_is_bt709(tags: ColourTags) -> None:
    assert output_tags(tags) == BT709


def test_rgb_formats_keep_their_bytes() -> None:
    rgb = np.random.default_rng(0).integers(0, 256, (5, 7, 3), dtype=np.uint8)
    frame = from_rgb(rgb, "bgr0", BT709)
    assert np.array_equal(frame.to_ndarray(format="rgb24"), rgb)


@pytest.mark.parametrize("pixels", ["yuv420p", "yuv422p", "yuv422p10le"])
def test_chroma_on_the_left_is_where_decoders_look_for_it(pixels: str) -> None:
    """A ramp of red: at the left column of each pair it has that column's value."""
    ramp = np.zeros((8, 64, 3), np.uint8)
    ramp[..., 0] = ramp[..., 1] = ramp[..., 2] = 100
    ramp[..., 0] += 2 * np.arange(64, dtype=np.uint8)
    deep = "10le" in pixels

    def red(frame: av.VideoFrame) -> NDArray[np.float64]:
        plane = frame.planes[2]
        lines = np.frombuffer(plane, np.uint16 if deep else np.uint8).reshape(plane.height, -1)
        return lines[2, : plane.width] / (4 if deep else 1)

    whole = red(from_rgb(ramp, "yuv444p10le" if deep else "yuv444p", BT709))[::2]
    error = (red(from_rgb(ramp, pixels, BT709)) - whole)[2:-2]
    # A ramp of about one step per column: the middle would be half a step off.
    assert np.abs(error).max() <= 1
    assert abs(error.mean()) <= 0.2


@pytest.mark.parametrize("size", [(32, 48), (31, 47)])
@pytest.mark.parametrize("pixels", ["yuva420p", "yuva444p10le"])
def test_alpha_is_full_range_beside_the_same_colours(pixels: str, size: tuple[int, int]) -> None:
    rgba = np.random.default_rng(2).integers(0, 256, (*size, 4), np.uint8)
    rgba[0, :2, 3] = 0, 255
    found = from_rgb(rgba, pixels, BT709)
    plain = from_rgb(np.ascontiguousarray(rgba[:, :, :3]), pixels.replace("yuva", "yuv"), BT709)
    deep = "10" in pixels

    def samples(frame: av.VideoFrame, number: int) -> NDArray[np.integer]:
        plane = frame.planes[number]
        lines = np.frombuffer(plane, np.uint16 if deep else np.uint8).reshape(plane.height, -1)
        return lines[:, : plane.width]

    for number in range(3):
        assert np.array_equal(samples(found, number), samples(plain, number))
    alpha = samples(found, 3) * (255 / (1023 if deep else 255))
    assert np.abs(alpha - rgba[:, :, 3]).max() <= 0.13
    assert np.ptp(alpha) == 255
