"""Where what a user makes is kept: presets, programs, networks, what MIDI learned."""

import json
import os
import re
import tomllib
import unicodedata
from collections.abc import Callable, Iterable, Iterator
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any, Final, TypeVar

from livedream.core.errors import LivedreamError, SettingsError, os_reason, reason
from livedream.core.whole_file import whole_file

T = TypeVar("T")

_LARGEST: Final = 64 * 1024  # bytes; a preset has a few hundred
_LONGEST: Final = 40  # characters of a name, as `NAME` has it
# Devices of Windows, whatever the suffix: nothing is ever kept in aux.toml.
_DEVICE: Final = r"(?:con|prn|aux|nul|(?:com|lpt)[1-9])"
NAME: Final = re.compile(rf"(?!{_DEVICE}(?![a-z0-9-]))[a-z0-9](?:[a-z0-9-]{{0,38}}[a-z0-9])?")


def own_folder() -> Path:
    """The user's settings of livedream: LIVEDREAM_HOME, else where the system keeps such."""
    if home := os.environ.get("LIVEDREAM_HOME"):
        return Path(home)
    import platformdirs  # here: scripts/gpu_check does without it

    return platformdirs.user_config_path("livedream", appauthor=False, roaming=True)


def cache_folder() -> Path:
    """What can be made again: inside LIVEDREAM_HOME, else where the system keeps such."""
    if home := os.environ.get("LIVEDREAM_HOME"):
        return Path(home) / "cache"
    import platformdirs

    return platformdirs.user_cache_path("livedream", appauthor=False)


def checked_name(name: str) -> str:
    """A name that is a file's in every system; SettingsError for anything else."""
    if re.fullmatch(_DEVICE, name):
        raise SettingsError(f"name: {name} is a device name on Windows; choose another name")
    if not NAME.fullmatch(name):
        raise SettingsError(
            f"name: must be 1 to 40 of a-z, 0-9 and -, such as drifting-eyes (got {name[:60]!r})"
        )
    return name


def name_of(text: str) -> str:
    """The name that a file's or folder's own makes: Fotos Süd (2) becomes fotos-sud-2.

    Raises SettingsError when nothing is left of it.
    """
    letters = unicodedata.normalize("NFKD", text.casefold())
    bare = "".join(letter for letter in letters if not unicodedata.combining(letter))
    name = re.sub("[^a-z0-9]+", "-", bare).strip("-")[:_LONGEST].rstrip("-")
    if not name:
        raise SettingsError(f"name: none can be made of {text[:60]!r}; give one with --name")
    return name


def toml_files(shipped: str | None, own: Path) -> Iterator[tuple[str, Traversable, bool]]:
    """(name, file, whether it is the user's) of those in a folder of the package, then in `own`.

    shipped: None where the package has none.
    """
    package: Iterable[Traversable] = ()
    if shipped is not None:
        package = files("livedream").joinpath(*shipped.split("/")).iterdir()
    for is_own, paths in ((False, package), (True, own.glob("*.toml"))):
        for path in sorted(paths, key=lambda one: one.name):
            if path.name.endswith(".toml"):
                yield path.name.removesuffix(".toml"), path, is_own


def read_toml_files(
    shipped: str | None, own: Path, read: Callable[..., T]
) -> tuple[dict[str, T], dict[str, str]]:
    """What `read(text, name, own=...)` makes of the files of `toml_files`, by name; of those that
    are wrong the reason, by name."""
    found: dict[str, T] = {}
    broken: dict[str, str] = {}
    for name, path, is_own in toml_files(shipped, own):
        try:
            found[checked_name(name)] = read(toml_file_text(path), name, own=is_own)
        except (LivedreamError, OSError) as error:
            broken[name] = reason(error)
    return found, broken


def toml_file_text(path: Traversable) -> str:
    """What stands in a file.  Raises SettingsError, with its name, for one that cannot be read as
    text: anything may be named so, and a pipe would be waited for."""
    try:
        if isinstance(path, Path):
            size = path.stat().st_size  # of a link to nothing it says so
            if not path.is_file():
                raise SettingsError(f"{path} is no file; put a TOML file there or remove it")
            if size > _LARGEST:
                raise SettingsError(f"{path}: must be at most {_LARGEST} bytes (got {size})")
        return path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise SettingsError(f"{path} cannot be read (not text); save it as UTF-8") from error
    except OSError as error:
        linked = isinstance(path, Path) and path.is_symlink()
        hint = "mend the link or remove it" if linked else "check the path"
        raise SettingsError(f"{path} cannot be read ({os_reason(error)}); {hint}") from error


def toml_table(text: str) -> dict[str, Any]:
    """What a TOML text says.  Raises SettingsError for what is none: any file may be named so."""
    try:
        return tomllib.loads(text)
    except (ValueError, RecursionError) as error:  # a number of 5000 digits, 5000 brackets
        raise SettingsError(f"not TOML ({reason(error)[:200]})") from error


def toml_text(text: str) -> str:
    """A text as TOML writes it: as JSON does, which leaves DEL as it is and may name half
    characters. What no file can hold becomes a question mark."""
    whole = text.encode(errors="replace").decode()
    return json.dumps(whole, ensure_ascii=False).replace("\x7f", "\\u007f")


def write_whole(path: Path, whole: str | bytes, *, private: bool = False) -> None:
    """Write a file whole or not at all. Raises SettingsError when it cannot be.

    private: nobody else on this machine may read it.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with whole_file(path, lasting=True) as unfinished:
            if private:
                unfinished.unlink(missing_ok=True)  # an old one may be open to others
                unfinished.touch(0o600)
            unfinished.write_bytes(whole.encode() if isinstance(whole, str) else whole)
    except OSError as error:
        raise SettingsError(f"{path} cannot be written ({os_reason(error)})") from error
