"""The window's keys, figures and notices, on a screen that only writes down what it is shown."""

import logging
import os
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from waiting import PATIENCE_S

from livedream.control.keys import Keys
from livedream.control.live_parameters import LiveParameters
from livedream.control.presets import Presets
from livedream.control.show import Show
from livedream.core.errors import SettingsError, SinkError
from livedream.core.frame import Picture
from livedream.core.health import StatusBoard
from livedream.core.latest_slot import LatestSlot
from livedream.core.settings import DreamSettings
from livedream.core.user_folders import write_whole
from livedream.present.live import LiveFrame, window
from livedream.present.live.display_memory import DisplayMemory
from livedream.present.live.hud import Hud
from livedream.present.live.hud_paint import Painter, import_pygame
from livedream.present.live.placement import Placement, seen_points
from livedream.present.live.screen import WindowOptions
from livedream.present.live.wall import Area
from livedream.present.live.wall_control import SETTINGS, WallControl
from livedream.present.live.window import Window

SIZE = (640, 360)
BLACK = LiveFrame(np.zeros((*SIZE[::-1], 3), np.uint8), 0.0, 0)
WHOLE = [(0, 0), (640, 0), (640, 360), (0, 360)]


class Paper:
    """Stands for `Screen`. Each picture shown is a line in `seen`, then the next step is done."""

    def __init__(self, steps: Sequence[Callable[[], object]], stop: threading.Event) -> None:
        self.steps, self.stop = list(steps), stop
        self.seen: list[list[tuple[float, float]]] = []
        self.lain: list[Placement] = []
        self.pictures: list[Picture] = []
        self.log: list[tuple[str, int]] = []  # what was done on which display
        self.words: list[tuple[Any, str]] = []  # painted, and on which surface
        self.said: list[list[str]] = []  # the words over each picture
        self.size, self.display, self.display_key = SIZE, 0, "0:640x360"
        self.others: list[Paper] = []  # the displays beside it
        self.beside = self.fullscreen = self.is_open = False
        self.failed: Exception | None = None

    def opened(
        self, options: WindowOptions, picture: tuple[int, int], area: Area, *, paced: bool
    ) -> "Paper":
        self.fullscreen = options.fullscreen
        if not self.is_open:
            self.is_open = True
            self.move_to_display(area.number)
            return self
        other = Paper((), self.stop)
        other.beside = True
        other.display, other.display_key = area.number, f"{area.number}:640x360"
        other.fullscreen, other.log, other.words = options.fullscreen, self.log, self.words
        self.others.append(other)
        return other

    @property
    def name(self) -> str:
        return f"display {self.display}"

    def is_window(self, window: object) -> bool:
        return window in (None, self.display)

    def to_px(self, x: float, y: float) -> tuple[float, float]:
        return x, y

    def set_fullscreen(self, on: bool) -> None:
        self.fullscreen = on

    def move_to_display(self, number: int) -> None:
        self.display, self.display_key = number, f"{number}:640x360"

    def show_cursor(self, on: bool) -> None: ...

    def draw(self, rgb: Picture, placement: Placement, overlays: list[Any]) -> None:
        points = seen_points(placement, (rgb.shape[1], rgb.shape[0]), self.size)
        quad = points[0, 0], points[0, -1], points[-1, -1], points[-1, 0]
        self.seen.append([(round(x), round(y)) for x, y in quad])
        self.lain.append(placement)
        self.pictures.append(rgb)
        over = [overlay.surface for overlay in overlays]
        self.said.append([text for surface, text in self.words if any(surface is o for o in over)])
        self.log.append(("draw", self.display))

    def finish(self) -> None:
        self.log.append(("finish", self.display))

    def present(self) -> None:
        self.log.append(("present", self.display))
        if self.beside:
            return
        if not self.steps:
            self.stop.set()
            return
        try:
            self.steps.pop(0)()
        except (AssertionError, SettingsError) as error:  # the window would begin again
            self.failed = error
            self.stop.set()

    def close(self) -> None:
        self.is_open = False


class PaperDesktop:
    """The displays asked for, of `count`; `faults` are told one after the other."""

    count = 3
    faults: Sequence[str] = ()

    def __init__(self, areas: Sequence[Area]) -> None:
        self.numbered = tuple((n, area) for n, area in enumerate(areas) if area.number < self.count)
        self.there = tuple(area for _, area in self.numbered)
        self.missing = tuple(
            f"display {area.number} is off" for area in areas if area not in self.there
        )
        if not self.there:
            raise SinkError(self.missing[0])

    def check(self) -> None:
        if PaperDesktop.faults:
            fault, *PaperDesktop.faults = PaperDesktop.faults
            raise SinkError(fault)


