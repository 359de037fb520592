"""Outputs with real receivers: a clock in the pixels goes out and is read back."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from fractions import Fraction
from itertools import count
from pathlib import Path

import numpy as np
import pytest
from ports import free_tcp_port, free_udp_port
from waiting import PATIENCE_S, until
from xvfb import open_xvfb

from livedream.capture import open_source
from livedream.core.frame import Picture
from livedream.panel.curtain import Curtain
from livedream.present.live import LiveFrame, open_output
from livedream.present.live.encoding import StreamMuxer, StreamOptions
from livedream.present.live.worker import OutputWorker

HERE = Path(__file__).parent
COLOUR = (200, 60, 30)  # of window_shown.py
ROOT = HERE.parents[2]
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(ROOT)}


def clock(time_s: float) -> Picture:
    """Milliseconds as 24 blocks, black or white."""
    rgb = np.full((180, 320, 3), 90, np.uint8)
    for bit in range(24):
        x, y = bit % 12 * 24, bit // 12 * 24
        rgb[y : y + 24, x : x + 24] = 255 * (int(time_s * 1000) >> bit & 1)
    return rgb


def send_until(worker: OutputWorker, done: Callable[[], bool]) -> None:
    """Some 25 pictures a second."""
    indices = count()

    def sent() -> bool:
        now = time.monotonic()
        worker.offer(LiveFrame(clock(now), now, next(indices)))
        time.sleep(0.03)
        return done()

    until(sent, state=worker.health)


def receiver(address: str, **options: str) -> "subprocess.Popen[str]":
    """Prints the age of 25 pictures, in ms, and ends."""
    command = [sys.executable, str(HERE / "clock_reader.py"), address]
    return subprocess.Popen(
        command + [f"{k}={v}" for k, v in options.items()],
        stdout=subprocess.PIPE,
        text=True,
        env=ENVIRONMENT,
    )


def ages(child: "subprocess.Popen[str]") -> list[int]:
    with child:
        output, _ = child.communicate(timeout=PATIENCE_S)
    return [int(line) for line in output.split()]


def test_udp_and_a_receiver_that_goes_and_comes() -> None:
    address = f"udp://127.0.0.1:{free_udp_port()}"
    worker = OutputWorker(open_output(address, width=320, height=180, rate=Fraction(25)))
    try:
        for _ in range(2):
            child = receiver(address)
            send_until(worker, lambda c=child: c.poll() is not None)
            found = ages(child)
            assert len(found) == 25
            assert 0 <= min(found) < 300  # the least: the machine may have other work
        assert worker.health().state == "ok"
    finally:
        worker.close()


@pytest.mark.slow
def test_rtmp_with_silence_and_a_server_that_comes_back() -> None:
    address = f"rtmp://127.0.0.1:{free_tcp_port()}/live/secret"
    worker = OutputWorker(open_output(address, width=320, height=180, rate=Fraction(25)))
    try:
        send_until(worker, lambda: worker.health().state == "lost")
        child = receiver(address, listen="1", audio="1", analyzeduration="300000")
        send_until(worker, lambda: child.poll() is not None)
        assert len(ages(child)) == 25
        assert "secret" not in worker.health().name
    finally:
        worker.close()


@pytest.mark.slow
def test_a_stream_too_thin_to_fill_a_buffer_reaches_an_rtmp_server() -> None:
    """A black picture gives a few dozen bytes: the child waits for no more than it has."""
    address = f"rtmp://127.0.0.1:{free_tcp_port()}/live/key"
    options = StreamOptions(320, 180, Fraction(25), 1_000_000, 2.0, "libx264")
    muxer = StreamMuxer(options, "flv", silence=True, flvflags="no_duration_filesize")
    black = np.zeros((180, 320, 3), np.uint8)
    stream = b"".join(muxer.encode(LiveFrame(black, n / 25, n)) for n in range(50))
    muxer.close()
    assert len(stream) < 16_384
    command = [sys.executable, "-m", "livedream.present.live.rtmp_child"]

    def connects() -> bool:
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as child:
            assert child.stdin is not None and child.stdout is not None
            child.stdin.write(f"{address}\n".encode() + stream)
            child.stdin.flush()  # and it stays open
            said = child.stdout.readline()
            child.kill()
        return said == b"connected\n"

    with receiver(address, listen="1") as server:
        try:
            until(connects)  # once the server listens
        finally:
            server.kill()


@pytest.fixture
def display() -> Iterator[str]:
    with open_xvfb("800x450") as name:
        yield name


@contextmanager
def showing(display: str, folder: Path, window: str) -> Iterator[None]:
    """Within it `window_shown.py` shows one colour."""
    command = [sys.executable, str(HERE / "window_shown.py"), str(folder), window]
    environment = {**ENVIRONMENT, "DISPLAY": display, "LIBGL_ALWAYS_SOFTWARE": "1"}
    child = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment)
    with child:
        assert child.stdout is not None
        assert child.stdout.readline().strip() == "shown"
        try:
            yield
        finally:
            child.terminate()


def shown(display: str, folder: Path, window: str) -> np.ndarray:
    """What is seen on the display meanwhile: (450, 800, 3)."""
    mss = pytest.importorskip("mss", reason="needs mss to look at the screen")
    with showing(display, folder, window), mss.MSS(display=display) as screen:
        seen = np.asarray(screen.grab(screen.monitors[0]))[..., 2::-1]
    assert seen.shape == (450, 800, 3)
    return seen


@pytest.mark.parametrize("renderer", ["cpu", "gpu"])
def test_a_pinned_fullscreen_window(display: str, renderer: str, tmp_path: Path) -> None:
    """The corners are where they were put, the rest is black, the figures lie over it."""
    mesh = [[[0.02, 0.02], [0.95, 0.15]], [[0.1, 0.95], [0.95, 0.95]]]
    (tmp_path / "displays.json").write_text(json.dumps({"0:800x450": {"mesh": mesh}}))
    seen = shown(display, tmp_path, f"window?fullscreen=1&hud=1&renderer={renderer}")
    for x, y in [(20, 430), (780, 20), (400, 445)]:  # outside the corners
        assert seen[y, x].max() == 0
    for x, y in [(700, 120), (700, 380), (220, 400)]:  # inside
        assert np.abs(seen[y, x].astype(int) - COLOUR).max() <= 3
    panel = seen[30:200, 30:200].astype(int)
    assert np.median(panel.max(axis=2)) < 90  # dark and translucent
    assert panel.min(axis=2).max() > 200  # with light words


def test_the_window_has_livedreams_icon(display: str, tmp_path: Path) -> None:
    pytest.importorskip("Xlib", reason="wants the extra window")
    from Xlib.display import Display

    with showing(display, tmp_path, "window"), closing(Display(display)) as server:
        name = server.intern_atom("_NET_WM_ICON")
        windows = server.screen().root.query_tree().children
        icons = [one.get_full_property(name, 0) for one in windows]
        width, height, *argb = next(icon.value for icon in icons if icon is not None)
    assert (width, height) == (64, 64)
    assert argb[32 * 64 + 32] == 0xFFF2A33C  # the eye's pupil


@pytest.mark.slow
def test_between_two_shows_it_is_black(
    display: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mss = pytest.importorskip("mss", reason="needs mss to look at the screen")
    monkeypatch.setenv("DISPLAY", display)
    for name in ("_BLACK_S", "_END_S"):
        monkeypatch.setattr(f"livedream.panel.curtain.{name}", PATIENCE_S)
    area = "display=0:400x450+400+0"  # the rest is left as it is
    curtain, window = Curtain(), f"window?fullscreen=1&{area}"
    with mss.MSS(display=display) as screen:

        def seen() -> np.ndarray:
            return np.asarray(screen.grab(screen.monitors[0]))[..., 2::-1][:, 400:]

        with showing(display, tmp_path, window):
            assert np.abs(seen()[225, 200].astype(int) - COLOUR).max() <= 3
            curtain.lower((f"--sink={window}",))
            assert seen().max() == 0
        assert seen().max() == 0
        with showing(display, tmp_path, window):  # above it
            assert np.abs(seen()[225, 200].astype(int) - COLOUR).max() <= 3
            curtain.lift()
            assert np.abs(seen()[225, 200].astype(int) - COLOUR).max() <= 3


def test_two_projectors_with_soft_edges(display: str, tmp_path: Path) -> None:
    """Their light added up, as where they overlap on a wall, is the same everywhere."""
    window = "window?fullscreen=1&display=0:400x450+0+0,0:400x450+400+0&overlap=0.25"
    seen = shown(display, tmp_path, f"{window}&renderer=gpu")
    light = (seen / 255.0) ** 2.2
    left, right = light[:, :400], light[:, 400:]
    wall = np.concatenate([left[:, :300], left[:, 300:] + right[:, :100], right[:, 100:]], axis=1)
    expected = (np.array(COLOUR) / 255) ** 2.2
    found = wall.mean(axis=0)
    np.testing.assert_allclose(found[:, 0], expected[0], rtol=0.02)
    # Of the darker colours a column is rounded by more than that; their mean is not.
    np.testing.assert_allclose(found[300:400].mean(axis=0), expected, rtol=0.02)
    assert left[:, 350].max() < 0.6 * expected[0]  # neither does it all by itself


@pytest.mark.slow
def test_what_needs_triton_can_be_imported_while_a_window_is_open(display: str) -> None:
    """torchvision does, for `person` and for its networks: it crashed beside Mesa's own LLVM."""
    pytest.importorskip("triton._C.libtriton", reason="needs Triton, which PyTorch brings on Linux")
    code = (
        "from livedream.present.live.desktop import start_video; start_video(); "
        "import pygame; pygame.display.set_mode((64, 36)); import torchvision.models"
    )
    environment = {**ENVIRONMENT, "DISPLAY": display, "LIBGL_ALWAYS_SOFTWARE": "1"}
    subprocess.run([sys.executable, "-c", code], env=environment, check=True)


