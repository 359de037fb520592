"""What is filled in: remembered without what is secret, and refused at its own field."""

import json
import stat
import sys
from pathlib import Path

import pytest

from livedream.cli.form import LiveForm
from livedream.core.addresses import resolved
from livedream.core.errors import LivedreamError, SettingsError
from livedream.core.redact import redact
from livedream.panel.offers import list_folder, offers
from livedream.panel.setup import SetupFile, field_of

FORM = LiveForm()
KEY = "rtmp://a.example.com/live2/abcd-1234"


@pytest.mark.parametrize(
    ("filled", "field"),
    [
        ({"source": "/nowhere/film.mp4"}, "source"),
        ({"source": "smoke://somewhere"}, "source"),
        ({"sinks": ["smoke"]}, "sinks"),
        ({"fps": "500"}, "fps"),
        ({"overlap": "half"}, "overlap"),
        ({"crop": "all"}, "crop"),
        ({"preset": "nothing"}, "preset"),
        ({"program": "nothing"}, "program"),
        ({"on": "bar:0"}, "on"),
        ({"device": "abacus"}, "device"),
        ({"record": "a\nb"}, "record"),
        ({"audio": 3}, "audio"),
        ({"fullscreen": "yes"}, "fullscreen"),
        ({"settings_from": "/nowhere/settings.json"}, "settings_from"),
    ],
)
def test_what_cannot_be_is_refused_at_its_field(filled: dict[str, object], field: str) -> None:
    with pytest.raises(LivedreamError) as caught:
        FORM.setup(filled)
    assert field_of(str(caught.value), FORM.fields, filled) == field
    assert "\n" not in str(caught.value)


def test_what_is_filled_in_becomes_the_command_line() -> None:
    made = FORM.setup(
        {
            "source": "synthetic:noise", "sinks": ["browser", "udp://127.0.0.1:9000"], "midi": None,
            "audio": "", "fullscreen": True, "link": False, "preset": "ink", "seed": "7",
            "on": "bar:12",
        }
    )  # fmt: skip
    assert made.opening == ("--preset=ink",)
    assert list(made.words) == [
        "--source=synthetic:noise", "--sink=browser", "--sink=udp://127.0.0.1:9000", "--audio=",
        "--fullscreen", "--seed=7", "--on=bar:12",
    ]  # fmt: skip


def test_the_form_has_every_option_that_no_other_page_has() -> None:
    names = {field.name for field in FORM.fields}
    assert {"source", "sinks", "record", "audio", "display", "weights", "device"} <= names
    assert not {"strength", "hue", "network", "panel", "help", "quiet"} & names
    assert len(names) == len(FORM.fields)
    assert not [one for one in FORM.fields if one.kind == "choice" and not one.choices]


def test_a_key_is_kept_in_a_file_of_its_own(tmp_path: Path) -> None:
    file = SetupFile(tmp_path)
    kept = file.without_secrets({"sinks": ["window", KEY], "source": "rtsp://me:pass@cam/1"})
    assert kept["sinks"][0] == "window"
    assert redact(kept["sinks"][1]) == redact(KEY) == "rtmp://a.example.com/***"
    assert resolved(kept["sinks"][1]) == KEY
    assert resolved(kept["source"]) == "rtsp://me:pass@cam/1"
    file.write(kept)
    assert SetupFile(tmp_path).read() == kept
    written = (tmp_path / "studio.json").read_text(encoding="utf-8")
    assert "abcd-1234" not in written and "pass@" not in written
    keys = list((tmp_path / "keys").iterdir())
    assert len(keys) == 2
    if sys.platform != "win32":
        assert {stat.S_IMODE(key.stat().st_mode) for key in keys} == {0o600}
    assert file.without_secrets(kept) == kept
    (tmp_path / "keys" / "youtube.key").touch()  # the user's own
    file.write({"sinks": kept["sinks"]})  # what is no longer wanted is no longer there
    (own,) = {path.name for path in (tmp_path / "keys").iterdir()} - {"youtube.key"}
    assert own in kept["sinks"][1]
    with pytest.raises(SettingsError, match="holds a password"):
        file.without_secrets({"weights": "x?token=12345"})


@pytest.mark.parametrize("text", ["", "{", "[1]", "\xff"])
def test_a_set_up_that_is_none_is_empty(tmp_path: Path, text: str) -> None:
    (tmp_path / "studio.json").write_text(text, encoding="latin-1")
    assert SetupFile(tmp_path).read() == {}


def test_devices_become_sources_outputs_and_inputs() -> None:
    found = offers(
        json.loads(
            '{"cameras": {"0  Logitech": "", "1  Twin": "", "2  Twin": ""}, "displays": '
            '{"0  display": "1920x1080 at 0,0"}, "NDI senders": {"none": "ndi is not installed"},'
            '"windows": {"Resolume Arena": "1280x720"},'
            '"Spout senders": {"Arena": ""}, "Syphon servers": {"VDMX (<b>Main</b>)": ""},'
            '"audio inputs": {"USB": "2 channels"}}'
        )
    )
    groups = "Cameras", "Screens", "Windows", "NDI", "Spout", "Syphon", "WHIP", "Test pictures"
    values: dict[str, list[str]] = {group: [] for group in groups}
    for one in found["source"]:
        values[one["group"]].append(one["value"])
    assert values["Cameras"] == ["camera:Logitech", "1", "2"]
    assert values["Windows"] == ["window:Resolume Arena"]
    assert values["WHIP"] in (["whip"], [""])
    assert values["Spout"] == ["spout:Arena"] and values["Syphon"] == ["syphon:VDMX (<b>Main</b>)"]
    assert values["Screens"] == ["screen:1"] and values["NDI"] == [""]
    assert [one["value"] for one in found["audio"]] == ["system", "USB"]
    assert [one["value"] for one in found["display"]] == ["0"]
    for one in found["source"] + found["sinks"]:
        if one["value"] and not one.get("missing"):
            key = "sinks" if one in found["sinks"] else "source"
            FORM.setup({key: [one["value"]] if key == "sinks" else one["value"]})


def test_a_folder_shows_films_and_folders_only(tmp_path: Path) -> None:
    for name in ("b.mp4", "a.png", "notes.txt", ".hidden.mp4", "c.mkv", "d.m2ts", "e.TS"):
        (tmp_path / name).touch()
    (tmp_path / "more").mkdir()
    found = list_folder(str(tmp_path / "gone" / "film.mp4"))
    assert found["path"] == str(tmp_path)
    assert (found["folders"], found["files"]) == (
        ["more"], ["a.png", "b.mp4", "c.mkv", "d.m2ts", "e.TS"]
    )  # fmt: skip
    assert Path(list_folder("rtsp://camera/1")["path"]).is_absolute()
    with pytest.raises(SettingsError, match="cannot be listed"):
        list_folder("~nobody-of-that-name/x")


def test_a_drive_that_is_unplugged_is_not_looked_for_for_ever(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Path, "is_dir", lambda path: path == tmp_path)
    monkeypatch.setattr(Path, "home", lambda: tmp_path)
    assert list_folder("/gone/film.mp4")["path"] == str(tmp_path)
