"""An output never slows down the loop, and comes back by itself."""

import errno
import logging
import threading
import time
from fractions import Fraction

import numpy as np
import pytest
from waiting import PATIENCE_S, no_thread_left, until

from livedream.core.addresses import Endpoint, parse_address
from livedream.core.errors import SettingsError, SinkError
from livedream.core.supervisor import SupervisedThread
from livedream.present.live import OUTPUTS, LiveFrame, MemoryOutput, open_output
from livedream.present.live.sharing import NdiOutput
from livedream.present.live.worker import OutputWorker

PICTURE = np.zeros((18, 32, 3), np.uint8)


def frame(index: int = 0) -> LiveFrame:
    return LiveFrame(PICTURE, time.monotonic(), index)


class Fragile(MemoryOutput):
    """Opens only while `there`; every write fails while it is not."""

    def __init__(self) -> None:
        super().__init__("fragile")
        self.there = True
        self.closed = 0

    def open(self) -> None:
        if not self.there:
            raise SinkError("nobody listens")

    def write(self, frame: LiveFrame) -> None:
        if not self.there:
            raise BrokenPipeError("gone")
        super().write(frame)

    def close(self) -> None:
        self.closed += 1


@pytest.mark.parametrize("name", [201 * "x", 60 * "\N{MICROPHONE}", "Wall\x1b[31m", "a\nb"])
def test_a_name_that_no_receiver_can_read_is_refused(name: str) -> None:
    address = parse_address(f"ndi:{name}")
    with pytest.raises(SettingsError, match="ndi: a name must be up to 200 printable characters"):
        NdiOutput(address, 32, 18, Fraction(25))


def test_frames_arrive_and_are_counted() -> None:
    output = MemoryOutput()
    worker = OutputWorker(output)
    for index in range(5):
        worker.offer(frame(index))
        until(lambda n=index: len(output.frames) == n + 1)
    health = worker.health()
    worker.close()
    assert (health.state, health.frames, health.dropped, health.reconnects) == ("ok", 5, 0, 0)
    assert [f.index for f in output.frames] == list(range(5))


