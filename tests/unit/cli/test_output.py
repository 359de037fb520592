"""What commands print while they work."""

import io
import sys
import time
from pathlib import Path

import pytest

from livedream.cli import script
from livedream.cli.output import Progress


def test_the_time_left_follows_rounds_that_become_slower(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = [0.0]
    monkeypatch.setattr(time, "monotonic", lambda: clock[0])
    with Progress("dream.png", "rounds", 24, quiet=False) as progress:
        for done in range(1, 23):
            clock[0] += 1.0 if done <= 20 else 20.0
            progress.advance(done, 24.0)
    lines = capsys.readouterr().err.splitlines()
    assert "dream.png: 15/24 rounds, 0:00:09 left, 1.0 rounds/s" in lines[2]
    assert "22/24 rounds, 0:00:40 left" in lines[-1]


def test_what_a_pipe_s_code_page_lacks_is_a_question_mark(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "presets").mkdir()
    (tmp_path / "presets" / "owl.toml").write_text('about = "caf\u00e9 \U0001f989"', "utf-8")
    monkeypatch.setenv("LIVEDREAM_HOME", str(tmp_path))
    monkeypatch.setattr(sys, "argv", ["livedream", "presets"])
    pipe = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(pipe, "cp1252"))
    with pytest.raises(SystemExit) as ended:
        script()
    sys.stdout.flush()
    assert ended.value.code == 0
    assert "caf\u00e9 ?" in pipe.getvalue().decode("cp1252")
