"""Which source a text means, and what is refused at once."""

import math
from fractions import Fraction
from pathlib import Path
from types import SimpleNamespace

import pytest

from livedream.capture.live import open_live, stated_rate
from livedream.capture.live.camera import CameraInput
from livedream.capture.live.paced import PacedInput
from livedream.capture.live.screen import ScreenInput
from livedream.capture.live.stream import StreamInput
from livedream.core.errors import SettingsError, SourceError
from livedream.core.redact import redact


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("", CameraInput),
        ("1", CameraInput),
        ("/dev/video9", CameraInput),
        ("camera:brio", CameraInput),
        ("Logitech", CameraInput),
        ("USB2.0 HD UVC WebCam", CameraInput),
        ("HD Webcam 2.0", CameraInput),
        ("udp://127.0.0.1:9000", StreamInput),
        ("rtsp://user:secret@camera/stream", StreamInput),
        ("screen", ScreenInput),
        ("screen:2", ScreenInput),
        ("screen:1:640x360+10+20", ScreenInput),
        ("synthetic:clouds?size=64x36", PacedInput),
        ("noise", PacedInput),
    ],
)
def test_kinds(text: str, kind: type) -> None:
    assert type(open_live(text)) is kind


def test_a_file_is_one(tmp_path: Path) -> None:
    path = tmp_path / "film.mp4"
    path.touch()
    assert type(open_live(str(path))) is PacedInput


def test_a_password_stays_out_of_the_name() -> None:
    assert open_live("rtsp://user:secret@camera:554/stream").name == "rtsp://camera:554"


@pytest.mark.parametrize(
    "text", ["film.mp4", "2.0.3gp", "a/b", "gopher://x", "synthetic:fog", "screen:x"]
)
def test_what_can_never_be_a_source_is_refused(text: str) -> None:
    with pytest.raises(SourceError):
        open_live(text)


def test_a_path_of_windows_is_no_camera_s_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("livedream.capture.live.os", SimpleNamespace(sep="\\"))
    with pytest.raises(SourceError, match="does not exist"):
        open_live(r"C:\shows\stills")
    assert type(open_live(r"\\?\usb#vid_046d&pid_085e#6&1#0000")) is CameraInput


@pytest.mark.parametrize("rate", [None, 0, -1, 0.05, 1e9, math.nan, math.inf, Fraction(-1, 9)])
def test_a_rate_that_cannot_be_is_another(rate: float | None) -> None:
    assert stated_rate(rate, 30.0) == 30
    assert stated_rate(Fraction(60000, 1001)) == Fraction(60000, 1001)
    assert stated_rate(0.1) == Fraction(1, 10)


@pytest.mark.parametrize("text", ["srt://127.0.0.1:9000", "rist://127.0.0.1:9000"])
def test_what_needs_an_ffmpeg_is_refused_without_one(
    text: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("shutil.which", lambda name: None)
    with pytest.raises(SettingsError, match="needs an ffmpeg with"):
        open_live(text)


@pytest.mark.parametrize(
    "text",
    ["rtmp://me:HIDDEN@cam:9/live/HIDDEN", "rtmp://cam/app", "rtmps://cam:9", "RTMP://cam/x"],
)
def test_what_is_wrong_with_a_stream_is_said_without_its_key(text: str) -> None:
    source = open_live(text)
    said = redact(f"{source.name}: nothing received (refused)")
    assert said.endswith("/***: nothing received (refused)")
    assert "HIDDEN" not in said


@pytest.mark.parametrize("text", ["rtsp://me:HIDDEN@cam:99999/x", "http://me:HIDDEN/x@cam:0/y"])
def test_a_wrong_port_is_refused_at_once_and_shows_no_password(text: str) -> None:
    with pytest.raises(SettingsError, match="port must be 1 to 65535") as error:
        open_live(text)
    assert "HIDDEN" not in str(error.value)
