"""Presets: a named look, as a TOML file.

    title = "Drifting eyes"
    about = "Eyes in rings, far apart"
    crossfade_s = 4.0

    [dream]
    objective = "eyes + 0.3*strokes"
    strength = 22

    [grade]
    saturation = 1.2

    [[modulators]]
    parameter = "hue"
    period_s = 40
    depth = 0.1

What a preset does not name goes back to what livedream was started with; the machine's and the
venue's own parameters (`KEPT`) stay as they are unless they are named.
"""

import logging
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

from livedream.control.catalogue import check_objective
from livedream.control.modulation import Modulator
from livedream.core.errors import LivedreamError, SettingsError
from livedream.core.grade import MOMENTS, GradeSettings
from livedream.core.parameters import Parameter, declared
from livedream.core.settings import DreamSettings
from livedream.core.suggest import closest
from livedream.core.user_folders import (
    checked_name,
    own_folder,
    read_toml_files,
    toml_table,
    toml_text,
    write_whole,
)
from livedream.dream.objectives.prompt import parse_prompt
from livedream.dream.objectives.text import parse_objective
from livedream.region.text import parse_region

_log = logging.getLogger(__name__)

# Of the machine and the venue, not of the dream. A frozen or black picture is a moment's decision.
KEPT: Final = ("size", "flow_size", "mirror", *MOMENTS, "on", "launch")
LONGEST_CROSSFADE_S: Final = 600.0
_TABLES: Final = ("title", "about", "crossfade_s", "dream", "grade", "modulators")
_NOTHING: Final[Mapping[str, Any]] = MappingProxyType({})


@dataclass(frozen=True, kw_only=True)
class Preset:
    """name: of the file, without suffix.  values: of live parameters, checked.
    crossfade_s: how long it takes to come, when nobody says otherwise."""

    name: str
    title: str = ""
    about: str = ""
    crossfade_s: float = 4.0
    values: Mapping[str, Any] = field(default_factory=lambda: _NOTHING)
    modulators: tuple[Modulator, ...] = ()
    own: bool = False  # the user's, not the package's

    def over(self, base: Mapping[str, Any]) -> dict[str, Any]:
        """What it sets where `base` is what livedream was started with, by parameter."""
        start = {name: value for name, value in base.items() if name not in KEPT}
        if "network" in self.values:
            # The layers of one network mean nothing to another.
            start["objective"] = ""
        elif {"objective", "prompt"} & set(self.values):
            # Where no network is named, objective and prompt are for the default one.
            start["network"] = ""
        if {"network", "objective"} & set(self.values):
            start["prompt"] = ""
        return {**start, **self.values}

    def to_toml(self) -> str:
        """As a file, which `read_preset` reads back to the same."""
        lines = [
            f"title = {_toml(self.title)}",
            f"about = {_toml(self.about)}",
            f"crossfade_s = {_toml(self.crossfade_s)}",
        ]
        for table, cls in (("dream", DreamSettings), ("grade", GradeSettings)):
            names = [p.name for p in declared(cls) if p.name in self.values]
            if names:
                lines += ["", f"[{table}]"]
                lines += [f"{name} = {_toml(self.values[name])}" for name in names]
        for modulator in self.modulators:
            lines += ["", "[[modulators]]"]
            lines += [f"{name} = {_toml(value)}" for name, value in modulator.as_dict().items()]
        return "\n".join(lines) + "\n"


def read_preset(text: str, name: str, *, own: bool = False) -> Preset:
    """A preset from its TOML. Raises SettingsError, with the file's name, for what is wrong."""
    try:
        return _preset(toml_table(text), name, own)
    except LivedreamError as error:
        raise SettingsError(f"preset {name}: {error}") from error


