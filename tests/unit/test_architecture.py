"""The architecture page names packages in the import contract's order, and files that exist."""

import re
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
CONTRACT = PROJECT["tool"]["importlinter"]["contracts"][0]
LAYERS = [layer.split(" | ") for layer in CONTRACT["layers"]]


def test_the_packages_are_in_the_order_of_the_import_contract() -> None:
    wanted = [tuple(sorted(layer)) for layer in LAYERS]
    table = PAGE.partition("## Packages")[2].partition("\n\n**Conventions")[0]
    rows = re.findall(r"^\| (`\w+`(?:, `\w+`)*) \|", table, re.M)
    assert [tuple(sorted(re.findall(r"\w+", row))) for row in rows] == wanted


def test_every_file_that_is_named_exists() -> None:
    packages = "|".join(name for layer in LAYERS for name in layer)
    named = set(re.findall(rf"(?:livedream/)?((?:{packages})(?:/\w+)+)(?:\.py|\.\w+)?", PAGE))
    assert len(named) > 8
    package = ROOT / "livedream"
    missing = [
        n for n in named if not (package / n).exists() and not (package / f"{n}.py").exists()
    ]
    assert missing == []


def test_every_method_of_the_dreamer_that_is_named_exists() -> None:
    from livedream.dream.dreamer import Dreamer

    path = PAGE.partition("## The path of a frame")[2].partition("## Packages")[0]
    parts = "step picture carry advance grow grow_both fade travel reset dreams"
    for name in parts.split():
        assert name in path and callable(getattr(Dreamer, name))