class Stage:
    """A window on paper, its keys in the test's hands."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setitem(os.environ, "SDL_VIDEODRIVER", "dummy")
        monkeypatch.setattr(window, "Desktop", PaperDesktop)
        monkeypatch.setattr(window, "FIRST_WAIT_S", 0.0)
        self.folder, self.monkeypatch = folder, monkeypatch
        self.parameters = LiveParameters(DreamSettings())
        self.show = Show(self.parameters, Presets(folder / "presets"))
        self.memory = DisplayMemory(folder)
        self.wall = WallControl()

    def lose(self, left: int = 3) -> None:
        """A step after which the window opens again.  left: how many displays there are then."""
        self.monkeypatch.setattr(PaperDesktop, "count", left)
        self.slot.put(BLACK)
        raise SinkError("the display is gone")

    def run(self, *steps: Callable[[], object], **options: Any) -> Paper:
        """Opens a window, does one step after each picture shown, and closes it."""
        stop = threading.Event()
        paper = Paper(steps, stop)
        self.monkeypatch.setattr(window, "Screen", paper.opened)
        paint_hud, paint_line = Painter.hud, Painter.line

        def hud(painter: Painter, figures: Hud) -> Any:
            surface = paint_hud(painter, figures)
            paper.words += [(surface, "figures"), (surface, figures.title)]
            return surface

        def line(painter: Painter, text: str, most: int) -> Any:
            surface = paint_line(painter, text, most)
            paper.words.append((surface, text))
            return surface

        self.monkeypatch.setattr(Painter, "hud", hud)
        self.monkeypatch.setattr(Painter, "line", line)
        slot = self.slot = LatestSlot[LiveFrame]()
        slot.put(BLACK)
        shown = Window(
            WindowOptions(settings_folder=self.folder, **options),
            self.parameters, StatusBoard(), keys=Keys(self.show), wall=self.wall,
        )  # fmt: skip
        shown.run(slot, stop)
        self.monkeypatch.setattr(Painter, "hud", paint_hud)
        self.monkeypatch.setattr(Painter, "line", paint_line)
        if paper.failed is not None:
            raise paper.failed
        return paper


@pytest.mark.parametrize(("well_s", "waited"), [(0.0, [1.0, 1.0, 1.0]), (60.0, [1.0, 2.0, 4.0])])
def test_a_window_that_was_well_is_opened_again_as_soon_as_the_first_time(
    well_s: float, waited: list[float], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    waits: list[float] = []

    class Stop(threading.Event):
        def wait(self, timeout: float | None = None) -> bool:
            waits.append(timeout or 0.0)
            slot.put(frame)
            if len(waits) == len(waited):
                self.set()
            return self.is_set()

    def show_and_fail(self: Window, *_: object) -> None:
        self._become("ok")
        raise SinkError("unplugged")

    monkeypatch.setattr(window, "_WELL_S", well_s)
    monkeypatch.setattr(Window, "_open_and_show", show_and_fail)
    slot, frame = LatestSlot[LiveFrame](), LiveFrame(np.zeros((9, 16, 3), np.uint8), 0.0, 0)
    slot.put(frame)
    options = WindowOptions(settings_folder=tmp_path, renderer="cpu")
    Window(options, LiveParameters(DreamSettings()), StatusBoard()).run(slot, Stop())
    assert waits == waited


def test_without_a_display_it_is_lost_and_shows_as_soon_as_there_is_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    for name in ("DISPLAY", "WAYLAND_DISPLAY", "XDG_RUNTIME_DIR", "SDL_VIDEODRIVER"):
        monkeypatch.delenv(name, raising=False)
    pygame = import_pygame()
    pygame.display.quit()
    pygame.display.init()
    driver = pygame.display.get_driver()
    pygame.display.quit()
    if driver != "offscreen":
        pytest.skip(f"a display that needs no session is here: {driver}")
    monkeypatch.setattr(window, "FIRST_WAIT_S", 0.05)
    stop, slot = threading.Event(), LatestSlot[LiveFrame]()
    options = WindowOptions(settings_folder=tmp_path, renderer="cpu")
    shown = Window(options, LiveParameters(DreamSettings()), StatusBoard())
    seen = [shown.health()]

    def plug_in() -> None:
        deadline = time.monotonic() + PATIENCE_S
        while not stop.is_set() and time.monotonic() < deadline:
            slot.put(LiveFrame(np.zeros((90, 160, 3), np.uint8), 0.0, 0))
            health = shown.health()
            if seen[-1].state != health.state:
                seen.append(health)
            if health.state == "lost":
                os.environ["SDL_VIDEODRIVER"] = "dummy"  # a display, as far as the window can tell
            if health.state == "ok" and health.frames:
                break
            time.sleep(0.01)
        stop.set()

    feeding = threading.Thread(target=plug_in)
    feeding.start()
    try:
        shown.run(slot, stop)
    finally:
        stop.set()
        feeding.join()
        os.environ.pop("SDL_VIDEODRIVER", None)
    assert [health.state for health in seen] == ["starting", "lost", "ok"]
    assert seen[1].frames == 0
    assert "there is no display" in seen[1].detail
    assert seen[2].reconnects == 1
    said = [r.getMessage() for r in caplog.records if r.name.endswith("window")]
    assert len(said) == 2
    assert "window is lost: no window can be opened" in said[0]
    assert said[1].startswith("window is back")


@pytest.fixture
def stage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Stage:
    return Stage(tmp_path, monkeypatch)


def press(name: str, shift: bool = False, control: bool = False) -> Callable[[], object]:
    def step() -> None:
        pygame = import_pygame()
        pygame.event.post(
            pygame.event.Event(
                pygame.KEYDOWN, key=pygame.key.key_code(name), unicode="",
                mod=(pygame.KMOD_LSHIFT if shift else 0) | (pygame.KMOD_LCTRL if control else 0),
            )
        )  # fmt: skip

    return step


def mouse(kind: str, x: int, y: int, display: int | None = None) -> Callable[[], object]:
    def step() -> None:
        pygame = import_pygame()
        event = pygame.event.Event(getattr(pygame, kind), pos=(x, y), button=1, window=display)
        pygame.event.post(event)

    return step


def figures_shown(paper: Paper) -> list[bool]:
    return ["figures" in words for words in paper.said]


class TestCorners:
    def test_backspace_takes_back_one_change_after_the_other(self, stage: Stage) -> None:
        paper = stage.run(
            press("f2"), press("right"), press("right"), press("tab"), press("left"),
            press("backspace"), press("backspace"), press("backspace"), press("backspace"),
        )  # fmt: skip
        first = [corner[0] for corner in paper.seen]
        second = [corner[1] for corner in paper.seen]
        assert first[2:5] == [(1, 0), (2, 0), (2, 0)]
        assert second[5] == (639, 0)
        assert [quad[:2] for quad in paper.seen[6:10]] == [
            [(2, 0), (640, 0)], [(1, 0), (640, 0)], [(0, 0), (640, 0)], [(0, 0), (640, 0)],
        ]  # fmt: skip
        assert stage.memory.recall("0:640x360") == Placement()

    def test_a_drag_is_one_change(self, stage: Stage) -> None:
        paper = stage.run(
            press("f2"), mouse("MOUSEBUTTONDOWN", 2, 2), mouse("MOUSEMOTION", 20, 10),
            mouse("MOUSEMOTION", 40, 30), mouse("MOUSEBUTTONUP", 40, 30), press("backspace"),
        )  # fmt: skip
        assert paper.seen[5][0] == (40, 30)
        assert paper.seen[6] == WHOLE

    def test_shift_backspace_resets_and_that_can_be_undone(self, stage: Stage) -> None:
        paper = stage.run(
            press("f2"), press("down"), press("down"), press("backspace", shift=True),
            press("backspace"),
        )  # fmt: skip
        assert paper.seen[4] == WHOLE
        assert paper.seen[5][0] == (0, 2)
        kept = stage.memory.recall("0:640x360")
        assert kept is not None and kept.mesh is not None

    def test_corners_left_and_taken_up_again_can_still_be_undone(self, stage: Stage) -> None:
        paper = stage.run(press("f2"), press("down"), press("f2"), press("f2"), press("backspace"))
        assert paper.seen[4][0] == (0, 1)
        assert paper.seen[5] == WHOLE

    def test_they_stay_while_the_display_is_gone(self, stage: Stage) -> None:
        def unplug() -> None:
            stage.slot.put(BLACK)
            raise SinkError("no display")

        stage.monkeypatch.setattr(window, "FIRST_WAIT_S", 0.0)
        mirrored = {"mirror": True}
        paper = stage.run(press("f2"), press("right"), press("down"), unplug, placing=mirrored)
        assert paper.lain[-1] == paper.lain[3]
        assert paper.lain[-1].mirror
        assert (1, 1) in paper.seen[-1]

    def test_what_is_undone_can_be_done_again(self, stage: Stage) -> None:
        paper = stage.run(
            press("f2"), press("right"), press("right"), press("backspace"), press("backspace"),
            press("backspace", control=True), press("backspace", control=True),
            press("backspace", control=True), press("backspace"), press("down"),
            press("backspace", control=True),
        )  # fmt: skip
        places = [corners[0] for corners in paper.seen]
        assert places[3:9] == [(2, 0), (1, 0), (0, 0), (1, 0), (2, 0), (2, 0)]
        assert places[9:] == [(1, 0), (1, 1), (1, 1)]  # what is changed ends the redo

    def test_the_mesh_grows_and_its_points_are_moved(self, stage: Stage) -> None:
        paper = stage.run(
            press("f2"), press("g"), press("tab"), press("tab"), press("tab"), press("tab"),
            press("right", shift=True), press("g", shift=True),
        )  # fmt: skip
        kept = paper.lain[-2]
        assert kept.mesh is not None
        assert (len(kept.mesh), kept.mesh[1][1]) == (3, ((320 + 10) / 640, 0.5))
        assert len(paper.lain[-1].mesh or ()) == 2
        assert stage.memory.recall("0:640x360") == replace(paper.lain[-1], crop=None, edges=None)

    def test_what_the_command_line_asks_for_leaves_the_corners(self, stage: Stage) -> None:
        mesh = (((0.1, 0.0), (1.0, 0.0)), ((0.0, 1.0), (1.0, 1.0)))
        stage.memory.keep("0:640x360", Placement(mesh=mesh))
        paper = stage.run(placing={"mirror": True, "edge_gamma": 1.8})
        lain = paper.lain[0]
        assert (lain.mesh, lain.mirror, lain.edge_gamma) == (mesh, True, 1.8)

    def test_what_the_command_line_asks_for_goes_along_to_the_next_display(
        self, stage: Stage
    ) -> None:
        stage.memory.keep("1:640x360", Placement(gamma=1.4))
        paper = stage.run(press("f10"), placing={"mirror": True, "turn": 90})
        assert paper.display == 1
        assert [(one.mirror, one.turn) for one in paper.lain] == [(True, 90)] * len(paper.lain)
        assert (paper.lain[0].gamma, paper.lain[-1].gamma) == (1.0, 1.4)


class TestWall:
    displays = (Area(0), Area(1))

    def test_all_displays_are_drawn_before_any_is_shown(self, stage: Stage) -> None:
        paper = stage.run(press("tab"), displays=self.displays, overlap=0.2)
        turn = [(done, number) for done in ("draw", "finish", "present") for number in (0, 1)]
        assert paper.log == turn * (len(paper.log) // 6)
        (right,) = paper.others
        assert paper.pictures[0] is right.pictures[0]
        assert paper.lain[0].edges == pytest.approx((0, 0, 0.2, 0))
        assert right.lain[0].edges == pytest.approx((0.2, 0, 0, 0))
        left_crop, right_crop = paper.lain[0].crop, right.lain[0].crop
        assert left_crop is not None and right_crop is not None
        assert left_crop[0] == 0
        assert right_crop[0] + right_crop[2] == pytest.approx(1)

    def test_each_has_a_mesh_of_its_own(self, stage: Stage) -> None:
        paper = stage.run(
            press("f10"), press("f2"), press("right"), mouse("MOUSEBUTTONDOWN", 1, 1, display=0),
            press("f2"), mouse("MOUSEMOTION", 30, 20, display=1),
            mouse("MOUSEBUTTONDOWN", 2, 2, display=0), mouse("MOUSEMOTION", 20, 20, display=0),
            mouse("MOUSEBUTTONUP", 20, 20, display=0), displays=self.displays,
        )  # fmt: skip
        (right,) = paper.others
        assert right.seen[-1][0] == (1, 0)
        assert paper.seen[-1][0] == (20, 20)
        kept = [stage.memory.recall(f"{number}:640x360") for number in (0, 1)]
        assert [one.mesh[0][0] for one in kept if one and one.mesh] == [
            (20 / 640, 20 / 360), (1 / 640, 0),
        ]  # fmt: skip
        assert [one.crop for one in kept if one] == [None, None]  # its share stays the wall's

    def test_what_is_kept_for_a_display_counts_more_than_its_share(self, stage: Stage) -> None:
        own = Placement(crop=(0.1, 0.1, 0.5, 0.5), edges=(0.0, 0.3, 0.0, 0.0))
        stage.memory.keep("1:640x360", own)
        (right,) = stage.run(displays=self.displays, overlap=0.2).others
        assert right.lain[0] == own

    def test_a_display_on_its_side_is_as_wide_as_its_window_is_high(self, stage: Stage) -> None:
        paper = stage.run(press("f4"), displays=self.displays)
        crops = [screen.lain[1].crop for screen in (paper, *paper.others)]
        assert [crop[2] / crop[3] for crop in crops if crop] == pytest.approx([81 / 256, 1.0])

    def test_both_go_fullscreen_and_back(self, stage: Stage) -> None:
        paper = stage.run(press("f"), displays=self.displays)
        assert [paper.fullscreen, paper.others[0].fullscreen] == [True, True]


class TestLost:
    """A window that comes back."""

    def test_lies_as_it_did(self, stage: Stage) -> None:
        paper = stage.run(press("f3"), stage.lose, placing={"mirror": True})
        assert [lie.mirror for lie in paper.lain] == [True, False, False]

    def test_it_opens_again_when_the_displays_become_others(
        self, stage: Stage, caplog: pytest.LogCaptureFixture
    ) -> None:
        def change() -> None:
            PaperDesktop.faults = ["the displays have changed (640x360)"]
            stage.slot.put(BLACK)

        paper = stage.run(press("f3"), change, press("f3"), placing={"mirror": True})
        assert "window is lost: the displays have changed (640x360)" in caplog.text
        assert [lie.mirror for lie in paper.lain][-2:] == [False, True]

    def test_while_one_display_is_missing_the_others_show_the_picture(
        self, stage: Stage, caplog: pytest.LogCaptureFixture
    ) -> None:
        paper = stage.run(lambda: stage.slot.put(BLACK), press("tab"), displays=(Area(0), Area(3)))
        assert not paper.others and paper.seen[-1] == WHOLE
        assert "display 3 is off" in caplog.text

    def test_while_one_display_is_missing_the_others_keep_their_numbers(self, stage: Stage) -> None:
        def tell() -> None:
            assert [state.number for state in stage.wall.displays] == [1, 2]
            stage.wall.set("wall/2/gamma", 2.0)

        displays = Area(3), Area(0), Area(1)
        paper = stage.run(lambda: stage.slot.put(BLACK), tell, press("tab"), displays=displays)
        assert [other.lain[-1].gamma for other in (paper, *paper.others)] == [1.0, 2.0]

    def test_what_is_set_meanwhile_is_for_the_display_that_it_was_set_for(
        self, stage: Stage
    ) -> None:
        papers: list[Paper] = []

        def shrink() -> None:  # its display has gone, and another has its number
            papers[0].display_key = "0:800x600"

        opened = Paper.opened

        def note(paper: Paper, *args: Any, **more: Any) -> Paper:
            papers.append(paper)
            return opened(paper, *args, **more)

        stage.monkeypatch.setattr(Paper, "opened", note)
        stage.run(shrink, press("f3"))
        assert stage.memory.recall("0:640x360") == Placement(mirror=True)
        assert stage.memory.recall("0:800x600") is None

    def test_what_was_set_as_it_was_lost_is_not_set_on_another(self, stage: Stage) -> None:
        def lose() -> None:
            stage.wall.set("wall/0/gamma", 2.0)
            stage.lose(2)

        paper = stage.run(lose, press("f3"), displays=(Area(0), Area(1)))
        assert [lie.gamma for lie in paper.lain] == [1.0] * len(paper.lain)
        assert len(paper.lain) > 1

    def test_is_fullscreen_and_on_the_display_where_it_was(self, stage: Stage) -> None:
        paper = stage.run(press("f10"), press("f"), stage.lose, press("tab"))
        assert (paper.display, paper.fullscreen) == (1, True)
        assert figures_shown(paper) == [True, True, False, False, False]

    def test_is_not_fullscreen_where_that_was_ended(self, stage: Stage) -> None:
        assert not stage.run(press("escape"), stage.lose, fullscreen=True).fullscreen

    @pytest.mark.parametrize(
        ("displays", "left", "shown"),
        [((Area(0),), (1, 3), [0, 1, 0, 1]), ((Area(0), Area(3)), (4,), [0, 1, 0, 3])],
    )
    def test_is_where_it_began_while_the_display_it_was_moved_to_is_gone(
        self, stage: Stage, displays: tuple[Area, ...], left: tuple[int, ...], shown: list[int]
    ) -> None:
        """And what was left of a wall is a wall again."""
        steps = (partial(stage.lose, count) for count in left)
        paper = stage.run(press("f10"), *steps, displays=displays)
        assert [number for done, number in paper.log if done == "present"] == shown

    def test_after_another_display_it_lies_as_is_kept_for_this_one(self, stage: Stage) -> None:
        stage.memory.keep("0:640x360", Placement(gamma=1.5))
        stage.memory.keep("1:640x360", Placement(gamma=2.0))
        paper = stage.run(press("f10"), partial(stage.lose, 1), press("f3"))
        assert [lie.gamma for lie in paper.lain] == [1.5, 2.0, 1.5, 1.5]
        kept = [stage.memory.recall(f"{number}:640x360") for number in (0, 1)]
        assert kept == [Placement(gamma=1.5, mirror=True), Placement(gamma=2.0)]


class TestFromElsewhere:
    """What a panel and OSC set; the names are those of `wall_control`."""

    displays = (Area(0), Area(1))

    def put(self, stage: Stage, **settings: Any) -> Callable[[], object]:
        """A step: `edge_left_1` is the second display's."""

        def step() -> None:
            for name, value in settings.items():
                last, _, number = name.rpartition("_")
                stage.wall.set(f"wall/{number}/{last}", value)

        return step

    def test_soft_edges_go_back_to_those_of_the_overlap(self, stage: Stage) -> None:
        paper = stage.run(
            self.put(stage, edge_right_0=0.3),
            lambda: stage.wall.set_default("wall/0/edge_right"),
            press("tab"), displays=self.displays, overlap=0.2,
        )  # fmt: skip
        right = [lain.edges[2] for lain in paper.lain if lain.edges]
        assert 0.3 in right
        assert (right[0], right[-1]) == (pytest.approx(0.2), pytest.approx(0.2))
        kept = stage.memory.recall("0:640x360")
        assert kept is not None and kept.edges is None

    def act(self, stage: Stage, action: str) -> Callable[[], object]:
        return lambda: stage.wall.act(f"wall/0/{action}")

    def test_it_does_what_the_keys_do(self, stage: Stage) -> None:
        kept = []
        for steps in (
            (press("f12"), press("f2"), press("g"), press("g"), press("f6"), press("f8")),
            (
                self.put(stage, test_card_0=True), self.put(stage, move_points_0=True),
                self.put(stage, mesh_0="5x5"), self.put(stage, gamma_0=1.05),
                self.put(stage, brightness_0=1.05),
            ),
        ):  # fmt: skip
            paper = stage.run(*steps)
            assert paper.pictures[-1].max() > 0, "the test card"
            kept.append(stage.memory.recall("0:640x360"))
            (stage.folder / "displays.json").unlink()
        assert kept[0] is not None and kept[0].mesh is not None
        assert kept[0] == kept[1]

    def test_each_display_has_its_own_and_the_card_is_on_all(self, stage: Stage) -> None:
        values: list[dict[str, Any]] = []
        paper = stage.run(
            self.put(stage, edge_left_1=0.3, mesh_1="3x3", test_card_1=True),
            lambda: values.append(stage.wall.values()),
            displays=self.displays, overlap=0.2,
        )  # fmt: skip
        (right,) = paper.others
        assert right.lain[-1].edges == pytest.approx((0.3, 0, 0, 0))
        assert len(right.lain[-1].mesh or ()) == 3
        assert paper.lain[-1].edges == pytest.approx((0, 0, 0.2, 0))
        assert paper.pictures[-1].max() > 0 < right.pictures[-1].max()
        assert set(values[0]) == {f"wall/{number}/{one}" for number in (0, 1) for one in SETTINGS}
        assert values[0]["wall/0/edge_right"] == pytest.approx(0.2), "which the overlap makes"
        assert values[0]["wall/1/mesh"] == "3x3"
        assert stage.wall.values() == {}, "the window has closed"

    def test_what_was_set_can_be_taken_back(self, stage: Stage) -> None:
        paper = stage.run(
            *(self.put(stage, edge_left_0=width) for width in (0.1, 0.2, 0.3)),
            self.put(stage, mesh_0="3x3"),
            self.act(stage, "undo"), self.act(stage, "undo"), self.act(stage, "redo"),
            self.act(stage, "redo"), self.act(stage, "reset"), self.act(stage, "undo"),
        )  # fmt: skip
        left = [lain.edges[0] for lain in paper.lain if lain.edges]
        assert left == [0, 0.1, 0.2, 0.3, 0.3, 0.3, 0, 0.3, 0.3, 0.3, 0.3], "a fader's way is one"
        sides = [len(lain.mesh or "12") for lain in paper.lain]
        assert sides == [2, 2, 2, 2, 3, 2, 2, 2, 3, 2, 3]

    def test_a_fader_that_rested_begins_another_change(self, stage: Stage) -> None:
        stage.monkeypatch.setattr("livedream.present.live.display._ONE_CHANGE_S", 0.0)
        paper = stage.run(
            *(self.put(stage, gamma_0=gamma) for gamma in (1.5, 2.0)), self.act(stage, "undo")
        )
        assert [lain.gamma for lain in paper.lain] == [1, 1.5, 2.0, 1.5]

    def test_what_cannot_be_is_refused_and_changes_nothing(self, stage: Stage) -> None:
        with pytest.raises(SettingsError, match="wall: no window is open"):
            stage.wall.set("wall/0/mesh", "3x3")
        refused: list[str] = []

        def wrong() -> None:
            for name, value in (
                ("wall/0/mesh", "4x4"), ("wall/0/edge_left", 0.7), ("wall/0/gamma", 9.0),
                ("wall/2/gamma", 1.0), ("wall/0/gama", 1.0), ("wall/-1/gamma", 1.0),
                ("wall/0/test_card", "yes"),
            ):  # fmt: skip
                with pytest.raises(SettingsError) as raised:
                    stage.wall.set(name, value)
                refused.append(str(raised.value))
            with pytest.raises(SettingsError, match="wall: no 'explode'"):
                stage.wall.act("wall/explode")

        paper = stage.run(self.put(stage, edge_right_0=0.5), wrong, press("tab"))
        assert refused == [
            "mesh: must be one of 2x2, 3x3, 5x5, 9x9 (got '4x4')",
            "edges: must be left,top,right,bottom, two facing ones up to 1 (got 0.7,0,0.5,0)",
            "gamma: must be 0.2 to 5 (got 9)",
            "wall: display: must be one of 0 (got '2')",
            "wall: no 'gama'; did you mean gamma?",
            "wall: display: must be one of 0 (got '-1')",
            "test_card: must be yes or no (got 'yes')",
        ]
        assert paper.lain[-1] == paper.lain[-2]

    def test_two_who_set_facing_edges_at_once_end_nothing(self, stage: Stage) -> None:
        paper = stage.run(self.put(stage, edge_left_0=0.7, edge_right_0=0.6), press("tab"))
        assert [lain.edges for lain in paper.lain[1:]] == [(0.7, 0, 0, 0)] * 2
        assert any("edges: must be" in text for text in paper.said[-1])

    def test_others_are_told_and_who_did_it(self, stage: Stage) -> None:
        heard: list[tuple[dict[str, Any], str]] = []
        stage.wall.listen(lambda values, origin: heard.append((dict(values), origin)))
        stage.run(
            lambda: stage.wall.set("wall/edge_top", 0.25, origin="osc"),
            lambda: stage.wall.set("wall/0/edge_top", 0.25, origin="osc"),  # as it is
            press("f12"), press("tab"),
        )  # fmt: skip
        first, *rest = heard
        assert set(first[0]) == {f"wall/0/{one}" for one in SETTINGS}
        assert rest == [
            ({"wall/0/edge_top": 0.25}, "osc"), ({"wall/0/test_card": True}, ""), ({}, "")
        ]  # fmt: skip

    def test_what_cannot_be_kept_is_said(self, stage: Stage) -> None:
        faults: list[str] = []

        def full(*_: object, **__: object) -> None:
            raise SettingsError("displays.json cannot be written (disk full)")

        def look() -> None:
            faults.extend(one.fault for one in stage.wall.displays)

        memory = "livedream.present.live.display_memory.write_whole"
        stage.run(
            lambda: stage.monkeypatch.setattr(memory, full), self.put(stage, gamma_0=2.0), look
        )
        stage.monkeypatch.setattr(memory, write_whole)
        stage.run(self.act(stage, "save"), look)
        assert faults == ["displays.json cannot be written (disk full)", ""]
        assert stage.memory.recall("0:640x360") == Placement(), "written down, if nothing was set"


