"""Whole sessions with dreamnet: a dream comes out, a lost source leaves it drifting, the end.

A little longer than other files: all of it runs on the one stage that is made below.
"""

import math
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from installed import with_openvino
from pythonosc.osc_message import OscMessage
from pythonosc.osc_message_builder import OscMessageBuilder
from recorded import Pool, stay_on_device
from waiting import PATIENCE_S, until

from livedream.capture.live import MemoryInput, Opened
from livedream.capture.live.beside import LivePictures
from livedream.core.errors import SettingsError, ShowError, SourceError
from livedream.core.frame import Picture
from livedream.core.settings import DreamSettings
from livedream.live.controllers import Controllers, ControllerSettings
from livedream.live.job import LiveJob
from livedream.live.loop import Composed
from livedream.live.regions import LiveRegions
from livedream.live.session import Session
from livedream.present.live import LiveFrame, MemoryOutput, Output, open_output
from livedream.present.live.worker import OutputWorker

SMALL = DreamSettings(size="96p", flow="dis-ultrafast", flow_size="96p", octaves=1, iterations=1,
                      rise=0.0, half_life=1.0)  # fmt: skip


class Moving(MemoryInput):
    """A picture panned over at 25 fps, until it is unplugged."""

    def __init__(self, texture: Picture) -> None:
        super().__init__(Opened(160, 90, Fraction(25), "panned"), "pan")
        self._wide = np.concatenate([texture, texture], 1)[:90]
        self.unplugged = self.sounds = False
        self._at = 0

    def open(self) -> Opened:
        if self.unplugged:
            raise SourceError("pan: unplugged")
        return replace(super().open(), sound=self.sounds)

    def read(self) -> Picture | None:
        if self.unplugged:
            raise SourceError("pan: unplugged")
        time.sleep(0.04)
        self._at += 1
        x = self._at % 160
        return np.ascontiguousarray(self._wide[:, x : x + 160])


def job(**more: object) -> LiveJob:
    return LiveJob(source="pan", sinks=("record:none",), dream=SMALL, **more)  # type: ignore[arg-type]


@pytest.fixture(autouse=True)
def _no_sinks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("livedream.live.session.open_output", make_output)


def make_output(name: str, **size: object) -> Output:
    return MemoryOutput() if name == "record:none" else open_output(name, **size)  # type: ignore[arg-type]


class Running:
    """A session in a thread, with its pictures in memory."""

    def __init__(self, texture: Picture) -> None:
        self.source = Moving(texture)
        self.output = MemoryOutput()
        self.seen: list[Composed] = []
        self.session = Session(
            job(), live_input=self.source, outputs=(self.output,), watch=self.seen.append
        )
        self._thread = threading.Thread(target=self.session.run, daemon=True)
        self._thread.start()

    def close(self) -> None:
        self.session.close()
        self._thread.join(PATIENCE_S)
        assert not self._thread.is_alive()


@pytest.fixture
def running(
    texture: Picture, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Running]:
    if getattr(request, "param", False):
        stay_on_device(monkeypatch, Pool())
    it = Running(texture)
    yield it
    it.close()  # also after a failed test: its threads would outlive it


BOTH = pytest.mark.parametrize("running", [False, True], ids=["cpu", "gpu"], indirect=True)


@BOTH
def test_a_dream_comes_out_at_the_level_asked_for(running: Running) -> None:
    until(lambda: len(running.seen) > 5 and running.seen[-1].dreams > 5)
    until(lambda: abs(running.seen[-1].level - 14.0) < 1.0)
    until(lambda: running.session.status.latest().dreams_per_s > 0)  # published now and then
    assert running.session.status.latest().source.state == "ok"
    last = running.output.frames[-1]
    assert last.camera is not None
    assert np.abs(last.rgb.astype(int) - last.camera).mean() > 3
    running.close()


