"""A file that loops: at its pace, and without a cut where it begins again."""

from fractions import Fraction
from itertools import accumulate
from pathlib import Path

import cv2
import numpy as np
import pytest
from files_made import make_video, uneven_pts
from PIL import Image

from livedream.capture.live.paced import Pace, PacedInput
from livedream.core.frame import Picture
from livedream.flow import open_flow
from livedream.flow.motion import MotionEstimator

SIZE = (160, 90)


def pan(texture: Picture, folder: Path, frames: int, *, there_and_back: bool = False) -> None:
    """Pictures panned over; there and back again, so that the ends join."""
    folder.mkdir(exist_ok=True)
    for index in range(frames):
        x = 6 * (min(index, frames - index) if there_and_back else index)
        part = np.ascontiguousarray(texture[40 : 40 + SIZE[1], x : x + SIZE[0], ::-1])
        cv2.imwrite(str(folder / f"{index:03d}.png"), part)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Time that passes where somebody sleeps."""
    now = [100.0]

    def sleep(seconds: float) -> None:
        now[0] += seconds

    monkeypatch.setattr("livedream.capture.live.paced.time.sleep", sleep)
    monkeypatch.setattr("livedream.capture.live.paced.time.monotonic", lambda: now[0])
    return now


def read(source: PacedInput, count: int) -> list[Picture]:
    found: list[Picture] = []
    while len(found) < count:
        rgb = source.read()
        if rgb is not None:
            found.append(rgb)
    return found


def test_the_seam_is_no_cut_and_fades_within_a_second(
    texture: Picture, tmp_path: Path, clock: list[float]
) -> None:
    pan(texture, tmp_path, 25)
    source = PacedInput(str(tmp_path))
    source.open()
    pictures = read(source, 75)
    source.close()
    motion = MotionEstimator(open_flow("dis-fast", device="cpu"), "90p")
    cuts = [i for i, rgb in enumerate(pictures) if (m := motion.step(rgb)) and m.cut]
    assert cuts == []
    np.testing.assert_array_equal(pictures[24], pictures[49])  # faded by then
    assert clock[0] - 100.0 == pytest.approx(3.0, abs=0.1)
    # Without the fade it would be one.
    motion = MotionEstimator(open_flow("dis-fast", device="cpu"), "90p")
    motion.step(pictures[24])
    seam = motion.step(pictures[0])
    assert seam is not None
    assert seam.cut


@pytest.mark.parametrize("fps", [30, 50])
def test_what_comes_has_the_pace_of_the_clock(tmp_path: Path, clock: list[float], fps: int) -> None:
    name = f"synthetic:clouds?size=64x36&fps={fps}&seconds=0.2"
    if fps == 30:
        name = str(make_video(tmp_path / "film.mp4", times=[512 * index for index in range(10)]))
    source = PacedInput(name)
    source.open()
    read(source, 1)
    begun_s = clock[0]
    read(source, 3 * fps)
    source.close()
    assert clock[0] - begun_s == pytest.approx(3.0, abs=0.01)


def test_ends_that_join_are_left_as_they_are(
    texture: Picture, tmp_path: Path, clock: list[float]
) -> None:
    pan(texture, tmp_path, 24, there_and_back=True)
    source = PacedInput(str(tmp_path))
    source.open()
    pictures = read(source, 48)
    source.close()
    for first, second in zip(pictures[:24], pictures[24:], strict=True):
        np.testing.assert_array_equal(first, second)


@pytest.mark.parametrize("delays_s", [[3.0, 3.0], [4.0, 0.1, 0.1], [0.1, 0.1, 0.1, 0.1, 2.0]])
def test_a_picture_that_is_shown_for_long_comes_again_meanwhile(
    tmp_path: Path, clock: list[float], delays_s: list[float]
) -> None:
    colours = [Image.new("RGB", (32, 18), (40 * index, 0, 0)) for index in range(len(delays_s))]
    delays_ms = [round(1000 * delay_s) for delay_s in delays_s]
    path = tmp_path / "slides.gif"
    colours[0].save(path, save_all=True, append_images=colours[1:], duration=delays_ms, loop=0)
    source = PacedInput(str(path))
    assert source.open().rate >= 5
    times: list[float] = []
    changes_s: list[float] = []
    before = -1
    while len(changes_s) <= len(delays_s):
        red = int(read(source, 1)[0][0, 0, 0])
        times.append(clock[0] - 100.0)
        if red != before:
            before = red
            changes_s.append(times[-1])
    source.close()
    assert changes_s == pytest.approx([0.0, *accumulate(delays_s)], abs=0.07)
    assert np.diff(times).max() < 0.21
    assert len(times) > 20 * max(delays_s)


def shown(pace: Pace, times: list[float], clock: list[float]) -> list[float]:
    """When each of these frames is shown, in seconds from the first one."""
    found = []
    for time_s in times:
        while pace.waits_for(time_s):
            continue
        found.append(clock[0])
    return [round(one - found[0], 3) for one in found]


def test_a_second_takes_a_second(clock: list[float]) -> None:
    times = [7.0, 7.5, 9.0, 12.0]
    assert shown(Pace(0.5), times, clock) == [0.0, 0.5, 2.0, 5.0]


@pytest.mark.parametrize("jump", [-3600.0, -1.0, 3600.0])
def test_a_clock_that_jumps_goes_on_with_the_next_frame(clock: list[float], jump: float) -> None:
    times = [5.0, 5.1, 5.2, 5.3 + jump, 5.4 + jump]
    assert shown(Pace(0.1, 10.0), times, clock) == [0.0, 0.1, 0.2, 0.3, 0.4]


def test_what_is_sent_as_it_is_filmed_may_begin_with_some_at_once(clock: list[float]) -> None:
    pace = Pace(0.1, 10.0, 5.0)
    burst = [index / 10 for index in range(30)]
    assert shown(pace, burst, clock)[-1] == 0.0
    for index in range(30, 1000):  # by a clock that is 1 % quicker than ours
        before_s = clock[0]
        assert not pace.waits_for(index / 10)
        assert clock[0] == before_s
        clock[0] += 0.099


def test_a_film_that_comes_faster_than_it_is_is_held_up(clock: list[float]) -> None:
    times = [index / 10 for index in range(600)]
    taken = shown(Pace(0.1, 10.0, 5.0), times, clock)
    assert taken[49] == 0.0
    assert taken[-1] == pytest.approx(60 - 5, rel=0.03)


def test_what_comes_late_does_not_hurry(clock: list[float]) -> None:
    pace = Pace(0.1)
    shown(pace, [0.0, 0.1], clock)
    clock[0] += 3.0
    assert shown(pace, [0.2, 0.3, 0.4], clock) == [0.0, 0.1, 0.2]


def test_a_film_that_is_named_like_a_synthetic_source_loops(
    tmp_path: Path, clock: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    make_video(tmp_path / "noise.mp4", times=uneven_pts(3))
    monkeypatch.chdir(tmp_path)
    source = PacedInput("noise.mp4")
    source.open()
    assert len(read(source, 9)) == 9
    source.close()


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("shows/film.mp4", "film.mp4"),
        ("noises/film.mp4", "film.mp4"),
        ("shows/photos/", "photos"),
        (".", "."),
        ("synthetic:clouds?size=64x36", "synthetic:clouds?size=64x36"),
    ],
)
def test_its_name_is_that_of_the_file_or_folder(text: str, name: str) -> None:
    assert PacedInput(text).name == name


def test_pixels_become_square(tmp_path: Path, clock: list[float]) -> None:
    path = tmp_path / "dvd.mkv"
    make_video(path, size=(72, 58), context={"sample_aspect_ratio": Fraction(64, 45)})
    source = PacedInput(str(path))
    opened = source.open()
    assert (opened.width, opened.height) == (102, 58)
    assert read(source, 1)[0].shape == (58, 102, 3)
    source.close()
