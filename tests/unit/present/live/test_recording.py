"""Recordings: every frame in exactly one segment, within the budget, playable after a kill."""

import os
import shutil
import subprocess
import sys
import threading
import time
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
import pytest
from waiting import PATIENCE_S

from livedream.core.addresses import parse_address
from livedream.core.frame import Picture
from livedream.present.live import LiveFrame
from livedream.present.live.recording import (
    BackgroundWriter,
    DiskBudget,
    RecordingOutput,
    segment_name,
)
from livedream.present.remux import finishing

SIZE = (64, 48)


def numbered(index: int, red: int = 0) -> Picture:
    """A picture that carries its number in eight blocks."""
    rgb = np.full((SIZE[1], SIZE[0], 3), (red, 40, 40), np.uint8)
    for bit in range(8):
        if index >> bit & 1:
            rgb[:24, 8 * bit : 8 * bit + 8] = 230
    return rgb


def numbers(path: Path) -> list[int]:
    found = []
    with av.open(str(path)) as container:
        for frame in container.decode(video=0):
            row = frame.to_ndarray(format="rgb24")[12, 4::8, 1]
            found.append(sum(int(value > 130) << bit for bit, value in enumerate(row)))
    return found


def recording(folder: Path, options: str = "") -> RecordingOutput:
    address = parse_address(f"record:{folder}?{options}")
    return RecordingOutput(address, *SIZE, Fraction(25))


def record(output: RecordingOutput, frames: int) -> None:
    """Numbered pictures, and all that is done beside them."""
    output.open()
    for index in range(frames):
        output.write(LiveFrame(numbered(index), index / 25, index))
    background = output._background  # noqa: SLF001
    assert background is not None
    wait_for(background)
    output.close()


def wait_for(background: BackgroundWriter) -> None:
    """Until it has done what it was asked to do so far."""
    done = threading.Event()
    background.do(done.set)
    assert done.wait(PATIENCE_S)


def busy_recording(folder: Path) -> tuple[RecordingOutput, BackgroundWriter, threading.Event]:
    """Segments of 1.2 s, and a background that does nothing else until the event is set."""
    may_go_on = threading.Event()

    def be_busy() -> None:
        may_go_on.wait(PATIENCE_S)

    output = recording(folder, "minutes=0.02")
    output.open()
    background = output._background  # noqa: SLF001
    assert background is not None
    background.do(be_busy)
    return output, background, may_go_on


def test_segments_follow_each_other_without_a_gap(tmp_path: Path) -> None:
    output = recording(tmp_path, "minutes=0.02&of=both")  # 1.2 s, 30 frames
    output.open()
    for index in range(100):
        picture = numbered(index)
        output.write(LiveFrame(picture, index / 25, index, camera=numbered(index, red=200)))
    output.close()
    for kind in ("dream", "camera"):
        paths = sorted(tmp_path.glob(f"livedream-*-{kind}-*.mp4"))
        assert len(paths) == 4
        assert [n for path in paths for n in numbers(path)] == list(range(100))
    assert not [p for p in tmp_path.iterdir() if not p.name.startswith("livedream-")]


def test_a_segment_that_was_not_prepared_in_time_leaves_nothing(tmp_path: Path) -> None:
    output, background, may_go_on = busy_recording(tmp_path)
    for index in range(100):
        if index == 40:  # the second segment has begun without
            may_go_on.set()
            wait_for(background)
        output.write(LiveFrame(numbered(index), index / 25, index))
    output.close()
    paths = sorted(tmp_path.glob("*.mp4"))
    assert [n for path in paths for n in numbers(path)] == list(range(100))


def test_a_segment_that_waits_for_its_first_frame_is_no_file_yet(tmp_path: Path) -> None:
    """A kill would leave one that nothing plays."""
    output, background, may_go_on = busy_recording(tmp_path)
    may_go_on.set()
    for index in range(28):  # the second segment is asked for
        output.write(LiveFrame(numbered(index), index / 25, index))
    wait_for(background)
    (path,) = tmp_path.iterdir()
    assert numbers(path) == list(range(28))
    for index in range(28, 31):
        output.write(LiveFrame(numbered(index), index / 25, index))
    assert [n for path in sorted(tmp_path.glob("*.mp4")) for n in numbers(path)] == list(range(31))
    output.close()


def test_a_segment_that_is_prepared_after_the_end_leaves_nothing(tmp_path: Path) -> None:
    output, background, may_go_on = busy_recording(tmp_path)
    done = threading.Event()
    for index in range(28):  # the second segment is asked for
        output.write(LiveFrame(numbered(index), index / 25, index))
    background.do(done.set)
    output.close()
    may_go_on.set()
    assert done.wait(PATIENCE_S)
    (path,) = tmp_path.iterdir()
    assert numbers(path) == list(range(28))


