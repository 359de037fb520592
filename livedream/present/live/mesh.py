"""The mesh a picture is laid by: n x n points, rows from the top, and the way back from the window.

Four points are a perspective. More bend the picture within it: how far each lies from its even
place, seen in the rectified picture, is interpolated by Catmull-Rom splines, which pass through the
points and have no kinks between them: lines across a curved wall stay smooth, where bilinear
patches would break them at every row. From two points a side to three nothing moves.

Convention. Points are (n, n, 2) float64, (x, y); places in the picture are fractions of it, (u, v);
both count from edges, not from pixel centres.  Source of the splines: Catmull and Rom, A class of
local interpolating splines, 1974.
"""

from typing import Final

import numpy as np
from numpy.typing import NDArray

Points = NDArray[np.float64]  # (n, n, 2), or (N, 2) where it says places

SIDES: Final = (2, 3, 5, 9)  # points a side; each holds those of the one before
OUTSIDE: Final = -9.0  # a place that no picture has
# Px of the display between places that are worked out, by splines in between; and how many of them
# there are from one point to the next at least.
_MOST_PX, _LEAST_CELLS = 8, 12
_STEPS: Final = 24  # of Newton's method at most; 4 to 6 do for what a hand makes
_REACH: Final = 0.25  # of the picture that one of them may go
_CLOSE: Final = 1e-6
_BEYOND: Final = 0.2  # of the way between two points that splines go on outside
_LEAST_AREA: Final = 0.02  # of a place's own: below, the picture is folded, or nearly


def even_points(side: int) -> Points:
    """The unit square's own."""
    steps = np.linspace(0.0, 1.0, side)
    return np.stack(np.meshgrid(steps, steps), axis=-1)


def convex(quad: NDArray[np.float64]) -> bool:
    """Whether four corners, (4, 2), go clockwise around an area (y points down)."""
    edges = np.roll(quad, -1, axis=0) - quad
    following = np.roll(edges, -1, axis=0)
    turns = edges[:, 0] * following[:, 1] - edges[:, 1] * following[:, 0]
    return bool((turns > 1e-6).all())


def is_mesh(points: Points) -> bool:
    """Whether points are finite, of a size in `SIDES`, and fold the picture nowhere."""
    side = points.shape[0]
    if points.shape != (side, side, 2) or side not in SIDES or not np.isfinite(points).all():
        return False
    if not convex(_quad(points)):
        return False
    matrix = _rectifying(points)
    if (points.reshape(-1, 2) @ matrix[2, :2] + matrix[2, 2] <= 0).any():
        return False  # behind the horizon of the corners' perspective
    dense = even_points(4 * (side - 1) + 1).reshape(-1, 2)
    slope = _bend(_controls(points), dense)[1]
    return bool((np.linalg.det(slope + np.eye(2)) > _LEAST_AREA).all())


def laid(points: Points, places: Points) -> Points:
    """Where places in the picture, (N, 2), come to lie."""
    bent = places + _bend(_controls(points), places)[0]
    return _through(_perspective(points), bent)


def with_side(points: Points, side: int) -> Points:
    """The same mesh by more points, or by fewer of its own."""
    return laid(points, even_points(side).reshape(-1, 2)).reshape(side, side, 2)


