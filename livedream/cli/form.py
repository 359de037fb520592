"""What `livedream live` can be told, as a form for a page: made from its own options.

Left out is what the panel's other pages move while a show runs.
"""

import argparse
from collections.abc import Iterator, Mapping
from typing import Any, Final

from livedream.cli import live
from livedream.cli.options import Reader
from livedream.core.errors import SettingsError
from livedream.core.grade import GradeSettings
from livedream.core.parameters import declared
from livedream.core.redact import redact
from livedream.core.settings import DreamSettings
from livedream.panel.setup import Field, Setup

# The panel is the studio's own, and its log is what the page shows.
_LEFT_OUT: Final = ("help", "panel", "source_option", "quiet")
# What a show begins with: one that goes on from another begins with what that one had.
_OPENING: Final = ("preset", "program")


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> "None":  # type: ignore[override]
        raise SettingsError(redact(message.removeprefix("argument ")))


class LiveForm:
    """The form of `livedream live`, as `panel.setup.Form` says."""

    def __init__(self) -> None:
        self._parser = _Parser(add_help=False)
        live.add_parser(self._parser.add_subparsers(parser_class=_Parser))
        self.fields: tuple[Field, ...] = tuple(self._read())

    def _read(self) -> Iterator[Field]:
        moved = {p.name for p in declared(DreamSettings) if p.live}
        moved |= {p.name for p in declared(GradeSettings)}
        (parser,) = (
            a.choices["live"] for a in self._parser._actions if isinstance(a.choices, dict)
        )
        for group in parser._action_groups:
            for action in group._group_actions:
                hidden = action.help == argparse.SUPPRESS or action.dest in _LEFT_OUT
                if not hidden and action.dest not in moved:
                    yield _field(action, group.title or "")

    def setup(self, filled: Mapping[str, Any]) -> Setup:
        """Raises what `live.check` does."""
        words: list[str] = []
        opening: list[str] = []
        known = {field.name: field for field in self.fields}
        for name, value in filled.items():
            if name not in known:
                raise SettingsError(f"setup: there is no {name[:40]!r}")
            known[name].check(value)
            if value is not None:
                (opening if name in _OPENING else words).extend(_said(known[name], value))
        live.check(live.job_of(self._parser.parse_args(["live", *words, *opening])))
        return Setup(words=tuple(words), opening=tuple(opening))


def _said(field: Field, value: Any) -> list[str]:
    """A filled-in field as words of the command line."""
    flag = field.flag
    match field.kind:
        case "switch":
            return [flag] * value
        case "list":
            return [f"{flag}={one}" for one in value if one]
        case "optional":
            return [f"{flag}={value}"]
    return [f"{flag}={value}"] * bool(value)


def _field(action: argparse.Action, group: str) -> Field:
    parameter = action.type.parameter if isinstance(action.type, Reader) else None
    choices = [str(one) for one in action.choices or (parameter.choices if parameter else ())]
    numeric = action.type in (int, float) or (parameter and parameter.kind in (int, float))
    kind = "number" if numeric else "text"
    if action.nargs == 0:
        kind = "switch"
    elif isinstance(action, argparse._AppendAction):
        kind = "list"
    elif action.nargs == "?" and action.option_strings:
        kind = "optional"
    elif choices:
        kind = "choice"
    return Field(
        name=action.dest,
        flag=action.option_strings[0] if action.option_strings else f"--{action.dest}",
        group=group,
        help=(action.help or "").replace("%%", "%"),
        kind=kind,
        metavar=str(action.metavar or ""),
        choices=tuple(choices),
        low=parameter.minimum if parameter else None,
        high=parameter.maximum if parameter else None,
    )
