"""One display of a wall: its window, how the picture lies in it, and the moving of its mesh."""

import time
from collections import deque
from collections.abc import Callable
from dataclasses import replace
from typing import Any, Final

import cv2

from livedream.core.frame import Picture
from livedream.present.live.card import draw_card
from livedream.present.live.display_memory import DisplayMemory
from livedream.present.live.hud_paint import Panels, import_pygame
from livedream.present.live.mesh_editor import MeshEditor
from livedream.present.live.placement import WHOLE, Four, Placement
from livedream.present.live.screen import Screen
from livedream.present.live.wall_control import DisplayState, part_of

_MOST_UNDO: Final = 200
_ONE_CHANGE_S: Final = 1.0  # heuristic: a fader that rests for so long begins another change
_GRID: Final = ((200, 200, 200), (94, 200, 190))  # lines, frame


class Display:
    """Draws, keeps what was set, and can take it back.

    number: its place in `--display`.  placement: what to begin with.  key: of the display that
    the placement is for, also once that is gone.
    say: shows a line to whoever is at the keys.

    What keys do and what comes from elsewhere is the same: `set` and `act`.
    """

    def __init__(
        self,
        screen: Screen,
        number: int,
        memory: DisplayMemory,
        say: Callable[[str], None],
        placement: Placement,
    ) -> None:
        self.screen, self.panels, self.number = screen, Panels(), number
        self.editor: MeshEditor | None = None  # while the mesh is moved
        self._memory, self._say = memory, say
        self._picture = screen.size  # (w, h) px
        self._fault = ""
        self._share: tuple[Four, Four] = WHOLE, (0.0, 0.0, 0.0, 0.0)
        self._lies: tuple[Any, Placement] = (None, Placement())
        self._card: tuple[Any, Picture | None] = (None, None)
        self.recall(placement)

    def recall(self, placement: Placement) -> None:
        """Begin with this placement, on the display where the screen is now."""
        self.key = self.screen.display_key
        self.placement = self._kept = placement
        self._undo: deque[Placement] = deque(maxlen=_MOST_UNDO)
        self._redo: list[Placement] = []
        self._set, self._set_s = "", 0.0  # what was set last, and when

    @property
    def size(self) -> tuple[int, int]:
        """(w, h) px as it hangs: a display on its side is as wide as its window is high."""
        width, height = self.screen.size
        return (width, height) if self.placement.turn in (0, 180) else (height, width)

    def draw(self, rgb: Picture, share: tuple[Four, Four], *, card: bool) -> None:
        """Draw the picture or the test card, and the panels.

        share: crop and edges where the placement names none.
        """
        self._share, self._picture = share, (rgb.shape[1], rgb.shape[0])
        lie = self._lie()
        if card:
            rgb, lie = self._card_for(rgb, lie), replace(lie, crop=None)
        elif self.editor is not None:
            rgb = with_grid(rgb, lie.crop or WHOLE)
        self.screen.draw(rgb, lie, self.panels.overlays())

    def _lie(self) -> Placement:
        key = self.placement, self._share
        if self._lies[0] != key:
            crop, edges = self.placement.crop or key[1][0], self.placement.edges or key[1][1]
            self._lies = key, replace(self.placement, crop=crop, edges=edges)
        return self._lies[1]

    def _card_for(self, rgb: Picture, lie: Placement) -> Picture:
        height, width = rgb.shape[:2]
        size, crop = self.size, lie.crop or WHOLE
        shown = width * crop[2], height * crop[3]
        scale = min(size[0] / shown[0], size[1] / shown[1])
        key = (round(shown[0] * scale), round(shown[1] * scale)), crop, width / height
        if self._card[0] != key:
            area = f"{shown[0]:.0f}x{shown[1]:.0f} of {width}x{height}"
            said = self.screen.name, f"{size[0]}x{size[1]} shows {area}"
            self._card = key, draw_card(*key, self.number, said)
        assert self._card[1] is not None, "just drawn"
        return self._card[1]

    # What is set, by keys or from elsewhere

    def state(self, *, test_card: bool) -> DisplayState:
        return DisplayState(
            self.number, self.screen.name, self._lie(), test_card, self.editor is not None,
            bool(self._undo), bool(self._redo), self._fault,
        )  # fmt: skip

    def set(self, setting: str, value: Any) -> None:
        """One of `wall_control.SETTINGS`, but the test card, which is every display's; None: soft
        edges as the overlap has them.

        Raises SettingsError for soft edges that lie over each other.
        """
        if setting == "move_points":
            self.editor = (self.editor or self._new_editor()) if value else None
            self.keep()
        elif setting == "mesh":
            editor = self.editor or self._new_editor()
            editor.set_side(int(value.partition("x")[0]), self.screen.size)
            self.placement = editor.placement
            self.keep()
        else:
            self.place(setting, **part_of(self._lie(), setting, value))

    def act(self, action: str) -> None:
        """One of `wall_control.ACTIONS`."""
        if action in ("undo", "redo"):
            self._step_back(again=action == "redo")
        elif action == "reset":
            self.place(mesh=None)
            self._say("mesh reset, Backspace undoes")
        else:
            self._fault = self._memory.keep(self.key, self.placement)
            self._say(self._fault or "saved")

    def _new_editor(self) -> MeshEditor:
        crop, (width, height) = self._lie().crop or WHOLE, self._picture
        return MeshEditor(self.placement, (width * crop[2], height * crop[3]))

    def mouse(self, event: Any) -> None:
        """What the mouse does to the mesh."""
        pygame, size = import_pygame(), self.screen.size
        if self.editor is None:
            return
        if event.type == pygame.MOUSEMOTION:
            self.editor.drag(*self.screen.to_px(*event.pos), size)
            self.placement = self.editor.placement
        elif event.type == pygame.MOUSEBUTTONDOWN and event.button == 1:
            self.editor.grab(*self.screen.to_px(*event.pos), size)
        elif event.type == pygame.MOUSEBUTTONUP and event.button == 1:
            self.editor.release()
            self.keep()

    def press(self, key: str, modifiers: int) -> bool:
        """What a key does to the mesh; False for nothing."""
        pygame, size, editor = import_pygame(), self.screen.size, self.editor
        if editor is None:
            return False
        shift, control = modifiers & pygame.KMOD_SHIFT, modifiers & pygame.KMOD_CTRL
        step = 10 if shift else 1
        moves = {"left": (-step, 0), "right": (step, 0), "up": (0, -step), "down": (0, step)}
        if key in moves:
            editor.nudge(*moves[key], size)
        elif key == "tab":
            editor.next(-1 if shift else 1)
        elif key == "g":
            editor.resize(-1 if shift else 1, size)
            self._say(f"{editor.side} x {editor.side} points")
        elif key == "backspace":
            self.act("reset" if shift else "redo" if control else "undo")
            return True
        else:
            return False
        self.placement = editor.placement
        self.keep()
        return True

    def _step_back(self, *, again: bool) -> None:
        """Undo the last change, or do again what was undone."""
        taken, given = (self._redo, self._undo) if again else (self._undo, self._redo)
        if not taken:
            self._say("nothing to redo" if again else "nothing to undo")
            return
        given.append(self._kept)
        self._lay(taken.pop())
        self._fault = self._memory.keep(self.key, self._kept)

    def _lay(self, placement: Placement) -> None:
        self.placement = self._kept = placement
        self._set = ""
        if self.editor is not None:
            self.editor.lay(placement)

    def place(self, setting: str = "", **changes: Any) -> None:
        """Change parts of the placement.  setting: by which; a fader's way is one change."""
        self.placement = replace(self.placement, **changes)
        if self.editor is not None:
            self.editor.lay(self.placement)
        self.keep(setting)

    def keep(self, setting: str = "") -> None:
        """Write down what was changed, and remember what was before."""
        if self.placement != self._kept:
            now_s = time.monotonic()
            goes_on = bool(setting) and setting == self._set and now_s - self._set_s < _ONE_CHANGE_S
            if not goes_on:
                self._undo.append(self._kept)
            self._set, self._set_s = setting, now_s
            self._redo.clear()
            self._kept = self.placement
            self._fault = self._memory.keep(self.key, self.placement)


def with_grid(rgb: Picture, crop: Four) -> Picture:
    """A copy of the picture with a frame and a grid of eighths in its part `crop`."""
    out = rgb.copy()
    size = (rgb.shape[1], rgb.shape[0]) * 2
    left, top, width, height = (round(part * side) for part, side in zip(crop, size, strict=True))
    area = out[top : top + height, left : left + width]
    for part in range(1, 8):
        x, y = round(width * part / 8), round(height * part / 8)
        cv2.line(area, (x, 0), (x, height - 1), _GRID[0], 1, cv2.LINE_AA)
        cv2.line(area, (0, y), (width - 1, y), _GRID[0], 1, cv2.LINE_AA)
    cv2.rectangle(area, (0, 0), (width - 1, height - 1), _GRID[1], 2)
    return out
