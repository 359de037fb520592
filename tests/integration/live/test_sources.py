"""Live sources that are real: a looped file, UDP killed and restarted, MJPEG, screen and window."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from files_made import make_video
from live.senders import MjpegServer, UdpSender, now_ms, read_stamp
from ports import free_udp_port
from waiting import PATIENCE_S, next_frame, until
from xvfb import open_xvfb

from livedream.capture.live import open_live
from livedream.capture.live.window_capture import list_windows
from livedream.capture.live.worker import Capture
from livedream.core.errors import SourceError


def test_a_file_begins_again(tmp_path: Path) -> None:
    path = tmp_path / "film.mp4"
    make_video(path, times=[512 * index for index in range(10)])  # 30 fps, a third of a second
    capture = Capture(open_live(str(path)))
    capture.start()
    frames = [next_frame(capture) for _ in range(25)]
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
        frame = next_frame(capture)
        assert frame.rgb.shape == (240, 416, 3)
        ages = []
        for _ in range(10):
            frame = next_frame(capture)
            ages.append(now_ms() - read_stamp(frame.rgb))
        assert 0 <= min(ages) < 500
        sender.kill()
        until(lambda: capture.health().state == "lost")
        until(lambda: "nothing received" in capture.health().detail)
        assert "no answer in time" in capture.health().detail  # and the port is free
        while capture.slot.get(0.0) is not None:
            pass
        sender.start()
        next_frame(capture)
        assert capture.health().state == "ok"
        assert capture.health().reconnects >= 1
    finally:
        sender.kill()
        capture.close()


def test_mjpeg_over_http_and_its_end() -> None:
    with MjpegServer() as server:
        capture = Capture(open_live(server.url))
        capture.start()
        frame = next_frame(capture)
        assert frame.rgb.shape == (180, 320, 3)
        assert frame.rgb.std() > 10
    until(lambda: capture.health().state == "lost")
    capture.close()


@pytest.fixture
def display(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    with open_xvfb("320x240") as name:
        monkeypatch.setenv("DISPLAY", name)
        yield name


class Program:
    """One with a window, 240x100, and a palette; by X itself, which paints their grounds."""

    def __init__(self) -> None:
        from Xlib.display import Display

        self.server = Display()
        self.shown("A palette of the VJ", 40, 40)
        self.window = self.shown("VJ of the evening", 240, 100)
        self.paint(240, 100, 0xC81478)

    def shown(self, title: str, width: int, height: int) -> Any:
        screen = self.server.screen()
        window = screen.root.create_window(0, 0, width, height, 0, screen.root_depth)
        window.set_wm_name(title)
        window.map()
        return window

    def paint(self, width: int, height: int, colour: int) -> None:
        self.window.change_attributes(background_pixel=colour)
        self.window.configure(width=width, height=height)
        self.window.clear_area()
        self.server.sync()

    def close(self) -> None:
        self.server.close()


def test_a_window_is_found_by_its_title_and_followed(display: str) -> None:
    pytest.importorskip("Xlib", reason="wants the extra window")
    program = Program()
    capture = Capture(open_live("window:vj", fps=20))

    def shows(width: int, height: int, red: int) -> bool:
        rgb = next_frame(capture).rgb
        middle = rgb[rgb.shape[0] // 2, rgb.shape[1] // 2].tolist()
        return rgb.shape == (height, width, 3) and middle == [red, 20, 120]

    try:
        capture.start()
        opened = capture.wait(PATIENCE_S)
        assert opened is not None and opened.detail == "VJ of the evening, 240x100"
        until(lambda: shows(240, 100, 200))
        program.paint(160, 120, 0x5A1478)
        until(lambda: shows(160, 120, 90))
        program.close()
        until(lambda: "window" in capture.health().detail)  # was closed, or is not there
        assert capture.health().state == "lost"
        program = Program()
        until(lambda: capture.health().state == "ok" and shows(240, 100, 200))
    finally:
        capture.close()
        program.close()


def test_odd_titles_are_shown_on_one_line_and_can_be_typed(display: str) -> None:
    pytest.importorskip("Xlib", reason="wants the extra window")
    from Xlib import Xatom

    program = Program()
    screen = program.server.screen().root
    utf8, name = (program.server.intern_atom(one) for one in ("UTF8_STRING", "_NET_WM_NAME"))
    for title in (b"\x1b[31mred\nline\x00", b"\xff\xfe \xc3", b"<b>long " + 10_000 * b"x"):
        program.shown("", 64, 48).change_property(name, utf8, 8, title)
    program.shown("", 64, 48).change_property(name, utf8, 32, [7, 8])  # no text at all
    # What claims to be a window manager's list of windows.
    clients = [one.id for one in screen.query_tree().children]
    number = program.server.intern_atom("_NET_CLIENT_LIST")
    screen.change_property(number, Xatom.WINDOW, 32, [*clients, 0, 2**29, 77])
    program.server.sync()
    try:
        titles = {one.title for one in list_windows()}
        assert {
            "[31mred line",
            "\N{REPLACEMENT CHARACTER}" * 2 + " \N{REPLACEMENT CHARACTER}",
        } < titles
        assert max(map(len, titles)) == 200 and all(title.isprintable() for title in titles)
        for title in titles:
            source = open_live(f"window:{title}")
            assert source.open().detail.startswith(f"{title}, ")
            assert source.read() is not None
            source.close()
    finally:
        screen.delete_property(number)
        program.close()


_BESIDE_SDL = """
import pygame
from livedream.capture.live import open_live

pygame.display.init()
window = pygame.Window("the dream", (64, 64))
source = open_live("window:evening")
source.open()
while source.read().shape != (100, 240, 3):
    pass
source.close()
"""


def test_a_window_is_read_beside_one_of_our_own(display: str) -> None:
    """Two X libraries in one process are one too many."""
    pytest.importorskip("Xlib", reason="wants the extra window")
    program = Program()
    try:
        own = Path(__file__).resolve().parents[3]
        subprocess.run(
            [sys.executable, "-c", _BESIDE_SDL], check=True, timeout=120, cwd=own,
            env={**os.environ, "PYTHONPATH": str(own)},
        )  # fmt: skip
    finally:
        program.close()


def test_a_window_that_is_not_there_names_those_that_are(display: str) -> None:
    pytest.importorskip("Xlib", reason="wants the extra window")
    program = Program()
    try:
        with pytest.raises(SourceError, match=r"there are A palette .*, VJ of the"):
            open_live("window:Resolume").open()
    finally:
        program.close()
    with pytest.raises(SourceError, match="must be window:TITLE"):
        open_live("window:")


def test_a_region_of_the_screen(display: str) -> None:
    capture = Capture(open_live("screen:1:160x90+10+20", fps=20))
    capture.start()
    frame = next_frame(capture)
    assert frame.rgb.shape == (90, 160, 3)
    capture.close()


def test_a_region_beyond_the_screen_is_told(display: str) -> None:
    capture = Capture(open_live("screen:1:640x90"))
    capture.start()
    capture.wait(PATIENCE_S)
    assert "must be inside 320x240" in str(capture.error)
    capture.close()
