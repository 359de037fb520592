"""The files and live sources that a preset names: guides, masks, networks of regions."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

from livedream.capture.synthetic import is_synthetic
from livedream.control.presets import Preset
from livedream.core.errors import SettingsError, missing, os_reason
from livedream.dream.objectives.prompt import parse_prompt
from livedream.dream.objectives.text import parse_objective
from livedream.dream.objectives.value import GuideTarget, Objective
from livedream.region.films import is_live
from livedream.region.text import parse_region
from livedream.region.value import Leaf, Not, Region, leaves

_WITH_FILE: Final = ("mask", "network")  # regions that are read from one


def paths_of(preset: Preset) -> list[str]:
    """All files and live sources that it names."""
    found = paths_of_prompt(preset)

    def noted(text: str) -> str:
        found.append(text)
        return text

    with_paths(preset, noted)
    return found


def paths_of_prompt(preset: Preset) -> list[str]:
    """Those that its prompt names, which a prompt keeps as they are written."""
    prompt = preset.values.get("prompt", "")
    return [
        leaf.path
        for term in (parse_prompt(prompt).terms if prompt.strip() else ())
        for leaf in (leaves(term.region) if term.region else ())
        if leaf.name in _WITH_FILE
    ]


def check_paths(preset: Preset) -> None:
    """Raise SettingsError for a file that it names and that is not there; none is opened."""
    for path in paths_of(preset):
        try:
            numbered = "%" in path  # a numbered series: no file has this name
            if not (is_live(path) or is_synthetic(path) or numbered or Path(path).exists()):
                raise SettingsError(f"preset {preset.name}: {missing(path)}")
        except OSError as error:  # a name that no file can have
            raise SettingsError(f"preset {preset.name}: {path}: {os_reason(error)}") from error


def with_whole_paths(preset: Preset) -> Preset:
    """The preset with its files named so that they are found from every folder."""
    return with_paths(preset, _whole) if paths_of(preset) else preset


def with_paths(preset: Preset, change: Callable[[str], str]) -> Preset:
    """The preset with others in the place of those that its objective and `where` name."""
    values: dict[str, Any] = dict(preset.values)
    if values.get("objective"):
        values["objective"] = str(_objective(parse_objective(values["objective"]), change))
    if values.get("where", "").strip():
        values["where"] = str(_region(parse_region(values["where"]), change))
    return replace(preset, values=values)


def _whole(text: str) -> str:
    return text if is_live(text) or is_synthetic(text) else str(Path(text).absolute())


def _objective(objective: Objective, change: Callable[[str], str]) -> Objective:
    terms = []
    for term in objective.terms:
        target = term.target
        if isinstance(target, GuideTarget) and isinstance(target.picture, str):
            target = replace(target, picture=change(target.picture))
        region = None if term.region is None else _region(term.region, change)
        terms.append(replace(term, target=target, region=region))
    return Objective(tuple(terms))


def _region(region: Region, change: Callable[[str], str]) -> Region:
    if isinstance(region, Leaf):
        if region.name not in _WITH_FILE:
            return region
        return replace(region, values=(change(region.path),))
    if isinstance(region, Not):
        return Not(_region(region.of, change))
    return replace(region, parts=tuple(_region(part, change) for part in region.parts))
