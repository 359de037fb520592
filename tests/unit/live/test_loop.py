"""The loop's pace, on a clock that only its own waiting moves."""

import threading
import time
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from livedream.capture.live import Captured
from livedream.control.live_parameters import LiveParameters
from livedream.core.grade import GradeSettings
from livedream.core.latest_slot import LatestSlot
from livedream.core.settings import DreamSettings
from livedream.live.dream_worker import DreamOverlay, DreamWorker
from livedream.live.governor import Governor
from livedream.live.loop import Composed, LiveLoop, Wiring
from livedream.present.live import LiveFrame

FPS = 25


class Slot(LatestSlot[Captured]):
    """A frame in every period of the clock, until `unplugged_s`."""

    def __init__(self, now: list[float], unplugged_s: float) -> None:
        super().__init__()
        self.now, self.unplugged_s, self.given = now, unplugged_s, 0

    def get(self, timeout_s: float | None = None) -> Captured | None:
        assert timeout_s is not None
        due_s = self.given / FPS
        if due_s >= self.unplugged_s or due_s > self.now[0] + timeout_s:
            self.now[0] += timeout_s + 1e-6
            return None
        self.now[0] = max(self.now[0], due_s)
        self.given += 1
        return Captured(np.zeros((36, 64, 3), np.uint8), due_s, self.given)


class Stop(threading.Event):
    """Set when the time is over; waiting for it moves the clock."""

    def __init__(self, now: list[float], end_s: float) -> None:
        super().__init__()
        self.now, self.end_s = now, end_s

    def is_set(self) -> bool:
        return self.now[0] >= self.end_s

    def wait(self, timeout: float | None = None) -> bool:
        self.now[0] += timeout or 0.0
        return self.is_set()


class NoDream(DreamWorker):
    """Dreams nothing, at once."""

    def __init__(self) -> None:
        self.plan, self.note = None, ""

    def advance(self, *_: Any, **__: Any) -> None: ...

    def shown(self, now_s: float, mix: float = 1.0) -> DreamOverlay:
        return DreamOverlay(None, now_s, 0.0, 0)

    def per_second(self, now_s: float) -> float:
        return 0.0


class OneRate(NoDream):
    """Each frame is dreamed when it is shown."""

    picture = np.full((36, 64, 3), 200, np.uint8)

    def shown(self, now_s: float, mix: float = 1.0) -> DreamOverlay:
        return DreamOverlay(None, now_s, 14.0, 1, self.picture)


class Unsteady(Slot):
    """Every other frame is from before the one that came before it."""

    def get(self, timeout_s: float | None = None) -> Captured | None:
        found = super().get(timeout_s)
        if found is None or found.index % 2:
            return found
        return replace(found, captured_s=found.captured_s - 0.3)


class TwiceAsMany(Slot):
    """Two frames in every period; the newest is given, what was not taken is counted."""

    def get(self, timeout_s: float | None = None) -> Captured | None:
        assert timeout_s is not None
        due_s = self.given / (2 * FPS)
        if due_s > self.now[0] + timeout_s:
            self.now[0] += timeout_s + 1e-6
            return None
        self.now[0] = max(self.now[0], due_s)
        newest = int(self.now[0] * 2 * FPS + 1e-6)
        self.dropped += newest - self.given
        self.given = newest + 1
        return Captured(np.zeros((36, 64, 3), np.uint8), newest / (2 * FPS), newest)


class LeftLit(Slot):
    """The left column is white."""

    def get(self, timeout_s: float | None = None) -> Captured | None:
        found = super().get(timeout_s)
        if found is not None:
            found.rgb[:, 0] = 255
        return found


class White(Slot):
    def get(self, timeout_s: float | None = None) -> Captured | None:
        found = super().get(timeout_s)
        if found is not None:
            found.rgb[:] = 255
        return found


def run_loop(
    monkeypatch: pytest.MonkeyPatch, seconds: float, slot: type[Slot] = Slot,
    frame_s: float = 0.0, **wired: Any,
) -> None:  # fmt: skip
    """The loop on a clock of its own, whose source is unplugged after two seconds.

    frame_s: a frame's own work.
    """
    now = [0.0]

    def work(frame: LiveFrame) -> None:
        now[0] += frame_s

    clock = SimpleNamespace(monotonic=lambda: now[0], perf_counter=time.perf_counter)
    monkeypatch.setattr("livedream.live.loop.time", clock)
    wired.setdefault("parameters", LiveParameters(DreamSettings(), clock=clock.monotonic))
    wired.setdefault("governor", Governor(FPS, clock.monotonic))
    wiring = Wiring(
        slot=slot(now, unplugged_s=2.0),
        publish=lambda status: None,
        flow=None,
        picture_size=(64, 36),
        fps=FPS,
        offers=(*wired.pop("offers", ()), work),
        **wired,
    )
    LiveLoop(wiring).run(Stop(now, seconds))


