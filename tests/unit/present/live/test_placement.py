"""Where the picture lies: fitted, turned, mirrored, by its corners, with soft edges."""

import numpy as np
import pytest

from livedream.core.errors import SettingsError
from livedream.core.frame import Picture
from livedream.present.live.mapping import Mapping
from livedream.present.live.mesh import Points
from livedream.present.live.placement import Placement, seen_points, softened, tone_table

COLOURS = np.array([(255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 255)], np.uint8)


def quarters() -> Picture:
    """Red, green above; white, blue below: clockwise from the top left red, green, blue, white."""
    picture = np.zeros((90, 160, 3), np.uint8)
    picture[:45, :80], picture[:45, 80:] = COLOURS[0], COLOURS[1]
    picture[45:, 80:], picture[45:, :80] = COLOURS[2], COLOURS[3]
    return picture


def clockwise(points: Points) -> Points:
    """The corners of a mesh, from its top left."""
    return np.stack([points[0, 0], points[0, -1], points[-1, -1], points[-1, 0]])


def shown(placement: Placement, window: tuple[int, int] = (320, 180)) -> Picture:
    return Mapping(placement, (160, 90), window).paint(quarters())


def order(picture: Picture) -> list[int]:
    """Which colour is seen at each corner, clockwise from the top left."""
    height, width = picture.shape[:2]
    places = [(0.4, 0.4), (0.6, 0.4), (0.6, 0.6), (0.4, 0.6)]
    found = [picture[round(y * height), round(x * width)] for x, y in places]
    return [int(np.abs(COLOURS.astype(int) - f).sum(1).argmin()) for f in found]


@pytest.mark.parametrize(
    ("placement", "wanted"),
    [
        (Placement(), [0, 1, 2, 3]),
        (Placement(mirror=True), [1, 0, 3, 2]),
        (Placement(turn=90), [3, 0, 1, 2]),
        (Placement(turn=180), [2, 3, 0, 1]),
        (Placement(turn=270), [1, 2, 3, 0]),
        (Placement(turn=90, mirror=True), [2, 1, 0, 3]),
    ],
)
def test_turns_and_mirrors(placement: Placement, wanted: list[int]) -> None:
    assert order(shown(placement)) == wanted


def test_a_picture_of_the_windows_size_is_untouched() -> None:
    np.testing.assert_array_equal(shown(Placement(), (160, 90)), quarters())


@pytest.mark.parametrize(
    ("fit", "turn", "wanted"),
    [
        ("contain", 0, [(0, 55), (200, 55), (200, 168), (0, 168)]),
        ("cover", 0, [(-99, 0), (299, 0), (299, 224), (-99, 224)]),
        ("stretch", 0, [(0, 0), (200, 0), (200, 224), (0, 224)]),
        ("contain", 90, [(37, 0), (163, 0), (163, 224), (37, 224)]),
    ],
)
def test_fits(fit: str, turn: int, wanted: list[tuple[int, int]]) -> None:
    points = seen_points(Placement(fit=fit, turn=turn), (160, 90), (200, 224))
    np.testing.assert_allclose(clockwise(points), wanted, atol=1)


def test_pinned_corners_are_where_they_were_put() -> None:
    mesh = (((0.1, 0.2), (0.9, 0.05)), ((0.2, 0.8), (0.95, 0.9)))
    window = (400, 300)
    picture = shown(Placement(mesh=mesh), window)
    assert order(picture) == [0, 1, 2, 3]
    quad = clockwise(np.array(mesh) * window)
    middle = quad.mean(axis=0)
    for corner, colour in zip(quad, COLOURS, strict=True):
        inside = np.round(corner + (middle - corner) * 0.08).astype(int)
        outside = np.round(corner - (middle - corner) * 0.08).astype(int)
        assert np.abs(picture[inside[1], inside[0]].astype(int) - colour).max() < 30
        assert picture[outside[1], outside[0]].max() == 0


BENT = (((0, 0), (0.5, 0.1), (1, 0)), ((0, 0.5), (0.5, 0.5), (1, 0.5)), ((0, 1), (0.5, 1), (1, 1)))


@pytest.mark.parametrize(
    "wrong",
    [
        {"fit": "squeeze"},
        {"turn": 45},
        {"gamma": 0.0},
        {"edge_gamma": 9.0},
        {"mesh": ((0, 0), (1, 0), (1, 1), (0, 1))},
        {"mesh": BENT[:2]},
        {"mesh": (((0, 0), (1, 1)), ((1, 0), (0, 1)))},
        {"mesh": (BENT[0], ((0, 0.5), (0.5, 0.5), (0.4, 0.5)), BENT[2])},
        {"crop": (0.5, 0, 0.6, 1)},
        {"crop": (0, 0, 0, 1)},
        {"crop": (0, float("nan"), 1, 1)},
        {"edges": (0.6, 0, 0.5, 0)},
        {"edges": (-0.1, 0, 0, 0)},
        {"mask": "../stage"},
    ],
)
def test_out_of_range(wrong: dict[str, object]) -> None:
    with pytest.raises(SettingsError, match="must"):
        Placement(**wrong)  # type: ignore[arg-type]


def test_tones() -> None:
    assert tone_table(Placement()) is None
    table = tone_table(Placement(gamma=2.0))
    assert table is not None
    assert (table[0], table[255]) == (0, 255)
    assert table[64] == pytest.approx(255 * (64 / 255) ** 0.5, abs=1)
    half = tone_table(Placement(brightness=0.5))
    assert half is not None
    assert half[255] == 128


@pytest.mark.parametrize("gamma", [1.0, 2.2])
def test_two_soft_edges_add_up_to_one_in_light(gamma: float) -> None:
    across = np.linspace(0.0005, 0.9995, 1000, dtype=np.float32)
    places = np.stack([across, np.full_like(across, 0.5)])[:, None]
    left = softened((0, 0, 0.25, 0), gamma, places)[0] ** gamma
    right = softened((0.25, 0, 0, 0), gamma, places)[0] ** gamma
    np.testing.assert_allclose(left[750:] + right[:250], 1, atol=1e-5)
    np.testing.assert_array_equal(left[:750], 1)
    assert (np.diff(left[749:]) < 0).all()
    assert left[750] > 0.999
    assert left[-1] < 0.001


def test_edges_on_all_sides_meet_in_the_corners() -> None:
    places = np.mgrid[0:1:101j, 0:1:101j][::-1].astype(np.float32)
    light = softened((0.2, 0.1, 0.4, 0.5), 1.0, places)
    assert light[50, 50] == 1
    for row, column in ((5, 50), (50, 10), (50, 80), (75, 50)):
        assert light[row, column] == pytest.approx(0.5)
    assert light[75, 80] == pytest.approx(0.25)
    assert max(light[0].max(), light[-1].max(), light[:, 0].max(), light[:, -1].max()) == 0
