"""Where what a user makes is kept: presets, programs, what MIDI learned, pictures of channels."""

import os
import re
import sys
from pathlib import Path
from typing import Final

from livedream.core.errors import SettingsError

__all__ = ["cache_folder", "checked_name", "own_folder", "write_whole"]

_NAME: Final = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,38}[a-z0-9])?")


def own_folder() -> Path:
    """The user's settings of livedream: LIVEDREAM_HOME, else where the system keeps such."""
    if home := os.environ.get("LIVEDREAM_HOME"):
        return Path(home)
    if sys.platform == "win32":
        return Path(os.environ.get("APPDATA", Path.home() / "AppData" / "Roaming")) / "livedream"
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Application Support" / "livedream"
    return Path(os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config") / "livedream"


def cache_folder() -> Path:
    """What can be made again: inside LIVEDREAM_HOME, else where the system keeps such."""
    if home := os.environ.get("LIVEDREAM_HOME"):
        return Path(home) / "cache"
    if sys.platform == "win32":
        local = os.environ.get("LOCALAPPDATA", Path.home() / "AppData" / "Local")
        return Path(local) / "livedream" / "cache"
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Caches" / "livedream"
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "livedream"


def checked_name(name: str) -> str:
    """A name that is a file's in every system; SettingsError for anything else."""
    if not _NAME.fullmatch(name):
        raise SettingsError(
            f"name: {name[:60]!r} found, 1 to 40 of a-z, 0-9 and - wanted, as drifting-eyes"
        )
    return name


def write_whole(path: Path, text: str) -> None:
    """Write a file whole or not at all. Raises SettingsError when it cannot be."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        beside = path.with_name(f".{path.name}.part")
        beside.write_text(text, encoding="utf-8")
        beside.replace(path)
    except OSError as error:
        raise SettingsError(f"{path} cannot be written ({error.strerror})") from error