def test_frames_keep_their_times(tmp_path: Path) -> None:
    times = [0.0, 0.04, 0.3, 0.31, 1.0]
    output = recording(tmp_path)
    output.open()
    for index, time_s in enumerate(times):
        output.write(LiveFrame(numbered(index), 1000 + time_s, index))
    output.close()
    (path,) = tmp_path.glob("*.mp4")
    with av.open(str(path)) as container:
        found = [frame.time for frame in container.decode(video=0)]
    assert found == pytest.approx(times, abs=1e-4)


def test_another_size_begins_another_segment(tmp_path: Path) -> None:
    output = recording(tmp_path)
    output.open()
    for index, size in enumerate([SIZE, SIZE, (80, 60)]):
        output.write(
            LiveFrame(cv2.resize(numbered(index), size).astype(np.uint8), index / 25, index)
        )
    output.close()
    assert [len(numbers(p)) for p in sorted(tmp_path.glob("*.mp4"))] == [2, 1]


def test_two_sessions_do_not_overwrite_each_other(tmp_path: Path) -> None:
    for index in range(2):
        output = recording(tmp_path)
        output.open()
        output.write(LiveFrame(numbered(index), 0.0, index))
        output.close()
    assert sorted(n for p in tmp_path.glob("*.mp4") for n in numbers(p)) == [0, 1]


def test_the_budget_holds_and_the_oldest_go(tmp_path: Path) -> None:
    noise = np.random.default_rng(0)
    output = recording(tmp_path, "minutes=0.01&budget=1MB&quality=60")
    output.open()
    background = output._background  # noqa: SLF001
    assert background is not None
    most = 0
    for index in range(150):
        rgb = noise.integers(0, 255, (240, 320, 3), dtype=np.uint8)
        output.write(LiveFrame(rgb, index / 25, index))
        if index % 10 == 0:
            wait_for(background)
            most = max(most, output.budget.taken())
    output.close()
    names = sorted(p.name for p in tmp_path.iterdir())
    assert output.budget.taken() < 1.3e6
    assert most < 1.6e6
    assert not names[0].endswith("00001.mp4")
    assert len(names) >= 2


def test_a_budget_larger_than_the_disk_removes_nothing(tmp_path: Path) -> None:
    earlier = [tmp_path / segment_name("20260101-000000", "dream", n) for n in (1, 2)]
    for path in earlier:
        path.write_bytes(b"x" * 1000)
    assert DiskBudget(tmp_path, 10**15).make_room(0, []) == []
    record(recording(tmp_path, "minutes=0.02&budget=1000TB"), 100)
    paths = sorted(set(tmp_path.glob("*.mp4")) - set(earlier))
    assert [n for path in paths for n in numbers(path)] == list(range(100))
    assert all(path.exists() for path in earlier)


def test_only_recordings_count(tmp_path: Path) -> None:
    """What somebody gave another name is no recording, and no reason to remove one."""
    for name in ("livedream-demo.mp4", "livedream-20261124-061500-dream-00012 opening.mp4"):
        (tmp_path / name).write_bytes(b"x" * 2_000_000)
    kept, copy = tmp_path / segment_name("20261124-061500", "dream", 1), b"x" * 1000
    kept.write_bytes(copy)
    os.utime(kept, (0, 0))
    budget = DiskBudget(tmp_path, 1_000_000)
    assert budget.taken() == 1000
    assert budget.make_room(1000, []) == [] and kept.exists()


def test_the_oldest_go_after_years_and_after_the_clock_was_set(tmp_path: Path) -> None:
    found = [tmp_path / segment_name("20261124-061500", "dream", n) for n in (99_999, 100_000)]
    ahead = time.time() + 7 * 24 * 3600  # the clock ran ahead until somebody set it
    for path in found:
        path.write_bytes(b"x" * 1000)
        os.utime(path, (ahead, ahead))
    assert DiskBudget(tmp_path, 1200).make_room(0, []) == found[:1]


def test_what_is_written_no_more_may_be_removed(tmp_path: Path) -> None:
    output = recording(tmp_path, "minutes=0.02&of=both")
    record(output, 60)
    assert output.being_written == set()


