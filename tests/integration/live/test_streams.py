"""Streams that people really have, over real sockets: each is shown, or says why not."""

import shutil
import subprocess
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from fractions import Fraction
from io import BytesIO
from itertools import chain, count, groupby, pairwise, repeat
from pathlib import Path

import numpy as np
import pytest
from live.senders import MjpegServer, RtspServer, read_stamp
from live.streams_made import FPS, GrowingPlaylist, datagrams, film, web
from PIL import Image
from ports import free_tcp_port, free_udp_port
from waiting import PATIENCE_S, next_frame, until

from livedream.capture.live import open_live, stream
from livedream.capture.live.worker import Capture
from livedream.capture.video import VideoSource
from livedream.core import children
from livedream.core.frame import Picture

pytestmark = pytest.mark.slow  # real servers and senders; `scripts/check` runs them


@contextmanager
def captured(address: str) -> Iterator[Capture]:
    capture = Capture(open_live(address))
    capture.start()
    try:
        yield capture
    finally:
        capture.close()


def until_it_moves(capture: Capture) -> None:
    """Until it has shown a second of the film a second, without going back, for two seconds.

    At first what was read while it was opened comes at once; a busy machine falls behind and
    catches up.
    """
    found: deque[tuple[float, int]] = deque()

    def moves() -> bool:
        one = next_frame(capture)
        found.append((one.captured_s, read_stamp(one.rgb)))
        while one.captured_s - found[0][0] > 2.0:
            found.popleft()
        times, numbers = np.array(found).T
        passed_s = times[-1] - times[0]
        if passed_s < 1.5 or len(set(numbers)) < max(10, 0.5 * len(numbers)):
            return False
        rate = (numbers[-1] - numbers[0]) / FPS / passed_s
        return bool((np.diff(numbers) >= 0).all()) and 0.7 < rate < 1.4

    until(moves, state=lambda: (capture.health(), found))


@pytest.mark.parametrize(("kind", "name"), [("mp4", "film.mp4"), ("mpegts", "film.ts")])
def test_a_film_over_http_runs_at_its_own_pace(kind: str, name: str) -> None:
    content = film(4 * FPS, format=kind)
    with web(lambda path: ("video/mp4", content)) as url, captured(f"{url}/{name}") as capture:
        until_it_moves(capture)
        assert "looped" in capture.health().detail


def test_a_film_of_unknown_length_is_held_up_after_some_seconds() -> None:
    content = film(10 * FPS)
    with (
        web(lambda path: ("video/mp2t", content), says_size=False) as url,
        captured(f"{url}/film") as capture,
    ):
        until_it_moves(capture)


