"""What commands print while they work."""

import time

import pytest

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
