"""Live sources beside a show's own: read once for all, never waited for, let go when unused."""

import threading
import time
from collections.abc import Iterator
from fractions import Fraction

import numpy as np
import pytest
from waiting import PATIENCE_S, until

from livedream.capture.live import Captured, LiveInput, MemoryInput, Opened
from livedream.capture.live.beside import LivePictures, is_live
from livedream.core.errors import LivedreamError, SettingsError, SourceError

OPENED = Opened(4, 2, Fraction(25))


def picture(value: int) -> np.ndarray:
    return np.full((2, 4, 3), value, np.uint8)


class Room:
    """Inputs by name, and how often each was asked for."""

    def __init__(self) -> None:
        self.inputs = {name: MemoryInput(OPENED, name) for name in ("camera:1", "camera:2")}
        self.opened: list[str] = []

    def open(self, text: str) -> LiveInput:
        if text not in self.inputs:
            raise SourceError(f"{text}: never heard of")
        self.opened.append(text)
        return self.inputs[text]


@pytest.fixture
def room() -> Room:
    return Room()


@pytest.fixture
def pictures(room: Room) -> Iterator[LivePictures]:
    with LivePictures(room.open) as made:
        yield made


def value_of(captured: Captured | None) -> int | None:
    return None if captured is None else int(captured.rgb[0, 0, 0])


def test_the_newest_picture_for_everybody_of_one_input(room: Room, pictures: LivePictures) -> None:
    assert pictures.newest("camera:1") is None
    room.inputs["camera:1"].pending = [picture(1), picture(2)]
    until(lambda: value_of(pictures.newest("camera:1")) == 2)
    assert value_of(pictures.newest("camera:1")) == 2
    assert room.opened == ["camera:1"]
    with pytest.raises(SourceError, match="never heard of"):
        pictures.newest("camera:3")


def test_a_lost_source_is_seen_in_its_health_and_comes_back(
    room: Room, pictures: LivePictures
) -> None:
    pictures.newest("camera:1")
    room.inputs["camera:1"].pending = [picture(1), SourceError("cable pulled")]
    until(lambda: [one.state for one in pictures.health()] == ["lost"])
    assert "camera:1 is lost: cable pulled" in pictures.notes()[0]
    assert value_of(pictures.newest("camera:1")) == 1
    room.inputs["camera:1"].pending = [picture(7)]
    until(lambda: value_of(pictures.newest("camera:1")) == 7)
    assert pictures.notes() == ()


def test_what_does_not_come_is_logged_and_what_comes_back(
    room: Room, pictures: LivePictures, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")

    def absent() -> Opened:
        raise SourceError("nothing received")

    room.inputs["camera:1"].open = absent  # type: ignore[method-assign]
    pictures.newest("camera:1")
    until(lambda: bool(caplog.messages))
    del room.inputs["camera:1"].open
    room.inputs["camera:1"].pending = [picture(1)]
    until(lambda: value_of(pictures.newest("camera:1")) == 1)
    until(lambda: len(caplog.messages) == 2)
    assert caplog.messages[0] == "camera:1 gives nothing yet: nothing received"
    assert caplog.messages[1].startswith("camera:1 is back")


def test_what_nobody_asks_for_is_let_go(
    room: Room, pictures: LivePictures, monkeypatch: pytest.MonkeyPatch
) -> None:
    pictures.newest("camera:1")
    now_s = time.monotonic()
    monkeypatch.setattr(time, "monotonic", lambda: now_s + 60.0)
    pictures.newest("camera:2")
    assert [one.name for one in pictures.health()] == ["camera:2"]
    monkeypatch.undo()
    until(lambda: not any("closes" in thread.name for thread in threading.enumerate()))
    pictures.newest("camera:1")
    assert room.opened == ["camera:1", "camera:2", "camera:1"]


def test_a_look_takes_the_newest_in_a_thread_of_its_own(room: Room, pictures: LivePictures) -> None:
    seen: list[tuple[int, str]] = []
    going_on = threading.Event()

    def slow(captured: Captured) -> int:
        seen.append((int(captured.rgb[0, 0, 0]), threading.current_thread().name))
        assert going_on.wait(PATIENCE_S)
        return seen[-1][0]

    look = pictures.look("camera:1", slow, 0.001)
    assert look.newest() is None
    room.inputs["camera:1"].pending = [picture(1)]
    until(lambda: len(seen) == 1)
    room.inputs["camera:1"].pending = [picture(value) for value in range(2, 9)]
    until(lambda: value_of(pictures.newest("camera:1")) == 8)
    assert look.newest() is None, "nobody waits"
    going_on.set()
    until(lambda: look.newest() == 8)
    assert [value for value, _ in seen] == [1, 8], "only the newest"
    assert {name for _, name in seen} == {"livedream-look"}


@pytest.mark.parametrize("error", [SourceError, SettingsError])
def test_a_look_at_what_can_never_come_harms_nobody(error: type[LivedreamError]) -> None:
    def opener(text: str) -> LiveInput:
        raise error(f"{text}: never heard of")

    with LivePictures(opener) as pictures:
        assert pictures.look("camera:3", value_of, 10.0).newest() is None


def test_closed_all_threads_end(room: Room) -> None:
    with LivePictures(room.open) as pictures:
        look = pictures.look("camera:1", value_of, 0.001)
        look.newest()
        room.inputs["camera:1"].pending = [picture(1)]
        until(lambda: look.newest() == 1)
    until(lambda: not any("look" in thread.name for thread in threading.enumerate()))
    assert pictures.newest("camera:1") is None
    assert look.newest() == 1
    assert not any("look" in thread.name for thread in threading.enumerate())


@pytest.mark.parametrize(
    ("text", "live"),
    [
        ("camera:front", True), ("0", True), ("/dev/video2", True), ("screen:2", True),
        ("window:Pong", True), ("rtsp://10.0.0.5/a", True), ("udp://0.0.0.0:9000", True),
        ("ndi:stage", True), ("whip", True),
        ("a.mp4", False), ("synthetic:clouds", False), ("frames/%04d.png", False), ("x/1", False),
    ],
)  # fmt: skip
def test_what_is_live(text: str, live: bool) -> None:
    assert is_live(text) is live