def test_a_picture_that_has_its_dream_goes_out_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    out: list[LiveFrame] = []
    run_loop(monkeypatch, 1.0, dreaming=OneRate(), offers=(out.append,))
    assert len(out) > 20
    for frame in out:
        assert frame.rgb is OneRate.picture  # converted by nobody
        assert frame.camera is not None and not frame.camera.any()


def test_the_region_of_a_mirrored_picture_is_mirrored_and_its_camera_is_not(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    parameters = LiveParameters(
        DreamSettings(where="left", headroom=0.0), GradeSettings(mirror=True), clock=lambda: 0.0
    )
    out: list[LiveFrame] = []
    run_loop(
        monkeypatch, 1.0, slot=LeftLit, dreaming=NoDream(), offers=(out.append,),
        parameters=parameters,
    )  # fmt: skip
    first, last = out[0], out[-1]
    assert first.mirrored and first.camera is not None and first.region is not None
    assert first.camera[0, 0, 0] == first.rgb[0, -1, 0] == 255
    assert first.region[0, 0] == 0 and first.region[0, -1] == 1
    assert last.region is first.region  # not another one for each picture: pages are sent it once
    parameters.set("mirror", False)
    run_loop(
        monkeypatch, 1.0, slot=LeftLit, dreaming=NoDream(), offers=(out.append,),
        parameters=parameters,
    )  # fmt: skip
    assert out[-1].region is not None and out[-1].region[0, 0] == 1 and not out[-1].mirrored


def test_white_has_headroom_where_it_dreams(monkeypatch: pytest.MonkeyPatch) -> None:
    dream = DreamSettings(where="left", feather=0.0)
    parameters = LiveParameters(dream, GradeSettings(mix=0.5), clock=lambda: 0.0)
    out: list[LiveFrame] = []
    run_loop(
        monkeypatch, 0.5, slot=White, dreaming=NoDream(), offers=(out.append,),
        parameters=parameters,
    )  # fmt: skip
    shown = out[-1].rgb
    assert shown[0, -1, 0] == 255
    assert shown[0, 0, 0] == 255 - round(0.5 * dream.headroom * dream.strength)


def test_the_times_of_pictures_never_go_back(monkeypatch: pytest.MonkeyPatch) -> None:
    out: list[LiveFrame] = []
    run_loop(monkeypatch, 3.0, slot=Unsteady, dreaming=NoDream(), offers=(out.append,))
    times = [frame.captured_s for frame in out]
    assert len(times) > 60
    assert min(np.diff(times)) > 0


def test_without_its_source_the_loop_keeps_its_rate(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[Composed] = []
    run_loop(monkeypatch, 12.0, dreaming=NoDream(), watch=seen.append)
    live = [one.composed_s for one in seen if one.live]
    drifting = [one.composed_s for one in seen if not one.live]
    assert len(live) == 2 * FPS
    assert drifting[0] == pytest.approx(live[-1] + 0.5, abs=0.1)  # it is lost after half a second
    assert np.diff(drifting[1:]) == pytest.approx(1 / FPS, abs=1e-3)
    assert drifting[-1] == pytest.approx(12.0, abs=2 / FPS)


class Missed(Governor):
    """Keeps what it is told of frames that were not shown."""

    def __init__(self) -> None:
        super().__init__(FPS)
        self.missed: list[bool] = []

    def shown(self, busy_s: float, *, missed: bool = False) -> None:
        self.missed.append(missed)


@pytest.mark.parametrize("frame_s", [0.0, 0.6 / FPS, 0.9 / FPS])
def test_frames_that_are_more_than_is_asked_for_are_not_missed(
    monkeypatch: pytest.MonkeyPatch, frame_s: float
) -> None:
    governor = Missed()
    run_loop(
        monkeypatch, 2.0, slot=TwiceAsMany, frame_s=frame_s, dreaming=NoDream(), governor=governor
    )
    assert len(governor.missed) == pytest.approx(2 * FPS, abs=2)
    assert not any(governor.missed)


def test_frames_that_come_while_the_loop_is_late_are_missed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    governor = Missed()
    run_loop(
        monkeypatch, 2.0, slot=TwiceAsMany, frame_s=1.5 / FPS, dreaming=NoDream(),
        governor=governor,
    )  # fmt: skip
    assert all(governor.missed[2:])
