"""The windows and projectors: the one output that owns the main thread.

One frame goes to all displays of a wall in one turn: all are drawn, then all are shown. Their own
keys are in `HELP`, and what these set can be set from elsewhere by `wall_control`; all other keys
go to the show. A little longer than other files: all windows open, draw and close as one output.
"""

import logging
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Any, Final, Protocol

from livedream.core.errors import SettingsError, SinkError, reason
from livedream.core.health import Health, StatusBoard, while_busy
from livedream.core.latest_slot import LatestSlot, SlotClosed
from livedream.core.snapshot import Snapshot
from livedream.core.supervisor import FaultLog
from livedream.present.live import LiveFrame
from livedream.present.live.desktop import Desktop, start_video, stop_video
from livedream.present.live.display import Display
from livedream.present.live.display_memory import DisplayMemory
from livedream.present.live.hud_paint import FIGURES_S, import_pygame
from livedream.present.live.mapping import mask_for
from livedream.present.live.placement import FITS, HARD, WHOLE, Placement
from livedream.present.live.screen import Screen, WindowOptions
from livedream.present.live.wall import Area, shares
from livedream.present.live.wall_control import ACTIONS, SETTINGS, WallControl

_log = logging.getLogger(__name__)

FIRST_WAIT_S: Final = 1.0  # before a window is opened again; doubles, since system libraries...
_MOST_WAIT_S: Final = 15.0  # ...print a line of their own each time that there is no display
_WELL_S: Final = 15.0  # heuristic: who has shown for so long is not lost again at once
_WAIT_S: Final = 0.015  # for a frame, before looking at the keys again
_CURSOR_S: Final = 2.0  # the cursor hides after so long
_NOTICE_S: Final = 2.0  # a line about what a key did stays
_TONE_STEP: Final = 1.05

