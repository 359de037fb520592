"""One folder for what a user makes, and LIVEDREAM_HOME moves all of it."""

from pathlib import Path

import pytest

from livedream.control.presets import Presets
from livedream.core.user_folders import cache_folder, own_folder
from livedream.present.live.display_memory import DisplayMemory


def test_livedream_home_moves_everything(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("LIVEDREAM_HOME", str(tmp_path))
    assert own_folder() == tmp_path
    assert DisplayMemory().path == tmp_path / "displays.json"
    assert Presets().folder == tmp_path / "presets"
    assert cache_folder() == tmp_path / "cache"


def test_without_it_they_lie_where_the_system_keeps_such(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.delenv("LIVEDREAM_HOME", raising=False)
    monkeypatch.setattr("platformdirs.user_config_path", lambda *_, **__: tmp_path / "settings")
    assert own_folder() == tmp_path / "settings"
