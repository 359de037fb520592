"""Programs that a show starts end with it, however it ends."""

import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import pytest
from waiting import PATIENCE_S, until

from livedream.cli import script
from livedream.core import children
from livedream.core.errors import SettingsError

SLEEPER = [sys.executable, "-c", "import time; print(1, flush=True); time.sleep(60)"]
STARTS = f"""
import os, subprocess, sys
from livedream.core.children import start_child
child = start_child({SLEEPER!r}, stdout=subprocess.PIPE)
child.stdout.readline()
print(child.pid, flush=True)
"""


def runs(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return b" Z " not in Path(f"/proc/{pid}/stat").read_bytes()


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux ends children with their parent")
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGALRM, signal.SIGINT])
def test_none_outlives_livedream_whatever_ends_it(number: signal.Signals) -> None:
    code = f"{STARTS}\nimport time; time.sleep(60)"
    with subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    ) as parent:
        assert parent.stdout is not None
        pid = int(parent.stdout.readline())
        assert runs(pid)
        parent.send_signal(number)
        until(lambda: not runs(pid))


def test_none_is_left_by_the_way_out_of_a_show(monkeypatch: pytest.MonkeyPatch) -> None:
    codes: list[int] = []
    monkeypatch.setattr("sys.argv", ["livedream", "live"])
    monkeypatch.setattr("livedream.cli.main", lambda: 0)
    monkeypatch.setattr("os._exit", codes.append)
    child = children.start_child(SLEEPER, stdout=subprocess.PIPE)
    assert child.stdout is not None
    child.stdout.readline()
    with pytest.raises(SystemExit):  # where the real one has ended the process
        script()
    assert codes == [0]
    assert child.wait(PATIENCE_S) != 0
    child.stdout.close()
    children.end_child(child, 0.0)


def test_an_ffmpeg_without_the_protocol_is_one_line(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("shutil.which", lambda name: None)
    with pytest.raises(SettingsError, match="srt needs an ffmpeg with SRT, there is none: install"):
        children.ffmpeg_with("srt")
    monkeypatch.setattr("shutil.which", lambda name: str(tmp_path / name))
    with pytest.raises(SettingsError, match="the one here has none"):
        children.ffmpeg_with("srt")


def test_an_ffmpeg_of_homebrew_is_found_by_what_the_finder_starts(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    ffmpeg = tmp_path / "ffmpeg"
    ffmpeg.write_text("#!/bin/sh\necho srt\n")
    ffmpeg.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path / "elsewhere"))
    monkeypatch.setattr("livedream.core.children._HOMEBREW", str(tmp_path))
    monkeypatch.setattr("sys.platform", "darwin")
    assert children.ffmpeg_with("srt") == str(ffmpeg)


@pytest.mark.parametrize(
    ("python", "flag"),
    [("python.exe", "CREATE_NEW_PROCESS_GROUP"), ("pythonw.exe", "CREATE_NO_WINDOW")],
)
def test_on_windows_ctrl_c_does_not_reach_a_child_and_no_console_opens(
    monkeypatch: pytest.MonkeyPatch, python: str, flag: str
) -> None:
    asked: list[dict[str, Any]] = []

    def refuse(command: list[str], **options: Any) -> None:
        asked.append(options)
        raise OSError

    monkeypatch.setattr("sys.platform", "win32")
    monkeypatch.setattr("sys.executable", python)
    monkeypatch.setattr("subprocess.Popen", refuse)
    for name in ("CREATE_NEW_PROCESS_GROUP", "CREATE_NO_WINDOW"):
        monkeypatch.setattr(subprocess, name, name, raising=False)
    with pytest.raises(OSError):
        children.start_child(["ffmpeg"])
    assert children.protocols(f"ffmpeg of {python}") == ()
    assert [options["creationflags"] for options in asked] == [flag, flag]


def test_what_a_python_says_is_read_as_it_was_meant(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONIOENCODING", "cp1252")  # as on Windows
    with tempfile.TemporaryFile() as said:
        child = children.start_child(
            [sys.executable, "-c", "import sys; print('J\\xfcrgen', file=sys.stderr)"], stderr=said
        )
        children.end_child(child, PATIENCE_S)
        assert children.last_words(said) == "Jürgen"


def test_what_a_child_says_for_weeks_stays_short_and_its_last_words_are_the_last() -> None:
    talks = "import sys\nfor line in sys.stdin: print(line.strip() * 1000, file=sys.stderr)"
    with tempfile.TemporaryFile() as said:
        child = children.start_child(
            [sys.executable, "-c", talks], stdin=subprocess.PIPE, stderr=said, bufsize=0
        )
        assert child.stdin is not None
        sizes = []
        for number in range(300):
            before = os.fstat(said.fileno()).st_size
            child.stdin.write(f"{number:03}\n".encode())
            until(lambda before=before: os.fstat(said.fileno()).st_size > before)  # type: ignore[misc]
            children.trim(said)
            sizes.append(os.fstat(said.fileno()).st_size)
        children.end_child(child, PATIENCE_S)
        assert max(sizes) < 100_000
        assert children.last_words(said) == "299" * 1000
