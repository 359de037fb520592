"""What the children of RTMP and SRT outputs are given, and how: no secret among their arguments."""

import errno
import itertools
import os
import subprocess
import sys
import tempfile
from fractions import Fraction
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from livedream.core.addresses import parse_address
from livedream.core.errors import SettingsError, SinkError
from livedream.present.live import LiveFrame
from livedream.present.live.relay import RelayOutput, target_of

SECRET = "Hidden-4711"


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[list[str]]:
    """Commands of the children; each is a process that says what it was given and ends."""
    commands: list[list[str]] = []
    popen = subprocess.Popen

    def start(command: list[str], **options: Any) -> Any:
        commands.append(command)
        given = command[command.index("-fpre") + 1] if "-fpre" in command else 0
        code = f"import sys; text = open({given!r}, 'rb').readline();"
        code += "sys.stdout.buffer.write(text); sys.stderr.buffer.write(text)"
        with (tmp_path / "given").open("wb") as file:
            return popen([sys.executable, "-c", code], **{**options, "stdout": file})

    monkeypatch.setattr("livedream.present.live.relay.start_child", start)
    monkeypatch.setattr(
        "livedream.core.children.subprocess.run",
        lambda command, **_: subprocess.CompletedProcess(command, 0, "Output:\n  rtmp\n  srt\n"),
    )
    monkeypatch.setattr("shutil.which", lambda name: str(tmp_path / name))
    return commands


def opened(address: str) -> None:
    """Open an output and write to it until its child has ended."""
    output = RelayOutput(parse_address(address), 64, 36, Fraction(25))
    assert SECRET not in output.name
    output.open()
    try:
        with pytest.raises(SinkError) as error:
            for index in itertools.count():  # until it has ended
                output.write(LiveFrame(np.zeros((36, 64, 3), np.uint8), index / 25, index))
        assert SECRET not in str(error.value)
    finally:
        output.close()


def test_rtmp_gets_its_address_through_the_pipe(
    started: list[list[str]], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("STREAM_KEY", SECRET)
    for key in (SECRET, "{env:STREAM_KEY}"):
        opened(f"rtmp://127.0.0.1/live/{key}?bitrate=1M")
        assert (tmp_path / "given").read_text() == f"rtmp://127.0.0.1/live/{SECRET}\n"
    assert SECRET not in str(started)


@pytest.mark.skipif(os.name != "posix", reason="needs pipes that a child can open by number")
def test_srt_gets_its_passphrase_through_a_pipe(started: list[list[str]], tmp_path: Path) -> None:
    opened(f"srt://127.0.0.1:9?mode=caller&passphrase={SECRET}")
    assert (tmp_path / "given").read_text() == f"passphrase={SECRET}\n"
    assert SECRET not in str(started)
    assert started[0][-1] == "srt://127.0.0.1:9?mode=caller"


def test_on_windows_too_the_last_words_of_a_child_that_ends_are_the_reason(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """There a pipe that nobody reads any more is EINVAL."""

    def write(fd: int, data: memoryview) -> int:
        raise OSError(errno.EINVAL, "Invalid argument")

    output = RelayOutput(parse_address("rtmp://127.0.0.1/app/key"), 64, 36, Fraction(25))
    stdin = SimpleNamespace(fileno=lambda: -1)
    child: Any = SimpleNamespace(stdin=stdin, poll=lambda: None, wait=lambda timeout: 0)
    with tempfile.TemporaryFile() as said:
        said.write(b"the server refused\n")
        output._child, output._said = child, said  # noqa: SLF001
        monkeypatch.setattr(sys, "platform", "win32")
        monkeypatch.setattr("livedream.present.live.relay.os", SimpleNamespace(write=write))
        with pytest.raises(SinkError, match=r"^the server refused$"):
            output._pass_on(b"picture")  # noqa: SLF001


@pytest.mark.parametrize(
    ("text", "target"),
    [
        ("rtmp://a/app/key?bitrate=6M&keyframe=2", "rtmp://a/app/key"),
        ("rtmp://a/app/key?s_bl=1&sig=a%2Bb", "rtmp://a/app/key?s_bl=1&sig=a%2Bb"),
        ("srt://a:9?latency=60&encoder=auto", "srt://a:9?latency=60000"),
    ],
)
def test_what_is_meant_for_the_protocol_stays_as_it_was_written(text: str, target: str) -> None:
    assert target_of(parse_address(text))[0] == target


@pytest.mark.parametrize(
    ("host", "near"),
    [
        ("127.0.0.1:1935", True), ("192.168.1.9", True), ("[::1]:1935", True), ("studio", True),
        ("user:word@10.0.0.5:1935", True), ("obs.local", True),
        ("live.twitch.tv", False), ("203.0.113.5.example:1935", False), ("8.8.8.8", False),
    ],
)  # fmt: skip
def test_how_late_a_service_s_picture_is_is_not_known(host: str, near: bool) -> None:
    output = RelayOutput(parse_address(f"rtmp://{host}/app/key"), 64, 36, Fraction(25))
    assert (output.delay_ms > 0) is near


def test_a_key_that_is_not_there() -> None:
    with pytest.raises(SettingsError, match="NOT_SET_HERE"):
        opened("rtmp://127.0.0.1/live/{env:NOT_SET_HERE}")


@pytest.mark.parametrize("scheme", ["rtmp", "srt"])
def test_what_an_old_python_on_windows_cannot_do_is_refused_at_once(
    scheme: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delattr("os.set_blocking")
    with pytest.raises(SettingsError, match=f"^{scheme} needs Python 3.12 or newer on Windows"):
        RelayOutput(parse_address(f"{scheme}://host/app/key"), 64, 48, Fraction(25))


@pytest.mark.parametrize("scheme", ["rtmp", "rtmps", "srt"])
def test_an_address_without_a_host_is_told_what_to_write(scheme: str) -> None:
    with pytest.raises(SettingsError) as caught:
        RelayOutput(parse_address(f"{scheme}://"), 64, 48, Fraction(25))
    assert f"{scheme}: no host: write {scheme}://HOST" in str(caught.value)
