"""The dream's thread where frames stay on a device, on CPU tensors: against the way by OpenCV."""

import threading
import time
from collections.abc import Callable, Iterator
from itertools import pairwise
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from recorded import Pool, Traced, stay_on_device
from waiting import PATIENCE_S

from livedream.capture.live import Captured
from livedream.capture.sky import Sky
from livedream.core.frame import Motion, Picture
from livedream.core.grade import GradeSettings
from livedream.core.settings import DreamSettings
from livedream.core.snapshot import Snapshot
from livedream.core.supervisor import Supervisor
from livedream.dream.compose import compose
from livedream.dream.dreamer import Dreamer
from livedream.dream.headroom import dimmed
from livedream.flow import open_flow
from livedream.flow.motion import MotionEstimator
from livedream.live.dream_worker import DreamOverlay, DreamWorker
from livedream.live.dreamer_pool import LiveDreamerPool
from livedream.live.governor import Governor
from livedream.present.grading import travel_of
from livedream.warp.accumulated_flow import AccumulatedFlow, warp_steps

# A single plan: nothing of it can be made smaller.
SETTINGS = DreamSettings(
    engine="torch", precision="fp32", device="cpu", network="dreamnet", size="72p", octaves=2,
    iterations=1, seed=5, rise=0.1, laplacian=0,
)  # fmt: skip
PERIOD_S = 0.04


class Show:
    """A worker whose every frame waits for its dream; the clock is `now`."""

    def __init__(self, now: list[float], dreamer: Dreamer, **more: Any) -> None:
        self._now, self.index, self.settings = now, 0, dreamer.settings
        self.governor = Governor(25, lambda: now[0], shared=False)
        self.pool = LiveDreamerPool(dreamer, **more)
        self.worker = DreamWorker(self.pool, self.governor, PERIOD_S)
        with Supervisor().current():
            self.worker.start()

    @property
    def now_s(self) -> float:
        return self._now[0]

    def pause(self, seconds: float) -> None:
        self._now[0] += seconds

    def begin(self, rgb: Picture, motion: Motion | None = None, **more: Any) -> None:
        grade = more.setdefault("grade", GradeSettings())
        snapshot = Snapshot(0.0, **{"dream": self.settings, **more})
        frame = Captured(rgb, 100.0 + PERIOD_S * self.index, self.index)
        self.worker.advance(frame, snapshot, motion, travel_of(grade), PERIOD_S)
        self.index += 1
        self._now[0] += PERIOD_S

    def frame(self, rgb: Picture, motion: Motion | None = None, **more: Any) -> DreamOverlay:
        """A frame, and its own dream on it."""
        grade = more.get("grade", GradeSettings())
        self.begin(rgb, motion, **more)
        self.worker.wait_for(self.index - 1, PATIENCE_S)
        shown = self.worker.shown(self._now[0], grade.mix)
        assert not self.worker.note
        return shown


@pytest.fixture
def shows(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Show]]:
    """Makes shows. capture: of frames that stay on the device; None: they do not."""
    made: list[Show] = []

    def make(capture: Any = None, settings: DreamSettings = SETTINGS, **more: Any) -> Show:
        now = [1000.0]
        clock = SimpleNamespace(monotonic=lambda: now[0], perf_counter=time.perf_counter)
        monkeypatch.setattr("livedream.live.dream_worker.time", clock)
        with monkeypatch.context() as patch:
            if capture is not None:
                stay_on_device(patch, capture)
            made.append(Show(now, Dreamer(settings), **more))
        return made[-1]

    yield make
    for show in made:
        show.worker.close(10.0)


@pytest.fixture(scope="module")
def film() -> list[tuple[Picture, Motion | None]]:
    sky, flow = Sky(256, 144, 8.0, 3), MotionEstimator(open_flow("dis-fast"), "54p")
    pictures = [np.ascontiguousarray(sky.paint(n / 25)) for n in range(14)]
    return [(rgb, flow.step(rgb)) for rgb in pictures]


def laid_on(rgb: Picture, steps: np.ndarray, mix: float = 1.0) -> Picture:
    """What the loop makes of it."""
    usual = DreamSettings()
    return compose(dimmed(rgb, usual.headroom * usual.strength, mix=mix), steps)


def added(picture: Picture, rgb: Picture) -> np.ndarray:
    return np.abs(picture.astype(int) - rgb)


