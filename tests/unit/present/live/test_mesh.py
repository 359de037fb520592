"""The mesh and the way back through it: exact for four corners, smooth for more, never folded."""

import cv2
import numpy as np
import pytest

from livedream.present.live.mesh import (
    SIDES,
    Points,
    even_points,
    is_mesh,
    laid,
    places_of,
    with_side,
)

SIZE = (320, 180)


def made(side: int, seed: int = 0) -> Points:
    """A mesh of random points, px, inside a window of `SIZE`."""
    random = np.random.default_rng(seed)
    corners = even_points(2) * (250, 130) + 30 + random.uniform(-15, 15, (2, 2, 2))
    points = with_side(corners, side)
    return points + (0 if side == 2 else random.uniform(-0.12, 0.12, points.shape) * 130 / side)


@pytest.mark.parametrize("side", SIDES)
def test_the_way_back_leads_where_the_mesh_came_from(side: int) -> None:
    points = made(side)
    assert is_mesh(points)
    places = places_of(points, SIZE)
    assert places.dtype == np.float32
    rows, columns = np.nonzero(((places > 0) & (places < 1)).all(axis=0))
    assert 20_000 < len(rows) < 45_000
    lie = laid(points, places[:, rows, columns].T.astype(np.float64))
    away = np.hypot(*(lie - np.stack([columns + 0.5, rows + 0.5], axis=1)).T)
    assert away.max() < 0.01


def test_all_of_the_picture_is_seen_and_nothing_twice() -> None:
    """Places are counted by cells of the picture: none is missing, their sum is its area."""
    points = made(5, seed=3)
    places = places_of(points, SIZE)
    inside = ((places > 0) & (places < 1)).all(axis=0)
    outline = laid(points, _border())
    area = cv2.contourArea(outline.astype(np.float32))
    assert inside.sum() == pytest.approx(area, rel=0.005)
    seen = np.zeros((9, 9))
    np.add.at(seen, tuple((places[::-1, inside] * 9).astype(int)), 1)
    assert seen.min() > 0.3 * seen.max()


def _border() -> Points:
    t = np.linspace(0, 1, 100)
    zero, one = np.zeros_like(t), np.ones_like(t)
    sides = [(t, zero), (one, t), (t[::-1], one), (zero, t[::-1])]
    return np.concatenate([np.stack(side, axis=1) for side in sides])


def test_four_corners_are_opencvs_perspective() -> None:
    points = made(2, seed=1)
    quad = np.stack([points[0, 0], points[0, 1], points[1, 1], points[1, 0]])
    square = np.array([(0, 0), (1, 0), (1, 1), (0, 1)], np.float32)
    matrix = cv2.getPerspectiveTransform(quad.astype(np.float32), square)
    pixels = np.moveaxis(np.mgrid[0 : SIZE[1], 0 : SIZE[0]], 0, -1)[..., ::-1] + 0.5
    wanted = cv2.perspectiveTransform(pixels.reshape(1, -1, 2), matrix).reshape(pixels.shape)
    inside = ((wanted > -0.1) & (wanted < 1.1)).all(axis=2)
    found = np.moveaxis(places_of(points, SIZE), 0, -1)
    np.testing.assert_allclose(found[inside], wanted[inside], atol=2e-5)


def test_a_mesh_passes_through_its_points_without_a_kink() -> None:
    points = made(5, seed=2)
    np.testing.assert_allclose(laid(points, even_points(5).reshape(-1, 2)), points.reshape(-1, 2))
    across = np.linspace(0, 1, 2001)
    line = laid(points, np.stack([across, np.full_like(across, 0.4)], axis=1))
    turns = np.abs(np.diff(np.diff(line, axis=0), axis=0)).max(axis=1)
    # A kink of bilinear patches would turn by the steps' whole difference within one of them.
    assert turns.max() < 0.05 * np.hypot(*np.diff(line, axis=0).T).max()


def test_more_points_move_nothing_until_one_is_moved() -> None:
    points, dense = made(2, seed=4), even_points(17).reshape(-1, 2)
    for side in SIDES[1:]:
        np.testing.assert_allclose(laid(with_side(points, side), dense), laid(points, dense))
    bent = made(3, seed=4)
    moved = np.abs(laid(with_side(bent, 5), dense) - laid(bent, dense)).max()
    assert 0 < moved < 1.0
    np.testing.assert_allclose(with_side(with_side(bent, 9), 3), bent)


def test_outside_is_outside() -> None:
    points = made(9, seed=5)
    places = places_of(points, SIZE)
    assert (places[:, 0] < 0).any(axis=0).all()
    steep = np.array([[(150, 80), (170, 80)], [(40, 170), (280, 170)]], np.float64)
    far = places_of(steep, SIZE)
    assert is_mesh(steep)
    assert (far[:, 0] < -0.5).any(axis=0).all()  # above the horizon of the perspective
    assert np.isfinite(far).all()


@pytest.mark.parametrize("change", ["swap", "over", "nan", "four", "corner"])
def test_what_folds_is_no_mesh(change: str) -> None:
    points = even_points(4 if change == "four" else 5).copy()
    if change == "swap":
        points[1, 1], points[1, 2] = points[1, 2].copy(), points[1, 1].copy()
    elif change == "over":
        points[2, 2] = (0.9, 0.5)
    elif change == "nan":
        points[2, 2] = np.nan
    elif change == "corner":
        points[0, 0] = (0.8, 0.8)
    assert not is_mesh(points)
