"""A whole show with a password and a stream key: `scripts/secrets_check.py`, for some seconds."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]


@pytest.mark.slow
@pytest.mark.parametrize("form", ["elsewhere", "written"])
def test_nothing_that_a_show_leaves_behind_holds_a_secret(form: str) -> None:
    line = [sys.executable, str(ROOT / "scripts" / "secrets_check.py"), "--seconds", "15"]
    done = subprocess.run(
        [*line, "--form", form], capture_output=True, text=True, timeout=240, check=False
    )
    report = json.loads(done.stdout or "{}")
    assert report, done.stderr
    assert report["found"] == {}
    assert report["passed"], json.dumps(report, indent=2)  # a string is shown whole
