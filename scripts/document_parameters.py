#!/usr/bin/env python3
"""Write docs/parameters.md from the declarations of the parameters."""

from pathlib import Path

from livedream.control.programs import ShowSettings
from livedream.core.defaults import LIVE
from livedream.core.grade import MOMENTS, GradeSettings
from livedream.core.parameters import Parameter, declared
from livedream.core.settings import DEINTERLACE, WARM_UP, DreamSettings

TARGET = Path(__file__).resolve().parents[1] / "docs" / "parameters.md"

HEAD = """# Parameters

Made by `scripts/document_parameters.py` from `livedream/core/settings.py`,
`livedream/core/grade.py` and `livedream/control/programs.py`. The same names are the options of the
commands; those under *The dream* and *Advanced* are also the fields of `livedream.DreamSettings`
and the settings written into a rendered file. All other options: `livedream COMMAND --help`.
"""

LIVE_NOTE = """
`livedream live` starts with {others}. While it runs, all parameters can be changed,
except {fixed}.
"""

MOMENTS_NOTE = """
{names} are no options: the panel, keys, OSC and MIDI set them.
"""

TABLE = """
## {title}

| option | meaning | range | default |
| --- | --- | --- | --- |
"""


def row(parameter: Parameter) -> str:
    default = parameter.default
    if parameter.kind is bool:
        default = "yes" if default else "no"
    shown = f"{default:g}" if parameter.kind is float else str(default)
    unit = f" {parameter.unit}" if parameter.unit else ""
    text = parameter.help.replace("|", "\\|")
    name = parameter.name if parameter.name in MOMENTS else parameter.flag
    return f"| `{name}` | {text} | {parameter.wanted()} | {(shown + unit).strip()} |\n"


def show(group: str) -> list[Parameter]:
    return [one for one in declared(ShowSettings) if one.group == group]


def text() -> str:
    dream = declared(DreamSettings)
    fixed = ", ".join(f"`{p.flag}`" for p in dream if not p.live)
    live = {p.flag: getattr(LIVE, p.name) for p in dream if getattr(LIVE, p.name) != p.default}
    others = ", ".join(f"`{flag} {value}`" for flag, value in live.items())
    moments = MOMENTS_NOTE.format(names=" and ".join(f"`{name}`" for name in MOMENTS))
    tables = (
        ("The dream", [p for p in dream if not p.advanced], ""),
        ("The picture, live", declared(GradeSettings), moments),
        ("Programs, live and in `livedream render`", show("programs"), ""),
        ("Presets and programs, live", show("presets"), ""),
        ("Video files, in `livedream render`", [WARM_UP, DEINTERLACE], ""),
        ("Advanced", [p for p in dream if p.advanced], ""),
    )
    return (
        HEAD
        + LIVE_NOTE.format(others=others, fixed=fixed)
        + "".join(TABLE.format(title=t) + "".join(map(row, found)) + n for t, found, n in tables)
    )


if __name__ == "__main__":
    TARGET.write_text(text(), encoding="utf-8")
