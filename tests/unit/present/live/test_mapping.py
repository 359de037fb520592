"""What a window does to a picture: crop, mesh, edges and mask, by one remap and one product."""

from pathlib import Path

import cv2
import numpy as np
import pytest

from livedream.core.errors import SettingsError
from livedream.core.frame import Picture
from livedream.present.live.mapping import Mapping, mask_for
from livedream.present.live.mesh import places_of, with_side
from livedream.present.live.placement import Placement
from livedream.present.live.wall import shares

WINDOW = (320, 180)


def smooth(size: tuple[int, int] = (160, 90)) -> Picture:
    random = np.random.default_rng(0)
    small = random.uniform(30, 225, (9, 16, 3)).astype(np.float32)
    return np.clip(cv2.resize(small, size, interpolation=cv2.INTER_CUBIC), 0, 255).astype(np.uint8)


def bent(side: int = 5) -> Placement:
    points = with_side(np.array([[(0.1, 0.1), (0.9, 0.05)], [(0.05, 0.9), (0.95, 0.95)]]), side)
    points[side // 2, side // 2] += (0.03, -0.04)
    return Placement(mesh=tuple(tuple((float(x), float(y)) for x, y in row) for row in points))


def bilinear(rgb: Picture, places: np.ndarray) -> np.ndarray:
    """In float64, without OpenCV."""
    padded = np.pad(rgb.astype(np.float64), ((1, 1), (1, 1), (0, 0)), "edge")
    at = np.moveaxis(places, 0, -1).astype(np.float64) * (rgb.shape[1], rgb.shape[0]) + 0.5
    at = np.clip(at, 0, (rgb.shape[1] + 0.999, rgb.shape[0] + 0.999))
    whole = at.astype(int)
    (x, y), (fx, fy) = np.moveaxis(whole, -1, 0), np.moveaxis(at - whole, -1, 0)[..., None]
    top = padded[y, x] * (1 - fx) + padded[y, x + 1] * fx
    return top * (1 - fy) + padded[y + 1, x] * (1 - fx) * fy + padded[y + 1, x + 1] * fx * fy


def test_a_mesh_is_one_bilinear_remap() -> None:
    mapping, rgb = Mapping(bent(), (160, 90), WINDOW), smooth()
    places = places_of(mapping.points, WINDOW)
    inside = ((places > 0.01) & (places < 0.99)).all(axis=0)
    assert np.abs(mapping.paint(rgb) - bilinear(rgb, places))[inside].max() <= 1
    assert mapping.plane is None


def test_four_corners_are_what_opencv_makes_of_them() -> None:
    quad = np.array([(0.1, 0.1), (0.9, 0.05), (0.95, 0.95), (0.05, 0.9)], np.float32)
    mesh = ((quad[0], quad[1]), (quad[3], quad[2]))
    placed = Placement(mesh=tuple(tuple((float(x), float(y)) for x, y in row) for row in mesh))
    rgb = smooth()
    frame = np.array([(0, 0), (160, 0), (160, 90), (0, 90)], np.float32) - 0.5
    matrix = cv2.getPerspectiveTransform(frame, quad * np.array(WINDOW, np.float32) - 0.5)
    wanted = cv2.warpPerspective(rgb, matrix, WINDOW).astype(int)
    inside = cv2.warpPerspective(np.full((90, 160), 255, np.uint8), matrix, WINDOW) == 255
    assert np.abs(Mapping(placed, (160, 90), WINDOW).paint(rgb) - wanted)[inside].max() <= 1


def test_the_edge_of_a_picture_is_as_sharp_as_the_window() -> None:
    """Its outermost pixels are as bright as the rest; slanted, it runs into black in one pixel."""
    mesh = (((0.1, 0.1), (0.9, 0.1)), ((0.2, 0.9), (0.8, 0.9)))
    for size in ((16, 9), (640, 360)):
        white = np.full((*size[::-1], 3), 240, np.uint8)
        seen = Mapping(Placement(mesh=mesh), size, WINDOW).paint(white)[..., 0].astype(float)
        for row in (30, 90, 150):
            line, left = seen[row], 32 + 32 * (row + 0.5 - 18) / 144
            wanted = np.clip(np.arange(320) + 1 - left, 0, 1)[:160] * 240
            assert np.abs(line[:160] - wanted).max() < 40
            assert ((line > 0) & (line < 240)).sum() <= 4


def test_a_crop_on_whole_pixels_and_one_between_them() -> None:
    ramp = np.repeat(np.arange(160, dtype=np.uint8)[None, :, None], 90, 0).repeat(3, 2)
    fitted = Mapping(Placement(fit="stretch", crop=(0.5, 0, 0.25, 1)), (160, 90), WINDOW)
    between = Mapping(Placement(fit="stretch", crop=(0.503, 0, 0.25, 1)), (160, 90), WINDOW)
    row, other = fitted.paint(ramp)[90, 8:-8, 0].astype(int), between.paint(ramp)[90, 8:-8, 0]
    wanted = 80 + (np.arange(320) + 0.5)[8:-8] / 8 - 0.5
    assert np.abs(row - wanted).max() < 0.6
    assert np.abs(other - wanted - 0.003 * 160).max() < 0.6


def test_beside_a_crop_nothing_of_the_rest_is_seen() -> None:
    placed = Placement(mesh=(((0.25, 0.25), (0.75, 0.25)), ((0.25, 0.75), (0.75, 0.75))))
    crop = Placement(mesh=placed.mesh, crop=(0.3, 0.3, 0.41, 0.41))
    shown = Mapping(crop, (160, 90), WINDOW).paint(np.full((90, 160, 3), 200, np.uint8))
    assert (shown[45:135, 80:240] >= 199).all()
    shown[44:136, 79:241] = 0
    assert not shown.any()


def test_where_nothing_is_mapped_nothing_is_worked_out() -> None:
    mapping, rgb = Mapping(Placement(), WINDOW, WINDOW), smooth(WINDOW)
    assert mapping.plane is None
    np.testing.assert_array_equal(mapping.paint(rgb), rgb)
    assert len(mapping.quads) == 1


@pytest.mark.parametrize("overlap", [0.1, 0.3])
def test_two_projectors_add_up_in_light(overlap: float) -> None:
    """On a wall where they lie as they are meant to, the overlap is as bright as the rest."""
    display, white = (200, 150), np.full((90, 160, 3), 230, np.uint8)
    (left, right) = shares([display, display], overlap, (160, 90))
    light = [
        (Mapping(Placement(crop=crop, edges=edges), (160, 90), display).paint(white) / 255.0) ** 2.2
        for crop, edges in (left, right)
    ]
    common = round(overlap * display[0])
    alone = (230 / 255) ** 2.2
    both = light[0][:, -common:] + light[1][:, :common]
    np.testing.assert_allclose(both, alone, rtol=0.02)
    np.testing.assert_allclose(light[0][:, :-common], alone, rtol=0.02)


def test_mirrored_and_turned_edges_follow_the_picture() -> None:
    white = np.full((90, 160, 3), 255, np.uint8)
    edges = (0.0, 0.0, 0.2, 0.0)  # dark where the picture has its right
    for placed, dark in (
        (Placement(edges=edges, fit="stretch"), (90, 318)),
        (Placement(edges=edges, fit="stretch", mirror=True), (90, 1)),
        (Placement(edges=edges, fit="stretch", turn=90), (178, 160)),
    ):
        shown = Mapping(placed, (160, 90), WINDOW).paint(white)
        assert shown[dark].max() < 40
        assert shown[90, 160].min() == 255


def test_a_mask_lies_over_the_window(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LIVEDREAM_HOME", str(tmp_path))
    (tmp_path / "masks").mkdir()
    mask = np.zeros((90, 160), np.uint8)
    mask[:, :80], mask[:, 80:120] = 255, 128
    cv2.imwrite(str(tmp_path / "masks/stage.png"), mask)
    placed = Placement(fit="stretch", mirror=True, mask="stage")  # whichever way the picture is
    shown = Mapping(placed, (160, 90), WINDOW).paint(np.full((90, 160, 3), 200, np.uint8))
    assert shown[90, (80, 200, 300), 0].tolist() == [200, 100, 0]
    with pytest.raises(SettingsError, match=r"mask: .*gone\.png cannot be read"):
        mask_for("gone", WINDOW)


def test_a_card_goes_the_same_way() -> None:
    """The graphics card's quads lie on the mesh, side by side, and show the crop."""
    placed = Placement(mesh=bent(2).mesh, crop=(0.5, 0, 0.25, 1))
    quads = np.array(Mapping(placed, (160, 90), WINDOW).quads)
    assert quads.shape == (32 * 32, 8, 2)
    np.testing.assert_allclose(quads[0, 0], np.array(placed.mesh)[0, 0] * WINDOW)
    np.testing.assert_allclose(quads[-1, 2], np.array(placed.mesh)[-1, -1] * WINDOW)
    np.testing.assert_allclose(quads[0, 4], (0.5, 0))
    np.testing.assert_allclose(quads[-1, 6], (0.75, 1))
    np.testing.assert_array_equal(quads[:-1, 1][:31], quads[1:, 0][:31])
    assert not Mapping(bent(3), (160, 90), WINDOW).quads