@pytest.mark.parametrize("mix", [1.0, 0.5])
def test_each_frame_comes_down_with_its_own_dream(
    shows: Callable[..., Show], film: list[tuple[Picture, Motion | None]], mix: float
) -> None:
    grade, capture = GradeSettings(mix=mix), Traced()
    found, plain = (shows(way, SETTINGS.replace(headroom=0.0)) for way in (capture, None))
    for rgb, motion in film:
        there, here = (show.frame(rgb, motion, grade=grade) for show in (found, plain))
        assert there.picture is not None and there.steps is None
        assert here.picture is None and here.steps is not None
        gap = added(there.picture, compose(rgb, here.steps))
        assert gap.max() <= 2 and gap.mean() < 0.1, found.index
        assert there.level == pytest.approx(here.level, rel=0.001)
        assert there.level == pytest.approx(14.0 * mix, rel=0.002) or found.index < 3
        assert (there.dreams, there.dreamed_s) == (here.dreams, here.dreamed_s)
    assert capture.captured == 1


@pytest.mark.parametrize("mix", [1.0, 0.5])
def test_whites_have_the_same_headroom(shows: Callable[..., Show], mix: float) -> None:
    white, grade = np.full((144, 256, 3), 255, np.uint8), GradeSettings(mix=mix)
    there, here = (show.frame(white, grade=grade) for show in (shows(Pool()), shows()))
    assert there.picture is not None and here.steps is not None
    seen = laid_on(white, here.steps, mix)
    assert there.picture.mean() == pytest.approx(seen.mean(), abs=1.0)
    assert seen.mean() == pytest.approx(255 - 21 * mix, abs=2.0)


def test_what_a_travel_comes_across_dreams_as_well(
    shows: Callable[..., Show], film: list[tuple[Picture, Motion | None]]
) -> None:
    grade = GradeSettings(zoom=0.6, drift_x=0.2)
    found, plain = shows(Pool()), shows()
    for rgb, motion in film:
        there, here = (show.frame(rgb, motion, grade=grade) for show in (found, plain))
    assert there.picture is not None and here.steps is not None
    for edge in (np.s_[:8], np.s_[-8:], np.s_[:, :8], np.s_[:, -8:]):
        ours, theirs = (added(x, rgb)[edge] for x in (there.picture, laid_on(rgb, here.steps)))
        assert ours.mean() == pytest.approx(theirs.mean(), rel=0.2)


def test_a_frame_that_its_dream_has_not_caught_up_with_shows_the_one_before_where_it_has_moved_to(
    shows: Callable[..., Show], film: list[tuple[Picture, Motion | None]]
) -> None:
    show = shows(Pool())
    for rgb, motion in film[:6]:
        shown = show.frame(rgb, motion)
    assert shown.picture is not None
    gate = threading.Event()
    launch = show.pool.first.launch

    def late(*given: Any, **more: Any) -> Any:
        gate.wait(PATIENCE_S)
        return launch(*given, **more)

    show.pool.first.launch = late  # type: ignore[method-assign]
    rgb, motion = film[6]
    show.begin(rgb, motion)
    waiting = show.worker.shown(time.monotonic())
    assert waiting.picture is None and waiting.steps is not None
    assert waiting.dreams == shown.dreams
    before = added(shown.picture, film[5][0])
    moved = AccumulatedFlow().step(motion, None, PERIOD_S)
    size = (256, 144)
    wanted = warp_steps(before.astype(np.float32), moved, size)
    now = added(compose(rgb, waiting.steps), rgb)
    assert np.corrcoef(now[8:-8, 8:-8].ravel(), wanted[8:-8, 8:-8].ravel())[0, 1] > 0.95
    gate.set()
    show.worker.wait_for(6, PATIENCE_S)
    assert show.worker.shown(time.monotonic()).picture is not None


def test_at_a_lower_rate_a_new_dream_comes_in_gradually(
    shows: Callable[..., Show], film: list[tuple[Picture, Motion | None]]
) -> None:
    show = shows(Pool())
    for rgb, motion in film[:6]:
        show.pause(0.25)  # four a second
        show.frame(rgb, motion)
    begun, half, done = (show.worker.shown(show.now_s + s) for s in (0.0, 0.1, 0.4))
    assert begun.picture is None and half.picture is None and done.picture is not None
    assert begun.steps is not None and half.steps is not None
    strength = [float(np.std(steps)) for steps in (begun.steps, half.steps)]
    assert strength == pytest.approx([14.0, 14.0], rel=0.3)
    assert np.abs(begun.steps - half.steps).mean() > 0.2


