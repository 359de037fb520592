"""Colours: against the matrices of H.273 written out in numpy."""

import av
import numpy as np
import pytest
from numpy.typing import NDArray

from livedream.core.frame import ColourTags
from livedream.media.colour import has_alpha, tags_of, to_rgb

# H.273, matrix coefficients: (Kr, Kb)
MATRICES = {1: (0.2126, 0.0722), 4: (0.30, 0.11), 6: (0.299, 0.114), 9: (0.2627, 0.0593)}
TILE = 16  # px; flat, so that chroma subsampling changes nothing in its middle


def encoded(rgb: NDArray[np.float64], space: int, full: bool, bits: int) -> list[NDArray[np.int64]]:
    kr, kb = MATRICES[space]
    luma = rgb @ np.array([kr, 1 - kr - kb, kb])
    blue, red = (rgb[..., 2] - luma) / (2 - 2 * kb), (rgb[..., 0] - luma) / (2 - 2 * kr)
    scale = 2 ** (bits - 8)
    if full:
        most = 2**bits - 1
        planes = [luma * most, blue * most + 128 * scale, red * most + 128 * scale]
    else:
        planes = [219 * luma + 16, 224 * blue + 128, 224 * red + 128]
        planes = [p * scale for p in planes]
    return [np.clip(np.rint(p), 0, 2**bits - 1).astype(np.int64) for p in planes]


def frame_of(planes: list[NDArray[np.int64]], pixels: str, space: int, full: bool) -> av.VideoFrame:
    dtype = np.uint16 if "10" in pixels else np.uint8
    rows, columns = planes[0].shape
    frame = av.VideoFrame(columns * TILE, rows * TILE, pixels)
    for number, values in enumerate(planes):
        step = TILE // 2 if number and "420" in pixels else TILE
        tiled = np.kron(values, np.ones((step, step))).astype(dtype)
        plane = frame.planes[number]
        lines = np.zeros((plane.height, plane.line_size // dtype().itemsize), dtype)
        lines[: tiled.shape[0], : tiled.shape[1]] = tiled
        plane.update(lines.tobytes())
    frame.colorspace, frame.color_range = space, 2 if full else 1
    return frame


@pytest.mark.parametrize("pixels", ["yuv420p", "yuv444p", "yuv420p10le"])
@pytest.mark.parametrize("space", MATRICES)
@pytest.mark.parametrize("full", [False, True])
def test_each_matrix_and_range_comes_out_within_two_steps(
    pixels: str, space: int, full: bool
) -> None:
    colours = np.random.default_rng(3).random((8, 8, 3))
    planes = encoded(colours, space, full, 10 if "10" in pixels else 8)
    frame = frame_of(planes, pixels, space, full)
    rgb = to_rgb(frame, tags_of(frame), (8 * TILE, 8 * TILE))
    middle = rgb.reshape(8, TILE, 8, TILE, 3)[:, TILE // 2, :, TILE // 2]
    # Two steps: one of libswscale, one of rounding the signal to 8 bits.
    assert np.abs(middle - 255 * colours).max() <= 2.0


@pytest.mark.parametrize(("lines", "space"), [(480, 6), (719, 6), (720, 1), (1080, 1)])
def test_untagged_video_is_read_as_players_read_it(lines: int, space: int) -> None:
    assert tags_of(av.VideoFrame(64, lines, "yuv420p")) == ColourTags(space, 2, 2, False)


def test_old_full_range_formats_are_full_range() -> None:
    assert tags_of(av.VideoFrame(16, 16, "yuvj420p")).full_range


def test_rgb_needs_no_matrix() -> None:
    frame = av.VideoFrame.from_ndarray(np.full((5, 7, 3), 200, np.uint8), format="rgb24")
    assert tags_of(frame) == ColourTags(1, 1, 1, False)
    assert (to_rgb(frame, tags_of(frame), (7, 5)) == 200).all()


def test_a_frame_of_another_size_is_scaled() -> None:
    frame = av.VideoFrame.from_ndarray(np.full((8, 8, 3), 90, np.uint8), format="rgb24")
    assert to_rgb(frame, tags_of(frame), (4, 2)).shape == (2, 4, 3)


def test_alpha_is_noticed() -> None:
    assert has_alpha(av.VideoFrame(16, 16, "yuva420p"))
    assert has_alpha(av.VideoFrame(16, 16, "rgba"))
    assert not has_alpha(av.VideoFrame(16, 16, "yuv420p"))
    assert not has_alpha(av.VideoFrame(16, 16, "bgr0"))