def _preset(found: Mapping[str, Any], name: str, own: bool) -> Preset:
    if unknown := sorted(set(found) - set(_TABLES)):
        raise SettingsError(f"unknown entry {unknown[0]!r}; there are {', '.join(_TABLES)}")
    values: dict[str, Any] = {}
    for table, cls in (("dream", DreamSettings), ("grade", GradeSettings)):
        known = {p.name: p for p in declared(cls)}
        entries = found.get(table, {})
        if not isinstance(entries, dict):
            raise SettingsError(f"{table}: must be a table (got {entries!r})")
        for key, value in entries.items():
            if key not in known or not known[key].live:
                hint = closest(key, [n for n, p in known.items() if p.live])
                raise SettingsError(
                    f"[{table}] {key!r} is not a live parameter; {hint}".rstrip("; ")
                )
            values[key] = known[key].check(value)
    if values.get("objective"):
        parse_objective(values["objective"])
    if values.get("prompt", "").strip():
        parse_prompt(values["prompt"])
    if values.get("where", "").strip():
        parse_region(values["where"])
    if "network" in values:  # without one it may be for weights of the user's own
        objective, prompt = values.get("objective", ""), values.get("prompt", "")
        check_objective(values["network"], objective, prompt, files=False)
    crossfade_s = found.get("crossfade_s", 4.0)
    seconds = Parameter(
        "crossfade_s", float, 4.0, "", unit="s", minimum=0.0, maximum=LONGEST_CROSSFADE_S
    )
    modulators = found.get("modulators", [])
    if not isinstance(modulators, list) or not all(isinstance(one, dict) for one in modulators):
        raise SettingsError("modulators: must be tables, [[modulators]]")
    return Preset(
        name=checked_name(name),
        title=str(found.get("title", "")) or name.replace("-", " ").capitalize(),
        about=str(found.get("about", "")),
        crossfade_s=seconds.check(crossfade_s),
        values=MappingProxyType(values),
        modulators=tuple(Modulator.from_mapping(one) for one in modulators),
        own=own,
    )


@dataclass(frozen=True)
class Look:
    """What is set at a moment. preset: called last, "" for none."""

    preset: str
    values: Mapping[str, Any]
    modulators: tuple[Modulator, ...]


class Presets:
    """The package's presets and the user's own, by name; the user's come first where both have one.

    folder: of the user's, None for `own_folder()/presets`.  broken: files that are not right, by
    name, and why.
    """

    def __init__(self, folder: Path | None = None) -> None:
        self.folder = folder or own_folder() / "presets"
        self.read()

    def read(self) -> None:
        """Read the files again. One that is wrong is listed in `broken`."""
        self._presets, self.broken = read_toml_files("presets", self.folder, read_preset)

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(self._presets)

    def __iter__(self) -> Any:
        return iter(tuple(self._presets.values()))

    def find(self, name: str) -> Preset:
        """The preset of that name. Raises SettingsError, with the closest names, otherwise."""
        if name in self._presets:
            return self._presets[name]
        if name in self.broken:
            raise SettingsError(self.broken[name])
        hint = closest(name, self._presets) or f"there are {', '.join(self._presets)}"
        raise SettingsError(f"preset: no {name[:60]!r}; {hint}")

    def save(self, preset: Preset) -> Path:
        """Write it into the user's folder. Raises SettingsError when that cannot be."""
        path = self.folder / f"{checked_name(preset.name)}.toml"
        text = preset.to_toml()
        read_preset(text, preset.name)
        write_whole(path, text)
        self.read()
        return path

    def remove(self, name: str) -> None:
        """Delete one of the user's own. Raises SettingsError for one of the package's."""
        if not self.find(name).own:
            raise SettingsError(f"preset: {name} is built in and cannot be deleted")
        for suffix in (".toml", ".jpg"):  # and the picture that the panel keeps of it
            (self.folder / f"{checked_name(name)}{suffix}").unlink(missing_ok=True)
        self.read()


def _toml(value: Any) -> str:
    """A scalar in TOML."""
    if isinstance(value, str):
        return toml_text(value)
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float) and not math.isfinite(value):
        raise SettingsError(f"must be a finite number (got {value})")
    return repr(value)
