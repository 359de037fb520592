"""Keys: which key does what. The window passes names; what they mean stands here."""

import logging
from collections.abc import Mapping
from typing import Final

from livedream.control.show import ACTIONS, Show
from livedream.core.errors import LivedreamError

_log = logging.getLogger(__name__)

# Key names as SDL gives them, in lower case. F1 to F12, escape, e, f, g, h and ? are the window's.
KEYS: Final[Mapping[str, str]] = {
    "space": "freeze",
    "b": "blackout",
    "r": "reset",
    "t": "tap",
    "n": "next",
    "right": "next",
    "p": "previous",
    "left": "previous",
    "up": "stronger",
    "down": "weaker",
    "o": "program",
    "m": "mirror",
    "home": "home",
}


class Keys:
    """Passes key presses on to the show."""

    def __init__(self, show: Show) -> None:
        self._show = show

    def press(self, key: str) -> bool:
        """Do what `key` stands for; False when it stands for nothing. Digits call presets.

        What is refused is in the log.
        """
        key, names = key.lower(), self._show.presets.names
        digit = "123456789".find(key) if len(key) == 1 else -1
        try:
            if key in KEYS:
                self._show.act(KEYS[key], origin="keys")
            elif 0 <= digit < len(names):
                self._show.call_preset(names[digit], origin="keys")
            else:
                return False
        except LivedreamError as error:
            _log.warning("key %s: %s", key, error)
        return True

    def playing(self) -> str:
        """The preset in force, how far the program is and what waits, as the window shows them."""
        show = self._show
        program, queued = show.running_program, show.queued
        name = show.preset_name
        title = show.presets.find(name).title if name in show.presets.names else name
        place = (
            f"{program.title} {show.program_step + 1} of {len(program.steps)}" if program else ""
        )
        coming = f"next: {queued.title}" if queued else ""
        return " · ".join(filter(None, (title, place, coming)))

    @staticmethod
    def help() -> tuple[tuple[str, str], ...]:
        """(key, what it does), for the window's own help."""
        found: dict[str, list[str]] = {}
        for key, action in KEYS.items():
            found.setdefault(action, []).append(key)
        rows = [(", ".join(map(str.capitalize, keys)), ACTIONS[a]) for a, keys in found.items()]
        return (*rows, ("1 to 9", "the first nine presets"))
