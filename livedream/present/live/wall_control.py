"""What can be set for the displays of a wall, by keys at the window, from a panel and by OSC.

Settings and actions have names such as `wall/0/mesh` and `wall/1/undo`, with the display's number
from the left; `wall/mesh` is that of the display that was clicked last.
"""

import queue
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any, Final

from livedream.core.errors import SettingsError
from livedream.core.listeners import Listeners
from livedream.core.parameters import Parameter, refused
from livedream.core.suggest import closest
from livedream.present.live.mesh import SIDES
from livedream.present.live.placement import HARD, Placement

ROOT: Final = "wall/"
_EDGES: Final = ("edge_left", "edge_top", "edge_right", "edge_bottom")  # as in a placement
_TONES: Final = ("edge_gamma", "gamma", "brightness")


def _edge(name: str) -> Parameter:
    side = name.removeprefix("edge_")
    return Parameter(
        name, float, 0.0, f"soft edge {side}, as a fraction of what the display shows",
        minimum=0.0, maximum=1.0, soft_maximum=0.5,
    )  # fmt: skip


def _tone(name: str, default: float, text: str) -> Parameter:
    return Parameter(name, float, default, text, minimum=0.2, maximum=5.0, logarithmic=True)


SETTINGS: Final[Mapping[str, Parameter]] = MappingProxyType({
    one.name: one
    for one in (
        Parameter("test_card", bool, False, "the test card instead of the dream, on every display"),
        Parameter("move_points", bool, False, "show the mesh; its points are moved in the window"),
        Parameter(
            "mesh", str, "2x2", "how many points the mesh has; 2x2: the corners alone",
            choices=tuple(f"{side}x{side}" for side in SIDES),
        ),
        *map(_edge, _EDGES),
        _tone("edge_gamma", 2.2, "gamma of soft edges: raise it if the overlap is a dark band"),
        _tone("gamma", 1.0, "gamma of the picture; above 1: lighter shadows"),
        _tone("brightness", 1.0, "brightness of the picture"),
    )
})  # fmt: skip
ACTIONS: Final[Mapping[str, str]] = MappingProxyType({
    "undo": "undo the display's last change",
    "redo": "redo what was undone",
    "reset": "put all points of the mesh back; can be undone",
    "save": "save the display's settings now, as every change does by itself",
})  # fmt: skip


@dataclass(frozen=True, slots=True)
class DisplayState:
    """A display as it is.

    number: its place in `--display`; one that is missing keeps its own.  name: for people.
    placement: with the soft edges in force.  undo, redo: whether there is something to.
    fault: why it is not kept for the next start, "" where it is.
    """

    number: int
    name: str
    placement: Placement
    test_card: bool = False
    move_points: bool = False
    undo: bool = False
    redo: bool = False
    fault: str = ""

    def value(self, setting: str) -> Any:
        """One of `SETTINGS`."""
        if setting in _EDGES:
            return (self.placement.edges or HARD)[_EDGES.index(setting)]
        if setting == "mesh":
            side = len(self.placement.mesh or "12")
            return f"{side}x{side}"
        return getattr(self.placement if setting in _TONES else self, setting)


def part_of(placement: Placement, setting: str, value: Any) -> dict[str, Any]:
    """The part of a placement that a setting changes, with what it is then; None: soft edges, all
    of them, as the overlap has them.

    Raises SettingsError where the placement cannot be so: facing edges over each other.
    """
    if setting in _EDGES:
        edges = list(placement.edges or HARD)
        edges[_EDGES.index(setting)] = value
        setting, value = "edges", None if value is None else tuple(edges)
    replace(placement, **{setting: value})
    return {setting: value}