def places_of(points: Points, size: tuple[int, int]) -> NDArray[np.float32]:
    """The place in the picture that each pixel of a display shows: (2, h, w), far outside for none.

    points, size: (w, h), in px of the display.
    """
    px = max(1, min(_MOST_PX, min(size) // (_LEAST_CELLS * (len(points) - 1))))
    columns, rows = (-(-length // px) + 4 for length in size)  # two more on each side
    x = px * (np.arange(columns) - 1.5)
    y = px * (np.arange(rows) - 1.5)
    grid = np.stack(np.meshgrid(x, y), axis=-1).reshape(-1, 2)
    coarse = _places_at(points, grid).astype(np.float32).T.reshape(2, rows, columns)
    across, down = _between(columns, size[0], px), _between(rows, size[1], px)
    return np.stack([down @ places @ across.T for places in coarse])


def _between(count: int, length: int, px: int) -> NDArray[np.float32]:
    """(length, count): the pixels' values from those of every few, by the same splines."""
    at = (np.arange(length) + 0.5) / px + 1.5
    first, weights, _ = _weights(at / (count - 1), count)
    matrix = np.zeros((length, count), np.float32)
    for i in range(4):
        matrix[np.arange(length), first + i - 1] = weights[i]
    return matrix


def _places_at(points: Points, grid: Points) -> Points:
    """Newton's method for `laid`, (N, 2) to (N, 2); far outside anything that is outside."""
    matrix = _rectifying(points)
    ahead = grid @ matrix[2, :2] + matrix[2, 2] > 1e-9
    wanted = np.full_like(grid, OUTSIDE)
    wanted[ahead] = np.clip(_through(matrix, grid[ahead]), OUTSIDE, -OUTSIDE)
    found, controls = wanted.copy(), _controls(points)
    if not controls.any():
        return found
    near = np.flatnonzero((np.abs(wanted - 0.5) < 2.5).all(axis=1))
    for _ in range(_STEPS):
        bend, slope = _bend(controls, found[near])
        away = found[near] + bend - wanted[near]
        slope += np.eye(2)
        turned = np.stack([
            slope[:, 1, 1] * away[:, 0] - slope[:, 0, 1] * away[:, 1],
            slope[:, 0, 0] * away[:, 1] - slope[:, 1, 0] * away[:, 0],
        ], axis=1)  # fmt: skip
        step = turned / np.linalg.det(slope)[:, None]
        found[near] -= np.clip(step, -_REACH, _REACH)
        near = near[np.abs(step).max(axis=1) > _CLOSE]
        if not near.size:
            break
    return found


def _quad(points: Points) -> NDArray[np.float64]:
    return np.stack([points[0, 0], points[0, -1], points[-1, -1], points[-1, 0]])


def _perspective(points: Points) -> NDArray[np.float64]:
    """(3, 3): the unit square onto the corners."""
    square = np.array([(0, 0), (1, 0), (1, 1), (0, 1)], np.float64)
    rows, wanted = [], []
    for (u, v), (x, y) in zip(square, _quad(points), strict=True):
        rows += [(u, v, 1, 0, 0, 0, -u * x, -v * x), (0, 0, 0, u, v, 1, -u * y, -v * y)]
        wanted += [x, y]
    return np.append(np.linalg.solve(np.array(rows), np.array(wanted)), 1.0).reshape(3, 3)


def _rectifying(points: Points) -> NDArray[np.float64]:
    """(3, 3): the corners onto the unit square; what lies behind their horizon is below zero."""
    return np.linalg.inv(_perspective(points)).astype(np.float64, copy=False)


def _through(matrix: NDArray[np.float64], points: Points) -> Points:
    flat = points @ matrix[:, :2].T + matrix[:, 2]
    return flat[:, :2] / flat[:, 2:]


def _controls(points: Points) -> Points:
    """How far each point lies from its even place, in the rectified picture: (n + 2, n + 2, 2).

    Around them is one more row, in line with the last two.
    """
    side = points.shape[0]
    if side == SIDES[0]:
        return np.zeros((side + 2, side + 2, 2))
    matrix = _rectifying(points)
    off = _through(matrix, points.reshape(-1, 2)).reshape(side, side, 2) - even_points(side)
    for axis in (0, 1):
        a, b, y, z = (off.take([i], axis) for i in (0, 1, -2, -1))
        off = np.concatenate([2 * a - b, off, 2 * z - y], axis)
    return off


def _bend(controls: Points, places: Points) -> tuple[Points, NDArray[np.float64]]:
    """The displacement at places, (N, 2), and its slopes, (N, 2, 2): d(x, y) by d(u, v).

    Around the picture it goes on for a little, so that nothing breaks at the edge.
    """
    (across, u, du), (down, v, dv) = (_weights(places[:, i], controls.shape[0] - 2) for i in (0, 1))
    bend = np.zeros_like(places)
    slope = np.zeros((len(places), 2, 2))
    for i in range(4):
        row = np.zeros_like(places)
        row_slope = np.zeros_like(places)
        for j in range(4):
            point = controls[down + i, across + j]
            row += u[j][:, None] * point
            row_slope += du[j][:, None] * point
        bend += v[i][:, None] * row
        slope[..., 0] += v[i][:, None] * row_slope
        slope[..., 1] += dv[i][:, None] * row
    return bend, slope


def _weights(
    places: NDArray[np.float64], side: int
) -> tuple[NDArray[np.intp], NDArray[np.float64], NDArray[np.float64]]:
    """The first of four points around each place, their weights (4, N), and the weights' slopes."""
    at = places * (side - 1)
    near = np.clip(at, -_BEYOND, side - 1 + _BEYOND)
    first = np.clip(near, 0, side - 2).astype(np.intp)
    t = near - first
    inside = (at == near) * (side - 1)
    weights = np.stack([
        ((2 - t) * t - 1) * t, (3 * t - 5) * t * t + 2, ((4 - 3 * t) * t + 1) * t, (t - 1) * t * t,
    ])  # fmt: skip
    slopes = np.stack([
        (4 - 3 * t) * t - 1, (9 * t - 10) * t, (8 - 9 * t) * t + 1, (3 * t - 2) * t,
    ])  # fmt: skip
    return first, weights / 2, slopes * inside / 2