@pytest.mark.parametrize("sound", ["source", "none"])
def test_a_microphone_s_delay_is_said_where_no_sound_is_sent(
    texture: Picture, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, sound: str
) -> None:
    caplog.set_level("INFO")
    monkeypatch.setattr("livedream.live.session._SETTLED_S", 0.0)
    told: list[int] = []
    monkeypatch.setattr(Controllers, "is_late", lambda _, output, late_ms: told.append(late_ms))
    source, output = Moving(texture), MemoryOutput()
    source.sounds, output.delay_ms = True, 300.0
    session = Session(job(sound=sound), live_input=source, outputs=(output,))
    thread = threading.Thread(target=session.run, daemon=True)
    thread.start()
    try:
        until(lambda: bool(told))  # OBS's control hears of it in any case
    finally:
        session.close()
        thread.join(PATIENCE_S)
    assert ("Sync Offset" in caplog.text) is (sound == "none")


@BOTH
def test_parameters_reach_the_picture(running: Running) -> None:
    parameters = running.session.parameters
    until(lambda: len(running.output.frames) > 3)
    parameters.set("saturation", 0.0, ramp_s=0)
    parameters.set("mix", 0.0, ramp_s=0)

    def gray(frame: LiveFrame) -> bool:
        return bool((frame.rgb[..., :2] == frame.rgb[..., 1:]).mean() > 0.99)

    until(lambda: gray(running.output.frames[-1]))
    a, b = running.output.frames[-2:]
    assert not np.array_equal(a.rgb, b.rgb)
    parameters.set("freeze", True)
    until(lambda: np.array_equal(running.output.frames[-1].rgb, running.output.frames[-2].rgb))
    count = len(running.output.frames)
    until(lambda: len(running.output.frames) > count + 3)
    for frame in running.output.frames[count:]:
        np.testing.assert_array_equal(frame.rgb, running.output.frames[count - 1].rgb)


@BOTH
def test_without_its_source_the_dream_drifts_and_says_so_and_comes_back(running: Running) -> None:
    until(lambda: bool(running.seen) and running.seen[-1].dreams > 3)
    running.source.unplugged = True
    until(lambda: running.session.status.latest().source.state == "lost")
    assert "unplugged" in running.session.status.latest().source.detail
    until(lambda: not running.seen[-1].live)
    count = len(running.output.frames)
    before = running.output.frames[-1].rgb
    until(lambda: len(running.output.frames) > count + 25)
    assert not any(composed.live for composed in running.seen[-20:])
    after = running.output.frames[-1].rgb
    assert 0.2 < np.abs(before.astype(int) - after).mean() < 60
    running.source.unplugged = False
    until(lambda: running.seen[-1].live)
    assert running.session.capture.health().reconnects == 1


def test_a_frame_that_fails_is_left_out_and_a_loop_that_fails_ends_the_show(
    texture: Picture, caplog: pytest.LogCaptureFixture
) -> None:
    faults = [ValueError("a frame of no size")]

    def fail(_: Composed) -> None:
        if faults:
            raise faults.pop()

    source, output = Moving(texture), MemoryOutput()
    with Session(job(seconds=60), live_input=source, outputs=(output,), watch=fail) as session:
        ended: list[BaseException] = []

        def run() -> None:
            try:
                session.run()
            except ShowError as error:
                ended.append(error)

        running = threading.Thread(target=run)
        running.start()
        until(lambda: len(output.frames) > 5)  # the first one failed
        faults += [ValueError("and again") for _ in range(1000)]
        running.join(PATIENCE_S)
        assert not running.is_alive()
    assert "thread loop failed: and again" in str(ended[0])
    assert isinstance(ended[0].__cause__, ValueError)
    said = [r for r in caplog.records if r.exc_info]
    assert any("skipped a frame: a frame of no size" in r.getMessage() for r in said)
    assert any("thread loop failed: and again" in r.getMessage() for r in said)


def test_what_cannot_be_had_is_an_error_before_anything_runs() -> None:
    before = set(threading.enumerate())
    with pytest.raises(SettingsError, match="udp"):
        Session(
            LiveJob(source="synthetic:clouds?size=64x36", sinks=("carrier-pigeon",), dream=SMALL)
        )
    with pytest.raises(SettingsError, match="fps"):
        LiveJob(fps=0)
    new = set(threading.enumerate()) - before
    assert not [thread for thread in new if thread.name == "livedream-capture"]


