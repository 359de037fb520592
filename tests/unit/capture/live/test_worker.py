"""The capture thread: the newest frame, an honest health, and back by itself."""

import time
from fractions import Fraction
from types import SimpleNamespace

import numpy as np
import pytest
from waiting import PATIENCE_S, no_thread_left, until

from livedream.capture.live import MemoryInput, Opened
from livedream.capture.live.worker import Capture, Orientation
from livedream.core.errors import SourceError
from livedream.core.frame import Picture

OPENED = Opened(8, 4, Fraction(25), "as made")


def picture(value: int) -> Picture:
    return np.full((4, 8, 3), value, np.uint8)


@no_thread_left()
def test_the_newest_frame_with_its_time_and_the_others_counted() -> None:
    source = MemoryInput(OPENED)
    source.pending = [picture(value) for value in range(5)]
    capture = Capture(source, Orientation(rotate=90))
    before = time.monotonic()
    capture.start()
    until(lambda: capture.health().frames == 5)
    found = capture.slot.get(PATIENCE_S)
    assert found is not None
    assert found.index == 4
    assert found.rgb.shape == (8, 4, 3)
    assert before <= found.captured_s <= time.monotonic()
    assert capture.health().dropped == 4
    opened = capture.wait(PATIENCE_S)
    assert opened is not None
    assert (opened.width, opened.height) == (4, 8)
    capture.close()


def test_a_source_that_is_lost_says_so_and_comes_back(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("livedream.capture.live.worker._SILENT_S", 600.0)
    source = MemoryInput(OPENED)
    source.pending = [picture(1), SourceError("cable pulled")]
    capture = Capture(source)
    capture.start()
    until(lambda: capture.health().state == "lost")
    assert "cable pulled" in capture.health().detail
    source.pending = [picture(2)]
    until(lambda: capture.health().state == "ok")
    assert capture.health().reconnects == 1
    capture.close()


def test_a_drivers_own_error_is_a_loss_not_an_end() -> None:
    source = MemoryInput(OPENED)
    source.pending = [picture(1), RuntimeError("segfaulted nearly"), picture(2)]
    capture = Capture(source)
    capture.start()
    until(lambda: capture.health().frames == 2)
    capture.close()


def test_a_source_that_cannot_be_closed_is_opened_again(caplog: pytest.LogCaptureFixture) -> None:
    class Stubborn(MemoryInput):
        def close(self) -> None:
            raise RuntimeError("a hook of the driver")

    source = Stubborn(OPENED)
    source.pending = [picture(1), SourceError("cable pulled"), picture(2)]
    capture = Capture(source)
    capture.start()
    until(lambda: capture.health().frames == 2)
    capture.close()
    fault = next(r for r in caplog.records if "a hook of the driver" in r.getMessage())
    assert fault.exc_info


def test_silence_is_a_loss(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [100.0]
    clock = SimpleNamespace(monotonic=lambda: now[0])
    monkeypatch.setattr("livedream.capture.live.worker.time", clock)
    source = MemoryInput(OPENED)
    source.pending = [picture(1)]
    capture = Capture(source)
    capture.start()
    until(lambda: capture.health().frames == 1)
    now[0] += 1.9
    assert capture.health().state == "ok"
    now[0] += 0.2
    assert capture.health().state == "lost"
    capture.close()


def test_what_never_opens_keeps_its_reason() -> None:
    class Nothing(MemoryInput):
        def open(self) -> Opened:
            raise SourceError("nobody there")

    capture = Capture(Nothing(OPENED))
    capture.start()
    assert capture.wait(PATIENCE_S) is None
    assert "nobody there" in str(capture.error)
    assert capture.health().state == "starting"
    capture.close()


def test_what_fails_after_the_wait_is_said_once_for_each_reason(
    caplog: pytest.LogCaptureFixture,
) -> None:
    class Late(MemoryInput):
        reasons = ("nobody there", "nobody there", "no video in this stream")
        tried = 0

        def open(self) -> Opened:
            self.tried += 1
            raise SourceError(self.reasons[min(self.tried, 3) - 1])

    source = Late(OPENED)
    capture = Capture(source)
    capture.start()
    capture.wait(PATIENCE_S)  # its caller says "nobody there"
    until(lambda: source.tried >= 4)
    capture.close()
    assert caplog.messages == ["memory gives nothing yet: no video in this stream"]


@pytest.mark.parametrize(
    ("orientation", "size", "expected"),
    [
        (Orientation(), None, (640, 360)),
        (Orientation(rotate=90), None, (360, 640)),
        (Orientation(rotate=90), (1280, 720), (720, 1280)),
        (Orientation(crop=(1080, 1080, -1, -1)), None, (1080, 1080)),
        (Orientation(rotate=270, crop=(400, 300, 10, 20)), (1920, 1080), (300, 400)),
        (Orientation(crop=(1080, 1080, -1, -1)), (1280, 720), (1080, 720)),
    ],
)
def test_a_show_begins_without_its_source_in_the_shape_that_this_will_have(
    orientation: Orientation, size: tuple[int, int] | None, expected: tuple[int, int]
) -> None:
    capture = Capture(MemoryInput(OPENED), orientation)
    opened = capture.begin_without(size, 50.0)
    sky = capture.slot.get(0.0)
    assert (opened.width, opened.height, opened.rate) == (*expected, 50)
    assert sky is not None and sky.rgb.shape == (expected[1], expected[0], 3)