@pytest.mark.slow
def test_when_the_x_server_goes_the_show_ends_in_order(tmp_path: Path) -> None:
    """Xlib leaves no way back; what is recorded plays, and the log says what happened."""
    log, folder = tmp_path / "show.log", tmp_path / "shows"
    show = ["live", "synthetic:clouds?size=64x36", "--size", "64x36", "--objective", "strokes"]
    sinks = ["--sink", "window?renderer=cpu", "--sink", f"record:{folder}", "--log-file", str(log)]
    with open_xvfb("800x450") as name:
        environment = {**ENVIRONMENT, "DISPLAY": name, "LIBGL_ALWAYS_SOFTWARE": "1"}
        command = [sys.executable, "-m", "livedream", *show, *sinks, "--quiet"]
        child = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=environment)
        until(lambda: log.exists() and "window is open" in log.read_text(), state=child.poll)
        until(lambda: list(folder.glob("*.mp4")) or list(folder.glob("*.mkv")))
    with child:
        _, said = child.communicate(timeout=PATIENCE_S)
    assert child.returncode == 1
    assert said == "livedream: the X server has gone, and the window with it\n"
    assert "the show ended (the X server has gone) after" in log.read_text()
    (film,) = (path for path in folder.iterdir() if path.suffix in (".mp4", ".mkv"))
    with open_source(str(film)) as source:
        assert next(iter(source)).rgb.shape == (36, 64, 3)
