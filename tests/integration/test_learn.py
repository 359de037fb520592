"""`livedream learn`: from a folder of pictures to a network that dreams, and what is refused."""

import json
from collections.abc import Callable
from functools import partial
from pathlib import Path
from unittest.mock import Mock

import cv2
import numpy as np
import pytest
from safetensors import safe_open

from livedream.cli import main
from livedream.core.user_folders import write_whole
from livedream.dream.networks.network import load_network
from livedream.dream.networks.registry import models_folder, own_networks_folder, registry
from livedream.dream.own_networks import add_network
from livedream.jobs import learn
from livedream.jobs.layer_sheet import SheetPlan
from livedream.learn import study
from livedream.learn.study import Lessons


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("LIVEDREAM_HOME", str(tmp_path / "home"))
    few = Lessons(cuts=32, none=16, dreams=4, motifs=6, turns=10)
    monkeypatch.setattr(study, "Lessons", lambda: few)
    small = partial(SheetPlan, channels=0, rounds=1, width=64, height=64)
    monkeypatch.setattr(learn, "SheetPlan", small)
    return tmp_path / "home"


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    folder, draw = tmp_path / "Grandma_s garden", np.random.default_rng(0)
    folder.mkdir()
    for number in range(12):
        small = draw.integers(0, 256, (9, 12, 3), np.uint8)
        cv2.imwrite(str(folder / f"{number}.png"), cv2.resize(small, (180, 135)))
    return folder


class BegunError(Exception):
    """Nothing was refused."""


