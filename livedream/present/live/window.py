"""The window and the projector: the one output that owns the main thread.

Its own keys are in `HELP`; all others go to the show.
"""

import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Any, Final, Protocol

import cv2

from livedream.core.errors import SinkError, reason
from livedream.core.frame import Picture
from livedream.core.health import Health, StatusBoard
from livedream.core.latest_slot import LatestSlot, SlotClosed
from livedream.core.snapshot import Snapshot
from livedream.core.supervisor import FaultLog
from livedream.present.live import LiveFrame
from livedream.present.live.hud_paint import FIGURES_S, Overlay, Panels, import_pygame
from livedream.present.live.placement import (
    CORNER_NAMES,
    FITS,
    CornerPin,
    DisplayMemory,
    Placement,
    corners,
    tone_table,
)
from livedream.present.live.screen import Screen, WindowOptions

_log = logging.getLogger(__name__)

FIRST_WAIT_S: Final = 1.0  # before a window is opened again; doubles, since system libraries...
_MOST_WAIT_S: Final = 15.0  # ...print a line of their own each time that there is no display
_WAIT_S: Final = 0.015  # for a frame, before looking at the keys again
_CURSOR_S: Final = 2.0  # the cursor hides after so long
_NOTICE_S: Final = 2.0  # a line about what a key did stays
_TONE_STEP: Final = 1.05
_MOST_UNDO: Final = 200

HELP: Final = (
    ("", "window"),
    ("F", "fullscreen on and off"),
    ("H", "figures on and off"),
    ("?", "this help"),
    ("F2", "corners: drag, or Tab and arrows"),
    ("Backspace", "while moving corners: undo; with Shift: reset"),
    ("F3, F4", "mirror, rotate a quarter turn"),
    ("F5, F6", "gamma down, up"),
    ("F7, F8", "brightness down, up"),
    ("F9, F10", "fit, next display"),
    ("Escape", "back"),
)


class KeyHandler(Protocol):
    """What keys mean to the show."""

    def press(self, key: str) -> bool:
        """Do what the key stands for, False when it stands for nothing. key: SDL's name."""

    def help(self) -> Sequence[tuple[str, str]]:
        """(keys, what they do)."""

    def playing(self) -> str:
        """The preset and the program in force, "" for none."""


class Peeked(Protocol):
    def peek(self) -> Snapshot: ...


