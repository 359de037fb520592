"""The page for OBS in a real Chromium: pictures move, and it comes back when the output does."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from chromium import open_chromium

from livedream.present.live import LiveFrame, open_output
from livedream.present.live.browser import BrowserOutput

PIXEL = "document.getElementById('picture').getContext('2d').getImageData(5, 5, 1, 1).data.join()"
RED = (
    "(() => { const c = document.getElementById('picture');"
    " return c.getContext('2d').getImageData(5, 5, 1, 1).data[0]; })()"
)


@contextmanager
def sending(output: BrowserOutput, level: int, camera: int | None = None) -> Iterator[None]:
    """Pictures of that red, 25 a second. camera: the red of what was dreamed on."""
    output.open()
    stop = threading.Event()

    def send() -> None:
        rgb = np.full((36, 64, 3), (level, 0, 0), np.uint8)
        while not stop.wait(0.04):
            before = None if camera is None else np.full_like(rgb, (camera, 0, 0))
            output.write(LiveFrame(rgb, time.monotonic(), 0, before))

    thread = threading.Thread(target=send)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()
        output.close()


@pytest.mark.slow
def test_the_page_shows_what_is_sent_and_comes_back(tmp_path: Path) -> None:
    output = open_output("browser:0.0.0.0:0", width=64, height=36, rate=Fraction(25))
    assert isinstance(output, BrowserOutput)
    with open_chromium(tmp_path) as browser:
        with sending(output, 200):
            page = browser.page(output.url, width=640, height=360)
            page.wait("document.title === 'livedream: live'")
            page.wait(f"Math.abs({RED} - 200) < 8")
            assert page.evaluate("document.getElementById('picture').width") == 64
            assert page.faults == []
        page.wait("document.title === 'livedream: waiting'")
        with sending(output, 90):
            page.wait(f"Math.abs({RED} - 90) < 8")


@pytest.mark.slow
def test_a_layer_is_transparent_where_nothing_was_added(tmp_path: Path) -> None:
    output = open_output("browser:127.0.0.1:0?of=layer", width=64, height=36, rate=Fraction(25))
    assert isinstance(output, BrowserOutput)
    with open_chromium(tmp_path) as browser:
        with sending(output, 255, camera=155):
            page = browser.page(output.url, width=640, height=360)
            page.wait("document.title === 'livedream: live'")
            page.wait(f"{PIXEL} === '255,0,0,255'")
        with sending(output, 50, camera=100):  # half of it goes: black, half transparent
            page.wait(f"{PIXEL} === '0,0,0,128'")
        with sending(output, 100, camera=100):
            page.wait(f"{PIXEL} === '0,0,0,0'")
            assert page.faults == []