def test_a_film_over_http_is_looped_without_a_loss(caplog: pytest.LogCaptureFixture) -> None:
    content = film(FPS // 2, format="mp4")
    with web(lambda path: ("video/mp4", content)) as url, captured(f"{url}/film.mp4") as capture:
        numbers: list[int] = []

        def is_looped() -> bool:
            numbers.append(read_stamp(next_frame(capture).rgb))
            return sum(a > b for a, b in pairwise(numbers)) >= 2

        until(is_looped, state=capture.health)
    assert capture.health().reconnects == 0
    assert not caplog.messages


def test_a_slow_film_over_http_is_shown_again_meanwhile() -> None:
    shades = [Image.new("RGB", (320, 180), (shade,) * 3) for shade in (60, 120, 200)]
    file = BytesIO()
    shades[0].save(file, "GIF", save_all=True, append_images=shades[1:], duration=800, loop=0)
    with web(lambda path: ("image/gif", file.getvalue())) as url:
        source = open_live(f"{url}/slides.gif")
        assert source.open().rate == 25
        try:
            found = [rgb for _ in range(100) if (rgb := source.read()) is not None]
        finally:
            source.close()
    means = [rgb.mean() for rgb in found]
    runs = [len(list(run)) for _, run in groupby(round(mean / 20) for mean in means)]
    assert len(runs) > 3, runs  # it was looped
    assert len(found) > 3 * len(runs), runs


def test_a_picture_over_http_is_looked_at_again() -> None:
    import cv2

    asked: list[str] = []
    shades = [60]

    def snapshot(path: str) -> tuple[str, bytes]:
        asked.append(path)
        shade = np.full((180, 320, 3), shades[-1], np.uint8)
        return "image/jpeg", cv2.imencode(".jpg", shade)[1].tobytes()

    with web(snapshot) as url, captured(f"{url}/snapshot.jpg") as capture:
        assert next_frame(capture).rgb.mean() < 70
        shades.append(200)
        until(lambda: next_frame(capture).rgb.mean() > 190, state=capture.health)
        frames, looks = capture.health().frames, len(asked)
        until(lambda: len(asked) > looks + 2, state=capture.health)
        assert capture.health().frames - frames > 3 * (len(asked) - looks)
        assert capture.health().reconnects == 0


def test_live_hls_moves_and_begins_near_its_end() -> None:
    half = FPS // 2
    playlist = GrowingPlaylist(lambda index: film(half, first=half * index), half / FPS)
    with web(playlist) as url, captured(f"{url}/live.m3u8") as capture:
        number = read_stamp(next_frame(capture).rgb)
        assert number >= (playlist.listed[0] - 2) * half, "it begins with the last three pieces"
        until_it_moves(capture)
        assert capture.health().reconnects == 0


@pytest.mark.parametrize("kind", ["dashed", "quoted", "unmarked", "unmeasured", "bare", "jpg"])
def test_mjpeg_with_other_boundaries(kind: str) -> None:
    with MjpegServer(kind=kind) as server, captured(server.url) as capture:
        for _ in range(5):
            assert next_frame(capture).rgb.shape == (180, 320, 3)
        assert capture.health().reconnects == 0


def test_rtsp_over_udp_where_tcp_is_refused_and_a_password_as_it_is() -> None:
    with (
        RtspServer("admin", "pa#s/s?@1", udp=True) as server,
        captured(f"rtsp://admin:pa#s/s?@1@127.0.0.1:{server.port}/x") as capture,
    ):
        assert next_frame(capture).rgb.shape == (180, 320, 3)
        assert capture.health().name == f"rtsp://127.0.0.1:{server.port}"


def test_sound_only_is_said_and_a_late_picture_is_taken(caplog: pytest.LogCaptureFixture) -> None:
    port = free_udp_port()
    sound, both = film(0, sound_s=1.0, video=False), film(3 * FPS, sound_s=3.0)
    said: list[bool] = []
    parts = ((both, 3.0) if said else (sound, 1.0) for _ in count())
    with captured(f"udp://127.0.0.1:{port}") as capture, datagrams(port, parts):
        until(
            lambda: "no video in this stream, only sound" in capture.health().detail,
            state=capture.health,
        )
        said.append(True)
        assert next_frame(capture).rgb.shape == (240, 416, 3)


def test_a_picture_that_begins_after_the_sound() -> None:
    port = free_udp_port()
    with (
        captured(f"udp://127.0.0.1:{port}") as capture,
        datagrams(port, repeat((film(3 * FPS, first=3 * FPS // 2, sound_s=4.5), 4.5))),
    ):
        assert next_frame(capture).rgb.shape == (240, 416, 3)
        opened = capture.wait(0.0)
        assert opened is not None
        assert (opened.width, opened.height) == (416, 240)


@pytest.mark.parametrize("refresh", ["", "intra-refresh=1"])
def test_a_stream_that_begins_without_a_keyframe(refresh: str) -> None:
    port = free_udp_port()
    content = film(4 * FPS, group=FPS, options={"x264-params": refresh})
    begin = len(content) // 8 // 188 * 188
    with (
        captured(f"udp://127.0.0.1:{port}") as capture,
        datagrams(port, chain([(content[begin:], 3.5)], repeat((content, 4.0)))),
    ):
        assert read_stamp(next_frame(capture).rgb) >= FPS


def test_a_stream_that_never_has_a_keyframe_is_shown_as_it_is(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stream, "_KEYFRAME_S", 2.0)
    with (
        caplog.at_level("INFO"),
        RtspServer("admin", "secret", keyframes=False) as server,
        captured(f"rtsp://admin:secret@127.0.0.1:{server.port}/x") as capture,
    ):
        assert next_frame(capture).rgb.shape == (180, 320, 3)
    assert "no keyframe in 2 s" in caplog.text


@pytest.fixture
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """On a busy machine the sender may be silent for a while."""
    monkeypatch.setattr(stream, "_DATAGRAMS", replace(stream._DATAGRAMS, silent_s=PATIENCE_S))  # noqa: SLF001


@pytest.mark.usefixtures("patient")
def test_size_codec_and_clock_may_change(caplog: pytest.LogCaptureFixture) -> None:
    port = free_udp_port()
    films = {
        240: film(FPS),
        360: film(FPS, first=90_000, size=(640, 360)),
        288: film(FPS, codec="mpeg2video", size=(512, 288), group=12),
    }
    sent = [240]
    with (
        caplog.at_level("INFO"),
        captured(f"udp://127.0.0.1:{port}") as capture,
        datagrams(port, ((films[sent[0]], 1.0) for _ in count())),
    ):
        for height in films:
            sent[0] = height
            until(
                lambda high=height: next_frame(capture).rgb.shape[0] == high, state=capture.health
            )
    assert "the picture is now 640x360, its clock jumped by" in caplog.text
    assert len([line for line in caplog.messages if "is lost" in line]) <= 1


@pytest.mark.usefixtures("patient")
def test_a_camera_may_be_turned_while_it_films() -> None:
    port = free_udp_port()
    upright, turned = film(FPS, group=12), film(FPS, group=12, turned=90)
    sent = [upright]
    parts = ((sent[-1], 1.0) for _ in count())
    with captured(f"udp://127.0.0.1:{port}") as capture, datagrams(port, parts):
        assert next_frame(capture).rgb.shape == (240, 416, 3)
        sent.append(turned)
        until(lambda: next_frame(capture).rgb.shape == (416, 240, 3), state=capture.health)
        for _ in range(2 * FPS):  # not only where it is said
            assert next_frame(capture).rgb.shape == (416, 240, 3)
        sent.append(upright)
        until(lambda: next_frame(capture).rgb.shape == (240, 416, 3), state=capture.health)
        assert capture.health().reconnects == 0


def test_pixels_that_are_not_square() -> None:
    port = free_udp_port()
    aspect = {"sample_aspect_ratio": Fraction(64, 45)}
    content = film(4 * FPS, codec="mpeg2video", size=(360, 288), group=12, context=aspect)
    with (
        captured(f"udp://127.0.0.1:{port}") as capture,
        datagrams(port, repeat((content, 4.0))),
    ):
        assert next_frame(capture).rgb.shape == (288, 512, 3)
        opened = capture.wait(0.0)
        assert opened is not None
        assert (opened.width, opened.height) == (512, 288)


def seen_as_a_file(content: bytes, path: Path) -> Picture:
    path.write_bytes(content)
    with VideoSource(path) as source:
        return next(iter(source)).rgb


def test_high_dynamic_range_looks_as_in_a_file(tmp_path: Path) -> None:
    def ramp(index: int) -> Picture:
        return np.broadcast_to(np.arange(320, dtype=np.uint8)[None, :, None], (180, 320, 3)).copy()

    port = free_udp_port()
    hlg = {"color_trc": 18, "color_primaries": 9, "colorspace": 9}
    content = film(
        2 * FPS, size=(320, 180), pixels="yuv420p10le", group=12, context=hlg, draw=ramp
    )  # fmt: skip
    file = seen_as_a_file(content, tmp_path / "hlg.ts")
    with (
        captured(f"udp://127.0.0.1:{port}") as capture,
        datagrams(port, repeat((content, 2.0))),
    ):
        live = next_frame(capture).rgb
    # The frames of a group are not coded alike, and any of them may be the one that is met.
    assert np.abs(live.astype(int) - file).mean() < 2
    assert np.abs(live.astype(int) - ramp(0)).mean() > 5


def test_interlaced_pictures_have_no_combs() -> None:
    def bar(index: int) -> Picture:
        rgb = np.full((240, 416, 3), 40, np.uint8)
        for field in (0, 1):
            x = (2 * index + field) * 12 % 360
            rgb[field::2, x : x + 40] = 220
        return rgb

    assert combs(bar(3)) > 5
    port = free_udp_port()
    fields = {"x264-params": "tff=1:crf=16"}
    content = film(4 * FPS, options=fields, group=12, draw=bar)
    with (
        captured(f"udp://127.0.0.1:{port}") as capture,
        datagrams(port, repeat((content, 4.0))),
    ):
        next_frame(capture)
        assert np.median([combs(next_frame(capture).rgb) for _ in range(10)]) < 1


def combs(rgb: Picture) -> float:
    """How much neighbouring lines differ where those two apart are alike."""
    grey = rgb[..., 1].astype(int)
    apart, next_to = np.abs(grey[2:] - grey[:-2]), np.abs(grey[1:-1] - grey[:-2])
    return float(np.maximum(next_to - apart, 0).mean())


@pytest.mark.parametrize("secret", ["", "passphrase=it's%20secret"])
def test_srt_through_an_ffmpeg_that_has_it(secret: str, tmp_path: Path) -> None:
    tool = shutil.which("ffmpeg")
    if tool is None or "srt" not in children.protocols(tool):
        pytest.skip("needs an ffmpeg with SRT")
    address = f"srt://127.0.0.1:{free_tcp_port()}"
    path = tmp_path / "film.ts"
    path.write_bytes(film(8 * FPS))
    sender = subprocess.Popen(
        [tool, "-v", "error", "-re", "-stream_loop", "-1", "-f", "mpegts", "-i", str(path), "-c",
         "copy", "-f", "mpegts", f"{address}?mode=listener&{secret.replace('%20', ' ')}"],
    )  # fmt: skip
    with sender:
        try:
            with captured(f"{address}?{secret}&latency=50") as capture:
                until_it_moves(capture)
        finally:
            sender.kill()