@pytest.mark.parametrize(
    ("hangs", "said"), [("open", "does not open"), ("write", "takes no frame")]
)
def test_one_that_hangs_is_lost_until_it_goes_on(
    hangs: str, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for limit in ("_HANGS_S", "_OPENS_S"):
        monkeypatch.setattr(f"livedream.core.health.{limit}", 0.05)
    go = threading.Event()

    class Hanging(MemoryOutput):
        def open(self) -> None:
            assert hangs != "open" or go.wait(PATIENCE_S)
            super().open()

        def write(self, frame: LiveFrame) -> None:
            assert hangs != "write" or go.wait(PATIENCE_S)
            super().write(frame)

    worker = OutputWorker(Hanging())
    worker.offer(frame())
    until(lambda: worker.health().state == "lost")
    assert worker.health().detail == said
    go.set()
    until(lambda: worker.health().state == "ok")
    worker.close()


def test_it_comes_back() -> None:
    output = Fragile()
    worker = OutputWorker(output, first_wait_s=0.02, sure_s=0.05)
    worker.offer(frame())
    until(lambda: len(output.frames) == 1)
    output.there = False
    worker.offer(frame(1))
    until(lambda: worker.health().state == "lost")
    assert worker.health().detail in ("gone", "nobody listens")
    output.there = True

    def back() -> bool:
        worker.offer(frame(2))
        return worker.health().state == "ok"

    until(back)
    assert output.frames[-1].index == 2
    assert worker.health().reconnects == 1
    assert output.closed >= 1
    worker.close()


def test_one_that_has_not_reached_its_receiver_is_not_open(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """As with RTMP and SRT, which connect once they have frames to send."""
    caplog.set_level("INFO")
    output = MemoryOutput()
    output.reached = False
    worker = OutputWorker(output)

    def taken(count: int) -> bool:
        worker.offer(frame())
        return len(output.frames) > count

    until(lambda: taken(5))
    assert (worker.health().state, worker.health().frames) == ("starting", 0)
    assert "is open" not in caplog.text
    output.reached = True
    until(lambda: taken(10))
    worker.close()
    assert worker.health().state == "ok" and worker.health().frames > 0
    assert caplog.text.count("is open") == 1


def test_what_is_refused_after_its_first_frames_is_not_called_back(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """As RTMP does it; or a log would fill with it for weeks."""
    output = Fragile()
    caplog.set_level("INFO")
    worker = OutputWorker(output, first_wait_s=0.01, sure_s=600.0)
    taken: list[int] = []

    def refuse(frame: LiveFrame) -> None:
        taken.append(frame.index)
        if len(taken) % 3 == 0:
            raise BrokenPipeError("refused")

    output.write = refuse  # type: ignore[assignment,method-assign]

    def offered() -> bool:
        worker.offer(frame(len(taken)))
        return len(taken) > 12

    until(offered)
    assert worker.health().state == "lost" and worker.health().reconnects == 0
    worker.close()
    assert caplog.text.count("is lost") == 1
    assert "is back" not in caplog.text


def test_a_full_disk_is_one_line_then_silence_and_one_line_when_it_is_well(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO)
    output, attempts = MemoryOutput("record shows"), [0]

    def write(_: LiveFrame) -> None:
        attempts[0] += 1
        if attempts[0] < 9:  # a name that is another one each time, as segments have it
            raise OSError(errno.ENOSPC, "No space left on device", f"{attempts[0]}.mp4")

    output.write = write  # type: ignore[method-assign]
    worker = OutputWorker(output, first_wait_s=0.001, sure_s=0.01)

    def well() -> bool:
        worker.offer(frame())
        return attempts[0] > 9 and worker.health().state == "ok"

    until(well)
    worker.close()
    lines = [record.getMessage() for record in caplog.records]
    assert len(lines) == 3
    assert lines[0] == "record shows is open"
    assert "record shows is lost: [Errno 28] No space left on device" in lines[1]
    assert lines[2] == "record shows is back after 8 faults"


def test_an_output_that_cannot_be_closed_is_opened_again(caplog: pytest.LogCaptureFixture) -> None:
    output = Fragile()

    def close() -> None:
        raise RuntimeError("a hook of the driver")

    output.close = close  # type: ignore[method-assign]
    worker = OutputWorker(output, first_wait_s=0.01, sure_s=0.0)
    output.there = False
    until(lambda: worker.offer(frame()) or worker.health().state == "lost")
    output.there = True
    until(lambda: worker.offer(frame()) or worker.health().state == "ok")
    worker.close()
    fault = next(r for r in caplog.records if "a hook of the driver" in r.getMessage())
    assert fault.exc_info


def test_a_fault_of_a_library_does_not_end_it(caplog: pytest.LogCaptureFixture) -> None:
    output = MemoryOutput()
    faults = [ZeroDivisionError("a fault")]

    def open_once() -> None:
        if faults:
            raise faults.pop()

    output.open = open_once  # type: ignore[method-assign]
    worker = OutputWorker(output, first_wait_s=0.02)
    until(lambda: worker.health().state == "ok")
    worker.close()
    fault = next(r for r in caplog.records if "a fault" in r.getMessage())
    assert fault.exc_info


def test_a_stuck_receiver_costs_nothing() -> None:
    """Neither offering nor closing waits for it."""
    stuck = threading.Event()
    output = MemoryOutput("stuck")
    output.write = lambda _: stuck.wait()  # type: ignore[assignment,method-assign,return-value]
    worker = OutputWorker(output)
    for index in range(1000):
        worker.offer(frame(index))
    until(lambda: worker.health().dropped >= 998)
    closing = threading.Thread(target=worker.close)
    closing.start()
    closing.join(PATIENCE_S)
    assert not closing.is_alive()
    stuck.set()


def test_an_output_that_does_not_close_is_given_up_within_a_second(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    hangs, output, waits_s = threading.Event(), MemoryOutput("stuck"), list[float | None]()
    output.close = hangs.wait  # type: ignore[assignment,method-assign]
    worker, close = OutputWorker(output), SupervisedThread.close

    def closed(thread: SupervisedThread, timeout_s: float | None = None) -> bool:
        waits_s.append(timeout_s)
        return close(thread, 0.0)

    monkeypatch.setattr(SupervisedThread, "close", closed)
    worker.close()
    hangs.set()
    (wait_s,) = waits_s
    assert wait_s is not None and wait_s <= 1.0
    assert "stuck does not close: giving up on it" in caplog.text


def test_a_hundred_outputs_leave_no_thread() -> None:
    with no_thread_left():
        for _ in range(100):
            worker = OutputWorker(MemoryOutput())
            worker.offer(frame())
            worker.close()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("carrier-pigeon:x", "one of window, udp, .*syphon"),
        ("udp://127.0.0.1", "port"),
        ("udp://127.0.0.1:99999", "port"),
        ("udp://127.0.0.1:9000?bitrate=lots", r"bitrate must be 100000 to 2e\+08 \(got lots\)"),
        ("udp://127.0.0.1:9000?colour=blue", "'colour' is not known"),
        ("udp://127.0.0.1:9000?encoder=magic", "one of auto"),
        ("srt://127.0.0.1", "port"),
        ("rtmp:", "host"),
        ("record:", "folder"),
        ("record:x?of=sound", "one of dream, camera, both"),
        ("browser:127.0.0.1:99999", "port"),
        ("udp://127.0.0.1:0", "port"),
        ("udp://127.0.0.1:1?allow=10.0.0.0/8", "'allow' is not known"),
    ],
)
def test_what_makes_no_sense_is_said_in_one_line(text: str, message: str) -> None:
    with pytest.raises(SettingsError, match=message.replace("?", r"\?")) as error:
        open_output(text, width=32, height=18, rate=Fraction(25))
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("name", [n for n, r in OUTPUTS.items() if r.extra])
def test_a_missing_extra_names_its_install_command(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    with pytest.raises(SettingsError, match=rf'pip install "livedream\[{OUTPUTS[name].extra}\]"'):
        open_output(name, width=32, height=18, rate=Fraction(25))


@pytest.mark.parametrize(
    ("text", "host", "port"),
    [
        ("udp://10.0.0.2:9000?ttl=2", "10.0.0.2", 9000),
        ("udp://[::1]:9000", "::1", 9000),
        ("browser", "127.0.0.1", 8766),
        ("browser:9001", "127.0.0.1", 9001),
        ("browser:0.0.0.0:9001", "0.0.0.0", 9001),
        ("browser:example.org", "example.org", 8766),
    ],
)
def test_addresses(text: str, host: str, port: int) -> None:
    assert parse_address(text).endpoint("127.0.0.1:8766") == Endpoint(host, port)


@pytest.mark.parametrize(("text", "value"), [("5M", 5e6), ("50GB", 5e10), ("800k", 8e5), ("7", 7)])
def test_numbers_with_units(text: str, value: float) -> None:
    assert parse_address(f"udp://x:1?n={text}").number("n", 0, 0, 1e15) == value
