"""What is filled in: remembered without what is secret, and refused at its own field."""

import json
import stat
import sys
from pathlib import Path
from urllib.parse import unquote

import pytest

from livedream.capture.live.ffmpeg_relay import FfmpegRelay
from livedream.cli.form import LiveForm
from livedream.core.addresses import parse_address, resolved, stream_url
from livedream.core.errors import LivedreamError, SettingsError
from livedream.core.redact import redact
from livedream.panel.offers import list_folder, offers
from livedream.panel.setup import SetupFile, field_of
from livedream.present.live.relay import target_of
from livedream.present.live.whip import url_of

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
            "fps": None, "program": None, "record": None, "device": None,  # as the page clears them
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
    assert len(keys) == 3  # the stream key, the user, the password
    if sys.platform != "win32":
        assert {stat.S_IMODE(key.stat().st_mode) for key in keys} == {0o600}
    assert file.without_secrets(kept) == kept
    (tmp_path / "keys" / "youtube.key").touch()  # the user's own
    file.write({"sinks": kept["sinks"]})  # what is no longer wanted is no longer there
    (own,) = {path.name for path in (tmp_path / "keys").iterdir()} - {"youtube.key"}
    assert own in kept["sinks"][1]
    with pytest.raises(SettingsError, match="holds a password"):
        file.without_secrets({"weights": "x?token=12345"})


_SENT = [
    "srt://host:9000?passphrase=abcd%20efghij&latency=60&streamid=%23!::r=live,m=publish&bitrate=6M",
    "srt://host:9000?latency=60&mode=caller&pbkeylen=16&passphrase=abcdefghij",
    "rtmp://host/app/KEY-1234?bitrate=6M",
    "rtmp://host:1935/app/inst/KEY-1234?s_bl=1&bitrate=6M&a=Ab%2Fx7&encoder=libx264",
    "rtmps://me:pass@host/app/KEY-1234",
]
_RECEIVED = [
    "rtsp://admin:p%40ss:w@10.0.0.5:554/stage?channel=2&subtype=0",
    "rtsp://10.0.0.5:554/user=admin&password=secret&channel=1",
    "http://10.0.0.5/video.cgi?user=me&pwd=a%2Bb&fps=25",
    "http://10.0.0.5/video.cgi?pwd=a%2Bb&mail=me@x",
    "rtmp://host/app/KEY-1234",
]


@pytest.mark.parametrize("folder", ["Tom & Anna", "a+b %20", "me@home"])
@pytest.mark.parametrize(
    "text", [*_SENT[:4], "whip:https://host/path?token=abc%20d&room=1&key=a%2Fb"]
)
def test_a_folder_of_any_name_holds_keys(tmp_path: Path, folder: str, text: str) -> None:
    made = url_of if text.startswith("whip") else target_of
    told, meant = parse_address(_kept(tmp_path / folder, text)), parse_address(text)
    assert made(told) == made(meant)
    for name in ("passphrase", "streamid", "token"):
        assert told.word(name, "") == meant.word(name, "")


@pytest.mark.parametrize("text", _SENT)
def test_only_what_is_secret_in_an_address_is_kept_apart(tmp_path: Path, text: str) -> None:
    kept = _kept(tmp_path, text)
    told, meant = parse_address(kept), parse_address(text)
    assert target_of(told) == target_of(meant)
    for name in ("bitrate", "latency", "mode", "encoder"):
        assert told.options.get(name) == meant.options.get(name)


@pytest.mark.parametrize(
    "text", [*_RECEIVED, "srt://host:9000?passphrase=abcd%20efghij&latency=60"]
)
def test_a_source_with_its_secrets_kept_apart_is_read_as_before(tmp_path: Path, text: str) -> None:
    kept = _kept(tmp_path, text)
    if text.startswith("srt"):
        told, meant = vars(FfmpegRelay(kept, {})), vars(FfmpegRelay(text, {}))
        assert told["_list"] == meant["_list"]
    else:
        assert unquote(stream_url(kept)) == unquote(stream_url(text))