def test_a_segment_that_there_is_no_room_to_finish_stays_as_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = shutil.disk_usage(tmp_path)._replace(free=500 * 10**6 + 1)
    monkeypatch.setattr("livedream.present.live.recording.shutil.disk_usage", lambda _: usage)
    record(recording(tmp_path, "minutes=0.02"), 45)
    paths = sorted(tmp_path.glob("*.mp4"))
    assert [n for path in paths for n in numbers(path)] == list(range(45))


def test_a_copy_that_nobody_goes_on_with_is_removed(tmp_path: Path) -> None:
    """One of ten minutes takes seconds to finish; whoever is killed meanwhile leaves it."""
    segments = [tmp_path / segment_name("20261124-061500", "dream", n) for n in (1, 2)]
    for path in segments:
        path.write_bytes(b"whole")
        finishing(path).write_bytes(b"half")
    os.utime(finishing(segments[0]), (0, 0))
    (tmp_path / ".others.finishing").write_bytes(b"theirs")
    os.utime(tmp_path / ".others.finishing", (0, 0))
    budget = DiskBudget(tmp_path, 1_000_000)
    assert budget.make_room(0, []) == [finishing(segments[0])]
    assert len(list(tmp_path.iterdir())) == 4


def test_two_shows_in_one_folder_leave_each_other_what_they_write(tmp_path: Path) -> None:
    noise = np.random.default_rng(0)
    longer = recording(tmp_path, "budget=100MB")
    longer.open()
    longer.write(LiveFrame(numbered(0), 0.0, 0))
    other = recording(tmp_path, "minutes=0.01&budget=1MB&quality=60")
    other.open()
    background = other._background  # noqa: SLF001
    assert background is not None
    (growing,) = tmp_path.glob("*.mp4")
    for index in range(100):
        rgb = noise.integers(0, 255, (240, 320, 3), dtype=np.uint8)
        other.write(LiveFrame(rgb, index / 25, index))
        if index % 10 == 0:
            wait_for(background)
    wait_for(background)
    other.close()
    assert growing.exists()
    longer.write(LiveFrame(numbered(1), 0.04, 1))
    longer.close()
    assert numbers(growing) == [0, 1]
    os.utime(growing, (10**9, 10**9))  # long ago: nobody writes it
    DiskBudget(tmp_path, 1).make_room(0, [])
    assert not growing.exists()


def test_one_that_cannot_be_removed_is_passed_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As on Windows, where somebody watches it."""
    watched, other = (tmp_path / segment_name("20260101-000000", "dream", n) for n in (1, 2))
    for path in (watched, other):
        path.write_bytes(b"x" * 1000)
        os.utime(path, (10**9, 10**9))
    unlink = Path.unlink

    def refuse(path: Path, *, missing_ok: bool = False) -> None:
        if path == watched:
            raise PermissionError(13, "in use")
        unlink(path, missing_ok=missing_ok)

    monkeypatch.setattr(Path, "unlink", refuse)
    assert DiskBudget(tmp_path, 1500).make_room(0, []) == [other]


def test_the_oldest_are_known_by_when_they_were_written_and_others_files_stay(
    tmp_path: Path,
) -> None:
    mine = [
        segment_name("20260101-000000", "dream", 1),
        segment_name("20260101-000000", "camera", 1),
        segment_name("20260101-000000", "dream", 2),
        segment_name("20260102-000000", "camera", 1),
    ]
    for number, name in enumerate([*mine, "holiday.mp4"]):
        (tmp_path / name).write_bytes(b"x" * 1000)
        os.utime(tmp_path / name, (10**9 + number // 2, 10**9 + number // 2))
    os.utime(tmp_path / mine[2], (2 * 10**9, 2 * 10**9))  # a long show, another session meanwhile
    budget = DiskBudget(tmp_path, 2500)
    gone = budget.make_room(0, keep=[tmp_path / mine[0]])
    assert [p.name for p in gone] == [mine[1], mine[3]]
    assert (tmp_path / "holiday.mp4").exists()


def test_what_was_written_survives_a_kill(tmp_path: Path) -> None:
    writer = Path(__file__).with_name("recording_writer.py")
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[4])}
    with subprocess.Popen(
        [sys.executable, str(writer), str(tmp_path)],
        stdout=subprocess.PIPE,
        text=True,
        env=environment,
    ) as child:
        assert child.stdout is not None
        written = -1
        while written < 60:
            written = int(child.stdout.readline())
        child.kill()
        written = max([written, *(int(n) for n in child.stdout.read().split("\n")[:-1] if n)])
    found = [n for path in sorted(tmp_path.glob("livedream-*.mp4")) for n in numbers(path)]
    assert found[: written + 1] == list(range(written + 1))