HELP: Final = (
    ("", "window"),
    ("F", "fullscreen on and off"),
    ("H", "stats on and off"),
    ("?", "this help"),
    ("F2", "corners and mesh: drag, or Tab and arrows"),
    ("G", "while moving them: more points; with Shift: fewer"),
    ("Backspace", "undo; with Ctrl: redo; with Shift: reset"),
    ("E", "gamma of soft edges up; with Shift: down"),
    ("F3, F4", "mirror, rotate a quarter turn"),
    ("F5, F6", "gamma down, up"),
    ("F7, F8", "brightness down, up"),
    ("F9, F10", "fit, next display"),
    ("F12", "test card"),
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
    """Shows frames until `stop` is set, or it is closed, which sets `stop` for everybody.

    wall: where the displays are set from elsewhere, None: nowhere.
    Raises SettingsError where what was kept for displays, or a mask, cannot be read.
    """

    def __init__(
        self,
        options: WindowOptions,
        parameters: Peeked,
        status: StatusBoard,
        *,
        keys: KeyHandler | None = None,
        wall: WallControl | None = None,
    ) -> None:
        self._wall = wall if wall is not None else WallControl()
        self._options = options
        self._status = status
        self._parameters = parameters
        self._keys = keys
        self._memory = DisplayMemory(options.settings_folder)
        if options.placing.get("mask"):
            mask_for(options.placing["mask"], (1, 1))
        self._displays: list[Display] = []
        self._chosen = 0  # the index of the display that keys are for, of those that are there
        self._before: dict[str, Placement] = {}  # by display key, for when a display comes back
        self._moved: Area | None = None  # where F10 has put the only window
        self._card = options.card
        # By fullscreen: a projection is not covered unless somebody asked for it.
        self._hud = {False: options.hud is not False, True: options.hud is True}
        self._playing, self._help = "", False
        self._notice: tuple[str, float] | None = None
        self._moved_s = 0.0
        self._frame: LiveFrame | None = None
        self._busy_s: float | None = None  # since when it draws
        self._frames = 0
        self._slot: LatestSlot[LiveFrame] | None = None
        self._faults = FaultLog(_log, "window")
        self._health = Health("window", "starting", since_s=time.monotonic())

    def health(self) -> Health:
        dropped = self._slot.dropped if self._slot else 0
        health = replace(self._health, frames=self._frames, dropped=dropped)
        return while_busy(health, self._busy_s)

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
                health = self._health
                if health.state == "ok" and time.monotonic() - health.since_s >= _WELL_S:
                    wait_s = FIRST_WAIT_S
                self._faults.failed(error, "is lost", traceback=not isinstance(error, SinkError))
                self._become("lost", reason(error))
            stop.wait(wait_s)
            wait_s = min(2 * wait_s, _MOST_WAIT_S)

    def _open_and_show(
        self, first: LiveFrame, slot: LatestSlot[LiveFrame], stop: threading.Event
    ) -> None:
        picture = first.rgb.shape[1], first.rgb.shape[0]
        start_video()
        try:
            desktop = self._desktop()
            for number, area in desktop.numbered:
                # One display paces all of them: each that waited would wait for its own beam.
                paced = area == desktop.there[-1]
                self._displays.append(self._open(number, area, picture, paced))
            self._recall_hud()
            self._show(slot, stop, desktop)
        finally:
            self._busy_s = None
            for display in self._displays:
                self._before[display.key] = display.placement
                display.screen.close()
            self._displays, self._chosen = [], 0
            self._wall.publish(())
            stop_video()

    def _desktop(self) -> Desktop:
        """Where F10 has put the window; while that display is gone, where it began."""
        if self._moved is not None:
            with suppress(SinkError):
                return Desktop((self._moved,))
        return Desktop(self._options.displays)

    def _open(self, number: int, area: Area, picture: tuple[int, int], paced: bool) -> Display:
        screen = Screen(self._options, picture, area, paced=paced)
        placement = self._before.get(screen.display_key) or self._placement(screen)
        return Display(screen, number, self._memory, self._say, placement)

    def _placement(self, screen: Screen) -> Placement:
        """What was kept for the display, and over it what the window was told."""
        kept = self._memory.recall(screen.display_key) or Placement()
        return replace(kept, **self._options.placing)

    def _at(self, number: int) -> Display:
        return next(display for display in self._displays if display.number == number)

    @property
    def _display(self) -> Display:
        return self._displays[self._chosen]

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

    def _show(self, slot: LatestSlot[LiveFrame], stop: threading.Event, desktop: Desktop) -> None:
        drawn_s = -1.0
        while not stop.is_set():
            desktop.check()
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
            for number, name, value in self._wall.take():
                changed = True
                self._set(self._at(number), name, value)
            if frame is not None:
                self._frame, changed = frame, True
            if changed:
                self._busy_s = time.monotonic()
                self._draw()
                self._busy_s = None
                drawn_s = time.monotonic()
            if frame is not None:
                self._frames += 1
                if self._health.state != "ok":
                    if self._health.state == "starting":
                        _log.info("window is open")
                    for fault in desktop.missing:
                        _log.warning("window: %s", fault)
                    self._become("ok", "; ".join(desktop.missing))
                    self._faults.recovered("is back")

    # Drawing

    def _draw(self) -> None:
        assert self._frame is not None, "a frame came first"
        rgb = self._frame.rgb
        self._lay_panels()
        parts = [(WHOLE, HARD)]
        if len(self._displays) > 1:
            sizes = [display.size for display in self._displays]
            parts = shares(sizes, self._options.overlap, (rgb.shape[1], rgb.shape[0]))
        for display, share in zip(self._displays, parts, strict=True):
            display.draw(rgb, share, card=self._card)
        states = (display.state(test_card=self._card) for display in self._displays)
        self._wall.publish(tuple(states), self._display.number)
        if len(self._displays) > 1:  # half a millisecond from one to the next, instead of eleven
            for display in self._displays:
                display.screen.finish()
        for display in self._displays:
            display.screen.present()
        idle = time.monotonic() - self._moved_s > _CURSOR_S
        editing = any(display.editor is not None for display in self._displays)
        self._display.screen.show_cursor(editing or not (idle or self._display.screen.fullscreen))

    def _lay_panels(self) -> None:
        now_s = time.monotonic()
        for display in self._displays:
            display.panels.fit_window(display.screen.size)
            if display.editor is not None:
                display.panels.handles(display.editor)
        panels, fullscreen = self._display.panels, self._display.screen.fullscreen
        hud = self._hud[fullscreen]
        playing = self._keys.playing() if self._keys is not None else ""
        if playing != self._playing:
            self._playing = playing
            if playing and (hud or not fullscreen):  # never over a clean projection
                self._say(playing)
        if hud and not self._help:
            status, asked = self._status.latest(), self._parameters.peek().dream.strength
            panels.hud(status, asked, now_s, playing)
        if self._help:
            panels.help(HELP if self._keys is None else (*HELP, ("", "show"), *self._keys.help()))
        text = self._line(now_s)
        if text:
            panels.line(text)

    def _line(self, now_s: float) -> str:
        if self._notice is not None and now_s < self._notice[1]:
            return self._notice[0]
        self._notice = None
        if self._display.editor is not None:
            name = self._display.editor.name()
            return f"{name}: drag or arrows, Tab next, G more, Backspace undo, F2 done"
        return ""

    # Keys and mouse

    def _handle(self, event: Any) -> None:
        pygame = self._pygame
        if event.type == pygame.KEYDOWN:
            self._press(pygame.key.name(event.key).lower(), event.unicode, event.mod)
        elif event.type in (pygame.MOUSEMOTION, pygame.MOUSEBUTTONDOWN, pygame.MOUSEBUTTONUP):
            self._moved_s = time.monotonic()
            window = getattr(event, "window", None)
            for index, display in enumerate(self._displays):
                if display.screen.is_window(window):
                    if event.type == pygame.MOUSEBUTTONDOWN:
                        self._chosen = index
                    display.mouse(event)
                    break

    def _press(self, key: str, typed: str, modifiers: int) -> None:
        display = self._display
        if display.press(key, modifiers):
            return
        down = bool(modifiers & self._pygame.KMOD_SHIFT)
        own: dict[str, Callable[[], None]] = {
            "f": self._fullscreen,
            "f11": self._fullscreen,
            "h": self._toggle_hud,
            "f1": self._toggle_help,
            "f2": lambda: display.set("move_points", display.editor is None),
            "f3": lambda: display.place(mirror=not display.placement.mirror),
            "f4": lambda: display.place(turn=(display.placement.turn + 90) % 360),
            "f5": lambda: self._tone("gamma", 1 / _TONE_STEP),
            "f6": lambda: self._tone("gamma", _TONE_STEP),
            "f7": lambda: self._tone("brightness", 1 / _TONE_STEP),
            "f8": lambda: self._tone("brightness", _TONE_STEP),
            "f9": self._next_fit,
            "f10": self._next_display,
            "f12": lambda: self._set(display, "test_card", not self._card),
            "escape": self._back,
        }
        if typed == "?":
            self._toggle_help()
        elif key in own:
            own[key]()
        elif key == "e":
            self._tone("edge_gamma", 1 / _TONE_STEP if down else _TONE_STEP)
        elif self._keys is not None:
            self._keys.press(key)

    def _fullscreen(self) -> None:
        on = not self._display.screen.fullscreen
        self._options = replace(self._options, fullscreen=on)  # for when they open again
        for display in self._displays:
            display.screen.set_fullscreen(on)

    def _toggle_hud(self) -> None:
        screen = self._display.screen
        self._hud[screen.fullscreen] = not self._hud[screen.fullscreen]
        if screen.fullscreen:
            self._memory.keep(screen.display_key, hud=self._hud[True])

    def _toggle_help(self) -> None:
        self._help = not self._help

    def _set(self, display: Display, name: str, value: Any) -> None:
        """A setting or an action of `wall_control`."""
        if name == "test_card":
            self._card = value
        elif name in ACTIONS:
            display.act(name)
        else:
            try:
                display.set(name, value)
            except SettingsError as error:  # it was right as the display was a turn before
                self._say(str(error))

    def _back(self) -> None:
        if self._help:
            self._help = False
        elif self._display.editor is not None:
            self._display.set("move_points", False)
        elif self._card:
            self._card = False
        elif self._display.screen.fullscreen:
            self._fullscreen()
        else:
            self._say("close the window to quit")

    def _next_fit(self) -> None:
        fit = FITS[(FITS.index(self._display.placement.fit) + 1) % len(FITS)]
        self._display.place(fit=fit)
        self._say(f"fit: {fit}")

    def _next_display(self) -> None:
        """The only window goes there; of several, the keys go to the next one."""
        if len(self._displays) > 1:
            self._chosen = (self._chosen + 1) % len(self._displays)
        else:
            display = self._display
            display.screen.move_to_display(display.screen.display + 1)
            if len(self._options.displays) == 1:  # what is left of a wall is a wall again later
                self._moved = Area(display.screen.display)
            display.editor = None
            display.recall(self._placement(display.screen))
            self._recall_hud()
        self._say(self._display.screen.name)

    def _tone(self, name: str, factor: float) -> None:
        value = round(SETTINGS[name].clamp(getattr(self._display.placement, name) * factor), 3)
        self._display.set(name, value)
        self._say(f"{name.replace('_', ' ')} {value:.2f}")

    def _say(self, text: str) -> None:
        self._notice = text, time.monotonic() + _NOTICE_S

    def _recall_hud(self) -> None:
        if self._options.hud is None:
            self._hud[True] = self._memory.hud(self._display.screen.display_key)
