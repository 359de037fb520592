"""One folder for what a user makes, and LIVEDREAM_HOME moves all of it."""

from pathlib import Path

import pytest

from livedream.control.presets import Presets
from livedream.core.errors import SettingsError
from livedream.core.user_folders import NAME, cache_folder, checked_name, name_of, own_folder
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


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("my_photos_", "my-photos"),
        ("Fotos Süd (2)", "fotos-sud-2"),
        ("2024.05  Straße", "2024-05-strasse"),
        ("x" * 39 + " garden", "x" * 39),
        ("flowers", "flowers"),
    ],
)
def test_any_text_makes_a_name(text: str, name: str) -> None:
    assert checked_name(name_of(text)) == name


@pytest.mark.parametrize("name", ["con", "prn", "aux", "nul", "com1", "lpt9"])
def test_a_device_of_windows_is_no_file_s_name(name: str) -> None:
    with pytest.raises(SettingsError, match="device name on Windows"):
        checked_name(name)
    assert NAME.fullmatch(name) is None
    for longer in (f"{name}0", f"{name}-2", f"my-{name}"):
        assert checked_name(longer) == longer


@pytest.mark.parametrize("text", ["", "写真", "___"])
def test_a_text_of_other_letters_makes_none(text: str) -> None:
    with pytest.raises(SettingsError, match="give one with --name"):
        name_of(text)
