"""Live sources that are real: a looped file, a UDP stream killed and restarted, MJPEG, a screen."""

import os
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from files_made import make_video
from live.senders import MjpegServer, UdpSender, now_ms, read_stamp
from ports import free_udp_port

from livedream.capture.live import Captured, open_live
from livedream.capture.live.worker import Capture


def first(capture: Capture, seconds: float) -> Captured:
    """The next frame, or a failed test."""
    found = capture.slot.get(seconds)
    assert found is not None, capture.health()
    return found


def until(true: Callable[[], bool], seconds: float = 15.0) -> None:
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.01)


def test_a_file_begins_again(tmp_path: Path) -> None:
    path = tmp_path / "film.mp4"
    make_video(path, times=[512 * index for index in range(10)])  # 30 fps, a third of a second
    capture = Capture(open_live(str(path)))
    capture.start()
    frames = [first(capture, 5.0) for _ in range(25)]
    capture.close()
    seen = {frame.index: frame.rgb for frame in frames}
    # From the last frame it fades into the first ones; in the middle it is the film itself.
    again = [index for index in seen if 15 <= index < 20 and index - 10 in seen]
    assert again
    for index in again:
        assert np.abs(seen[index].astype(int) - seen[index - 10]).mean() < 1


def test_a_udp_stream_is_read_with_little_delay_and_comes_back_after_a_kill() -> None:
    port = free_udp_port()
    sender = UdpSender(port, 416, 240)
    capture = Capture(open_live(f"udp://127.0.0.1:{port}"))
    capture.start()
    try:
        sender.start()
        frame = first(capture, 15.0)
        assert frame.rgb.shape == (240, 416, 3)
        ages = []
        for _ in range(10):
            frame = first(capture, 3.0)
            ages.append(now_ms() - read_stamp(frame.rgb))
        assert 0 <= min(ages) < 500
        sender.kill()
        until(lambda: capture.health().state == "lost")
        while capture.slot.get(0.0) is not None:
            pass
        sender.start()
        first(capture, 15.0)
        assert capture.health().state == "ok"
        assert capture.health().reconnects >= 1
    finally:
        sender.kill()
        capture.close()


def test_mjpeg_over_http_and_its_end() -> None:
    with MjpegServer() as server:
        capture = Capture(open_live(server.url))
        capture.start()
        frame = first(capture, 10.0)
        assert frame.rgb.shape == (180, 320, 3)
        assert frame.rgb.std() > 10
    until(lambda: capture.health().state == "lost")
    capture.close()


@pytest.fixture
def display(tmp_path: Path) -> Iterator[str]:
    """A display of its own, 320x240, by Xvfb."""
    if not shutil.which("Xvfb"):
        pytest.skip("needs Xvfb")
    number = next(n for n in range(120, 200) if not Path(f"/tmp/.X11-unix/X{n}").exists())
    server = subprocess.Popen(
        ["Xvfb", f":{number}", "-screen", "0", "320x240x24", "-nolisten", "tcp"],
        stderr=subprocess.DEVNULL,
    )
    until(Path(f"/tmp/.X11-unix/X{number}").exists)
    before = os.environ.get("DISPLAY")
    os.environ["DISPLAY"] = f":{number}"
    yield f":{number}"
    if before is None:
        del os.environ["DISPLAY"]
    else:
        os.environ["DISPLAY"] = before
    server.terminate()
    server.wait()


def test_a_region_of_the_screen(display: str) -> None:
    capture = Capture(open_live("screen:1:160x90+10+20", fps=20))
    capture.start()
    frame = first(capture, 10.0)
    assert frame.rgb.shape == (90, 160, 3)
    capture.close()


def test_a_region_beyond_the_screen_is_told(display: str) -> None:
    capture = Capture(open_live("screen:1:640x90"))
    capture.start()
    capture.wait(5.0)
    assert "must be inside 320x240" in str(capture.error)
    capture.close()
