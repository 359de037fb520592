"""The window's keys, figures and notices, on a screen that only writes down what it is shown."""

import logging
import os
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from livedream.control.keys import Keys
from livedream.control.live_parameters import LiveParameters
from livedream.control.presets import Presets
from livedream.control.show import Show
from livedream.core.errors import SinkError
from livedream.core.health import Health, StatusBoard
from livedream.core.latest_slot import LatestSlot
from livedream.core.settings import DreamSettings
from livedream.present.live import LiveFrame, window
from livedream.present.live.hud import Hud
from livedream.present.live.hud_paint import Painter, import_pygame
from livedream.present.live.placement import DisplayMemory, Placement, Quad
from livedream.present.live.screen import WindowOptions
from livedream.present.live.window import Window

SIZE = (640, 360)
BLACK = LiveFrame(np.zeros((*SIZE[::-1], 3), np.uint8), 0.0, 0)
WHOLE = [(0, 0), (640, 0), (640, 360), (0, 360)]


class Paper:
    """Stands for `Screen`. Each picture shown is a line in `seen`, then the next step is done."""

    def __init__(self, steps: Sequence[Callable[[], object]], stop: threading.Event) -> None:
        self.steps, self.stop = list(steps), stop
        self.seen: list[list[tuple[float, float]]] = []
        self.words: list[tuple[Any, str]] = []  # painted, and on which surface
        self.said: list[list[str]] = []  # the words over each picture
        self.size, self.display, self.display_key = SIZE, 0, "0:640x360"
        self.fullscreen = False

    def opened(self, options: WindowOptions, picture: tuple[int, int]) -> "Paper":
        self.pygame = import_pygame()
        self.pygame.display.init()
        self.fullscreen = options.fullscreen
        return self

    def to_px(self, x: float, y: float) -> tuple[float, float]:
        return x, y

    def set_fullscreen(self, on: bool) -> None:
        self.fullscreen = on

    def show_cursor(self, on: bool) -> None: ...

    def show(self, rgb: Any, quad: Quad, table: Any, overlays: list[Any]) -> None:
        self.seen.append([(round(x), round(y)) for x, y in quad.tolist()])
        over = [overlay.surface for overlay in overlays]
        self.said.append([text for surface, text in self.words if any(surface is o for o in over)])
        if not self.steps:
            self.stop.set()
            return
        self.steps.pop(0)()

    def close(self) -> None:
        self.pygame.display.quit()


class Stage:
    """A window on paper, its keys in the test's hands."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setitem(os.environ, "SDL_VIDEODRIVER", "dummy")
        self.folder, self.monkeypatch = folder, monkeypatch
        self.parameters = LiveParameters(DreamSettings())
        self.show = Show(self.parameters, Presets(folder / "presets"))
        self.memory = DisplayMemory(folder)

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

        def line(painter: Painter, text: str) -> Any:
            surface = paint_line(painter, text)
            paper.words.append((surface, text))
            return surface

        self.monkeypatch.setattr(Painter, "hud", hud)
        self.monkeypatch.setattr(Painter, "line", line)
        slot = self.slot = LatestSlot[LiveFrame]()
        slot.put(BLACK)
        shown = Window(
            WindowOptions(settings_folder=self.folder, **options),
            self.parameters, StatusBoard(), keys=Keys(self.show),
        )  # fmt: skip
        shown.run(slot, stop)
        self.monkeypatch.setattr(Painter, "hud", paint_hud)
        self.monkeypatch.setattr(Painter, "line", paint_line)
        return paper


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
    seen: list[Health] = []

    def plug_in() -> None:
        deadline = time.monotonic() + 20
        while not stop.is_set() and time.monotonic() < deadline:
            slot.put(LiveFrame(np.zeros((90, 160, 3), np.uint8), 0.0, 0))
            health = shown.health()
            if not seen or seen[-1].state != health.state:
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


def press(name: str, shift: bool = False) -> Callable[[], object]:
    def step() -> None:
        pygame = import_pygame()
        pygame.event.post(
            pygame.event.Event(
                pygame.KEYDOWN, key=pygame.key.key_code(name), unicode="",
                mod=pygame.KMOD_LSHIFT if shift else 0,
            )
        )  # fmt: skip

    return step


def mouse(kind: str, x: int, y: int) -> Callable[[], object]:
    def step() -> None:
        pygame = import_pygame()
        pygame.event.post(pygame.event.Event(getattr(pygame, kind), pos=(x, y), button=1))

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
        assert kept is not None and kept.pin is not None

    def test_corners_left_and_taken_up_again_can_still_be_undone(self, stage: Stage) -> None:
        paper = stage.run(press("f2"), press("down"), press("f2"), press("f2"), press("backspace"))
        assert paper.seen[4][0] == (0, 1)
        assert paper.seen[5] == WHOLE

    def test_they_stay_while_the_display_is_gone(self, stage: Stage) -> None:
        def unplug() -> None:
            stage.slot.put(BLACK)
            raise SinkError("no display")

        stage.monkeypatch.setattr(window, "FIRST_WAIT_S", 0.0)
        placed = Placement(mirror=True)
        paper = stage.run(press("f2"), press("right"), press("down"), unplug, placement=placed)
        assert paper.seen[-1] == paper.seen[3]
        assert (1, 1) in paper.seen[-1]


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
