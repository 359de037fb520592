"""What was set for each display: one file, `displays.json`, with a placement for each of them, and
whether figures are shown when a window fills it.

    {"0:1920x1080": {"mesh": [[[0, 0], [1, 0]], [[0, 1], [1, 1]]], "crop": [0, 0, 0.55, 1],
                     "edges": [0, 0, 0.2, 0], "edge_gamma": 2.2, "mask": "stage", ...}}
"""

import dataclasses
import json
import logging
from pathlib import Path
from typing import Any, Final

from livedream.core.errors import SettingsError
from livedream.core.user_folders import own_folder, write_whole
from livedream.present.live.mapping import mask_for
from livedream.present.live.placement import Placement

_log = logging.getLogger(__name__)

NAME: Final = "displays.json"
_KNOWN: Final = {field.name for field in dataclasses.fields(Placement)}


class DisplayMemory:
    """The file, read when it is made.  folder: None for the user's.

    Raises SettingsError, one line that says where, for a file that makes no sense: a wall that was
    set up in an hour is not to be shown, and then overwritten, without it.
    """

    def __init__(self, folder: Path | None = None) -> None:
        self.path = (folder or own_folder()) / NAME
        for entry in self._read().values():
            if entry.get("mask"):
                mask_for(entry["mask"], (1, 1))

    def recall(self, display: str) -> Placement | None:
        """The display's placement, None where there is none."""
        found = {k: v for k, v in self._read().get(display, {}).items() if k in _KNOWN}
        return _placement(found) if found else None

    def hud(self, display: str) -> bool:
        """Whether figures lie over a picture that fills the display: not unless asked for."""
        return self._read().get(display, {}).get("hud") is True

    def keep(self, display: str, placement: Placement | None = None, **more: bool) -> str:
        """Write it down; a folder that cannot be written is a warning, not the end of a show.

        Returns why it could not be, "" where it was.
        """
        try:
            everything = self._read()
            entry = everything.setdefault(display, {})
            if placement is not None:
                entry |= dataclasses.asdict(placement)
            entry |= more
            lines = (f"  {json.dumps(name)}: {json.dumps(one)}" for name, one in everything.items())
            write_whole(self.path, "{\n" + ",\n".join(lines) + "\n}\n")
        except SettingsError as error:
            _log.warning("%s", error)
            return str(error)
        return ""

    def _read(self) -> dict[str, dict[str, Any]]:
        try:
            return parse_displays(self.path.read_text(encoding="utf-8-sig"))
        except FileNotFoundError:
            return {}
        except (OSError, ValueError) as error:
            raise SettingsError(f"{self.path}: {error}") from error


def parse_displays(text: str) -> dict[str, dict[str, Any]]:
    """The file's entries, each of them checked.  Raises SettingsError."""
    try:
        found = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise SettingsError(f"not JSON ({error})") from error
    if not isinstance(found, dict):
        raise SettingsError("must be a JSON object")
    for display, entry in found.items():
        try:
            if not isinstance(entry, dict):
                raise SettingsError("must be a JSON object")
            _placement(entry)
        except SettingsError as error:
            raise SettingsError(f"display {display}: {error}") from error
    return found


def _placement(entry: dict[str, Any]) -> Placement:
    """An entry as a placement."""
    values = {name: value for name, value in entry.items() if name in _KNOWN}
    try:
        if values.get("mesh") is not None:
            values["mesh"] = tuple(
                tuple((float(x), float(y)) for x, y in row) for row in values["mesh"]
            )
        for name in ("crop", "edges"):
            if values.get(name) is not None:
                a, b, c, d = (float(value) for value in values[name])
                values[name] = a, b, c, d
        return Placement(**values)
    except (TypeError, ValueError) as error:
        if isinstance(error, SettingsError):
            raise
        raise SettingsError(f"a value is not what it must be ({error})") from error
