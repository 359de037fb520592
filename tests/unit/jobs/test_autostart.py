"""What has a show begin by itself: each system's own file, read back by somebody else."""

import getpass
import os
import plistlib
import shlex
import shutil
import subprocess
import sys
import xml.etree.ElementTree as ET
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from livedream.cli import main
from livedream.jobs.autostart import autostart, run

WORDS = ("live", "0", "--fullscreen", "--record", "/my films/100% $HOME", "--preset", 'a"b\\c')


def command_of(text: str) -> list[str]:
    """A unit's command, its own escapes undone."""
    (line,) = (one for one in text.splitlines() if one.startswith("ExecStart="))
    return [
        word.replace("%%", "%").replace("$$", "$")
        for word in shlex.split(line.removeprefix("ExecStart="))
    ]


def test_a_unit_of_systemd(tmp_path: Path) -> None:
    entry = autostart(WORDS, "gallery", system="linux", home=tmp_path, folder=tmp_path)
    assert entry.file.name == "gallery.service"
    assert command_of(entry.text.decode()) == [sys.executable, "-m", "livedream", *WORDS]
    assert entry.on[1][-2:] == ("enable", "gallery")


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has other rights")
def test_what_may_hold_a_key_is_its_owners(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("XDG_CONFIG_HOME", raising=False)
    entry = autostart(("live", "--sink", "rtmp://host/app/key"), system="linux", home=tmp_path)
    entry.write()
    assert entry.file.stat().st_mode & 0o077 == 0


@given(st.lists(st.text(st.characters(min_codepoint=32, max_codepoint=126))))
def test_whatever_the_words_are_a_unit_has_them(words: list[str]) -> None:
    entry = autostart(words, system="linux", home=Path("/home/me"), folder=Path("/home/me"))
    assert command_of(entry.text.decode())[3:] == words


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="wants systemd-analyze")
def test_systemd_takes_the_unit(tmp_path: Path) -> None:
    entry = autostart(WORDS, system="linux", home=tmp_path, folder=tmp_path)
    file = tmp_path / entry.file.name
    file.write_bytes(entry.text)
    done = subprocess.run(
        ["systemd-analyze", "--user", "verify", str(file)],
        capture_output=True, text=True, check=False,
        env={"XDG_RUNTIME_DIR": str(tmp_path), "PATH": "/usr/bin:/bin", "HOME": str(tmp_path)},
    )  # fmt: skip
    assert (done.returncode, done.stdout) == (0, "")
    assert file.name not in done.stderr


def test_an_agent_of_launchd(tmp_path: Path) -> None:
    entry = autostart(WORDS, system="darwin", home=tmp_path, folder=tmp_path)
    found = plistlib.loads(entry.text)
    assert found["ProgramArguments"] == [sys.executable, "-m", "livedream", *WORDS]
    assert found["WorkingDirectory"] == str(tmp_path)
    assert entry.file == tmp_path / "Library/LaunchAgents/livedream.livedream.plist"


@pytest.mark.skipif(sys.platform == "win32", reason="a tool of the shell")
def test_an_agent_of_launchd_takes_the_place_of_the_one_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    tools = tmp_path / "bin"
    tools.mkdir()
    launchctl = tools / "launchctl"
    launchctl.write_text(  # the show of before goes while the new one is refused for the first time
        f'#!/bin/sh\necho "$@" >> {tmp_path}/asked\n[ $1 = bootstrap ] || exit 3\n'
        f"[ -e {tmp_path}/gone ] || {{ : > {tmp_path}/gone; exit 5; }}\n"
    )
    launchctl.chmod(0o755)
    monkeypatch.setenv("PATH", str(tools))
    monkeypatch.setattr("livedream.jobs.autostart._AGAIN_S", 0.0)
    here = partial(autostart, system="darwin", home=tmp_path)
    monkeypatch.setattr("livedream.jobs.autostart.autostart", here)
    file = here(()).file
    assert main(["autostart", "live", "0"]) == 0
    assert capsys.readouterr().out == f"{file} is written\nIt starts at each login.\n"
    domain = f"gui/{os.getuid()}"
    assert (tmp_path / "asked").read_text().splitlines() == [
        f"bootout {domain}/livedream.livedream", *2 * [f"bootstrap {domain} {file}"]
    ]  # fmt: skip


def test_a_task_of_windows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LIVEDREAM_HOME", str(tmp_path))
    monkeypatch.setenv("USERDOMAIN", "STAGE")
    monkeypatch.setattr(getpass, "getuser", lambda: "J&rgen")
    entry = autostart(("live", "<0> & co"), system="win32", folder=tmp_path)
    task = ET.fromstring(entry.text)
    schema = "{http://schemas.microsoft.com/windows/2004/02/mit/task}"
    assert task.findtext(f".//{schema}Command") == sys.executable
    assert task.findtext(f".//{schema}Arguments") == '-m livedream live "<0> & co"'
    assert task.findtext(f".//{schema}ExecutionTimeLimit") == "PT0S"
    assert task.findtext(f".//{schema}LogonTrigger/{schema}UserId") == "STAGE\\J&rgen"
    assert task.findtext(f".//{schema}Priority") == "5"
    done: list[Sequence[Sequence[str]]] = []

    def noted(commands: Sequence[Sequence[str]], again_s: float = 0.0) -> str:
        done.append(commands)
        return "the task does not run" if commands == entry.end else ""

    monkeypatch.setattr("livedream.jobs.autostart.run", noted)
    monkeypatch.setattr("livedream.jobs.autostart.autostart", lambda *_: entry)
    entry.write()
    assert main(["autostart", "--remove"]) == 0  # deleting a task leaves running what it began
    assert done == [(("schtasks", "/End", "/TN", "livedream"),), entry.off]
    assert not entry.file.exists()
    done.clear()
    assert main(["autostart", "--start", "live", "0"]) == 0  # nor does creating it anew stop that
    assert done == [entry.before, entry.end, entry.on, entry.session]
    done.clear()
    assert main(["autostart", "live", "0"]) == 0
    assert done == [entry.before, entry.on[:-1], entry.session]


