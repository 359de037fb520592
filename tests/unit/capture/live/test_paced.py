"""A file that loops: at its pace, and without a cut where it begins again."""

from pathlib import Path

import cv2
import numpy as np
import pytest
from files_made import make_video

from livedream.capture.live.paced import PacedInput
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
