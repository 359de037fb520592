"""A show as it is set up on a page: the form's fields, what was filled in, where that is kept.

What was filled in last is remembered. A password or stream key is not: it goes into a file that
only its owner can read, and `{file:PATH}` stands for it from then on.
"""

import json
import re
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Protocol

from livedream.core.addresses import has_placeholder, without_secrets
from livedream.core.errors import SettingsError
from livedream.core.redact import redact
from livedream.core.user_folders import own_folder, write_whole

_NAMED: Final = 3  # characters of a value from which on a message that holds it is about it
_OWN_KEY: Final = re.compile(r"[0-9a-f]{8}\.key")
_ADDRESS: Final = re.compile(r"[a-z][a-z0-9+.:-]*://.+", re.IGNORECASE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Field:
    """One option as a page shows it.

    kind: "switch" (true or false), "choice", "number", "text", "list" (of texts) or "optional"
    (None: not wanted, "": wanted as usual).  group: the option's heading in `--help`.
    low, high: of a number, None where unbounded.
    """

    name: str
    flag: str
    group: str
    help: str
    kind: str
    metavar: str = ""
    choices: tuple[str, ...] = ()
    low: float | None = None
    high: float | None = None

    def check(self, value: Any) -> None:
        """Raises SettingsError for what a page cannot have sent. None is for what is not given."""
        if value is None:
            return
        texts: Sequence[Any] = [value]
        if self.kind == "switch":
            texts = [] if isinstance(value, bool) else [None]
        elif self.kind == "list":
            texts = value if isinstance(value, list) else [None]
        if not all(isinstance(text, str) and (not text or text.isprintable()) for text in texts):
            raise SettingsError(f"{self.flag}: must be {self.metavar or 'text'}, in one line")


@dataclass(frozen=True, slots=True, kw_only=True)
class Setup:
    """What a show is started with.

    words: options of `livedream live`.  opening: further ones that say what it begins with, such as
    a preset; a show that goes on does without.
    """

    words: tuple[str, ...]
    opening: tuple[str, ...]


class Form(Protocol):
    """The fields there are, and what they make when they are filled in."""

    fields: tuple[Field, ...]

    def setup(self, filled: Mapping[str, Any]) -> Setup:
        """filled: a value for each field's name, or for some. Raises LivedreamError."""


def field_of(message: str, fields: Sequence[Field], filled: Mapping[str, Any]) -> str:
    """Which field a message is about, "" where it does not say.

    Messages begin with an option or hold the value that was given, as everywhere in livedream.
    """
    said = message.partition(":")[0].removeprefix("--").replace("-", "_")
    for field in fields:
        if said in (field.name, field.flag.removeprefix("--").replace("-", "_")):
            return field.name
    for field in fields:
        value = filled.get(field.name)
        for text in value if isinstance(value, list) else [value]:
            if isinstance(text, str) and len(text) >= _NAMED and redact(text) in message:
                return field.name
    return ""


class SetupFile:
    """What was filled in last.  folder: None for the user's settings.

    look: the file beside it for what was set on the show's own panel.
    """

    def __init__(self, folder: Path | None = None) -> None:
        self._folder = folder or own_folder()
        self._file, self._keys = self._folder / "studio.json", self._folder / "keys"
        self.look = self._folder / "studio-look.json"

    def read(self) -> dict[str, Any]:
        """{} where there is none that can be read."""
        try:
            found = json.loads(self._file.read_text(encoding="utf-8"))
        except (OSError, ValueError, RecursionError):
            return {}
        return found if isinstance(found, dict) else {}

    def write(self, filled: Mapping[str, Any]) -> None:
        """Raises SettingsError when it cannot be. Keys kept here that it does not name go."""
        text = json.dumps(filled, indent=2)
        write_whole(self._file, text + "\n")
        for key in self._keys.glob("*.key"):
            if _OWN_KEY.fullmatch(key.name) and key.name not in text:  # others are the user's
                key.unlink(missing_ok=True)

    def without_secrets(self, filled: Mapping[str, Any]) -> dict[str, Any]:
        """`filled`, each address that holds a password or key kept in a file of its own."""
        return {
            name: [self._kept(one) for one in value]
            if isinstance(value, list)
            else self._kept(value)
            for name, value in filled.items()
        }

    def _kept(self, value: Any) -> Any:
        if not isinstance(value, str) or redact(value) == value:
            return value
        if _ADDRESS.fullmatch(value):
            kept = without_secrets(value, self._keep)
            if kept != value or has_placeholder(value):
                return kept
            # One in which it is not clear what is secret.
            scheme, separator, rest = value.partition("://")
            return scheme + separator + self._keep(rest)
        if has_placeholder(value):
            return value
        raise SettingsError(
            f"{redact(value)}: holds a password or key, which is not kept here; "
            "write {env:NAME} or {file:PATH} in its place"
        )

    def _keep(self, secret: str) -> str:
        path = self._keys / f"{secrets.token_hex(4)}.key"
        write_whole(path, secret, private=True)
        return f"{{file:{path}}}"
