"""Options made from the one declaration of the parameters."""

import argparse
import dataclasses
import json
import sys
from collections.abc import Collection, Mapping
from fractions import Fraction
from pathlib import Path
from typing import Any, Final, TypeAlias

from livedream.core.errors import SettingsError
from livedream.core.parameters import Parameter, declared
from livedream.core.redact import one_line
from livedream.core.settings import DreamSettings

# What moves a film's parameters, by its name in a film's metadata, and the options that give it.
_MOVED: Final = {
    "curves": ("--curves",),
    "modulators": ("--modulate",),
    "presets": ("--preset", "--program"),
}
Commands: TypeAlias = (
    "argparse._SubParsersAction[argparse.ArgumentParser]"  # what each command adds its parser to
)


def add_shared(group: argparse._ActionsContainer, *flags: str) -> None:
    for flag in flags:
        group.add_argument(flag, **_SHARED[flag])


def add_settings(
    parser: argparse.ArgumentParser,
    defaults: DreamSettings | None = None,
    leave_out: Collection[str] = (),
) -> None:
    """An option for every parameter of `DreamSettings`, and `--settings-from`.

    defaults: what the help says.  leave_out: parameters that mean nothing to this command.
    """
    group = parser.add_argument_group("the dream")
    advanced = parser.add_argument_group("advanced")
    for parameter in declared(DreamSettings):
        if parameter.name not in leave_out:
            chosen = advanced if parameter.advanced else group
            add_parameter(chosen, parameter, defaults or DreamSettings())
    group.add_argument(
        "--settings-from", metavar="FILE", type=Path,
        help="start from the settings written into a rendered file, or from a .json file",
    )  # fmt: skip


def add_parameter(
    group: argparse._ArgumentGroup, parameter: Parameter, defaults: Any = None
) -> None:
    """An option for a parameter; None where it is not given. defaults: what the help says."""
    text = parameter.help.replace("%", "%%")
    if parameter.kind is bool:
        group.add_argument(
            parameter.flag, action=argparse.BooleanOptionalAction, default=None, help=text
        )
        return
    default = getattr(defaults, parameter.name, parameter.default)
    shown = f"{default:g}" if parameter.kind is float else str(default)
    shown = f" (default: {shown} {parameter.unit}".rstrip() + ")" if shown else ""
    choices = "{" + ",".join(parameter.choices) + "}"
    metavar = choices if parameter.choices else {int: "N", float: "X", str: "TEXT"}[parameter.kind]
    metavar = parameter.grammar.metavar if parameter.grammar else metavar
    group.add_argument(
        parameter.flag, type=Reader(parameter), default=None, metavar=metavar, help=text + shown
    )


def settings_of(args: argparse.Namespace, defaults: DreamSettings | None = None) -> DreamSettings:
    """The settings that the options ask for, over `defaults`. Raises SettingsError."""
    base = defaults or DreamSettings()
    if args.settings_from:
        base = settings_from_file(args.settings_from)
        if not getattr(args, "quiet", False):
            _note_what_moved(args)
    found = {p.name: getattr(args, p.name, None) for p in declared(DreamSettings)}
    given = {name: value for name, value in found.items() if value is not None}
    for name in goes_with(given):
        given.setdefault(name, "")
    return dataclasses.replace(base, **given)


def given_of(args: argparse.Namespace, *kinds: type) -> tuple[str, ...]:
    """The parameters of `kinds` that are named on the command line, and those that go with them:
    with a network its objective, with an objective the prompt."""
    every = (p.name for kind in kinds for p in declared(kind))
    found = dict.fromkeys(name for name in every if getattr(args, name, None) is not None)
    if "network" in found:
        found["objective"] = None
    if "objective" in found:
        found["prompt"] = None
    return tuple(found)


def goes_with(given: Collection[str]) -> tuple[str, ...]:
    """What is no longer as it was where these are given.

    Other weights are another network, which has other layers: what was dreamed with those before
    means nothing to it.
    """
    if "network" in given or "weights" in given:
        return ("network", "weights", "preprocess", "labels", "objective", "prompt")
    return ("prompt",) if "objective" in given else ()


