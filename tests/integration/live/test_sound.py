"""Sound goes along with the dream: clap and flash agree at each receiver of whole sessions."""

import contextlib
import io
import json
import os
import random
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from fractions import Fraction
from itertools import count
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import av
import clap_and_flash
import numpy as np
import pytest
from clap_and_flash import FPS, RATE, SIZE, claps, make_film, picture, watch
from live.streams_made import datagrams, film
from ports import free_tcp_port, free_udp_port
from waiting import until

from livedream.capture.live import Opened, open_live
from livedream.capture.live.paced import PacedInput
from livedream.capture.live.worker import Capture
from livedream.cli import main
from livedream.core.errors import SettingsError
from livedream.core.frame import Picture
from livedream.core.grade import GradeSettings
from livedream.core.live_sound import LiveSound
from livedream.core.settings import DreamSettings
from livedream.live.controllers import ControllerSettings
from livedream.live.job import LiveJob
from livedream.live.session import Session
from livedream.present.live import LiveFrame, open_output

SMALL = DreamSettings(size="96p", flow="none", octaves=1, iterations=1)


def job(source: object, *sinks: str, **more: object) -> LiveJob:
    return LiveJob(
        source=str(source),
        sinks=sinks,
        dream=SMALL,
        grade=GradeSettings(mix=0.0),
        limit_flashes=False,
        **more,
    )  # type: ignore[arg-type]


class Datagrams:
    """Receives what is sent to a port, undecoded: nothing here is slow."""

    def __init__(self) -> None:
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
        self._socket.bind(("127.0.0.1", 0))
        self._socket.settimeout(0.1)
        self.address = f"udp://127.0.0.1:{self._socket.getsockname()[1]}"
        self.stream = io.BytesIO()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._receive)
        self._thread.start()

    def _receive(self) -> None:
        while not self._stop.is_set():
            with contextlib.suppress(TimeoutError):
                self.stream.write(self._socket.recv(65_536))

    def close(self) -> None:
        self._stop.set()
        self._thread.join()
        self._socket.close()
        self.stream.seek(0)


def play(show: LiveJob, folder: Path, *received: Datagrams, claps: int = 6, **more: Any) -> None:
    """Until so many claps are beside their flashes in the recording there, and in what came."""

    def is_enough() -> bool:
        time.sleep(0.5)
        files = [*map(str, folder.glob("livedream-*.mp4"))]
        streams = [io.BytesIO(one.stream.getvalue()) for one in received]
        return bool(files) and (
            not claps or all(len(watch(one).apart_ms()) >= claps for one in files + streams)
        )

    def end() -> None:
        try:
            until(is_enough)
        finally:
            session.stop()

    with Session(show, **more) as session:
        ending = threading.Thread(target=end)
        ending.start()
        session.run()
        ending.join()


def test_a_film_that_loops_is_heard_in_recordings_and_over_udp(tmp_path: Path) -> None:
    film = make_film(tmp_path / "film.mp4")
    received = Datagrams()
    try:
        play(job(film, f"record:{tmp_path}", received.address), tmp_path, received)
    finally:
        received.close()
    (path,) = tmp_path.glob("livedream-*.mp4")
    for file in (str(path), received.stream):
        agree(watch(file).apart_ms())


def test_a_show_that_is_dreamed_again_is_heard_again(tmp_path: Path) -> None:
    film, log = make_film(tmp_path / "film.mp4"), tmp_path / "show.jsonl"
    written = ControllerSettings(log=str(log))
    sink = f"record:{tmp_path}?of=camera"
    play(job(film, sink, controllers=written), tmp_path)
    (camera,) = tmp_path.glob("livedream-*-camera-*.mp4")
    again = tmp_path / "again.mp4"
    line = [
        "render",
        str(camera),
        "-o",
        str(again),
        "--replay",
        str(log),
        "--size",
        "64p",
        "--quiet",
    ]
    assert main(line) == 0
    agree(watch(str(again)).apart_ms())


def agree(apart_ms: list[float]) -> None:
    """Three claps or more, three quarters of which are within 40 ms of their flashes.

    All of them, but for a machine that has been late from the start and is punctual at once.
    """
    assert len(apart_ms) >= 3
    assert sorted(map(abs, apart_ms))[int(0.75 * len(apart_ms))] <= 40, apart_ms


@contextmanager
def sent(film: Path, port: int) -> Iterator[None]:
    """The film, looped, as MPEG-TS to this port."""
    stop, sound = threading.Event(), LiveSound()
    source = PacedInput(str(film), sound)
    opened = source.open()
    output = open_output(
        f"udp://127.0.0.1:{port}", width=opened.width, height=opened.height, rate=opened.rate,
        sound=sound,
    )  # fmt: skip
    output.open()

    def send() -> None:
        for index in count():
            if stop.is_set():
                break
            rgb = source.read()
            if rgb is not None and source.taken_s is not None:
                output.write(LiveFrame(rgb, source.taken_s, index))

    thread = threading.Thread(target=send)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()
        source.close()
        output.close()


