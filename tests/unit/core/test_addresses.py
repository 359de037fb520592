"""Addresses and what is kept elsewhere; user folders."""

import socket
from pathlib import Path

import pytest

from livedream.core.addresses import (
    Endpoint,
    listening,
    parse_address,
    quoted_user,
    resolved,
    stream_url,
)
from livedream.core.errors import SettingsError, SinkError


def test_secrets_come_from_the_environment_and_from_files(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "key").write_text("live_1?part=2\n", encoding="utf-8")
    monkeypatch.setenv("CAMERA", "pa#s@s/1")
    assert resolved("rtsp://admin:{env:CAMERA}@cam/x") == "rtsp://admin:pa%23s%40s%2F1@cam/x"
    assert resolved(f"rtmp://a/app/{{file:{tmp_path}/key}}") == "rtmp://a/app/live_1?part=2"
    (tmp_path / "key").write_text("live_1\n", encoding="utf-8-sig")
    assert resolved(f"rtmp://a/app/{{file:{tmp_path}/key}}") == "rtmp://a/app/live_1"
    assert resolved("udp://127.0.0.1:9000") == "udp://127.0.0.1:9000"
    assert parse_address("browser:8000?token={env:CAMERA}").word("token", "") == "pa#s@s/1"


@pytest.mark.parametrize("text", ["{env:NOT_SET_HERE}", "{file:/not/there}", "{file:/}"])
def test_a_secret_that_is_not_there_is_one_line(text: str) -> None:
    with pytest.raises(SettingsError) as error:
        resolved(f"rtmp://a/app/{text}")
    assert "\n" not in str(error.value)


def test_a_password_that_was_taken_for_a_port_is_not_shown() -> None:
    with pytest.raises(SettingsError, match="user") as error:
        parse_address("udp://me:hidden?x@a:9").endpoint("127.0.0.1:")
    assert "hidden" not in str(error.value)


@pytest.mark.parametrize(
    ("host", "loopback"),
    [("127.0.0.1", True), ("127.9.9.9", True), ("localhost", True), ("::1", True),
     ("0.0.0.0", False), ("::", False), ("192.168.1.2", False), ("example.org", False)],
)  # fmt: skip
def test_loopback(host: str, loopback: bool) -> None:
    assert Endpoint(host, 1).loopback is loopback


def test_who_may_come_in() -> None:
    endpoint = listening("0.0.0.0:0?allow=192.168.1.0/24,10.0.0.7", "127.0.0.1:1", name="panel")
    assert all(map(endpoint.admits, ["127.0.0.1", "192.168.1.9", "::ffff:192.168.1.9", "10.0.0.7"]))
    assert not any(map(endpoint.admits, ["192.168.2.9", "10.0.0.8", "fe80::1%eth0", "x"]))


@pytest.mark.parametrize("kind", [socket.SOCK_STREAM, socket.SOCK_DGRAM])
def test_a_port_that_is_taken_is_one_line(kind: socket.SocketKind) -> None:
    with Endpoint("127.0.0.1", 0).bind("panel", kind) as opened:
        port = opened.getsockname()[1]
        with pytest.raises(SinkError, match=f"panel: 127.0.0.1:{port} cannot .* another port"):
            Endpoint("127.0.0.1", port).bind("panel", kind)


@pytest.mark.parametrize(
    ("written", "quoted"),
    [
        ("rtsp://admin:pa#ss@cam:554/x", "rtsp://admin:pa%23ss@cam:554/x"),
        ("rtsp://admin:12#4@cam/x", "rtsp://admin:12%234@cam/x"),
        ("rtsp://admin:pa/ss@cam:554/x", "rtsp://admin:pa%2Fss@cam:554/x"),
        ("rtsp://admin:pa?ss@cam:554/x?y=1", "rtsp://admin:pa%3Fss@cam:554/x?y=1"),
        ("rtsp://admin:p@ss:w@cam/x", "rtsp://admin:p%40ss:w@cam/x"),
        ("http://admin:100%@cam/x", "http://admin:100%25@cam/x"),
        ("http://admin:pa ss@cam/x", "http://admin:pa%20ss@cam/x"),
        ("rtsp://me:é@[fe80::1]:554/x", "rtsp://me:%C3%A9@[fe80::1]:554/x"),
        ("rtsp://{env:U}:{file:/a/b@c}#@cam/x", "rtsp://{env:U}:{file:/a/b@c}%23@cam/x"),
        # What is right already, and what has no user.
        ("rtsp://admin:pa%23ss@cam:554/x", "rtsp://admin:pa%23ss@cam:554/x"),
        ("http://cdn:80/@me/live.m3u8?mail=a@b", "http://cdn:80/@me/live.m3u8?mail=a@b"),
        ("udp://@239.1.2.3:9000", "udp://@239.1.2.3:9000"),
        ("rtmp://host/app/key@1", "rtmp://host/app/key@1"),
        ("record:shows/a@b#1", "record:shows/a@b#1"),
    ],
)
def test_a_user_or_password_may_be_written_as_it_is(written: str, quoted: str) -> None:
    assert quoted_user(written) == quoted
    assert quoted_user(quoted) == quoted


@pytest.mark.parametrize("port", ["0", "65536", "99999", "999999"])
def test_a_port_that_is_none_is_one_line(port: str) -> None:
    with pytest.raises(SettingsError, match=rf"^rtsp://cam: .* 1 to 65535 \(got {port}\)$"):
        stream_url(f"rtsp://cam:{port}/x")
    assert stream_url("RTSP://Cam/X") == "rtsp://Cam/X"


@pytest.mark.parametrize("text", ["rtsp://me:HIDDEN/x@cam:HIDDEN/x", "rtsp://me:HIDDEN@cam:99999"])
def test_what_may_be_a_password_is_not_shown_but_how_to_write_it(text: str) -> None:
    with pytest.raises(SettingsError, match="# as %23") as error:
        stream_url(text)
    assert "HIDDEN" not in str(error.value)
