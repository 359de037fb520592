#!/usr/bin/env python3
"""Write docs/parameters.md from the declarations of the parameters."""

from pathlib import Path

from livedream.core.defaults import LIVE
from livedream.core.grade import GradeSettings
from livedream.core.settings import Parameter, declared, parameters

TARGET = Path(__file__).resolve().parents[1] / "docs" / "parameters.md"

HEAD = """# Parameters of the dream

Made by `scripts/document_parameters.py` from `livedream/core/settings.py`; the same names are the
options of `livedream render`, the fields of `livedream.DreamSettings` and the settings written
into a rendered file.

| option | meaning | range | default |
| --- | --- | --- | --- |
"""


LOOK = """
# Parameters of the look

What `livedream live` adds, from `livedream/core/grade.py`. Live, every parameter of both tables may
change while it runs, except {fixed}. The dream's defaults are the same but for {others}.

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
    return f"| `{parameter.flag}` | {text} | {parameter.wanted()} | {(shown + unit).strip()} |\n"


def text() -> str:
    fixed = ", ".join(f"`{p.flag}`" for p in parameters() if not p.live)
    others = ", ".join(f"`--{name.replace('_', '-')} {value}`" for name, value in LIVE.items())
    look = LOOK.format(fixed=fixed, others=others)
    return (
        HEAD + "".join(map(row, parameters())) + look + "".join(map(row, declared(GradeSettings)))
    )


if __name__ == "__main__":
    TARGET.write_text(text(), encoding="utf-8")
