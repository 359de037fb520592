"""What the documentation says about parameters is what the code declares."""

import importlib
import re
import runpy
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


def test_the_parameter_page_is_up_to_date() -> None:
    made = runpy.run_path(str(ROOT / "scripts" / "document_parameters.py"))["text"]()
    found = (ROOT / "docs" / "parameters.md").read_text(encoding="utf-8")
    assert found == made, "run python scripts/document_parameters.py"


def test_the_readme_s_python_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As it stands there, on a small film; the docstring of the package shows the same lines."""
    from livedream.capture import open_source
    from livedream.cli import main

    monkeypatch.chdir(tmp_path)
    clouds = "synthetic:clouds?size=96x64&fps=25&seconds=0.2"
    assert main(["render", clouds, "-o", "in.mp4", "--size", "64p", "--quiet"]) == 0
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    code = readme.partition("```python\n")[2].partition("```")[0]
    assert code.count("\n") < 10
    exec(compile(code, "README.md", "exec"), {})
    with open_source("out.mp4") as dreamed:
        assert len(list(dreamed)) == 5
    import livedream

    shown = "\n".join(line.strip() for line in code.splitlines() if line.strip())
    told = "\n".join(line.strip() for line in (livedream.__doc__ or "").splitlines())
    assert shown in told.replace("\n\n", "\n")


def test_the_examples_of_the_api_run_and_every_public_name_has_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import livedream

    monkeypatch.chdir(tmp_path)
    page = (ROOT / "docs" / "api.md").read_text(encoding="utf-8")
    with (
        livedream.open_source("synthetic:clouds?size=128x96&fps=25&seconds=0.24") as clouds,
        livedream.open_sink("in.mp4", clouds.info) as sink,
    ):
        for frame in clouds:
            sink.write(frame)
    blocks = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    names: dict[str, object] = {}
    for block in blocks:
        exec(compile(block, "docs/api.md", "exec"), names)
    headings = "\n".join(re.findall(r"^### .*$", page, re.MULTILINE))
    for name in livedream.__all__:
        assert f"`{name}" in headings, f"docs/api.md has no heading for {name}"
        assert any(f"livedream.{name}" in block for block in blocks), f"no example of {name}"


PAGES = [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *(ROOT / "models").glob("*.md")]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_what_a_page_refers_to_is_there(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    links = re.findall(r"\]\((?!https?:)([^)#\s]+)[^)]*\)", text)
    missing = [link for link in links if not (page.parent / link).exists()]
    if page.name != "CHANGELOG.md":  # which names what has gone
        paths = re.findall(r"(?<![\w/])(?:livedream|scripts|tests|examples|docs)/[\w./-]*\w", text)
        missing += [path for path in paths if not (ROOT / path).exists()]
    assert not missing
    for module, names in re.findall(r"^ *from (livedream[\w.]*) import ([\w, ]+)$", text, re.M):
        loaded = importlib.import_module(module)
        assert all(hasattr(loaded, name.strip()) for name in names.split(","))
