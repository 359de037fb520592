"""Which displays a wall is made of, and what each of them shows."""

import numpy as np
import pytest

from livedream.core.errors import SettingsError
from livedream.present.live.wall import Area, read_areas, shares


def test_displays_and_parts_of_them() -> None:
    assert read_areas("1") == (Area(1),)
    assert read_areas("0, 2") == (Area(0), Area(2))
    two = read_areas("0:1920x1080+0+0,0:1920x1080+1920+0")
    assert two == (Area(0, (1920, 1080, 0, 0)), Area(0, (1920, 1080, 1920, 0)))
    assert [area.key((3840, 1080)) for area in (Area(0), two[1])] == [
        "0:3840x1080", "0:1920x1080+1920+0",
    ]  # fmt: skip
    for wrong in (
        "",
        "a",
        "0,",
        "-1",
        "0,0",
        "0:1920x1080",
        "0:0x5+0+0",
        ",".join(map(str, range(17))),
    ):
        with pytest.raises(SettingsError, match="display: must be"):
            read_areas(wrong)


def test_one_display_shows_everything() -> None:
    assert shares([(160, 90)], 0.0, (160, 90)) == [((0, 0, 1, 1), (0, 0, 0, 0))]


@pytest.mark.parametrize("picture", [(1600, 900), (6400, 900), (900, 1600)])
@pytest.mark.parametrize("overlap", [0.0, 0.2, 0.5])
def test_neighbours_share_what_overlaps(picture: tuple[int, int], overlap: float) -> None:
    displays = [(1920, 1080), (1024, 768), (1920, 1080)]
    found = shares(displays, overlap, picture)
    crops = np.array([crop for crop, _ in found])
    edges = np.array([edge for _, edge in found])
    px = crops[:, 2:] * picture
    np.testing.assert_allclose(px[:, 0] / px[:, 1], [w / h for w, h in displays])  # not stretched
    assert crops[:, :2].min() >= 0
    assert (crops[:, :2] + crops[:, 2:]).max() <= 1 + 1e-9
    assert crops[:, 2:].sum(axis=0).max() >= 1 - 1e-9 or np.ptp(crops[:, 3]) == 0
    for one in (0, 1):
        shared = crops[one, 0] + crops[one, 2] - crops[one + 1, 0]
        parts = shared / crops[one : one + 2, 2]
        np.testing.assert_allclose(parts, (edges[one, 2], edges[one + 1, 0]), atol=1e-12)
    assert edges[0, 0] == edges[2, 2] == 0
    np.testing.assert_allclose(edges[1, 0], overlap)
