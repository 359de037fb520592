"""A show in one file: everything comes along, and nothing else gets in."""

import contextlib
import hashlib
import json
import random
import struct
import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path

import cv2
import numpy as np
import pytest

from livedream.cli import main
from livedream.control.presets import Presets, read_preset
from livedream.core.errors import SettingsError
from livedream.dream.networks.registry import models_folder, own_networks
from livedream.dream.own_networks import add_network
from livedream.jobs.pack import MANIFEST, pack, unpack

TOML = ("presets/bad.toml", "programs/bad.toml", "midi.toml", "networks/bad.toml")
DEEP = b"x = " + 50_000 * b"["


def chunk(kind: bytes, content: bytes) -> bytes:
    checked = kind + content
    return struct.pack(">I", len(content)) + checked + struct.pack(">I", zlib.crc32(checked))


# A picture of 10 GB in some hundred bytes.
_HEADER = chunk(b"IHDR", struct.pack(">IIBBBBB", 60_000, 60_000, 8, 2, 0, 0, 0))
BOMB = b"\x89PNG\r\n\x1a\n" + _HEADER + chunk(b"IDAT", zlib.compress(bytes(999)))
PROGRAM = '[[steps]]\npreset = "ours"\nhold_s = 5\n'


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    return move_to(tmp_path / "here", monkeypatch)