def test_of_a_whip_address_only_the_token_is_kept_apart(tmp_path: Path) -> None:
    text = "whip:https://host/path?token=abc%20d&bitrate=6M&room=1&key=a%2Fb"
    kept = _kept(tmp_path, text)
    told, meant = parse_address(kept), parse_address(text)
    assert url_of(told) == url_of(meant)
    assert told.word("token", "") == "abc d" and told.options["bitrate"] == "6M"


def test_of_an_address_with_a_placeholder_the_rest_is_kept_apart_too(tmp_path: Path) -> None:
    (tmp_path / "key").write_text("abcd")
    text = f"rtmp://me:pass@host/app/{{file:{tmp_path / 'key'}}}?bitrate=6M"
    kept = SetupFile(tmp_path).without_secrets({"sinks": [text]})["sinks"][0]
    assert "pass" not in kept and resolved(kept) == "rtmp://me:pass@host/app/abcd?bitrate=6M"


@pytest.mark.parametrize("kept", ["rtsp", "srt", "rtmp", "rtmp://host/app", "whip:https"])
def test_an_address_that_was_kept_before_stays(tmp_path: Path, kept: str) -> None:
    """Everything behind the scheme, or the stream key."""
    (tmp_path / "keys").mkdir()
    (tmp_path / "keys" / "0123abcd.key").write_text("me:pass@cam/1")
    text = f"{kept}{'/' if 'app' in kept else '://'}{{file:{tmp_path / 'keys' / '0123abcd.key'}}}"
    assert SetupFile(tmp_path).without_secrets({"source": text}) == {"source": text}
    assert resolved(text).endswith("me:pass@cam/1")


def _kept(folder: Path, text: str) -> str:
    """The address with its secrets in files: none of them in what is remembered."""
    file = SetupFile(folder)
    kept = file.without_secrets({"source": text})["source"]
    assert isinstance(kept, str) and "{file:" in kept
    for secret in ("abcd", "KEY", "Ab%2Fx7", "pass@", "secret", "p%40ss", "a%2Bb", "a%2Fb", "%23!"):
        assert secret not in kept.replace(str(folder), "")
    assert file.without_secrets({"source": kept}) == {"source": kept}
    return kept


@pytest.mark.parametrize("text", ["", "{", "[1]", "\xff"])
def test_a_set_up_that_is_none_is_empty(tmp_path: Path, text: str) -> None:
    (tmp_path / "studio.json").write_text(text, encoding="latin-1")
    assert SetupFile(tmp_path).read() == {}


def test_devices_become_sources_outputs_and_inputs() -> None:
    found = offers(
        json.loads(
            '{"cameras": {"0  Logitech": "", "1  Twin": "", "2  Twin": ""}, "displays": '
            '{"0  display": "1920x1080 at 0,0"}, "NDI senders": {"none": "ndi is not installed"},'
            '"windows": {"Resolume Arena": "1280x720", "livedream": "", "livedream - Chromium": ""'
            "},"
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


def test_what_a_mac_plays_is_not_offered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "darwin")
    found = offers({"audio inputs": {"BlackHole": "2 channels"}})
    assert [one["value"] for one in found["audio"]] == ["BlackHole"]


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


def test_from_the_root_of_a_drive_the_others_are_reached(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = tmp_path.anchor
    assert list_folder(root)["drives"] == []
    there = ["C:\\", "D:\\"]
    exists = Path.exists
    monkeypatch.setattr(Path, "exists", lambda path, **_: str(path) in there or exists(path))
    monkeypatch.setattr("os.listdrives", lambda: there, raising=False)  # from Python 3.12
    monkeypatch.setattr("sys.platform", "win32")
    assert list_folder(root)["drives"] == there
    assert list_folder(str(tmp_path))["drives"] == []


def test_a_drive_that_is_unplugged_is_not_looked_for_for_ever(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Path, "is_dir", lambda path: path == tmp_path)
    monkeypatch.setattr(Path, "home", lambda: tmp_path)
    assert list_folder("/gone/film.mp4")["path"] == str(tmp_path)