def test_a_folder_becomes_a_network_in_every_list(
    photos: Path,
    home: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    (photos / "broken.jpg").write_bytes(b"no picture")
    assert main(["learn", str(photos), "--name", "flowers"]) == 0
    said = capsys.readouterr()
    assert "learned from 12 pictures" in said.out and "livedream live --network flowers" in said.out
    assert "skipped" in said.err and "broken.jpg" in said.err
    network = load_network("flowers")
    assert network.default_objective == "textures+forms" and "flowers" in registry()
    assert network.layers["forms"].channels == 6
    files = {path.name: path for path in (home / "networks").iterdir()}
    assert set(files) == {f"flowers{end}" for end in (".safetensors", ".toml", ".md", ".png")}
    assert files["flowers.safetensors"].stat().st_size < 3.2e6
    assert "12 pictures" in files["flowers.md"].read_text()
    picture, out = photos / "0.png", photos.parent / "dream.png"
    dreamed = ["image", str(picture), "-o", str(out), "--network", "flowers", "--rounds", "2"]
    assert main([*dreamed, "--octaves", "1", "--quiet"]) == 0
    apart = cv2.imread(str(out)).astype(int) - cv2.imread(str(picture))
    assert np.abs(apart).mean() > 3
    assert main(["learn", str(photos), "--name", "flowers"]) == 2
    assert "you have a network flowers already" in capsys.readouterr().err
    monkeypatch.setattr(learn, "Study", Mock(side_effect=BegunError))
    with pytest.raises(BegunError):
        main(["learn", str(photos), "--name", "flowers", "--overwrite"])
    assert main(["networks", "remove", "flowers"]) == 0
    assert not list((home / "networks").iterdir())


def test_one_whose_file_is_broken_is_replaced(
    photos: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("flowers", "dreamnet"):
        write_whole(own_networks_folder() / f"{name}.toml", "sha256 = ")
    assert main(["learn", str(photos), "--name", "flowers"]) == 2
    assert "you have a network flowers already" in capsys.readouterr().err
    monkeypatch.setattr(learn, "Study", Mock(side_effect=BegunError))
    with pytest.raises(BegunError):
        main(["learn", str(photos), "--name", "flowers", "--overwrite"])
    assert main(["learn", str(photos), "--name", "dreamnet", "--overwrite"]) == 2


def test_the_same_seed_teaches_the_same_and_no_picture_is_in_the_file(
    photos: Path, tmp_path: Path
) -> None:
    files = [tmp_path / name for name in ("one.safetensors", "two.safetensors")]
    for path in files:
        assert main(["learn", str(photos), "-o", str(path), "--quiet"]) == 0
    assert files[0].read_bytes() == files[1].read_bytes()
    assert "one" not in registry(), "written only"
    with safe_open(files[0], framework="pt") as file:
        said = json.loads(file.metadata()["livedream"])
        shapes = [file.get_slice(key).get_shape() for key in file.keys()]  # noqa: SIM118
    assert "Grandma" not in json.dumps(said) and "0.png" not in json.dumps(said)
    shipped = {str(shape) for shape in shapes}
    assert "[6, 160, 1, 1]" in shipped and all(len(shape) <= 4 for shape in shapes)


@pytest.mark.parametrize(
    ("arguments", "wanted"),
    [
        (["{empty}"], "has 0 readable pictures: must be at least 10"),
        (["{empty}/nowhere"], "is not a folder"),
        (["{photos}", "--name", "dreamnet"], "is one of livedream's own networks"),
        (["{photos}", "--name", "a/b"], "name: must be"),
        (["{photos}", "--network", "vgg16", "--name", "x"], "vgg16 cannot be taught"),
        (["{photos}", "--network", "nothing", "--name", "x"], "nothing"),
        (["{photos}", "-o", "{empty}/x.pt"], "must end in .safetensors"),
        (["{photos}", "-o", "{empty}/no/x.safetensors"], "does not exist"),
        (
            ["{photos}", "-o", "{photos}/../{photos.name}/0.safetensors", "--overwrite"],
            "another folder",
        ),
        (
            ["{photos}", "--seed", "-1", "--name", "x"],
            "seed: must be a whole number from 0 to 2147483647",
        ),
        (
            ["{photos}", "--seed", "3000000000", "--name", "x"],
            "seed: must be a whole number from 0 to 2147483647",
        ),
    ],
)
def test_what_is_wrong_is_said_before_anything_is_done(
    photos: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    arguments: list[str],
    wanted: str,
) -> None:
    never: Callable[..., object] = lambda *_, **__: pytest.fail("was begun")  # noqa: E731
    monkeypatch.setattr(learn, "Study", never)
    empty = photos.parent / "empty"
    empty.mkdir()
    folders = {"photos": photos, "empty": empty}
    assert main(["learn", *(one.format(**folders) for one in arguments)]) == 2
    said = capsys.readouterr()
    assert wanted in said.err and len(said.err.strip().splitlines()) == 1 and not said.out


def test_one_that_is_stopped_before_it_is_listed_is_learned_anew(
    photos: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    add_network(models_folder() / "dreamnet.safetensors", "flowers")
    learned = ["learn", str(photos), "--name", "flowers", "--device", "cpu"]
    with monkeypatch.context() as patch:
        patch.setattr(learn, "note_network", Mock(side_effect=BegunError))
        with pytest.raises(BegunError):
            main([*learned, "--overwrite"])
    assert "flowers" not in registry()
    drawn = Mock(side_effect=BegunError)
    monkeypatch.setattr(learn, "draw_rows", drawn)
    with pytest.raises(BegunError):
        main(learned)
    assert drawn.call_args.args[1].device == "cpu"
    assert load_network("flowers").default_objective == "textures+forms"


@pytest.mark.parametrize(
    ("folder", "name"), [("Fotos Süd (2)", "fotos-sud-2"), ("2024.05_Straße_", "2024-05-strasse")]
)
def test_a_folder_s_name_becomes_the_network_s(
    photos: Path, monkeypatch: pytest.MonkeyPatch, folder: str, name: str
) -> None:
    begun = Mock(side_effect=BegunError)
    monkeypatch.setattr("livedream.jobs.learn.learn", begun)
    with pytest.raises(BegunError):
        main(["learn", str(photos.rename(photos.with_name(folder)))])
    assert begun.call_args.args[0].name == name


def test_an_existing_file_is_kept(
    photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "mine.safetensors"
    path.write_bytes(b"mine")
    assert main(["learn", str(photos), "-o", str(path)]) == 2
    assert "already exists" in capsys.readouterr().err and path.read_bytes() == b"mine"
