from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from PIL import Image

from livedream.region.films import Film

RATE, COUNT = 5, 60  # 12 s


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A film whose n-th frame is 3 n levels of luma above black, with a key frame every 4 s."""
    made = tmp_path_factory.mktemp("films") / "mask.mp4"
    with av.open(str(made), "w") as container:
        stream = container.add_stream("libx264", rate=RATE, options={"qp": "0", "g": "20"})
        stream.width = stream.height = 32
        stream.pix_fmt = "yuv420p"
        for number in range(COUNT):
            planes = np.full((48, 32), 128, np.uint8)
            planes[:32] = 16 + 3 * number
            container.mux(stream.encode(av.VideoFrame.from_ndarray(planes, "yuv420p")))
        container.mux(stream.encode())
    return str(made)


class Counted(Film):
    """read: how many frames were."""

    read = 0

    def _read(self, start_s: float) -> Iterator[Any]:
        for one in super()._read(start_s):
            self.read += 1
            yield one


def number_at(film: Film, time_s: float, **more: float) -> int:
    return round(float(film.at(time_s, **more).mean()) * 219 / 255 / 3)


@pytest.mark.parametrize("time_s", [0.0, 0.79, 0.8, 3.9, 4.0, 11.8, 11.99, 12.0, 27.3, 3607.41])
def test_any_moment_is_found_without_all_before_it(path: str, time_s: float) -> None:
    film = Counted(path)
    assert number_at(film, time_s) == int((time_s + 1e-6) * RATE) % COUNT
    assert film.read < 40


def test_it_is_the_same_one_after_the_other(path: str) -> None:
    film = Counted(path)
    times_s = [n / 7 for n in range(7 * 30)]
    assert [number_at(film, t) for t in times_s] == [
        int((t + 1e-6) * RATE) % COUNT for t in times_s
    ]
    assert film.read < 30 * RATE + 10


def test_one_that_is_slow_falls_behind_and_goes_on(path: str) -> None:
    film = Counted(path)
    found = [number_at(film, 1.0 * n, most_s=0.4) for n in range(6)]
    assert found == [0, 2, 4, 6, 8, 10]  # two frames a time, where five pass
    assert number_at(film, 9.0, most_s=0.4) == 45  # what is far away is sought
    assert film.read < 30


def test_pictures_that_stay_for_seconds(tmp_path: Path) -> None:
    made = tmp_path / "slow.gif"
    shades = [Image.new("L", (8, 8), 60 * n) for n in range(4)]
    shades[0].save(made, save_all=True, append_images=shades[1:], duration=3000, loop=0)
    for time_s in (0.0, 5.9, 6.0, 8.5, 11.0, 13.0, 605.0):
        found = float(Film(str(made)).at(time_s).mean())
        assert abs(found - 60 * (int(time_s // 3) % 4)) < 3


def test_numbered_pictures_have_the_rate_they_are_given(tmp_path: Path, path: str) -> None:
    for number in range(4):
        Image.new("L", (8, 8), 60 * number).save(tmp_path / f"{number}.png")
    for series in (str(tmp_path), str(tmp_path / "%d.png")):
        for rate, time_s, shade in (
            (None, 0.1, 120),
            (Fraction(10), 0.1, 60),
            (Fraction(10), 0.5, 60),
        ):
            assert Film(series, rate).at(time_s).mean() == shade
    assert number_at(Film(path, Fraction(10)), 1.0) == RATE  # a film has its own
