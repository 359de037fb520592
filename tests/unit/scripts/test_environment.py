"""The scripts that set livedream up, with stand-ins for Python and apt-get."""

import os
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
PYTHON = """\
#!/bin/sh
[ "$1 $2" = "-m pip" ] && [ -e "$(dirname "$0")/broken" ] && exit 1
if [ "$1 $2" = "-m venv" ]; then
    for folder; do :; done
    rm -rf "$folder"; mkdir -p "$folder/bin"; cp "$0" "$folder/bin/python"
fi
echo "$@" >>"$SAID"
"""
pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="shell scripts")


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """In a folder whose name has a space."""
    root, stubs = tmp_path / "My Projects" / "livedream", tmp_path / "stubs"
    (root / "scripts").mkdir(parents=True)
    stubs.mkdir()
    for name in ("environment.sh", "demo"):
        shutil.copy(ROOT / "scripts" / name, root / "scripts")
    (root / "pyproject.toml").touch()
    for name, text in (("python3.13", PYTHON), ("apt-get", '#!/bin/sh\necho apt >>"$SAID"\n')):
        (stubs / name).write_text(text, encoding="utf-8")
        (stubs / name).chmod(0o755)
    return root


def run(checkout: Path, *command: str, path: str = os.environ["PATH"]) -> tuple[int, str, str]:
    """Exit code, what was asked of Python and apt-get, and what was said."""
    stubs, said = checkout.parents[1] / "stubs", checkout.parents[1] / "said"
    said.unlink(missing_ok=True)
    environment = {**os.environ, "PATH": f"{stubs}:{path}", "SAID": str(said)}
    done = subprocess.run(
        command, cwd=checkout.parent, env=environment, capture_output=True, text=True, check=False
    )
    asked = said.read_text(encoding="utf-8") if said.exists() else ""
    return done.returncode, asked, done.stdout + done.stderr


def test_a_folder_may_have_a_space_in_its_name(checkout: Path) -> None:
    demo = str(checkout / "scripts" / "demo")
    code, asked, _ = run(checkout, demo, "my film.mp4")
    assert code == 0 and "apt" not in asked and "-m venv" in asked
    assert f"render {checkout.parent}/my film.mp4 -o out/my film.dream.mp4" in asked
    code, asked, _ = run(checkout, demo)
    assert code == 0 and "-m pip" not in asked and "render synthetic:clouds" in asked


def test_an_environment_that_was_broken_off_is_made_anew(checkout: Path) -> None:
    broken = checkout / ".venv" / "bin"
    broken.mkdir(parents=True)
    shutil.copy(checkout.parents[1] / "stubs" / "python3.13", broken / "python")
    (broken / "broken").touch()
    code, asked, _ = run(checkout, str(checkout / "scripts" / "demo"))
    assert code == 0 and "-m venv --clear .venv" in asked


@pytest.mark.parametrize(
    ("system", "advice"), [("linux-gnu", ""), ("darwin23", "try: brew install python@3.13\n")]
)
def test_a_python_that_is_too_old_is_named(
    system: str, advice: str, checkout: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And nothing is asked of apt-get, which has no newer one."""
    monkeypatch.setenv("OSTYPE", system)
    tools = tmp_path / "tools"
    tools.mkdir()
    for name in ("bash", "basename", "cat", "cksum", "dirname", "env", "id"):
        found = shutil.which(name)
        assert found is not None
        (tools / name).symlink_to(found)
    (checkout.parents[1] / "stubs" / "python3.13").unlink()
    old = tools / "python3"
    old.write_text('#!/bin/sh\n[ "$1" = --version ] && echo Python 3.9.6\n', encoding="utf-8")
    old.chmod(0o755)
    demo = str(checkout / "scripts" / "demo")
    code, asked, said = run(checkout, demo, path=str(tools))
    assert (code, asked) == (2, "")
    assert said == "Python 3.11 to 3.14 is needed; found: Python 3.9.6\n" + advice


@pytest.mark.parametrize(("words", "code"), [(["--help"], 0), (["-x"], 2), (["a", "b"], 2)])
def test_help_and_mistakes_set_nothing_up(checkout: Path, words: list[str], code: int) -> None:
    found, asked, said = run(checkout, str(checkout / "scripts" / "demo"), *words)
    assert (found, asked, said) == (code, "", "usage: ./scripts/demo [FILE]\n")


def test_the_image_has_a_python_for_which_its_extras_have_wheels() -> None:
    text = (ROOT / "Containerfile").read_text(encoding="utf-8")
    version = text.partition("library/python:3.")[2].partition("-")[0]
    assert "midi" not in text or int(version) <= 12
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    named = text.partition("/src[")[2].partition("]")[0].split(",")
    assert set(named) <= set(extras["optional-dependencies"])
    torches = [one for one in extras["dependencies"] if one.startswith("torch")]
    wanted = [one for one in torches if "darwin" not in one]  # the image is Linux
    assert len(wanted) == 2 and all(f'"{one}"' in text for one in wanted)  # else CUDA's come, too
