#!/usr/bin/env python3
"""Write docs/parameters.md from the one declaration of the parameters."""

from pathlib import Path

from livedream.settings import Parameter, parameters

TARGET = Path(__file__).resolve().parents[1] / "docs" / "parameters.md"

HEAD = """# Parameters of the dream

Made by `scripts/document_parameters.py` from `livedream/settings.py`; the same names are the
options of `livedream render`, the fields of `livedream.DreamSettings` and the settings written
into a rendered file.

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
    return HEAD + "".join(row(parameter) for parameter in parameters())


if __name__ == "__main__":
    TARGET.write_text(text(), encoding="utf-8")
