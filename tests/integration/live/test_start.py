"""What a show begins with whose stream is slow, or is not there yet."""

import time
from fractions import Fraction

import av
import pytest
from live_stage import FakeDreamer

from livedream.capture.live import MemoryInput, Opened
from livedream.capture.live.stream import StreamInput
from livedream.capture.live.worker import Orientation
from livedream.core.errors import SourceError
from livedream.core.settings import DreamSettings
from livedream.live.job import LiveJob
from livedream.live.session import Session

OPENED = Opened(160, 90, Fraction(50), "as made")
SETTINGS = DreamSettings(size="64x36", device="cpu")


class Slow(MemoryInput):
    """Takes longer than most to answer."""

    def open(self) -> Opened:
        time.sleep(2.0)
        return super().open()


class Refused(MemoryInput):
    """Its address has nobody listening."""

    def open(self) -> Opened:
        raise SourceError("connection refused")


def begun(source: MemoryInput, **more: object) -> tuple[int, int, float]:
    """Width and height, px, and frames per second of a show with this source."""
    job = LiveJob(
        source="rtsp://127.0.0.1/stream", sinks=("udp://127.0.0.1:9",), dream=SETTINGS, **more
    )  # type: ignore[arg-type]  # fmt: skip
    with Session(job, live_input=source, dreamer=FakeDreamer(SETTINGS)) as session:
        return session.opened.width, session.opened.height, session.fps


def test_a_stream_that_is_slow_to_open_gives_the_show_its_size_and_rate() -> None:
    assert begun(Slow(OPENED)) == (160, 90, 50)


def test_without_a_stream_a_show_has_the_size_and_rate_it_is_to_have() -> None:
    source = Refused(OPENED)
    assert begun(source) == (640, 360, 25)
    assert begun(source, fps=10.0) == (640, 360, 10)
    assert begun(source, fps=60.0) == (640, 360, 60)
    turned = Orientation(rotate=90)
    asked = begun(source, camera_size=(1280, 720), camera_fps=50.0, orientation=turned)
    assert asked == (720, 1280, 50)


@pytest.mark.parametrize(("scheme", "first_s"), [("udp", 1.5), ("rtp", 1.5), ("rtsp", 4.0)])
def test_datagrams_that_nobody_sends_do_not_hold_up_the_start(
    monkeypatch: pytest.MonkeyPatch, scheme: str, first_s: float
) -> None:
    waited: list[float] = []

    def silent(url: str, *, timeout: tuple[float, float], **more: object) -> None:
        waited.append(timeout[0])
        raise av.ExitError(0, "Immediate exit requested")

    monkeypatch.setattr(av, "open", silent)
    source = StreamInput(f"{scheme}://127.0.0.1:9")
    for _ in range(3):
        with pytest.raises(SourceError, match="no answer in time"):
            source.open()
    assert waited == [first_s, 4.0, 4.0]
