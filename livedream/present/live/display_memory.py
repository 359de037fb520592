"""What was set for a display stays with it: corners, mirror, turn, gamma, brightness, fit."""

import dataclasses
import json
import logging
from pathlib import Path
from typing import Any

from livedream.core.errors import SettingsError
from livedream.present.live.placement import Placement

_log = logging.getLogger(__name__)


def default_folder() -> Path:
    """The user's folder for settings, as the system has it."""
    import platformdirs

    return Path(platformdirs.user_config_dir("livedream", appauthor=False))


class DisplayMemory:
    """One file, `displays.json`, with a placement per display."""

    def __init__(self, folder: Path | None = None) -> None:
        self.path = (folder or default_folder()) / "displays.json"

    def recall(self, display: str) -> Placement | None:
        """What was kept for the display; None for nothing, or nothing that makes sense."""
        found = self._read().get(display)
        if not isinstance(found, dict):
            return None
        known = {f.name for f in dataclasses.fields(Placement)}
        values = {k: v for k, v in found.items() if k in known}
        try:
            if values.get("pin") is not None:
                values["pin"] = tuple((float(x), float(y)) for x, y in values["pin"])
            return Placement(**values)
        except (SettingsError, TypeError, ValueError) as error:
            _log.warning("%s: what is kept for %s is left out (%s)", self.path, display, error)
            return None

    def keep(self, display: str, placement: Placement) -> None:
        """Write it down; a folder that cannot be written is a warning, not the end of a show."""
        found = self._read()
        found[display] = dataclasses.asdict(placement)
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            draft = self.path.with_suffix(".new")
            draft.write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")
            draft.replace(self.path)
        except OSError as error:
            _log.warning("%s cannot be written: %s", self.path, error.strerror)

    def _read(self) -> dict[str, Any]:
        try:
            found = json.loads(self.path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            return {}
        except (OSError, ValueError) as error:
            _log.warning("%s cannot be read: %s", self.path, error)
            return {}
        return found if isinstance(found, dict) else {}