class Window:
    """Shows frames until `stop` is set, or it is closed, which sets `stop` for everybody."""

    def __init__(
        self,
        options: WindowOptions,
        parameters: Peeked,
        status: StatusBoard,
        *,
        keys: KeyHandler | None = None,
    ) -> None:
        self._options = options
        self._status = status
        self._parameters = parameters
        self._keys = keys
        self._memory = DisplayMemory(options.settings_folder)
        self._asked = options.placement  # instead of the display's
        self._placement = self._asked or Placement()
        self._undo: deque[Placement] = deque(maxlen=_MOST_UNDO)
        self._kept = self._placement
        self._pin: CornerPin | None = None  # while corners are moved
        # By fullscreen: a projection is not covered unless somebody asked for it.
        self._hud = {False: options.hud is not False, True: options.hud is True}
        self._playing = ""
        self._help = False
        self._notice: tuple[str, float] | None = None
        self._moved_s = 0.0
        self._frame: LiveFrame | None = None
        self._frames = 0
        self._slot: LatestSlot[LiveFrame] | None = None
        self._faults = FaultLog(_log, "window")
        self._health = Health("window", "starting", since_s=time.monotonic())

    def health(self) -> Health:
        dropped = self._slot.dropped if self._slot else 0
        return replace(self._health, frames=self._frames, dropped=dropped)

    def run(self, slot: LatestSlot[LiveFrame], stop: threading.Event) -> None:
        """Show what comes into `slot`; returns when `stop` is set or the slot is closed.

        To be called from the main thread. Without a display it is lost, and tried again.
        """
        self._slot = slot
        self._pygame = import_pygame()
        wait_s = FIRST_WAIT_S
        while (first := self._wait_for_first(slot, stop)) is not None:
            self._frame = first
            try:
                self._open_and_show(first, slot, stop)
                return
            except Exception as error:  # a display may come back; the other outputs go on
                self._faults.failed(error, "is lost", traceback=not isinstance(error, SinkError))
                self._become("lost", reason(error))
            stop.wait(wait_s)
            wait_s = min(2 * wait_s, _MOST_WAIT_S)

    def _open_and_show(
        self, first: LiveFrame, slot: LatestSlot[LiveFrame], stop: threading.Event
    ) -> None:
        self._screen = Screen(self._options, (first.rgb.shape[1], first.rgb.shape[0]))
        try:
            self._recall(self._asked)
            self._panels = Panels()
            self._show(slot, stop)
        finally:
            self._asked = self._placement  # for when the display comes back
            self._screen.close()

    def _become(self, state: str, detail: str = "") -> None:
        health = self._health
        self._health = replace(
            health, state=state, detail=detail,
            since_s=health.since_s if state == health.state else time.monotonic(),
            reconnects=health.reconnects + (health.state == "lost" and state == "ok"),
        )  # fmt: skip

    def _wait_for_first(
        self, slot: LatestSlot[LiveFrame], stop: threading.Event
    ) -> LiveFrame | None:
        with suppress(SlotClosed):
            while not stop.is_set():
                if (frame := slot.get(0.1)) is not None:
                    return frame
        return None

    def _show(self, slot: LatestSlot[LiveFrame], stop: threading.Event) -> None:
        drawn_s = -1.0
        while not stop.is_set():
            changed = time.monotonic() - drawn_s > FIGURES_S  # also where no frame comes
            try:
                frame = slot.get(0 if changed else _WAIT_S)
            except SlotClosed:
                return
            for event in self._pygame.event.get():
                changed = True
                if event.type in (self._pygame.QUIT, self._pygame.WINDOWCLOSE):
                    stop.set()
                else:
                    self._handle(event)
            if frame is not None:
                self._frame, changed = frame, True
            if changed:
                self._draw()
                drawn_s = time.monotonic()
            if frame is not None:
                self._frames += 1
                if self._health.state != "ok":
                    if self._health.state == "starting":
                        _log.info("window is open")
                    self._become("ok")
                    self._faults.recovered("is back")

    # Drawing

    def _draw(self) -> None:
        assert self._frame is not None, "a frame came first"
        size = self._screen.size
        rgb = self._frame.rgb
        if self._pin is not None:
            rgb = with_grid(rgb)
        quad = corners(self._placement, (rgb.shape[1], rgb.shape[0]), size)
        self._screen.show(rgb, quad, tone_table(self._placement), self._overlays(size))
        idle = time.monotonic() - self._moved_s > _CURSOR_S
        self._screen.show_cursor(self._pin is not None or not (idle or self._screen.fullscreen))

    def _overlays(self, size: tuple[int, int]) -> list[Overlay]:
        now_s = time.monotonic()
        panels = self._panels
        panels.fit_window(size)
        hud = self._hud[self._screen.fullscreen]
        playing = self._keys.playing() if self._keys is not None else ""
        if playing != self._playing:
            self._playing = playing
            if playing and (hud or not self._screen.fullscreen):  # never over a clean projection
                self._say(playing)
        if hud and not self._help:
            status, asked = self._status.latest(), self._parameters.peek().dream.strength
            panels.hud(status, asked, now_s, playing)
        if self._help:
            panels.help(HELP if self._keys is None else (*HELP, ("", "show"), *self._keys.help()))
        if self._pin is not None:
            panels.handles(self._pin)
        text = self._line(now_s)
        if text:
            panels.line(text)
        return panels.overlays()

    def _line(self, now_s: float) -> str:
        if self._notice is not None and now_s < self._notice[1]:
            return self._notice[0]
        self._notice = None
        if self._pin is not None:
            name = CORNER_NAMES[self._pin.chosen]
            return f"{name}: drag or arrows, Tab next, Backspace undo, F2 done"
        return ""

    # Keys and mouse

    def _handle(self, event: Any) -> None:
        pygame, size = self._pygame, self._screen.size
        if event.type == pygame.KEYDOWN:
            self._press(pygame.key.name(event.key).lower(), event.unicode, event.mod)
        elif event.type == pygame.MOUSEMOTION:
            self._moved_s = time.monotonic()
            if self._pin is not None:
                self._pin.drag(*self._screen.to_px(*event.pos), size)
                self._placement = self._pin.placement
        elif event.type == pygame.MOUSEBUTTONDOWN and event.button == 1 and self._pin is not None:
            self._pin.grab(*self._screen.to_px(*event.pos), size)
        elif event.type == pygame.MOUSEBUTTONUP and event.button == 1 and self._pin is not None:
            self._pin.release()
            self._keep()

    def _press(self, key: str, typed: str, modifiers: int) -> None:
        if self._pin is not None and self._press_in_corners(key, modifiers):
            return
        own: dict[str, Callable[[], None]] = {
            "f": self._fullscreen,
            "f11": self._fullscreen,
            "h": self._toggle_hud,
            "f1": self._toggle_help,
            "f2": self._toggle_corners,
            "f3": lambda: self._place(mirror=not self._placement.mirror),
            "f4": lambda: self._place(turn=(self._placement.turn + 90) % 360),
            "f5": lambda: self._tone("gamma", 1 / _TONE_STEP),
            "f6": lambda: self._tone("gamma", _TONE_STEP),
            "f7": lambda: self._tone("brightness", 1 / _TONE_STEP),
            "f8": lambda: self._tone("brightness", _TONE_STEP),
            "f9": self._next_fit,
            "f10": self._next_display,
            "escape": self._back,
        }
        if typed == "?":
            self._toggle_help()
        elif key in own:
            own[key]()
        elif self._keys is not None:
            self._keys.press(key)

    def _press_in_corners(self, key: str, modifiers: int) -> bool:
        assert self._pin is not None, "corners are being moved"
        step = 10 if modifiers & self._pygame.KMOD_SHIFT else 1
        moves = {"left": (-step, 0), "right": (step, 0), "up": (0, -step), "down": (0, step)}
        if key in moves:
            self._pin.nudge(*moves[key], self._screen.size)
        elif key == "tab":
            self._pin.next()
        elif key == "backspace" and modifiers & self._pygame.KMOD_SHIFT:
            self._pin.reset()
            self._say("corners reset, Backspace undoes")
        elif key == "backspace":
            if not self._undo:
                self._say("nothing to undo")
                return True
            self._pin.placement = self._undo.pop()
            self._kept = self._pin.placement  # what is undone is not to be undone again
            self._memory.keep(self._screen.display_key, self._kept)
        else:
            return False
        self._placement = self._pin.placement
        self._keep()
        return True

    def _fullscreen(self) -> None:
        self._screen.set_fullscreen(not self._screen.fullscreen)

    def _toggle_hud(self) -> None:
        fullscreen = self._screen.fullscreen
        self._hud[fullscreen] = not self._hud[fullscreen]
        if fullscreen:
            self._memory.keep(self._screen.display_key, hud=self._hud[True])

    def _toggle_help(self) -> None:
        self._help = not self._help

    def _toggle_corners(self) -> None:
        if self._pin is not None:
            self._pin = None
            self._keep()
            return
        assert self._frame is not None, "a frame came first"
        shape = self._frame.rgb.shape
        self._pin = CornerPin(self._placement, (shape[1], shape[0]))

    def _back(self) -> None:
        if self._help:
            self._help = False
        elif self._pin is not None:
            self._toggle_corners()
        elif self._screen.fullscreen:
            self._fullscreen()
        else:
            self._say("close the window to quit")

    def _next_fit(self) -> None:
        self._place(fit=FITS[(FITS.index(self._placement.fit) + 1) % len(FITS)])
        self._say(f"fit: {self._placement.fit}")

    def _next_display(self) -> None:
        self._screen.move_to_display(self._screen.display + 1)
        self._pin = None
        self._recall()
        self._say(f"display {self._screen.display}")

    def _tone(self, name: str, factor: float) -> None:
        value = round(min(5.0, max(0.2, getattr(self._placement, name) * factor)), 3)
        self._place(**{name: value})
        self._say(f"{name} {value:.2f}")

    def _place(self, **changes: Any) -> None:
        self._placement = replace(self._placement, **changes)
        if self._pin is not None:
            self._pin.placement = self._placement
        self._keep()

    def _say(self, text: str) -> None:
        self._notice = text, time.monotonic() + _NOTICE_S

    def _recall(self, placement: Placement | None = None) -> None:
        """What was set for the display we are on; placement: one that was asked for instead."""
        key = self._screen.display_key
        self._placement = self._kept = placement or self._memory.recall(key) or Placement()
        self._undo.clear()
        if self._options.hud is None:
            self._hud[True] = self._memory.hud(key)

    def _keep(self) -> None:
        if self._placement != self._kept:
            self._undo.append(self._kept)
            self._kept = self._placement
            self._memory.keep(self._screen.display_key, self._placement)


def with_grid(rgb: Picture) -> Picture:
    """A copy of the picture with its frame and a grid of eighths, to see how it lies."""
    out = rgb.copy()
    height, width = rgb.shape[:2]
    for part in range(1, 8):
        x, y = round(width * part / 8), round(height * part / 8)
        cv2.line(out, (x, 0), (x, height - 1), (200, 200, 200), 1, cv2.LINE_AA)
        cv2.line(out, (0, y), (width - 1, y), (200, 200, 200), 1, cv2.LINE_AA)
    cv2.rectangle(out, (0, 0), (width - 1, height - 1), (94, 200, 190), 2)
    return out