def test_masks_that_move_count_from_where_the_show_log_does(
    texture: Picture, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By which a replay finds them again."""
    begun: list[float] = []

    def noted(pictures: LivePictures | None = None, begun_s: float = 0.0) -> LiveRegions:
        begun.append(begun_s)
        return LiveRegions(pictures, begun_s)

    monkeypatch.setattr("livedream.live.loop.LiveRegions", noted)
    controllers = ControllerSettings(log=str(tmp_path / "show.jsonl"))
    with Session(job(controllers=controllers), live_input=Moving(texture)) as session:
        assert session.controllers.log is not None
        assert begun == [session.controllers.log.begun_s]


def test_what_is_painted_is_left_for_another_show(
    texture: Picture, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While it runs, as it may be killed, and what was painted last at its end."""
    monkeypatch.setattr("livedream.live.session._CLOSING_S", PATIENCE_S)
    monkeypatch.setattr("livedream.live.session._CHECK_S", 0.05)
    left = tmp_path / "left.png"
    with Session(job(painting=left), live_input=Moving(texture)) as session:
        runs = threading.Thread(target=session.run, daemon=True)
        runs.start()
        painting = session.parameters.painting
        session.parameters.paint({"paint": [[0.5, 0.5]], "brush": 0.5, "begins": True})
        until(left.exists)
        session.parameters.paint({"paint": [[0.1, 0.1]], "brush": 0.1, "begins": True})
    runs.join(PATIENCE_S)
    assert not runs.is_alive()
    with Session(job(painting=left), live_input=Moving(texture)) as session:
        assert session.parameters.painting.png() == painting.png()


def test_what_does_not_close_is_left_to_itself_within_a_second(
    texture: Picture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By what it waits for at most: the machine may have other work."""
    hangs, close, join = threading.Event(), OutputWorker.close, threading.Thread.join
    waited_s: list[float] = []  # in vain

    def joined(thread: threading.Thread, timeout: float | None = None) -> None:
        closing = thread.name.startswith("closing ")
        join(thread, 0.0 if closing and timeout is None else timeout)
        if closing and thread.is_alive():
            waited_s.append(math.inf if timeout is None else timeout)

    def closed(worker: OutputWorker) -> None:
        hangs.wait()
        close(worker)

    monkeypatch.setattr(OutputWorker, "close", closed)
    session = Session(job(), live_input=Moving(texture), outputs=(MemoryOutput(),))
    monkeypatch.setattr(threading.Thread, "join", joined)
    session.close()
    hangs.set()
    assert len(waited_s) >= 2 and sum(waited_s) <= 1.0  # the job has an output of its own


# With all the time that a busy machine takes to close a show.
_PROGRAM = f"""
from livedream.cli import live, script

live._DEADLINE_S = {PATIENCE_S}
script()
"""

# A graph is never compiled, an output never closed: an end that waits for either does not come.
_HANGING = """
import sys, threading
from livedream.dream.engines.openvino.engine import openvino_core
from livedream.present.live.udp import UdpOutput

def compile_model(*_):
    print("a graph is compiled", file=sys.stderr, flush=True)
    threading.Event().wait()

type(openvino_core()).compile_model = compile_model
UdpOutput.close = lambda self: threading.Event().wait()
"""


def started(*options: str, before: str = "") -> "subprocess.Popen[str]":
    line = [
        sys.executable, "-c", before + _PROGRAM, "live", "--sink", "udp://127.0.0.1:9",
        "--iterations", "1", *options,
    ]  # fmt: skip
    return subprocess.Popen(line, stderr=subprocess.PIPE, text=True)


def until_said(process: "subprocess.Popen[str]", words: str) -> None:
    assert process.stderr is not None
    for line in process.stderr:
        if words in line:
            return
    pytest.fail(f"ended without {words!r}")


def end(process: "subprocess.Popen[str]") -> int:
    """The exit code after SIGTERM: SIGALRM's where it did not end by itself in time."""
    process.send_signal(signal.SIGTERM)
    try:
        return process.wait(2 * PATIENCE_S)
    finally:
        process.kill()
        process.wait()
        if process.stderr is not None:
            process.stderr.close()


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGTERM")
@pytest.mark.parametrize("after_s", [0.0, 0.8, 3.0])
def test_sigterm_during_the_start_ends_it(after_s: float) -> None:
    process = started("synthetic:clouds?size=1280x720", "--size", "720p", "--panel", "127.0.0.1:0")
    time.sleep(after_s)
    code = end(process)
    assert code in (0, -signal.SIGTERM)


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGTERM")
def test_sigterm_between_opening_and_running_is_no_failure(tmp_path: Path) -> None:
    log = tmp_path / "show.jsonl"
    process = started(
        "synthetic:clouds?size=160x90", "--panel", "127.0.0.1:0", "--show-log", str(log)
    )
    until(log.exists)  # controllers are opened last
    code = end(process)
    assert code in (0, -signal.SIGTERM)  # systemd takes both for an end that was asked for


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGTERM")
@with_openvino
def test_sigterm_ends_it_whatever_is_compiled_or_does_not_close() -> None:
    process = started(
        "synthetic:clouds?size=160x90", "--size", "96p", "--engine", "openvino", before=_HANGING
    )
    until_said(process, "a graph is compiled")
    assert end(process) == 0


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGTERM")
def test_sigterm_ends_it_soon_whatever_holds_the_interpreter(tmp_path: Path) -> None:
    program = tmp_path / "stuck.py"
    program.write_text(
        "import ctypes, sys\n"
        "from livedream.cli import script\n"
        "from livedream.live.session import Session\n"
        "from livedream.present.live.worker import OutputWorker\n"
        "run = Session.run\n"
        "Session.run = lambda self: (print('runs', file=sys.stderr, flush=True), run(self))\n"
        "OutputWorker.close = lambda self: ctypes.PyDLL(None).sleep(60)  # keeps Python's lock\n"
        "script()\n"
    )
    line = [
        sys.executable, str(program), "live", "synthetic:clouds?size=160x90", "--size", "96p",
        "--sink", "udp://127.0.0.1:9",
    ]  # fmt: skip
    process = subprocess.Popen(line, stderr=subprocess.PIPE, text=True)
    until_said(process, "runs")
    code = end(process)
    assert code == -signal.SIGALRM


@pytest.mark.skipif(sys.platform == "win32", reason="systemd's socket is a Unix one")
def test_the_log_file_tells_what_a_show_did(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = tmp_path / "show.log"
    monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "notify"))
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as ear:
        ear.bind(str(tmp_path / "notify"))
        ear.settimeout(PATIENCE_S)
        process = started(
            "synthetic:clouds?size=160x90", "--size", "96p", "--octaves", "1", "--preset", "ink",
            "--quiet", "--log-file", str(log),
        )  # fmt: skip
        assert ear.recv(999).startswith(b"READY=1")  # pictures come
        until(lambda: "is open" in log.read_text())
        assert end(process) == 0
    said = log.read_text()
    for words in (
        "source synthetic:clouds?size=160x90: 160x90, 25 fps, looped", "160x90 at 25 fps to udp",
        "preset: ink", "udp 127.0.0.1:9 is open", "the show ended (SIGTERM) after",
    ):  # fmt: skip
        assert words in said


def test_the_window_is_set_by_osc_while_it_shows(
    texture: Picture, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SDL_VIDEODRIVER", "dummy")
    monkeypatch.setenv("LIVEDREAM_HOME", str(tmp_path))
    settings = ControllerSettings(osc="127.0.0.1:0")
    wanted = LiveJob(source="pan", sinks=("window",), dream=SMALL, controllers=settings)
    said: list[tuple[str, object]] = []

    def ask(session: Session) -> None:
        """Until it answers that the test card is there."""
        port = session.controllers.opened["osc"].port  # type: ignore[attr-defined]
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as link:
            link.settimeout(0.2)
            while not session.stopping.is_set():
                for text in ("/livedream/wall/0/test_card/value", "/livedream/wall/0/test_card"):
                    builder = OscMessageBuilder(text)
                    if text.endswith("/value"):
                        builder.add_arg(1)
                    link.sendto(bytes(builder.build().dgram), ("127.0.0.1", port))
                with suppress(TimeoutError):
                    answer = OscMessage(link.recv(65536))
                    said.append((answer.address, answer.params[0]))
                if said[-1:] == [("/livedream/wall/0/test_card/value", 1)]:
                    session.stop()

    with Session(wanted, live_input=Moving(texture)) as session:
        asking = threading.Thread(target=ask, args=(session,))
        asking.start()
        ends = threading.Timer(PATIENCE_S, session.stop)
        ends.start()
        session.run()
        ends.cancel()
        asking.join()
    assert said[-1] == ("/livedream/wall/0/test_card/value", 1)
