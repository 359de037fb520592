"""Every thread of a running show is killed in turn: log and health say so, and the show goes on.

The exception is raised inside the thread, wherever it is at that moment, by the interpreter itself.
"""

import ctypes
import json
import logging
import threading
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from waiting import PATIENCE_S, until

from livedream.core.errors import ShowError
from livedream.core.settings import DreamSettings
from livedream.core.supervisor import SupervisedThread
from livedream.live.controllers import ControllerSettings
from livedream.live.job import LiveJob
from livedream.live.session import Session
from livedream.panel.app import Panel
from livedream.present.live import MemoryOutput

SMALL = DreamSettings(size="96p", flow="dis-ultrafast", flow_size="96p", octaves=1, iterations=1)
ESSENTIAL = {"loop", "dream"}
RESTARTED = {
    "capture", "log", "modulation", "osc", "output memory", "output record", "panel", "program",
    "recording", "watchdog",
}  # fmt: skip


class Killed(BaseException):
    """Caught by nothing but a supervisor."""


def kill(thread: SupervisedThread, wake: Callable[[], None] = lambda: None) -> None:
    """wake: gives the thread something to do; one that sleeps is not killed before."""
    before = thread.failures
    assert thread.ident is not None
    for patience_s in (10.0, 10.0, PATIENCE_S):  # raised inside a destructor, Python ignores it
        raised = ctypes.pythonapi.PyThreadState_SetAsyncExc(
            ctypes.c_ulong(thread.ident), ctypes.py_object(Killed)
        )
        assert raised == 1
        wake()
        with suppress(AssertionError):
            until(lambda: thread.failures > before, patience_s)
            return
    raise AssertionError(f"thread {thread.name} was not killed")


class Show:
    """A session with every kind of thread that needs no device, running."""

    def __init__(self, folder: Path) -> None:
        self.before = set(threading.enumerate())  # of other tests
        self.output = MemoryOutput()
        self.session = Session(
            LiveJob(
                source="synthetic:clouds?size=160x90",
                sinks=(f"record:{folder}",),
                dream=SMALL,
                controllers=ControllerSettings(
                    panel="127.0.0.1:0", osc="127.0.0.1:0", program="showreel",
                    log=str(folder / "show.jsonl"),
                ),
            ),
            outputs=(self.output,),
        )  # fmt: skip
        self.ended: list[BaseException | None] = []
        self._thread = threading.Thread(target=self._run, name="test")
        self._thread.start()
        until(lambda: len(self.output.frames) > 5)

    def _run(self) -> None:
        try:
            self.session.run()
            self.ended.append(None)
        except ShowError as error:
            self.ended.append(error)

    def threads(self) -> dict[str, SupervisedThread]:
        found = {}
        for thread in self.session.supervisor.threads:
            name = "output record" if thread.name.startswith("output record") else thread.name
            found[name] = thread
        return found

    def close(self) -> None:
        self.session.close()
        self._thread.join(PATIENCE_S)
        assert not self._thread.is_alive()


@pytest.fixture
def show(tmp_path: Path) -> Iterator[Show]:
    it = Show(tmp_path)
    yield it
    it.close()


def test_the_threads_of_a_show_are_these(show: Show) -> None:
    """A thread that is added is added to the tests below."""
    assert set(show.threads()) - {"network", "layers", "pictures"} == RESTARTED | ESSENTIAL
    others = {thread.name for thread in set(threading.enumerate()) - show.before}
    assert not {name for name in others if name.startswith("Thread-")}, others


def test_each_is_started_again_and_log_and_health_say_so(
    show: Show, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    for name in sorted(RESTARTED):
        thread = show.threads()[name]
        caplog.clear()
        kill(thread, lambda: show.session.parameters.set("hue", 20.0))  # a line for the log
        until(lambda thread=thread: any(  # type: ignore[misc]
            record.exc_info and thread.name in record.getMessage() for record in caplog.records
        ))  # fmt: skip
        until(lambda thread=thread: any(  # type: ignore[misc]
            (found.name, found.state) == (thread.name, "lost") and "Killed" in found.detail
            for found in show.session.status.latest().threads
        ))  # fmt: skip
        count = len(show.output.frames)
        until(lambda count=count: len(show.output.frames) > count + 3)  # type: ignore[misc]
        assert thread.is_alive(), name
        assert not show.ended
    # All of them work again.
    with urllib.request.urlopen(panel_address(show) + "/health", timeout=PATIENCE_S) as answer:
        health = json.load(answer)
    assert health["state"] == "lost"
    assert {t["name"] for t in health["threads"] if t["state"] == "lost"} >= {"program", "panel"}


@pytest.mark.parametrize("name", sorted(ESSENTIAL))
def test_without_these_the_show_ends_with_its_error(
    show: Show, name: str, caplog: pytest.LogCaptureFixture
) -> None:
    kill(show.threads()[name])
    until(lambda: bool(show.ended))
    assert f"thread {name} failed" in str(show.ended[0])
    assert any(r.exc_info and f"thread {name} failed" in r.getMessage() for r in caplog.records)


def panel_address(show: Show) -> str:
    panel = show.session.controllers.opened["panel"]
    assert isinstance(panel, Panel)
    return f"http://127.0.0.1:{panel.port}"