class WallControl:
    """Thread-safe. Whoever sets something is answered at once; the window does it a turn later."""

    def __init__(self) -> None:
        self._displays: tuple[DisplayState, ...] = ()
        self._chosen = 0
        self._wanted: queue.SimpleQueue[tuple[int, str, Any, str]] = queue.SimpleQueue()
        self._origins: dict[str, str] = {}  # who has set what the window has taken
        self._listeners: Listeners[Mapping[str, Any], str] = Listeners()

    @property
    def displays(self) -> tuple[DisplayState, ...]:
        """From the left; none while no window is open."""
        return self._displays

    def values(self) -> dict[str, Any]:
        """Every setting of every display by its whole name."""
        return {
            f"{ROOT}{state.number}/{setting}": state.value(setting)
            for state in self._displays
            for setting in SETTINGS
        }

    def value(self, name: str) -> Any:
        """Raises SettingsError for a setting, or a display, that is not there."""
        _, state, setting = self._find(name, SETTINGS)
        return state.value(setting)

    def set(self, name: str, value: Any, *, origin: str = "") -> None:
        """Set one of `SETTINGS`. Raises SettingsError for what cannot be."""
        number, state, setting = self._find(name, SETTINGS)
        checked = SETTINGS[setting].read(value)
        if setting in (*_TONES, *_EDGES):
            part_of(state.placement, setting, checked)
        self._wanted.put((number, setting, checked, origin))

    def set_unit(self, name: str, unit: float, *, origin: str = "") -> None:
        """Set one by a slider's place, clamped to 0..1."""
        self.set(name, SETTINGS[self._find(name, SETTINGS)[2]].from_unit(unit), origin=origin)

    def set_default(self, name: str, *, origin: str = "") -> None:
        number, _, setting = self._find(name, SETTINGS)
        if setting in _EDGES:  # all of them are those of the overlap again
            self._wanted.put((number, setting, None, origin))
            return
        self.set(name, SETTINGS[self._find(name, SETTINGS)[2]].default, origin=origin)

    def act(self, name: str) -> None:
        """Do one of `ACTIONS`. Raises SettingsError for another name."""
        number, _, action = self._find(name, ACTIONS)
        self._wanted.put((number, action, None, ""))

    def listen(self, listener: Callable[[Mapping[str, Any], str], None]) -> Callable[[], None]:
        """Call `listener` with settings that have other values, and who set them, "" for keys; with
        none where something else is different. It never waits. Returns how to stop that."""
        return self._listeners.add(listener)

    def _find(self, name: str, known: Mapping[str, Any]) -> tuple[int, DisplayState, str]:
        """The display that a name means, its number first, and the setting or action."""
        number, _, last = name.removeprefix(ROOT).rpartition("/")
        displays = self._displays  # the window's thread may exchange them
        if not displays:
            raise SettingsError("wall: no window is open")
        if last not in known:
            hint = closest(last, known) or f"there are {', '.join(known)}"
            raise SettingsError(f"wall: no {last[:40]!r}; {hint}")
        there = {str(state.number): state for state in displays}
        if number and number not in there:
            raise refused("wall: display", f"one of {', '.join(there)}", repr(number[:40]))
        state = there.get(number or str(self._chosen), displays[0])
        return state.number, state, last

    # For the window

    def take(self) -> Iterator[tuple[int, str, Any]]:
        """What is wanted: (the display's number, setting or action, value; None: an action, or soft
        edges as the overlap has them). What was for a display that has gone is dropped, and so is
        everything before a window that was opened again has published its displays."""
        while True:
            try:
                number, name, value, origin = self._wanted.get_nowait()
            except queue.Empty:
                return
            if any(state.number == number for state in self._displays):
                self._origins[f"{ROOT}{number}/{name}"] = origin
                yield number, name, value

    def publish(self, displays: tuple[DisplayState, ...], chosen: int = 0) -> None:
        """How the displays are now; nobody is told where that is as it was. chosen: its number."""
        self._chosen = chosen
        origins, self._origins = self._origins, {}
        if displays == self._displays:
            return
        before = self.values()
        self._displays = displays
        changed: dict[str, dict[str, Any]] = {}
        for name, value in self.values().items():
            if name not in before or value != before[name]:
                changed.setdefault(origins.get(name, ""), {})[name] = value
        for origin, values in (changed or {"": {}}).items():
            self._listeners.tell(values, origin)
