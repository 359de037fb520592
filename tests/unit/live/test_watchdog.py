"""The watchdog against a real socket in place of systemd's: told while pictures come."""

import socket
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from livedream.core.health import Status
from livedream.live.watchdog import Watchdog


@pytest.fixture
def listening(tmp_path: Path) -> Iterator[tuple[str, socket.socket]]:
    if sys.platform == "win32":
        pytest.skip("systemd's socket is a Unix one")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as ear:
        ear.bind(str(tmp_path / "notify"))
        ear.settimeout(0.05)
        yield str(tmp_path / "notify"), ear


def test_ready_once_then_alive_only_while_pictures_come(
    listening: tuple[str, socket.socket],
) -> None:
    address, ear = listening
    watchdog = Watchdog(address, "3")  # microseconds: sent at every check
    watchdog.check(Status(frames=10, fps=25.0))
    assert ear.recv(999).startswith(b"READY=1\nWATCHDOG=1")
    watchdog.check(Status(frames=20))
    assert ear.recv(999).startswith(b"WATCHDOG=1")
    watchdog.check(Status(frames=20))
    with pytest.raises(TimeoutError):
        ear.recv(999)
    watchdog.stopping()
    assert ear.recv(999) == b"STOPPING=1"


def test_without_systemd_nothing_is_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NOTIFY_SOCKET", raising=False)
    monkeypatch.setattr(
        "livedream.live.watchdog.socket.socket", lambda *_: pytest.fail("a socket was opened")
    )
    watchdog = Watchdog()
    watchdog.check(Status(frames=1))
    watchdog.stopping()


def test_a_socket_that_went_away_does_not_end_the_show(
    listening: tuple[str, socket.socket],
) -> None:
    address, ear = listening
    watchdog, away = Watchdog(address, "3"), Path(address).with_name("away")
    Path(address).rename(away)
    watchdog.check(Status(frames=1))
    away.rename(address)
    watchdog.check(Status(frames=2))
    assert ear.recv(999).startswith(b"WATCHDOG=1")  # the first one was not kept for later
