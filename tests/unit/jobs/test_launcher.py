"""An icon for each system, read back by somebody else."""

import configparser
import plistlib
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from livedream.cli import main
from livedream.jobs import launcher as made
from livedream.jobs.launcher import launcher

COMMAND = [sys.executable, "-m", "livedream", "studio"]


def entry_of(text: str) -> configparser.SectionProxy:
    parser = configparser.RawConfigParser(delimiters=("=",), strict=True)
    parser.optionxform = str  # type: ignore[assignment, method-assign]
    parser.read_string(text)
    return parser["Desktop Entry"]


def command_of(text: str) -> list[str]:
    """Undone in the order of the specification: the entry's escapes, quoting, field codes."""
    line = entry_of(text)["Exec"].replace("\\\\", "\\")
    words = re.findall(r'"((?:[^"\\]|\\.)*)"|(\S+)', line)
    plain = [re.sub(r"\\(.)", r"\1", quoted or bare) for quoted, bare in words]
    # Anything else behind a % would be a field code.
    return [re.sub("%(.?)", lambda code: {"%": "%"}[code[1]], word) for word in plain]


def test_an_entry_of_the_desktop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("XDG_DATA_HOME", raising=False)
    found = launcher(system="linux", home=tmp_path)
    assert found.path == tmp_path / ".local/share/applications/livedream.desktop"
    found.write()
    entry = entry_of(found.path.read_text(encoding="utf-8"))
    assert command_of(found.path.read_text(encoding="utf-8")) == COMMAND
    assert entry["Terminal"] == "false"
    assert b"<svg" in Path(entry["Icon"]).read_bytes()
    if shutil.which("desktop-file-validate"):
        subprocess.run(["desktop-file-validate", str(found.path)], check=True)


@given(st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1))
def test_wherever_python_is_an_entry_has_it(name: str) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(made.sys, "executable", f"/my programs/{name}")
        entry = next(iter(launcher(system="linux", home=Path("/home/me")).files.values()))
    assert command_of(entry.decode())[0] == f"/my programs/{name}"


def test_an_application_of_macos(tmp_path: Path) -> None:
    found = launcher(system="darwin", home=tmp_path)
    found.write()
    assert found.path == tmp_path / "Applications/livedream.app"
    about = plistlib.loads((found.path / "Contents/Info.plist").read_bytes())
    program = found.path / "Contents/MacOS" / about["CFBundleExecutable"]
    assert program.stat().st_mode & 0o111 == 0o111
    assert shlex.split(program.read_text(encoding="utf-8").splitlines()[-1])[1:] == COMMAND
    assert found.remove() and not found.path.exists()
    assert not found.remove()


@pytest.mark.skipif(sys.platform == "win32", reason="a program of the shell")
def test_an_application_of_macos_runs_at_home(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    python = tmp_path / "my python"
    python.write_text('#!/bin/sh\necho "$(pwd): $*"\n')
    python.chmod(0o755)
    monkeypatch.setattr(made.sys, "executable", str(python))
    found = launcher(system="darwin", home=tmp_path)
    found.write()
    done = subprocess.run(
        [next(iter(found.files))], cwd="/", env={"HOME": str(tmp_path)},
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert done.stdout == f"{tmp_path}: -m livedream studio\n"


def test_a_command_of_windows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("APPDATA", raising=False)
    monkeypatch.setattr(made.sys, "executable", r"C:\Jürgen\100% Python\python.exe")
    ((path, text),) = launcher(system="win32", home=tmp_path).files.items()
    assert path.name == "livedream.cmd" and "Start Menu" in str(path)
    assert text.decode("utf-8").split("\r\n") == [
        "@chcp 65001 >nul",  # from here on UTF-8
        '@cd /d "%USERPROFILE%"',
        '@start "" "C:\\Jürgen\\100%% Python\\pythonw.exe" -m livedream studio',
        "",
    ]


@pytest.mark.skipif(sys.platform != "linux", reason="asks for the files of Linux")
def test_the_command_writes_it_and_takes_it_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    assert main(["studio", "--install-launcher"]) == 0
    assert (tmp_path / "applications/livedream.desktop").is_file()
    assert main(["studio", "--remove-launcher"]) == 0
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []
    assert main(["studio", "--remove-launcher"]) == 2
    assert "there is no icon to remove" in capsys.readouterr().err