class TestCard:
    def test_it_comes_and_goes_through_mesh_and_edges(self, stage: Stage) -> None:
        mesh = (((0.1, 0.0), (1.0, 0.0)), ((0.0, 1.0), (1.0, 1.0)))
        stage.memory.keep("0:640x360", Placement(mesh=mesh, edges=(0.1, 0, 0, 0)))
        paper = stage.run(press("f12"), press("tab"), press("escape"))
        shown = [picture.max() > 0 for picture in paper.pictures]
        assert shown == [False, True, True, False]
        assert paper.pictures[1] is paper.pictures[2]  # drawn once
        assert replace(paper.lain[1], crop=paper.lain[0].crop) == paper.lain[0]
        assert stage.run(card=True).pictures[0].max() > 0

    def test_it_lies_as_the_picture_does(self, stage: Stage) -> None:
        stage.memory.keep("0:640x360", Placement(crop=(0.0, 0.0, 0.25, 1.0)))
        paper = stage.run(press("f12"))
        assert paper.pictures[1].shape[:2] == (360, 160)
        assert paper.lain[1].crop is None


def test_what_was_kept_and_makes_no_sense_ends_it_at_once(tmp_path: Path) -> None:
    (tmp_path / "displays.json").write_text('{"0:640x360": {"mesh": [[1]]}}')
    with pytest.raises(SettingsError, match=r"displays\.json: display 0:640x360: "):
        Window(
            WindowOptions(settings_folder=tmp_path), LiveParameters(DreamSettings()), StatusBoard()
        )