def _note_what_moved(args: argparse.Namespace) -> None:
    """Say what of a film's look is not in its settings, where no option gives it either."""
    made = json.loads(settings_text(args.settings_from))
    given = {f"--{name}" for name, value in vars(args).items() if value is not None}
    there = [
        f"{what} ({', '.join(options)})"
        for what, options in _MOVED.items()
        if made.get(what) and given.isdisjoint(options)
    ]
    if there:
        found = one_line(f"{args.settings_from} was also made with {' and '.join(there)}")
        print(f"note: {found}, which --settings-from does not take over", file=sys.stderr)


def settings_from_file(path: Path) -> DreamSettings:
    """Read settings back from a rendered file's metadata or from JSON."""
    text = settings_text(path)
    try:
        return DreamSettings.from_json(text)
    except SettingsError as error:
        raise SettingsError(f"--settings-from: {path}: {error}") from error


def settings_text(path: Path) -> str:
    """What a rendered file or a .json file says of how it was made, as JSON, unchecked."""
    text: str | None
    if path.suffix == ".json":
        try:
            text = path.read_text(encoding="utf-8-sig")
        except (OSError, UnicodeDecodeError) as error:
            why = getattr(error, "strerror", None) or "not text"
            raise SettingsError(f"--settings-from: {path} cannot be read ({why})") from error
    else:
        from livedream.present import read_settings

        text = read_settings(path)
    if text is None:
        raise SettingsError(
            f"--settings-from: {path} holds no livedream settings; give a file that livedream made"
        )
    return text


def seconds(text: str) -> float:
    """`90`, `1:30` or `0:01:30.5` in seconds, at least 0."""
    parts = text.split(":")
    try:
        value = 0.0
        for part in parts:
            value = value * 60 + float(part)
    except ValueError:
        value = -1.0
    if not 0 <= value < float("inf") or len(parts) > 3:
        raise argparse.ArgumentTypeError(f"must be seconds or h:mm:ss (got {text!r})")
    return value


def rate(text: str) -> Fraction:
    """`25`, `29.97` or `30000/1001` frames per second."""
    try:
        value = Fraction(text)
    except (ValueError, ZeroDivisionError):
        value = Fraction(0)
    if not 0 < value <= 1000:
        raise argparse.ArgumentTypeError(f"must be frames per second, such as 25 (got {text!r})")
    return value


@dataclasses.dataclass(frozen=True, slots=True)
class Reader:
    """For `type=` of an option: a text as what `parameter` may be."""

    parameter: Parameter

    def __call__(self, text: str) -> Any:
        try:
            return self.parameter.check(self.parameter.kind(text))
        except ValueError as error:  # not of that kind, or out of its range
            shown = text if isinstance(error, SettingsError) else repr(text)
            raise argparse.ArgumentTypeError(
                f"must be {self.parameter.wanted()} (got {shown})"
            ) from error


def number(kind: type, least: float, most: float, unit: str = "") -> Reader:
    """For `type=` of an option: a number within these limits."""
    return Reader(Parameter("", kind, 0, "", unit, least, most))


# Options that mean the same in several commands.
_SHARED: Mapping[str, Mapping[str, Any]] = {
    "--picture-size": {"default": "source", "metavar": "SIZE", "help": "size of the output"},
    "--layer": {
        "choices": ("dream",),
        "help": "write the dream alone, with alpha, to be laid over the source",
    },
    "--matte": {
        "type": Path, "metavar": "FILE", "help": "also write the region of --where, in grey"
    },
    "--quality": {
        "type": number(float, 0, 100), "default": 80.0, "metavar": "0..100",
        "help": "encoding quality (default: 80)",
    },
    "--overwrite": {"action": "store_true", "help": "replace an existing output"},
    "--quiet": {"action": "store_true", "help": "print errors only"},
    "--json": {"type": Path, "metavar": "FILE", "help": "also write the figures to this file"},
}  # fmt: skip
