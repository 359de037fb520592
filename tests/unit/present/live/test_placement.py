"""Where the picture lies: fitted, turned, mirrored, pinned; and that it stays there."""

from pathlib import Path

import numpy as np
import pytest

from livedream.core.errors import SettingsError
from livedream.core.frame import Picture
from livedream.present.live.placement import (
    UNIT,
    CornerPin,
    DisplayMemory,
    Placement,
    corners,
    homography,
    outline,
    painted,
    through,
    tone_table,
)
from livedream.present.live.screen import window_options

COLOURS = np.array([(255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 255)], np.uint8)


def quarters() -> Picture:
    """Red, green above; white, blue below: clockwise from the top left red, green, blue, white."""
    picture = np.zeros((90, 160, 3), np.uint8)
    picture[:45, :80], picture[:45, 80:] = COLOURS[0], COLOURS[1]
    picture[45:, 80:], picture[45:, :80] = COLOURS[2], COLOURS[3]
    return picture


def shown(placement: Placement, window: tuple[int, int] = (320, 180)) -> Picture:
    return painted(quarters(), corners(placement, (160, 90), window), window)


def order(picture: Picture) -> list[int]:
    """Which colour is seen at each corner, clockwise from the top left."""
    height, width = picture.shape[:2]
    places = [(0.4, 0.4), (0.6, 0.4), (0.6, 0.6), (0.4, 0.6)]
    found = [picture[round(y * height), round(x * width)] for x, y in places]
    return [int(np.abs(COLOURS.astype(int) - f).sum(1).argmin()) for f in found]


@pytest.mark.parametrize(
    ("placement", "wanted"),
    [
        (Placement(), [0, 1, 2, 3]),
        (Placement(mirror=True), [1, 0, 3, 2]),
        (Placement(turn=90), [3, 0, 1, 2]),
        (Placement(turn=180), [2, 3, 0, 1]),
        (Placement(turn=270), [1, 2, 3, 0]),
        (Placement(turn=90, mirror=True), [2, 1, 0, 3]),
    ],
)
def test_turns_and_mirrors(placement: Placement, wanted: list[int]) -> None:
    assert order(shown(placement)) == wanted


def test_a_picture_of_the_windows_size_is_untouched() -> None:
    np.testing.assert_array_equal(shown(Placement(), (160, 90)), quarters())


@pytest.mark.parametrize(
    ("fit", "turn", "wanted"),
    [
        ("contain", 0, [(0, 55), (200, 55), (200, 168), (0, 168)]),
        ("cover", 0, [(-99, 0), (299, 0), (299, 224), (-99, 224)]),
        ("stretch", 0, [(0, 0), (200, 0), (200, 224), (0, 224)]),
        ("contain", 90, [(37, 0), (163, 0), (163, 224), (37, 224)]),
    ],
)
def test_fits(fit: str, turn: int, wanted: list[tuple[int, int]]) -> None:
    quad = outline(Placement(fit=fit, turn=turn), (160, 90), (200, 224))
    np.testing.assert_allclose(quad, wanted, atol=1)


def test_pinned_corners_are_where_they_were_put() -> None:
    pin = ((0.1, 0.2), (0.9, 0.05), (0.95, 0.9), (0.2, 0.8))
    window = (400, 300)
    picture = shown(Placement(pin=pin), window)
    assert order(picture) == [0, 1, 2, 3]
    quad = np.array(pin) * window
    middle = quad.mean(axis=0)
    for corner, colour in zip(quad, COLOURS, strict=True):
        inside = np.round(corner + (middle - corner) * 0.08).astype(int)
        outside = np.round(corner - (middle - corner) * 0.08).astype(int)
        assert np.abs(picture[inside[1], inside[0]].astype(int) - colour).max() < 30
        assert picture[outside[1], outside[0]].max() == 0


def test_the_mesh_of_the_card_and_the_cpu_agree() -> None:
    """Points that the card's mesh goes through are those of the exact perspective."""
    quad = np.array([(40, 60), (360, 15), (380, 270), (80, 240)], np.float64)
    np.testing.assert_allclose(through(homography(quad), UNIT), quad, atol=1e-3)


