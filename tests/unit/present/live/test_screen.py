"""What a window may be told, and that a graphics card shows what OpenCV would."""

import os
from collections.abc import Iterator
from typing import Any

import cv2
import numpy as np
import pytest

from livedream.core.errors import SettingsError, SinkError
from livedream.core.frame import Picture
from livedream.present.live import desktop
from livedream.present.live.desktop import Desktop, start_video, stop_video
from livedream.present.live.mapping import Mapping
from livedream.present.live.mesh import places_of, with_side
from livedream.present.live.placement import Four, Placement
from livedream.present.live.screen import Screen, WindowOptions, window_options
from livedream.present.live.wall import Area


def test_window_options() -> None:
    options = window_options("window?fullscreen=1&display=2&turn=90&gamma=1.2&size=800x450")
    assert (options.fullscreen, options.displays) == (True, (Area(2),))
    assert (options.width, options.height) == (800, 450)
    assert options.placing == {"turn": 90, "gamma": 1.2}
    assert not window_options("window", fullscreen=True).placing
    wall = window_options("window?display=0:64x36+0+0,0:64x36+64+9&overlap=0.1", display="3")
    assert wall.displays == (Area(0, (64, 36, 0, 0)), Area(0, (64, 36, 64, 9)))
    assert wall.overlap == 0.1
    assert window_options("window?crop=0,0,.5,1&mask=stage&edge_gamma=1.8").placing == {
        "crop": (0, 0, 0.5, 1), "mask": "stage", "edge_gamma": 1.8,
    }  # fmt: skip
    assert [window_options(f"window{o}").hud for o in ("", "?hud=0", "?hud=1")] == [
        None, False, True,
    ]  # fmt: skip
    for wrong in (
        "window?turn=45", "window?siz=1x1", "window?size=0x4", "window:x", "window?display=x",
        "window?crop=0,1", "window?crop=0,0,2,1", "window?edges=a,b,c,d", "window?overlap=0.6",
        "window?mask=a/b", "window?display=0,0",
    ):  # fmt: skip
        with pytest.raises(SettingsError):
            window_options(wrong)


@pytest.fixture
def video(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """SDL's driver that draws for nobody, by OpenGL: Mesa's where there is no card."""
    for name, value in (
        ("SDL_VIDEODRIVER", "offscreen"),
        ("SDL_RENDER_DRIVER", "opengl,opengles2"),
        ("LIBGL_ALWAYS_SOFTWARE", "1"),
    ):
        monkeypatch.setitem(os.environ, name, value)
    try:
        start_video()
    except SinkError as error:
        pytest.skip(f"no OpenGL here: {error}")
    yield
    stop_video()


@pytest.mark.usefixtures("video")
def test_a_projection_is_whole_when_it_is_first_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    import pygame

    seen: list[tuple[int, int]] = []

    class Noted(pygame.Window):
        def __init__(self, *told: Any, hidden: bool = False, **more: Any) -> None:
            super().__init__(*told, hidden=hidden, **more)
            if not hidden:
                seen.append(self.size)

        def show(self) -> None:
            seen.append(self.size)
            super().show()

    monkeypatch.setattr(pygame, "Window", Noted)
    part = Area(0, (64, 36, 8, 8))
    Screen(WindowOptions(fullscreen=True), (16, 9), part).close()
    assert seen == [(64, 36)]


def drawn(rgb: Picture, placement: Placement) -> tuple[Picture, Mapping]:
    """By OpenGL, and the mapping that OpenCV would paint by."""
    size = (rgb.shape[1], rgb.shape[0])
    options = WindowOptions(renderer="gpu", width=320, height=180)
    screen = Screen(options, size, Area())
    try:
        screen.draw(rgb, placement, [])
        return screen.picture(), Mapping(placement, size, screen.size)
    finally:
        screen.close()


@pytest.mark.usefixtures("video")
@pytest.mark.parametrize(
    ("area", "complaint"),
    [
        (Area(7), "must be 0 to 0"),
        (Area(0, (9999, 90, 0, 0)), r"inside \d+x\d+ \(got 9999x90\+0\+0"),
    ],
)
def test_a_display_that_is_not_there(area: Area, complaint: str) -> None:
    with pytest.raises(SinkError, match=complaint):
        Desktop((area,))
    wall = Desktop((Area(), area))
    assert wall.there == (Area(),)
    assert len(wall.missing) == 1
    assert Desktop((area, Area())).numbered == ((1, Area()),)


@pytest.mark.usefixtures("video")
def test_displays_that_become_others(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(desktop, "_LOOK_S", -1.0)
    found = Desktop((Area(),))
    found.check()
    monkeypatch.setattr(desktop, "_monitors", lambda: ((0, 0, 800, 600), (800, 0, 640, 480)))
    with pytest.raises(SinkError, match=r"changed .800x600\+0\+0, 640x480\+800\+0"):
        found.check()


@pytest.mark.parametrize("side", [2, 3])
@pytest.mark.parametrize("edges", [None, (0.2, 0.0, 0.1, 0.3)])
@pytest.mark.usefixtures("video")
def test_card_and_opencv_show_the_same_picture(side: int, edges: Four | None) -> None:
    points = with_side(np.array([[(0.1, 0.1), (0.9, 0.05)], [(0.05, 0.9), (0.95, 0.95)]]), side)
    if side == 3:
        points[1, 1] += (0.03, -0.04)
    mesh = tuple(tuple((float(x), float(y)) for x, y in row) for row in points)
    small = np.random.default_rng(0).uniform(0, 255, (9, 16, 3)).astype(np.float32)
    smooth = cv2.resize(small, (160, 90), interpolation=cv2.INTER_CUBIC)
    rgb = np.clip(smooth, 0, 255).astype(np.uint8)
    found, mapping = drawn(rgb, Placement(mesh=mesh, edges=edges))
    places = places_of(mapping.points, mapping.window)
    inside = ((places > 0.01) & (places < 0.99)).all(axis=0)
    away = np.abs(found.astype(int) - mapping.paint(rgb))[inside]
    assert inside.sum() > 30_000
    assert found[inside].std() > 20
    assert away.max() <= 2
