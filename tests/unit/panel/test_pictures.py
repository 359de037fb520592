"""Pictures of motifs, with processes that draw nothing or what they should."""

import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from waiting import until

from livedream.control.presets import Presets
from livedream.panel import pictures
from livedream.panel.pictures import Pictures

CATALOGUE: Any = SimpleNamespace(
    find=lambda name: SimpleNamespace(name=name, mark="1"),
    layers=lambda name: (SimpleNamespace(name="eyes", channels=8),),
)


def test_a_picture_whose_process_was_killed_is_drawn_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    started: list[str] = []
    code = "import os; os.kill(os.getpid(), 9)"

    def start(command: list[str], **options: Any) -> Any:
        started.append(command[-1])
        return subprocess.Popen([sys.executable, "-c", code], **options)

    now_s = [5000.0]
    monkeypatch.setattr(pictures, "start_child", start)
    monkeypatch.setattr(pictures, "time", SimpleNamespace(monotonic=lambda: now_s[0]))
    drawn: list[tuple[str, bool]] = []
    made = Pictures(CATALOGUE, Presets(tmp_path), tmp_path, lambda *one: drawn.append(one))
    try:
        assert made.motif("net/eyes:3") is None
        until(lambda: drawn == [("net/eyes:3", False)])
        assert made.motif("net/eyes:3") is None
        assert drawn == [("net/eyes:3", False)] * 2
        assert started == ["eyes:3"], "not again and again"
        path = tmp_path / "net-1" / "eyes@3.jpg"
        path.parent.mkdir()
        code = f"open({str(path)!r}, 'w').write('jpeg'); print('eyes:3')"
        now_s[0] += 61.0
        assert made.motif("net/eyes:3") is None
        until(lambda: drawn[2:] == [("net/eyes:3", True)])
        assert made.motif("net/eyes:3") == b"jpeg"
    finally:
        made.close()