def test_a_reset_starts_afresh(
    shows: Callable[..., Show], film: list[tuple[Picture, Motion | None]]
) -> None:
    show, levels = shows(Pool()), []
    for rgb, motion in film[:8]:
        triggers = frozenset({"reset"}) if show.index == 5 else frozenset()
        levels.append(show.frame(rgb, motion, triggers=triggers).level)
    # The level rises for a tenth of a second.
    assert levels[4] == pytest.approx(14.0, rel=0.01)
    assert levels[5] == pytest.approx(14.0 * 0.4, rel=0.01)


def test_a_dream_that_is_no_number_is_not_shown(
    shows: Callable[..., Show], film: list[tuple[Picture, Motion | None]]
) -> None:
    show, levels = shows(Pool()), []
    for rgb, motion in film[:10]:
        show.pause(0.25)  # so that what comes down beside the picture is shown
        if show.index == 5:
            residual = show.pool.first.state.residual
            assert residual is not None
            residual[0, 0, 5, 5] = torch.nan
        shown = show.frame(rgb, motion)
        levels.append(shown.level)
        for s in (0.0, 0.1, 0.4):
            steps = show.worker.shown(show.now_s + s).steps
            assert steps is None or np.isfinite(steps).all()
    assert levels[5] == 0.0 and levels[-1] == pytest.approx(14.0, rel=0.01)


def test_another_size_goes_on_from_what_is_carried(
    shows: Callable[..., Show], film: list[tuple[Picture, Motion | None]]
) -> None:
    show = shows(Pool(), SETTINGS.replace(size="144p", rise=0.4))
    sizes, dreams = [], []
    rgb = film[0][0]
    # Quick ones, however busy the machine is, so that everything is dared.
    took = show.governor.dreamed
    show.governor.dreamed = lambda plan, _: took(plan, 1e-6)  # type: ignore[method-assign]
    for _ in range(8):
        shown = show.frame(rgb)
        assert shown.picture is not None and show.worker.plan is not None
        dreams.append((shown.picture.astype(int) - rgb).ravel())
        sizes.append(show.worker.plan.size)
        for _ in range(3):
            show.governor.dreamed(show.worker.plan, 1e-6)
    assert sizes[0] != (256, 144) and sizes[-1] == (256, 144)
    alike = [np.corrcoef(one, other)[0, 1] for one, other in pairwise(dreams)]
    assert min(alike) > 0.85  # afresh: 0.6


@pytest.mark.parametrize("half_life", [2.0, 0.1], ids=["in turn", "both at once"])
def test_two_networks_share_one_dream(
    shows: Callable[..., Show], film: list[tuple[Picture, Motion | None]], half_life: float,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    settings = SETTINGS.replace(half_life=half_life)
    new = settings.replace(network="dreamnet-birds", objective="")
    made: list[tuple[Dreamer, DreamSettings]] = []

    def make(wanted: DreamSettings) -> Dreamer:
        dreamer = Dreamer(wanted)
        made.append((dreamer, dreamer.settings))
        return dreamer

    show = shows(Pool(), settings, make=make)
    stay_on_device(monkeypatch, Pool())
    for rgb, motion in film[:4]:
        show.frame(rgb, motion)
    # It is loaded beside the dream, and then has its turn.
    while not made or made[0][0].settings is made[0][1]:
        show.frame(rgb, dream=new, previous=settings, crossfade=0.5)
    for rgb, motion in film[4:9]:
        shown = show.frame(rgb, motion, dream=new, previous=settings, crossfade=0.5)
        assert shown.level == pytest.approx(14.0, rel=0.05)
        assert (shown.picture is None) == (half_life == 0.1)
    for rgb, motion in film[9:]:
        shown = show.frame(rgb, motion, dream=new)
        assert shown.level == pytest.approx(14.0, rel=0.02) and shown.picture is not None


def test_the_governor_hears_of_recorded_frames_only(
    shows: Callable[..., Show], film: list[tuple[Picture, Motion | None]]
) -> None:
    """The first of a kind, launched one by one, say nothing of those to come."""
    show, told = shows(Pool(), SETTINGS.replace(size="96p")), []
    show.governor.dreamed = lambda plan, seconds: told.append(show.index - 1)  # type: ignore[method-assign]
    for rgb, motion in film:
        show.frame(rgb, motion)
    # All octaves, the finest, again and now recorded; the coarse one, the finest twice, and so on.
    assert told == [2, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13]
