"""What the command line says about addresses it cannot use: one line, without their secrets."""

from pathlib import Path

import pytest

from livedream.capture.live import open_live
from livedream.cli import main
from livedream.core.errors import SourceError

SECRET = "Hidden4711"


@pytest.mark.parametrize(
    "line",
    [
        f"render rtsp://admin:{SECRET}@127.0.0.1/x out.mp4",
        f"render http://127.0.0.1/x.mp4?token={SECRET} out.mp4",
        f"image rtmp://127.0.0.1/live/{SECRET} out.png",
        f"live gopher://admin:{SECRET}@127.0.0.1/x",
        f"live rtsp://admin:{SECRET}@127.0.0.1/x rtmp://127.0.0.1/app/{SECRET}",
        f"live noise --sink rtmp://127.0.0.1/app/{SECRET}?bitrate=lots",
        f"live noise --sink rtmps:/127.0.0.1/app/{SECRET}?encoder=none",
        f"live noise --sink srt://127.0.0.1?passphrase={SECRET}",
        f"live noise --sink srt://127.0.0.1:9?passphrase={SECRET}&latency=never",
        f"live noise --sink browser:0.0.0.0:x?token={SECRET}",
        f"live noise --sink ftp://admin:{SECRET}@127.0.0.1/x",
        f"live noise --sink udp://admin:{SECRET}@127.0.0.1:x",
        f"live noise --sink rtmp://127.0.0.1/app/{SECRET}{{env:NOT_SET_HERE}}",
        f"live rtsp://admin:{SECRET}{{file:/not/there}}@127.0.0.1/x",
        f"live --fps rtsp://admin:{SECRET}@127.0.0.1/x",
    ],
)
def test_a_refused_address_shows_no_secret(line: str, capsys: pytest.CaptureFixture[str]) -> None:
    try:
        code = main(line.split())
    except SystemExit as ended:  # argparse
        code = ended.code
    said = capsys.readouterr()
    assert code == 2
    assert SECRET not in said.out + said.err
    assert "Traceback" not in said.err and said.err.count("\n") <= 2


@pytest.mark.parametrize(
    ("words", "caret"),
    [
        (["render", "noise", "-o", "out.mp4", "--where", f"mask(rtsp://me:{SECRET}@cam/1)"], True),
        (["live", "0", "--objective", f"eyse + guide(eyes, rtsp://me:{SECRET}@cam/1)"], True),
        (
            [
                "render",
                "noise",
                "-o",
                "out.mp4",
                "--where",
                f"mask(rtsp://me:{SECRET * 30}@cam/1) + x",
            ],
            False,
        ),
    ],
)
def test_a_text_that_is_pointed_at_shows_no_secret(
    words: list[str],
    caret: bool,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(words) == 2
    said = capsys.readouterr()
    assert SECRET not in said.out + said.err
    assert "***@cam/1" in said.err and "Traceback" not in said.err
    assert said.err.endswith("^\n") is caret


@pytest.mark.parametrize("password", ["pa#ss", "pa/ss", "pa?ss", "p@ss", "pa ss", "pa[ss", ":ss:"])
def test_a_password_that_is_not_encoded_is_no_traceback(password: str) -> None:
    source = open_live(f"rtsp://admin:{password}@127.0.0.1:1/x")
    assert source.name == "rtsp://127.0.0.1:1"
    with pytest.raises(SourceError) as error:
        source.open()
    assert "ss" not in str(error.value).removeprefix(source.name)