@pytest.mark.slow
def test_a_stream_is_heard_by_an_rtmp_server(tmp_path: Path) -> None:
    """From one process to another and on to a third."""
    film = make_film(tmp_path / "film.mp4", rate=24_000)
    address = f"rtmp://127.0.0.1:{free_tcp_port()}/live/key"
    port = free_udp_port()
    command = [sys.executable, str(Path(clap_and_flash.__file__)), address, "9"]
    own = {**os.environ, "PYTHONPATH": str(Path(__file__).resolve().parents[3])}
    server = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=own)
    show = job(f"udp://127.0.0.1:{port}", address, f"record:{tmp_path}", seconds=60.0)
    with server, sent(film, port), Session(show) as session:
        stopping = threading.Thread(target=lambda: (server.wait(), session.stop()))
        stopping.start()
        session.run()
        server.kill()
        stopping.join()
        assert server.stdout is not None
        agree(json.loads(server.stdout.read()))
    (path,) = tmp_path.glob("livedream-*.mp4")
    agree(watch(str(path)).apart_ms())


class Room:
    """A camera and a microphone in one room: `sounddevice`, as much of it as is asked for.

    Both know when something was, however late it comes on a busy machine.
    """

    PortAudioError = type("PortAudioError", (Exception,), {})
    name = "room"
    taken_s: float | None = None

    def __init__(self) -> None:
        self._begun_s = time.monotonic()
        self._index = 0

    def open(self) -> Opened:
        return Opened(*SIZE, Fraction(FPS))

    def read(self) -> Picture | None:
        now = int((time.monotonic() - self._begun_s) * FPS)
        self._index = max(self._index + 1, now)  # a camera keeps none for later
        self.taken_s = self._begun_s + self._index / FPS
        time.sleep(max(0.0, self.taken_s - time.monotonic()))
        return picture(self._index)

    def close(self) -> None: ...

    def query_devices(self, device: int | None = None, kind: str | None = None) -> Any:
        mixer = {"name": "Mixer", "max_input_channels": 2, "default_samplerate": 48000.0}
        return [mixer] if kind is None else mixer

    def InputStream(self, *, callback: Any, blocksize: int, **options: Any) -> Any:  # noqa: N802
        stop = threading.Event()

        def play() -> None:
            chance, first = random.Random(1), 0
            while not stop.wait(0.002):
                while (first + blocksize) / RATE < time.monotonic() - self._begun_s - 0.02:
                    now_s = time.monotonic()
                    when = SimpleNamespace(
                        currentTime=now_s, inputBufferAdcTime=self._begun_s + first / RATE
                    )
                    callback(np.stack(2 * [claps(first, blocksize)], 1), blocksize, when, None)
                    first += blocksize
                stop.wait(chance.uniform(0, 0.03))

        thread = threading.Thread(target=play)

        def close() -> None:
            stop.set()
            thread.join()

        return SimpleNamespace(start=thread.start, close=close)


def test_a_microphone_beside_a_camera_is_recorded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    room = Room()
    monkeypatch.setitem(sys.modules, "sounddevice", room)  # type: ignore[arg-type]
    listening = ControllerSettings(audio="mixer")
    show = job("room", f"record:{tmp_path}", controllers=listening, sound="audio")
    play(show, tmp_path, live_input=room)
    (path,) = tmp_path.glob("livedream-*.mp4")
    agree(watch(str(path)).apart_ms())


@pytest.mark.slow
def test_a_stream_of_which_only_the_sound_goes_on_is_lost() -> None:
    port, sound = free_udp_port(), LiveSound()
    content = film(2 * FPS, sound_s=40.0)
    both = len(film(2 * FPS, sound_s=2.0)) // 1316 * 1316
    capture = Capture(open_live(f"udp://127.0.0.1:{port}", sound=sound))
    capture.start()
    try:
        with datagrams(port, [(content[:both], 2.0), (content[both:], 38.0)]):
            until(lambda: "nothing arrives" in capture.health().detail, state=capture.health)
    finally:
        capture.close()


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({"sound": "source"}, "sound: the source has none; try --audio"),
        ({"sound": "audio"}, "sound: audio is what --audio listens to: add --audio"),
        ({"sound": "loud"}, "sound: must be one of auto, source, audio, none"),
    ],
)
def test_sound_that_is_not_there_is_one_line(more: dict[str, str], said: str) -> None:
    with pytest.raises(SettingsError, match=said):
        Session(job("synthetic:clouds?size=64x36", "record:none", **more)).close()


@pytest.mark.parametrize("sound", ["none", "auto"])
def test_where_there_is_no_sound_there_is_no_track(tmp_path: Path, sound: str) -> None:
    film = tmp_path / "film.mp4"
    source = make_film(film) if sound == "none" else "synthetic:clouds?size=64x36"
    play(job(source, f"record:{tmp_path}", sound=sound), tmp_path, claps=0)
    (path,) = tmp_path.glob("livedream-*.mp4")
    with av.open(str(path)) as container:
        assert [stream.type for stream in container.streams] == ["video"]
