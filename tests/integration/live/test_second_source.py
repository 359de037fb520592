"""A second live source as guide and mask of a whole session: it moves, is lost, and comes back."""

import threading
import time
from collections.abc import Iterator
from fractions import Fraction

import numpy as np
import pytest
from waiting import PATIENCE_S, until

from livedream.capture.live import LiveInput, MemoryInput, Opened
from livedream.core.errors import SourceError
from livedream.core.frame import Picture
from livedream.core.settings import DreamSettings
from livedream.live.job import LiveJob
from livedream.live.session import Session
from livedream.present.live import MemoryOutput

DREAM = DreamSettings(
    size="64p", flow="dis-ultrafast", flow_size="64p", octaves=1, iterations=1, rise=0.0,
    half_life=0.2, objective="guide(eyes, camera:2)", where="mask(camera:2)", feather=0.0,
)  # fmt: skip


class Camera(MemoryInput):
    """Shows one picture at 25 a second, until it is unplugged."""

    def __init__(self, name: str, shown: Picture) -> None:
        super().__init__(Opened(shown.shape[1], shown.shape[0], Fraction(25)), name)
        self.shown = shown
        self.unplugged = False

    def read(self) -> Picture | None:
        threading.Event().wait(0.04)
        if self.unplugged:
            raise SourceError(f"{self.name}: unplugged")
        return self.shown.copy()

    def open(self) -> Opened:
        if self.unplugged:
            raise SourceError(f"{self.name}: unplugged")
        return super().open()


def half(texture: Picture, *, left: bool) -> Picture:
    """A picture that is black on one side."""
    found = np.maximum(texture[:72, :128], 60)
    found[:, 64:] *= not left
    found[:, :64] *= left
    return found


@pytest.fixture
def second(texture: Picture, monkeypatch: pytest.MonkeyPatch) -> Camera:
    camera = Camera("camera:2", half(texture, left=True))

    def opened(text: str) -> LiveInput:
        assert text == "camera:2"
        return camera

    monkeypatch.setattr("livedream.capture.live.beside.open_live", opened)
    return camera


@pytest.fixture
def session(second: Camera, texture: Picture) -> Iterator[Session]:
    output = MemoryOutput()
    job = LiveJob(source="first", sinks=("none",), dream=DREAM, limit_flashes=False)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("livedream.live.session.open_output", lambda name, **size: output)
        patch.setattr("livedream.live.session.find_route", lambda sink: None)
        made = Session(job, live_input=Camera("first", texture[:72, :128]))
    thread = threading.Thread(target=made.run, daemon=True)
    thread.start()
    made.output = output  # type: ignore[attr-defined]
    yield made
    made.close()
    thread.join(PATIENCE_S)
    assert not thread.is_alive()


def dreamt(session: Session) -> tuple[float, float]:
    """How much is dreamed on the left and on the right, 8-bit steps."""
    frames = session.output.frames  # type: ignore[attr-defined]
    if not frames or frames[-1].camera is None:
        return 0.0, 0.0
    added = np.abs(frames[-1].rgb.astype(int) - frames[-1].camera).mean(2)
    return float(added[:, :50].mean()), float(added[:, 78:].mean())


def test_it_is_a_guide_and_a_mask_and_may_go_away(
    session: Session, second: Camera, texture: Picture
) -> None:
    until(lambda: dreamt(session)[0] > 2.0 and dreamt(session)[1] < 0.5)
    until(lambda: [one.state for one in session.status.latest().beside] == ["ok"])
    second.unplugged = True
    until(lambda: [one.state for one in session.status.latest().beside] == ["lost"])
    assert any("camera:2 is lost" in note for note in session.status.latest().notes)
    dreams = session.dreaming.shown(time.monotonic()).dreams
    until(lambda: session.dreaming.shown(time.monotonic()).dreams > dreams + 3)
    assert dreamt(session)[0] > 2.0, "what was seen last still draws"
    second.shown, second.unplugged = half(texture, left=False), False
    until(lambda: dreamt(session)[1] > 2.0 and dreamt(session)[0] < 0.5)
    assert session.status.latest().source.state == "ok"
