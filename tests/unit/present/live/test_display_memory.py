"""What was set for each display stays there."""

from pathlib import Path

import pytest

from livedream.core.errors import SettingsError
from livedream.present.live.display_memory import DisplayMemory
from livedream.present.live.placement import Placement


class TestMemory:
    kept = Placement(
        "cover", 90, True, 1.2, 0.9, (((0.1, 0), (1, 0)), ((0, 1), (1, 1))), (0, 0, 0.5, 1),
        (0, 0, 0.2, 0), 1.8, "stage",
    )  # fmt: skip

    def test_each_display_has_its_own(self, tmp_path: Path) -> None:
        memory = DisplayMemory(tmp_path / "new")
        assert memory.recall("0:1920x1080") is None
        memory.keep("0:1920x1080", self.kept)
        memory.keep("1:800x600", Placement())
        assert memory.recall("0:1920x1080") == self.kept
        assert memory.recall("1:800x600") == Placement()

    def test_it_is_kept_where_the_users_files_are(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("LIVEDREAM_HOME", str(tmp_path))
        DisplayMemory().keep("0", self.kept)
        assert (tmp_path / "displays.json").is_file()

    def test_figures_stay_as_they_were_set(self, tmp_path: Path) -> None:
        memory = DisplayMemory(tmp_path)
        memory.keep("0", hud=True)
        assert memory.recall("0") is None
        memory.keep("0", self.kept)
        assert memory.hud("0") and not memory.hud("1")

    @pytest.mark.parametrize(
        "text",
        [
            "", "[]", '{"0": 3}', '{"0": {"turn": 45}}', '{"0": {"mesh": 1}}',
            '{"0": {"mesh": [[[0, 0]]]}}', '{"0": {"crop": [0, 0, 1]}}', '{"0": {"edges": "abcd"}}',
            '{"0": {"gamma": "x"}}', '{"0": {"mask": 5}}', '{"0": {"mask": "gone"}}', "\xff",
        ],
    )  # fmt: skip
    def test_what_makes_no_sense_is_said_in_one_line_and_stays(
        self, text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("LIVEDREAM_HOME", str(tmp_path))
        memory = DisplayMemory()
        memory.path.write_bytes(text.encode("latin-1"))
        with pytest.raises(SettingsError) as caught:
            DisplayMemory()
        assert "\n" not in str(caught.value)
        if "gone" not in text:  # a mask may come back
            memory.keep("0", self.kept)
            assert memory.path.read_bytes() == text.encode("latin-1")