def move_to(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("LIVEDREAM_HOME", str(folder))
    return folder


def fill(home: Path, guide: Path) -> None:
    """Something of each kind, and a file that is nobody's business."""
    add_network(models_folder() / "dreamnet.safetensors", "flowers")
    cv2.imwrite(str(guide), np.full((8, 8, 3), 90, np.uint8))
    (home / "masks").mkdir()
    cv2.imwrite(str(home / "masks/painted.png"), np.zeros((9, 16), np.uint8))
    text = (
        f'[dream]\nnetwork = "flowers"\nobjective = "eyes + guide(fur, ""{guide}"")@!mask({guide})"'
    )
    text = text.replace('""', '\\"') + f'\nwhere = "left & mask({guide})"\n'
    Presets().save(read_preset(text, "ours"))
    (home / "programs").mkdir()
    (home / "programs/evening.toml").write_text(PROGRAM)
    (home / "midi.toml").write_text('[controls]\n"cc:1:7" = "strength"\n')
    (home / "displays.json").write_text('{"0": {"crop": [0, 0, 0.5, 1], "mask": "painted"}}')
    (home / "obs.toml").write_text("made = true\n")
    (home / "cache").mkdir()
    (home / "cache/secret.txt").write_text("no")


def test_a_show_moves_to_another_machine(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    guide = tmp_path / "my guide.png"
    fill(home, guide)
    names, notes = pack(tmp_path / "show.zip")
    assert not notes
    (packed,) = (name for name in names if name.startswith("files/"))
    assert packed.endswith("-my_guide.png")
    assert [name for name in names if name != packed] == [
        "displays.json",
        "masks/painted.png",
        "midi.toml",
        "networks/flowers.safetensors",
        "networks/flowers.toml",
        "presets/ours.toml",
        "programs/evening.toml",
    ]
    guide.unlink()
    there = move_to(tmp_path / "there", monkeypatch)
    assert {one.state for one in unpack(tmp_path / "show.zip", write=False)} == {"new"}
    assert not there.exists()
    unpack(tmp_path / "show.zip", write=True)
    preset = Presets().find("ours")
    settled = str(there / packed)
    assert preset.values["network"] == "flowers"
    assert preset.values["objective"].count(settled) == 2
    assert preset.values["where"] == f"left & mask({settled})"
    assert cv2.imread(settled)[0, 0].tolist() == [90, 90, 90]
    assert list(own_networks()[0]) == ["flowers"]
    assert (there / "midi.toml").read_text() == (home / "midi.toml").read_text()
    assert not (there / "cache").exists()
    assert {one.state for one in unpack(tmp_path / "show.zip", write=True)} == {"same"}


def test_files_keep_their_names_from_machine_to_machine(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(home, tmp_path / "my guide.png")
    Presets().save(read_preset(f'[dream]\nwhere = "mask({home / "masks/painted.png"})"', "lawn"))
    names, notes = pack(tmp_path / "there.zip")
    (guide,) = (name for name in names if name.startswith("files/"))
    assert not notes
    there = move_to(tmp_path / "there", monkeypatch)
    unpack(tmp_path / "there.zip", write=True)
    assert Presets().find("lawn").values["where"] == f"mask({there / 'masks/painted.png'})"
    assert pack(tmp_path / "back.zip") == (names, [])
    move_to(home, monkeypatch)
    changes = unpack(tmp_path / "back.zip", write=True, overwrite=True)
    assert {one.name: one.state for one in changes if one.state != "same"} == {
        guide: "new",
        "presets/ours.toml": "other",  # which named the picture where it was before
    }
    assert pack(tmp_path / "again.zip") == (names, [])
    cv2.imwrite(str(home / guide), np.full((8, 8, 3), 30, np.uint8))
    names, _ = pack(tmp_path / "edited.zip")
    (edited,) = (name for name in names if name.startswith("files/"))
    assert edited != guide and edited[len("files/0123456789ab-") :] == "my_guide.png"


def test_what_is_there_stays_unless_told(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home.mkdir()
    (home / "midi.toml").write_text('[controls]\n"cc:1:7" = "strength"\n')
    pack(tmp_path / "show.zip")
    there = move_to(tmp_path / "there", monkeypatch)
    there.mkdir()
    mine = '[controls]\n"cc:1:7" = "hue"\n'
    (there / "midi.toml").write_text(mine)
    (change,) = unpack(tmp_path / "show.zip", write=True)
    assert change.state == "other"
    assert (there / "midi.toml").read_text() == mine
    unpack(tmp_path / "show.zip", write=True, overwrite=True)
    assert "strength" in (there / "midi.toml").read_text()


def test_a_file_that_a_preset_names_and_is_not_there_is_said(home: Path, tmp_path: Path) -> None:
    home.mkdir()
    Presets().save(read_preset('[dream]\nobjective = "guide(eyes, gone.png)"', "ours"))
    assert pack(tmp_path / "show.zip")[1] == [
        "preset ours: gone.png is not a file and is not packed"
    ]
    Presets().save(read_preset('[dream]\nprompt = "owl@mask(gone.png)"', "ours"))
    with pytest.raises(SettingsError, match="--overwrite"):
        pack(tmp_path / "show.zip")
    assert pack(tmp_path / "show.zip", overwrite=True)[1] == [
        "preset ours: gone.png, in its prompt, is not packed"
    ]


def test_a_guide_that_is_no_file_goes_along_by_its_name(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    guide = "guide(eyes, synthetic:clouds)"
    Presets().save(read_preset(f'[dream]\nobjective = "{guide}"', "ours"))
    assert pack(tmp_path / "show.zip") == (["presets/ours.toml"], [])
    move_to(tmp_path / "there", monkeypatch)
    unpack(tmp_path / "show.zip", write=True)
    assert Presets().find("ours").values["objective"] == guide


def test_what_could_not_be_unpacked_is_left_out_and_said(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(home, tmp_path / "guide.png")
    toml = (home / "networks/flowers.toml").read_text()
    for name, content in {
        "programs/typo.toml": "[[steps]]\npreste = 3\n",
        "programs/My Show.toml": PROGRAM,
        "presets/typo.toml": "[dream]\nstrenght = 3\n",
        "presets/My Look.toml": "[dream]\nstrength = 3\n",
        "networks/lonely.safetensors": "no network",
        "networks/edited.toml": toml,
        "masks/broken.png": "no picture",
    }.items():
        (home / name).write_text(content)
    weights = (home / "networks/flowers.safetensors").read_bytes()
    (home / "networks/edited.safetensors").write_bytes(weights)
    (home / "networks/edited.toml").write_text(toml.replace('sha256 = "', 'sha256 = "0'))
    names, notes = pack(tmp_path / "show.zip")
    assert [name for name in names if not name.startswith("files/")] == [
        "displays.json",
        "masks/painted.png",
        "midi.toml",
        "networks/flowers.safetensors",
        "networks/flowers.toml",
        "presets/ours.toml",
        "programs/evening.toml",
    ]
    assert all(note.endswith("; not packed") for note in notes)
    assert sorted(note.partition(":")[0] for note in notes) == [
        "masks/broken.png",
        "networks/edited.safetensors",
        "networks/edited.toml",
        "networks/lonely.safetensors",
        "presets/My Look.toml",
        "presets/typo.toml",
        "programs/My Show.toml",
        "programs/typo.toml",
    ]
    move_to(tmp_path / "there", monkeypatch)
    assert {one.state for one in unpack(tmp_path / "show.zip", write=True)} == {"new"}


def test_what_is_larger_than_what_can_be_unpacked_is_left_out_and_said(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home.mkdir()
    monkeypatch.setattr("livedream.jobs.pack._LARGEST", 3 << 20)
    for number in range(2):
        (film := tmp_path / f"film{number}.mkv").write_bytes(bytes([number]) * (1500 << 10))
        text = f'[dream]\nobjective = "guide(eyes, {film}) + guide(fur, {film})"'
        Presets().save(read_preset(text, f"ours{number}"))
    names, notes = pack(tmp_path / "show.zip")
    said = f"preset ours1: {film} is larger than what is left of 3 MiB and is not packed"
    assert notes == [said]
    assert [name[-9:] for name in names[:1]] == ["film0.mkv"] and len(names) == 3
    move_to(tmp_path / "there", monkeypatch)
    assert {one.state for one in unpack(tmp_path / "show.zip", write=True)} == {"new"}
    assert str(film) in Presets().find("ours1").values["objective"]


def test_nothing_of_ones_own_is_no_pack(home: Path, tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="nothing to pack"):
        pack(tmp_path / "show.zip")
    assert not (tmp_path / "show.zip").exists()


def made(
    path: Path, files: Mapping[str, bytes], sums: Mapping[str, str] | None = None, *,
    kind: int = zipfile.ZIP_STORED, more: str = "",
) -> Path:  # fmt: skip
    with zipfile.ZipFile(path, "w", kind) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
        found = {name: hashlib.sha256(content).hexdigest() for name, content in files.items()}
        archive.writestr(MANIFEST, json.dumps({"files": found if sums is None else sums}) + more)
    return path


@pytest.mark.parametrize(
    ("name", "content", "complaint"),
    [
        ("../presets/evil.toml", b"", "has no place in a pack"),
        ("/etc/passwd", b"", "has no place in a pack"),
        ("presets/../../evil.toml", b"", "has no place in a pack"),
        ("presets/con\\evil.toml", b"", "has no place in a pack"),
        ("start.py", b"", "has no place in a pack"),
        ("files/0123456789ab-.bashrc", b"", "has no place in a pack"),
        ("presets/bad.toml", b"[dream]\nstrength = 1e9\n", "preset bad"),
        ("presets/bad.toml", b'[dream]\nnetwork = "no"\nobjective = "eyes:"\n', "preset bad"),
        ("presets/bad.toml", b"\xff\xfe", "not text"),
        ("programs/bad.toml", b"steps = 3\n", "must have 1 to"),
        ("midi.toml", b"[controls\n", "cannot be read"),
        ("displays.json", b"[]", "must be a JSON object"),
        ("displays.json", b'{"0": {"mask": "../../x"}}', "displays.json: display 0: name: must be"),
        ("masks/bad.png", b"no picture", "masks/bad.png"),
        ("networks/bad.safetensors", b"\x80\x04nothing", "networks/bad"),
        ("networks/bad.toml", b'sha256 = "0"\n', "is not of the weights beside it"),
        ("networks/bad.toml", b"sha256 = [", "networks/bad.toml: not TOML"),
        *((name, DEEP, "not TOML") for name in TOML),
        *((name, b"x = 1" + 5000 * b"0", "not TOML") for name in TOML),
        ("displays.json", 99_999 * b"[", "not JSON"),
        ("presets/bad.toml", b'[dream]\nwhere = "' + 9999 * b"!" + b'left"\n', "too many"),
        ("midi.toml", b"[controls]\n" + b"".join(b"c%d = 1\n" % n for n in range(513)), "than 512"),
        ("masks/bad.png", BOMB, "is not a readable picture"),
        ("\x1b[2J", b"", "has no place in a pack"),
    ],
)
def test_what_is_wrong_in_a_pack_is_refused_before_anything_is_written(
    name: str, content: bytes, complaint: str, home: Path, tmp_path: Path
) -> None:
    good = {"midi.toml": b"[controls]\n"} if name != "midi.toml" else {}
    path = made(tmp_path / "show.zip", {**good, name: content})
    with pytest.raises(SettingsError, match=complaint):
        unpack(path, write=True, overwrite=True)
    assert not home.exists()
    assert main(["unpack", str(path), "--yes"]) == 2


@pytest.mark.parametrize("seed", range(5))
def test_damage_anywhere_is_refused_or_harmless(seed: int, home: Path, tmp_path: Path) -> None:
    text = b"[dream]\nstrength = 20.0\n# " + 50 * b"abc def "
    files = {"midi.toml": b"[controls]\n", "presets/ours.toml": text}
    whole = made(tmp_path / "show.zip", files, kind=zipfile.ZIP_DEFLATED).read_bytes()
    chance = random.Random(seed)
    for _ in range(100):
        damaged = bytearray(whole)
        for _ in range(chance.choice((1, 1, 3))):
            at = chance.randrange(len(damaged) - 8)
            if chance.random() < 0.8:
                damaged[at] = chance.randrange(256)
            else:
                del damaged[at : at + chance.randrange(8)]
        (tmp_path / "damaged.zip").write_bytes(damaged)
        with contextlib.suppress(SettingsError):
            assert {one.name for one in unpack(tmp_path / "damaged.zip", write=True)} == set(files)
    assert {file.relative_to(home).as_posix() for file in home.rglob("*.*")} <= set(files)
    assert not Presets().broken


def test_a_name_that_is_there_twice_or_links_elsewhere(home: Path, tmp_path: Path) -> None:
    midi = b"[controls]\n"
    path = made(tmp_path / "twice.zip", {"midi.toml": midi})
    with zipfile.ZipFile(path, "a") as archive, pytest.warns(UserWarning, match="Duplicate"):
        archive.writestr("midi.toml", b"[controls]\nx = 1\n")
    with pytest.raises(SettingsError, match="not those of its manifest"):
        unpack(path, write=True)
    link = zipfile.ZipInfo("midi.toml")
    link.create_system, link.external_attr = 3, 0o120777 << 16  # a symbolic link, of Unix
    with zipfile.ZipFile(tmp_path / "link.zip", "w") as archive:
        archive.writestr(link, "/etc/passwd")
        sums = {"midi.toml": hashlib.sha256(b"/etc/passwd").hexdigest()}
        archive.writestr(MANIFEST, json.dumps({"files": sums}))
    with pytest.raises(SettingsError, match=r"midi.toml: .*cannot be read"):
        unpack(tmp_path / "link.zip", write=True)
    assert not home.exists()


def test_what_unpacks_to_more_than_there_is_room_for_is_not_unpacked(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("livedream.jobs.pack._LARGEST", 1 << 20)
    bomb = {f"files/0123456789ab-{n}": bytes(1 << 19) for n in range(3)}
    path = made(tmp_path / "bomb.zip", bomb, kind=zipfile.ZIP_DEFLATED)
    assert path.stat().st_size < 10_000
    with pytest.raises(SettingsError, match="larger than the 0 MiB that are left"):
        unpack(path, write=True)
    path = made(tmp_path / "manifest.zip", {}, kind=zipfile.ZIP_DEFLATED, more=" " * (2 << 20))
    with pytest.raises(SettingsError, match=r"manifest.json: larger than the 1 MiB"):
        unpack(path, write=True)
    assert not home.exists()


def test_a_pack_that_is_damaged_or_none_is_refused(home: Path, tmp_path: Path) -> None:
    midi = {"midi.toml": b"[controls]\n"}
    for sums, complaint in (
        ({"midi.toml": "0" * 64}, "is damaged"),
        ({}, "not those of its manifest"),
        ({**dict.fromkeys(midi, "0"), "displays.json": "0"}, "not those of its manifest"),
    ):
        with pytest.raises(SettingsError, match=complaint):
            unpack(made(tmp_path / "show.zip", midi, sums), write=True)
    cut = tmp_path / "cut.zip"
    cut.write_bytes(made(tmp_path / "show.zip", midi).read_bytes()[:-30])
    (tmp_path / "other.zip").write_bytes(b"no zip")
    with zipfile.ZipFile(tmp_path / "empty.zip", "w"):
        pass
    for name in ("cut.zip", "other.zip", "empty.zip", "none.zip"):
        with pytest.raises(SettingsError, match=name):
            unpack(tmp_path / name, write=True)
    assert not home.exists()


def test_the_commands(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    home.mkdir()
    (home / "midi.toml").write_text("[controls]\n")
    file = str(tmp_path / "show.zip")
    assert main(["pack", file]) == 0
    assert "show.zip: 1 files" in capsys.readouterr().out
    there = move_to(tmp_path / "there", monkeypatch)
    assert main(["unpack", file]) == 0
    assert "Nothing has been changed yet" in capsys.readouterr().out
    assert not there.exists()
    assert main(["unpack", file, "--yes"]) == 0
    assert (there / "midi.toml").is_file()


def test_no_password_is_packed_or_said(
    home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Live guides go along as they are, for they are no files."""
    live = {
        "own": "rtsp://admin:hunter2@10.0.0.5/stage",
        "kept": "rtsp://admin:{env:CAMERA}@10.0.0.5/stage",
        "stream": "rtmp://host/live/{file:/keys/stage.key}",
        "second": "camera:1",
        "third": "rtsp://10.0.0.5/stage",
    }
    for name, guide in live.items():
        text = f'[dream]\nobjective = "guide(eyes, {guide})@moving + fur@left"\n'
        Presets().save(read_preset(text, name))
    assert main(["pack", str(tmp_path / "show.zip")]) == 0
    said = capsys.readouterr()
    assert "hunter2" not in said.out + said.err
    assert "preset own: holds a password" in said.out and "is not a file" not in said.out
    with zipfile.ZipFile(tmp_path / "show.zip") as archive:
        presets = {name: archive.read(name).decode() for name in archive.namelist()}
    assert set(presets) == {MANIFEST, *(f"presets/{name}.toml" for name in live if name != "own")}
    for name in ("kept", "stream"):
        assert live[name] in presets[f"presets/{name}.toml"]
    assert "hunter2" not in str(presets)