class TestFigures:
    def test_a_projection_starts_clean_and_remembers(self, stage: Stage) -> None:
        assert figures_shown(stage.run(press("tab"), fullscreen=True)) == [False, False]
        assert figures_shown(stage.run(press("h"), fullscreen=True)) == [False, True]
        assert figures_shown(stage.run(fullscreen=True)) == [True]
        assert figures_shown(stage.run(press("h"), fullscreen=True)) == [True, False]
        assert figures_shown(stage.run(fullscreen=True)) == [False]

    def test_a_window_shows_them_and_going_fullscreen_takes_them_away(self, stage: Stage) -> None:
        assert figures_shown(stage.run(press("f"), press("f"))) == [True, False, True]

    def test_what_is_asked_for_on_the_command_line_counts(self, stage: Stage) -> None:
        assert figures_shown(stage.run(fullscreen=True, hud=True)) == [True]
        assert figures_shown(stage.run(hud=False)) == [False]

    def test_the_figures_do_not_lose_the_placement(self, stage: Stage) -> None:
        placed = Placement(mirror=True)
        stage.memory.keep("0:640x360", placed)
        stage.run(press("h"), fullscreen=True)
        assert stage.memory.recall("0:640x360") == placed


class TestPresetChange:
    def line(self, paper: Paper, number: int) -> list[str]:
        return [text for text in paper.said[number] if "Ink" in text]

    def test_it_is_named_in_a_window(self, stage: Stage) -> None:
        paper = stage.run(lambda: stage.show.preset("ink"), press("tab"), hud=False)
        assert self.line(paper, -1) == ["Ink"]

    def test_the_figures_name_it_too_and_the_program(self, stage: Stage) -> None:
        paper = stage.run(
            lambda: (stage.show.program("aviary"), stage.show.preset("ink")), press("tab")
        )
        steps = len(stage.show.running_program.steps)  # type: ignore[union-attr]
        assert any(f"1 of {steps}" in text for text in self.line(paper, -1))
        assert len(self.line(paper, -1)) == 2

    def test_a_clean_projection_stays_clean(self, stage: Stage) -> None:
        paper = stage.run(lambda: stage.show.preset("ink"), press("tab"), fullscreen=True)
        assert paper.said[-1] == []