@pytest.mark.skipif(sys.platform != "linux", reason="a unit of systemd")
def test_somebody_else_s_service_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    unit = tmp_path / "systemd/user/syncthing.service"
    unit.parent.mkdir(parents=True)
    unit.write_text("[Unit]\nDescription=Syncthing\n")
    for words in (["--remove"], ["live", "0"]):
        assert main(["autostart", "--name", "syncthing", *words]) == 2
        assert "syncthing.service is not livedream's" in capsys.readouterr().err
    assert unit.read_text() == "[Unit]\nDescription=Syncthing\n"


def test_what_goes_wrong_is_said() -> None:
    python = (sys.executable, "-c")
    assert run([(*python, "pass")]) == ""
    assert run([("no-such-tool",)]) == "no-such-tool: No such file or directory"
    fails = "import sys; sys.exit('no bus')"
    assert run([(*python, "pass"), (*python, fails)]).endswith(": no bus")
    fails = r"import sys; sys.stderr.buffer.write(b'Ung\x81ltig'); sys.exit(1)"  # by schtasks
    assert run([(*python, fails)]).endswith(": Ung\N{REPLACEMENT CHARACTER}ltig")


@pytest.mark.skipif(sys.platform != "linux", reason="a unit of systemd")
def test_the_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    tools = tmp_path / "bin"
    tools.mkdir()
    systemctl = tools / "systemctl"
    systemctl.write_text(f'#!/bin/sh\necho "$@" >> {tmp_path}/asked\n')
    systemctl.chmod(0o755)
    monkeypatch.setenv("PATH", str(tools), prepend=":")
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    unit = tmp_path / "systemd/user/livedream.service"
    assert main(["autostart", "--print", "live", "0"]) == 0
    assert "ExecStart=" in capsys.readouterr().out
    assert not unit.exists()
    assert main(["autostart", "--print", "live", "rtsp://{env:NOT_HERE}@127.0.0.1/x",
                 "--sink", "rtmp://127.0.0.1/app/{env:NOT_HERE}"]) == 0  # fmt: skip
    assert "{env:NOT_HERE}" in capsys.readouterr().out
    assert main(["autostart", "live", "0", "--strength", "20"]) == 0
    assert command_of(unit.read_text())[3:] == ["live", "0", "--strength", "20"]
    assert capsys.readouterr().err == ""
    assert main(["autostart", "--remove"]) == 0
    assert not unit.exists()
    asked = (tmp_path / "asked").read_text().splitlines()
    assert asked == [
        "--user daemon-reload", "--user enable livedream",
        "--user is-active graphical-session.target", "--user disable --now livedream",
    ]  # fmt: skip
    systemctl.write_text("#!/bin/sh\n[ $2 != is-active ]\n")  # as with startx and i3
    assert main(["autostart", "live", "0"]) == 0
    assert "has not reached graphical-session.target" in capsys.readouterr().err
    assert main(["autostart", "--remove"]) == 0
    for wrong in (
        ["--remove"],
        ["render", "film.mp4"],
        [],
        ["live", "0", "--strength", "-3"],
        ["live", "0", "--preset", "nope"],
        ["live", "0", "--sink", "nope:1"],
        ["live", "0", "--attract-program", "nope"],
        ["live", "0", "--sink", "window", "--sink", "window?display=1"],
        ["live", "0", "--objective", "eyse"],
        ["live", "0", "--prompt", "zzqx"],
        ["live", "0", "--weights", "own.safetensors", "--objective", "eyes +"],
        ["live", "0", "--network", "nope"],
        ["live", "0", "--where", "bogus("],
        ["live", "0", "--flow", "none", "--where", "moving"],
        ["live", "0", "--display", "x"],
        ["live", "0", "--follow-beat"],
        ["live", "0", "--panel", "host:99999"],
        ["live", "0", "--osc", "0.0.0.0:9001"],
        ["live", "0", "--obs", "host:99999"],
        ["live", "0", "--sink", "udp://127.0.0.1"],
        ["live", "0", "--sink", "record:x?of=nope"],
        ["live", "0", "--record", "x?minutes=never"],
        ["live", "0", "--sink", "window?size=big"],
        ["--name", "../x", "live"],
    ):
        try:
            code = main(["autostart", *wrong])
        except SystemExit as left:
            code = int(left.code or 0)
        assert code == 2, wrong
    assert not unit.exists()
