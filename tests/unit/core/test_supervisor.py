"""Threads of a show: a failure is logged with its traceback, is in the health, and has an end."""

import logging
import subprocess
import sys
import threading
import time

import pytest
from waiting import PATIENCE_S, until

from livedream.core import supervisor as supervisor_module
from livedream.core.supervisor import FaultLog, Supervisor, start_thread


class Failing:
    """Raises each of `errors`, then works until it is stopped."""

    def __init__(self, *errors: BaseException) -> None:
        self.errors = list(errors)
        self.runs = 0
        self.stop = threading.Event()

    def __call__(self) -> None:
        self.runs += 1
        if self.errors:
            raise self.errors.pop(0)
        self.stop.wait()


def test_a_thread_that_fails_is_logged_with_its_traceback_and_started_again(
    caplog: pytest.LogCaptureFixture,
) -> None:
    supervisor, work = Supervisor(), Failing(RuntimeError("a cable"), SystemExit("a library"))
    thread = supervisor.start("program", work)
    until(lambda: work.runs == 3)
    (health,) = supervisor.health()
    assert (health.name, health.state, health.reconnects) == ("program", "lost", 2)
    assert supervisor.notes() == ("thread program: SystemExit: a library, started again",)
    record = next(r for r in caplog.records if "thread program failed" in r.getMessage())
    assert record.exc_info
    assert record.exc_info[0] is RuntimeError
    work.stop.set()
    assert thread.close(PATIENCE_S)
    assert supervisor.threads == ()


def test_what_runs_well_again_is_said(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    caplog.set_level(logging.INFO)
    monkeypatch.setattr(supervisor_module, "_SETTLED_S", 0.05)
    work = Failing(RuntimeError("a cable"))
    thread = start_thread("osc", work)
    until(lambda: work.runs == 2)
    until(lambda: thread.health().state == "ok")
    assert "thread osc works again" in caplog.text
    work.stop.set()
    assert thread.close(PATIENCE_S)


def test_what_is_done_again_and_again_ends_when_it_is_closed_also_after_a_fault() -> None:
    supervisor = Supervisor()
    times: list[float] = []

    def work() -> None:
        times.append(time.monotonic())
        if len(times) == 2:
            raise RuntimeError("once")

    thread = supervisor.start("midi", work, every_s=0.01)
    until(lambda: len(times) >= 5)
    assert thread.failures == 1
    assert thread.close(PATIENCE_S)
    assert not thread.is_alive()


def test_what_is_done_once_stays_failed_until_it_is_begun_anew() -> None:
    supervisor = Supervisor()
    supervisor.start("network", Failing(OSError("no such file")), restart=False).join(PATIENCE_S)
    assert [h.state for h in supervisor.health()] == ["failed"]
    assert supervisor.notes() == ("thread network: OSError: no such file, ended",)
    supervisor.start("network", int, restart=False).join(PATIENCE_S)
    assert supervisor.health() == ()


def test_an_essential_thread_ends_the_show() -> None:
    ended = threading.Event()
    supervisor, fault = Supervisor(ended.set), ValueError("a frame of no size")
    thread = supervisor.start("loop", Failing(fault), essential=True)
    assert ended.wait(PATIENCE_S)
    thread.join(PATIENCE_S)
    assert supervisor.failure is fault
    assert [h.state for h in supervisor.health()] == ["failed"]


def test_close_waits_for_no_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(supervisor_module, "FIRST_PAUSE_S", 600.0)
    thread = Supervisor().start("audio", Failing(RuntimeError("a cable")))
    until(lambda: thread.failures == 1)
    assert thread.close(PATIENCE_S)


def test_a_fault_while_closing_is_none() -> None:
    begun, stop = threading.Event(), threading.Event()

    def work() -> None:
        begun.set()
        stop.wait()
        raise RuntimeError("closed under its feet")

    thread = Supervisor().start("audio", work)
    assert begun.wait(PATIENCE_S)
    assert not thread.close(0)
    stop.set()
    assert thread.close(PATIENCE_S)
    assert thread.failures == 0
    assert thread.health().state == "ok"


def test_threads_that_a_thread_starts_belong_to_the_same_show() -> None:
    supervisor, inner = Supervisor(), Failing()
    with supervisor.current():
        outer = start_thread("outer", lambda: start_thread("inner", inner) and None)
    outer.join(PATIENCE_S)
    assert [thread.name for thread in supervisor.threads] == ["inner"]
    inner.stop.set()


def test_a_fault_that_keeps_coming_is_logged_at_once_then_seldom_then_as_over(
    caplog: pytest.LogCaptureFixture,
) -> None:
    now = [0.0]
    caplog.set_level(logging.INFO)
    faults = FaultLog(logging.getLogger("test"), "disk", lambda: now[0])
    for _ in range(3600):
        faults.failed(OSError("full"), traceback=False)
        now[0] += 1.0
    faults.recovered()
    faults.recovered()
    said = [record.getMessage() for record in caplog.records]
    assert said[0] == "disk failed: full"
    assert said[1] == "disk failed (11 times): full"
    assert len(said) == 7
    assert said[-1] == "disk works again after 3600 faults"


def test_what_failed_is_named_once(caplog: pytest.LogCaptureFixture) -> None:
    FaultLog(logging.getLogger("test"), "rtsp://host").failed(
        OSError("rtsp://host: the stream ended"), "is lost", traceback=False
    )
    assert caplog.messages == ["rtsp://host is lost: the stream ended"]


def test_python_ends_after_what_a_thread_has_in_hand() -> None:
    program = """
import threading
from livedream.core import supervisor
from livedream.core.supervisor import start_thread

asked, told = threading.Event(), threading.Event()

def work():
    asked.set()
    told.wait()
    threading.Event().wait(0.5)
    print("finished", flush=True)

def for_ever():
    threading.Event().wait()

supervisor._LAST_WORK_S = 3600.0  # a driver that hangs is not waited for at all
thread = start_thread("dream", work, essential=True, computes=True)
start_thread("osc", for_ever)
start_thread("capture closes", for_ever, restart=False)
start_thread("capture", for_ever).close(0.0)
asked.wait()
thread.close(0.0)
told.set()
"""
    ended = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True, text=True, timeout=PATIENCE_S, check=True,
    )  # fmt: skip
    assert (ended.stdout, ended.stderr) == ("finished\n", "")
