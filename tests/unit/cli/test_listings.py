"""``livedream networks`` and ``livedream layers``, without the network."""

import argparse
import os
import sys
from pathlib import Path

import pytest
from safetensors.torch import save_file

from livedream.cli import layers, listings
from livedream.core.errors import NetworkError, SettingsError, SinkError, WeightsError
from livedream.dream.networks.registry import models_folder, registry


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))


def run(*words: str) -> int:
    parser = argparse.ArgumentParser()
    commands = parser.add_subparsers(required=True)
    layers.add_parser(commands)
    listings.add_parser(commands)
    args = parser.parse_args(words)
    code: int = args.run(args)
    return code


def test_networks_are_listed_one_a_line_when_piped(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("networks") == 0
    rows = [line.split("\t") for line in capsys.readouterr().out.splitlines()]
    assert [row[0] for row in rows[1:]] == list(registry())
    vgg = next(row for row in rows if row[0] == "vgg16")
    assert vgg[1:3] == ["no", "553.4"] and vgg[-1].startswith("https://")


def test_on_a_terminal_it_is_a_table(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("COLUMNS", "100")
    assert run("networks") == 0
    assert "livedream networks fetch NAME" in capsys.readouterr().out
    assert run("layers", "squeezenet1_1") == 0
    assert "fire8" in capsys.readouterr().out


def test_fetching_what_has_no_checksum_takes_a_word() -> None:
    with pytest.raises(WeightsError, match="--unverified"):
        run("networks", "fetch", "resnet50-places365")
    with pytest.raises(NetworkError, match="did you mean vgg1"):
        run("networks", "fetch", "vgg61")


def test_layers_are_listed_without_weights(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("layers", "googlenet") == 0
    rows = [line.split("\t") for line in capsys.readouterr().out.splitlines()]
    row = next(row for row in rows if row[0] == "inception4c")
    assert row[1:4] == ["512", "16", "22209"]
    assert {"inception_4c/output", "mixed4c"} <= set(row[4].split())


def test_layers_of_a_file_of_one_s_own(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    from torchvision.models import squeezenet1_1

    path = tmp_path / "own.safetensors"
    metadata = {"livedream": '{"layers": {"features.9": "ripples"}}'}
    save_file(squeezenet1_1(weights=None, num_classes=3).state_dict(), path, metadata=metadata)
    assert run("layers", "squeezenet1_1", "--weights", str(path)) == 0
    noted = capsys.readouterr().out.splitlines()
    assert len(noted) == 2 and noted[1].endswith("ripples")
    assert run("layers", "squeezenet1_1", "--weights", str(path), "--all") == 0
    assert len(capsys.readouterr().out.splitlines()) > 30


def test_layers_as_pictures(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    path = tmp_path / "sheet.png"
    words = ("layers", "dreamnet", "--pictures", str(path), "--layer", "strokes", "--channels", "1")
    assert run(*words) == 0
    said = capsys.readouterr().out.splitlines()
    assert said[0].startswith("strokes: ") and said[-1] == str(path)
    assert path.read_bytes().startswith(b"\x89PNG")
    with pytest.raises(SinkError, match="exists"):
        run(*words)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (["--layer", "strokes"], "--layer: give --pictures too"),
        (["--channels", "6", "--seed", "0"], "--channels, --seed: give --pictures too"),
        (["--classes", "--overwrite"], "--overwrite: give --pictures too"),
        (["--classes", "--pictures"], "--classes and --pictures cannot be combined"),
        (["--classes", "--all"], "--classes and --all cannot be combined"),
    ],
)
def test_options_of_layers_that_would_do_nothing_are_refused(given: list[str], said: str) -> None:
    with pytest.raises(SettingsError, match=said):
        run("layers", "dreamnet", *given)


def test_presets_and_programs_are_listed_with_what_is_broken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("LIVEDREAM_HOME", str(tmp_path))
    monkeypatch.setattr("torch.hub.download_url_to_file", lambda *_, **__: pytest.fail("fetched"))
    for name, text in (
        ("presets/mine", 'about = "Fur"\n[dream]\nobjective = "fur"'),
        ("presets/herd", '[dream]\nprompt = "elephant"'),
        ("presets/wrong", "[dream]\nstrength = 900"),
        ("presets/feathers", '[dream]\nnetwork = "dreamnet-birds"\nobjective = "faces"'),
        ("presets/where", '[dream]\nwhere = "movin"'),
        ("presets/mask", '[dream]\nwhere = "mask(/nope.png)"'),
        ("presets/guide", '[dream]\nobjective = "eyes + guide(eyes, /nope.mp4)"'),
        ("presets/live", '[dream]\nobjective = "guide(eyes, camera:1)"'),
        ("presets/person", '[dream]\nnetwork = "dreamnet"\nobjective = "eyes@person"'),
        ("programs/two", '[[steps]]\npreset = "mine"\n[[steps]]\npreset = "ink"'),
        ("programs/none", "loop = true"),
    ):
        path = tmp_path / f"{name}.toml"
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
    assert run("presets") == 0
    rows = [line.split("\t") for line in capsys.readouterr().out.splitlines()]
    found = {row[0]: row[1:] for row in rows}
    assert found["mine"] == ["dreamnet", "Fur", "yours"]
    assert found["herd"][0] == "dreamnet+dreamnet-things"
    assert found["live"][-1] == found["person"][-1] == "yours"
    assert found["plumage"][0] == "dreamnet-birds"
    assert found["plumage"][-1] == "built in"
    assert found["two"] == ["2.0", "mine, ink", "yours"]
    for name, reason in (
        ("wrong", "strength"),
        ("feathers", "no layer 'faces'"),
        ("where", "did you mean moving"),
        ("mask", "preset mask: /nope.png does not exist: check the path"),
        ("guide", "preset guide: /nope.mp4 does not exist: check the path"),
        ("none", "steps"),
    ):
        assert reason in found[name][1]
        assert found[name][-1] == "broken"
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("COLUMNS", "160")
    assert run("presets") == 0
    assert tmp_path.name in capsys.readouterr().out


def test_what_is_no_text_file_is_broken_and_leaves_the_others_listed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("LIVEDREAM_HOME", str(tmp_path))
    folder = tmp_path / "presets"
    (folder / "folder.toml").mkdir(parents=True)
    (folder / "bytes.toml").write_bytes(b"\xff\xfe")
    (folder / "long.toml").write_bytes(b"#" * 70_000)
    (folder / "good.toml").write_text("[dream]\nstrength = 9")
    wanted = {
        "folder": "is no file; put a TOML file there or remove it",
        "bytes": "cannot be read (not text); save it as UTF-8",
        "long": ": must be at most 65536 bytes (got 70000)",
    }
    if sys.platform != "win32":  # where links and pipes are other things
        (folder / "link.toml").symlink_to("nowhere")
        os.mkfifo(folder / "pipe.toml")
        wanted["link"] = "cannot be read (No such file or directory); mend the link or remove it"
        wanted["pipe"] = wanted["folder"]
    assert run("presets") == 0
    rows = [line.split("\t") for line in capsys.readouterr().out.splitlines()]
    found = {row[0]: row[1:] for row in rows}
    assert found["good"][-1] == "yours"
    for name, why in wanted.items():
        space = "" if why.startswith(":") else " "
        assert found[name] == ["", f"{folder / name}.toml{space}{why}", "broken"]


def test_a_network_of_one_s_own_comes_into_the_list_and_goes(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LIVEDREAM_HOME", str(tmp_path))
    file = tmp_path / "My_Flowers.safetensors"
    file.write_bytes((models_folder() / "dreamnet.safetensors").read_bytes())
    assert run("networks", "add", str(file)) == 0
    assert "livedream live --network my-flowers" in capsys.readouterr().out
    (tmp_path / "networks" / "bad.toml").write_text("")
    assert run("networks") == 0
    rows = [line.split("\t") for line in capsys.readouterr().out.splitlines()]
    assert rows[-2][:3] == ["my-flowers", "yes", "2.8"]
    assert rows[-1][:2] == ["bad", "broken"] and "sha256" in rows[-1][3]
    assert run("layers", "my-flowers") == 0
    assert "creatures" in capsys.readouterr().out
    assert run("networks", "remove", "my-flowers") == 0
    assert "my-flowers" not in registry() and file.exists()
