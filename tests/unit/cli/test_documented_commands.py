"""Every command that the documentation shows is one that the command line understands."""

import argparse
import ast
import pkgutil
import shlex
from pathlib import Path

import pytest

from livedream import cli
from livedream.cli import build_parser

ROOT = Path(__file__).resolve().parents[3]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]
EXAMPLES = sorted((ROOT / "examples").glob("*.py"))


def documented() -> list[str]:
    """Lines that begin with `livedream`, in code blocks and in the docstrings of examples."""
    found: list[str] = []
    for page in PAGES:
        inside, pending = False, ""
        for line in page.read_text(encoding="utf-8").splitlines():
            if line.lstrip().startswith("```"):
                inside, pending = not inside, ""
                continue
            text = pending + line.strip()
            pending = text[:-1] if inside and text.endswith("\\") else ""
            if inside and not pending and text.startswith("livedream "):
                found.append(text)
    for example in EXAMPLES:
        said = ast.get_docstring(ast.parse(example.read_text(encoding="utf-8"))) or ""
        found += [line for line in said.splitlines() if line.startswith("livedream ")]
    return sorted(set(found))


@pytest.fixture(scope="module")
def parser() -> argparse.ArgumentParser:
    return build_parser()


@pytest.mark.parametrize("line", documented())
def test_a_documented_command_parses(parser: argparse.ArgumentParser, line: str) -> None:
    words = shlex.split(line.partition(" | ")[0], comments=True)
    arguments = parser.parse_args(words[1:])
    assert callable(arguments.run)


def test_there_are_documented_commands() -> None:
    assert any(line.startswith("livedream render") for line in documented())


def test_every_command_s_module_is_registered(
    parser: argparse.ArgumentParser, capsys: pytest.CaptureFixture[str]
) -> None:
    """A command that is written but not listed would be missing without a word."""
    with pytest.raises(SystemExit):
        parser.parse_args(["--help"])
    commands = set(capsys.readouterr().out.replace(",", " ").split())
    for module in pkgutil.iter_modules(cli.__path__):
        loaded = __import__(f"livedream.cli.{module.name}", fromlist=["add_parser"])
        if hasattr(loaded, "add_parser"):
            own = argparse.ArgumentParser().add_subparsers()
            loaded.add_parser(own)
            assert set(own.choices) <= commands