@pytest.mark.parametrize("wrong", [{"fit": "squeeze"}, {"turn": 45}, {"gamma": 0.0}])
def test_out_of_range(wrong: dict[str, object]) -> None:
    with pytest.raises(SettingsError, match="must be"):
        Placement(**wrong)  # type: ignore[arg-type]


def test_crossing_corners_are_refused() -> None:
    with pytest.raises(SettingsError, match="cross"):
        Placement(pin=((0, 0), (1, 1), (1, 0), (0, 1)))


def test_tones() -> None:
    assert tone_table(Placement()) is None
    table = tone_table(Placement(gamma=2.0))
    assert table is not None
    assert (table[0], table[255]) == (0, 255)
    assert table[64] == pytest.approx(255 * (64 / 255) ** 0.5, abs=1)
    half = tone_table(Placement(brightness=0.5))
    assert half is not None
    assert half[255] == 128


class TestDragging:
    window = (400, 300)

    def test_drag_and_release(self) -> None:
        pin = CornerPin(Placement(fit="stretch"), (160, 90))
        assert pin.grab(395, 4, self.window)
        pin.drag(350, 40, self.window)
        pin.release()
        pin.drag(10, 290, self.window)
        assert pin.chosen == 1
        assert pin.placement.pin == ((0, 0), (350 / 400, 40 / 300), (1, 1), (0, 1))

    def test_nothing_is_grabbed_in_the_middle(self) -> None:
        pin = CornerPin(Placement(), (160, 90))
        assert not pin.grab(200, 150, self.window)
        pin.drag(0, 0, self.window)
        assert pin.placement.pin is None

    def test_keys_move_the_chosen_corner(self) -> None:
        pin = CornerPin(Placement(fit="stretch"), (160, 90))
        pin.next()
        pin.nudge(-10, 3, self.window)
        np.testing.assert_allclose(pin.quad(self.window)[1], (390, 3))
        pin.reset()
        assert pin.placement.pin is None

    def test_the_picture_is_never_folded(self) -> None:
        pin = CornerPin(Placement(fit="stretch"), (160, 90))
        assert pin.grab(0, 0, self.window)
        pin.drag(390, 290, self.window)
        assert pin.placement.pin is None
        for x, y in np.random.default_rng(0).uniform(-300, 700, (200, 2)):
            pin.drag(x, y, self.window)
            Placement(pin=pin.placement.pin)  # raises when it is folded


class TestMemory:
    kept = Placement("cover", 90, True, 1.2, 0.9, ((0.1, 0), (1, 0), (1, 1), (0, 1)))

    def test_each_display_has_its_own(self, tmp_path: Path) -> None:
        memory = DisplayMemory(tmp_path / "new")
        assert memory.recall("0:1920x1080") is None
        memory.keep("0:1920x1080", self.kept)
        memory.keep("1:800x600", Placement())
        assert memory.recall("0:1920x1080") == self.kept
        assert memory.recall("1:800x600") == Placement()

    def test_it_is_kept_where_the_users_files_are(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("LIVEDREAM_HOME", str(tmp_path))
        DisplayMemory().keep("0", self.kept)
        assert (tmp_path / "displays.json").is_file()

    @pytest.mark.parametrize(
        "text", ["", "[]", '{"0": 3}', '{"0": {"turn": 45}}', '{"0": {"pin": [1]}}']
    )
    def test_damage_is_left_out(self, tmp_path: Path, text: str) -> None:
        memory = DisplayMemory(tmp_path)
        memory.path.write_text(text)
        assert memory.recall("0") is None
        memory.keep("0", self.kept)
        assert memory.recall("0") == self.kept


def test_window_options() -> None:
    options = window_options("window?fullscreen=1&display=2&turn=90&gamma=1.2&size=800x450")
    assert (options.fullscreen, options.display) == (True, 2)
    assert (options.width, options.height) == (800, 450)
    assert options.placement == Placement(turn=90, gamma=1.2)
    assert window_options("window", fullscreen=True).placement is None
    assert [window_options(f"window{o}").hud for o in ("", "?hud=0", "?hud=1")] == [
        None, False, True,
    ]  # fmt: skip
    for wrong in ("window?turn=45", "window?siz=1x1", "window?size=0x4", "window:x"):
        with pytest.raises(SettingsError):
            window_options(wrong)
