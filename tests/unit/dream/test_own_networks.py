"""Networks of the user's own: added, listed everywhere, guarded by a checksum, removed."""

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from livedream.cli import main
from livedream.control.catalogue import Catalogue, check_objective, own_objective
from livedream.control.presets import read_preset
from livedream.core.errors import NetworkError, ObjectiveError, SettingsError, WeightsError
from livedream.dream.networks.dreamnet import read_metadata
from livedream.dream.networks.network import load_network
from livedream.dream.networks.registry import models_folder, own_networks, registry
from livedream.dream.own_networks import add_network, remove_network

SHIPPED = models_folder() / "dreamnet.safetensors"
Made = Callable[..., Path]


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("LIVEDREAM_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


@pytest.fixture
def made(tmp_path: Path) -> Made:
    """dreamnet with another account of itself, or other tensors."""

    def make(said: Mapping[str, Any] | None = None, **tensors: torch.Tensor) -> Path:
        values = {**read_metadata(SHIPPED), **(said or {})}
        path = tmp_path / "flowers.safetensors"
        state = {**load_file(SHIPPED), **tensors}
        save_file(state, path, metadata={"livedream": json.dumps(values)})
        return path

    return make


def test_an_added_network_is_in_every_list_and_dreams_by_its_name(made: Made) -> None:
    add_network(made({"default_objective": "eyes", "summary": "her garden"}), "flowers")
    assert list(registry())[-1] == "flowers" and registry()["flowers"].summary == "her garden"
    assert load_network("flowers").default_objective == "eyes" == own_objective("flowers")
    catalogue = Catalogue()
    card = catalogue.find("flowers")
    assert card is not None and card.objective == "eyes"
    assert "creatures" in [layer.name for layer in catalogue.layers("flowers")]
    check_objective("flowers", "eyes:3")
    with pytest.raises(ObjectiveError, match="no layer 'eye' in flowers"):
        check_objective("flowers", "eye")
    preset = read_preset('[dream]\nnetwork = "flowers"\nobjective = "eyes"', "garden")
    assert preset.values["network"] == "flowers"


def test_what_is_removed_is_gone(made: Made, home: Path) -> None:
    path = add_network(made(), "flowers")
    remove_network("flowers")
    assert "flowers" not in registry() and not path.exists()
    assert not list((home / "networks").iterdir())
    with pytest.raises(NetworkError, match="no network 'flowers'; yours: none"):
        remove_network("flowers")
    with pytest.raises(NetworkError, match="livedream's own"):
        remove_network("dreamnet")
    with pytest.raises(NetworkError, match="no network"):
        remove_network("../flowers")


def test_one_that_is_replaced_while_it_is_dreamed_has_no_layers_meanwhile(made: Made) -> None:
    add_network(made(), "flowers")
    catalogue = Catalogue()
    remove_network("flowers")
    assert catalogue.layers("flowers") == ()
    add_network(made(), "flowers")
    assert "creatures" in [layer.name for layer in catalogue.layers("flowers")]


def test_one_that_is_damaged_while_it_is_dreamed_has_no_layers_and_is_logged(
    made: Made, caplog: pytest.LogCaptureFixture
) -> None:
    path = add_network(made(), "flowers")
    catalogue = Catalogue()
    path.write_bytes(b"no network")
    card = path.with_suffix(".toml")
    sha256 = registry()["flowers"].sha256
    assert sha256 is not None
    card.write_text(card.read_text().replace(sha256, 64 * "0"))  # so that it is read anew
    assert catalogue.layers("flowers") == () == catalogue.layers("flowers")
    assert [record.getMessage()[:42] for record in caplog.records] == [
        "network flowers: its layers are unknown: w"
    ]


def test_one_added_under_the_name_of_another_that_was_removed_is_read_anew(made: Made) -> None:
    add_network(made({"default_objective": "eyes"}), "flowers")
    assert own_objective("flowers") == "eyes"
    remove_network("flowers")
    add_network(made({"default_objective": "fur"}), "flowers")
    assert own_objective("flowers") == "fur"


def test_a_name_is_taken_once(made: Made) -> None:
    file = made()
    add_network(file, "flowers")
    with pytest.raises(SettingsError, match="you have a network flowers already"):
        add_network(file, "flowers")
    with pytest.raises(SettingsError, match="vgg16 is one of livedream's own"):
        add_network(file, "vgg16")
    with pytest.raises(SettingsError, match="must be 1 to 40"):
        add_network(file, "../flowers")


def test_a_file_that_was_changed_afterwards_does_not_dream(made: Made) -> None:
    path = add_network(made(), "flowers")
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    with pytest.raises(WeightsError, match=r"damaged or another file.*networks remove flowers"):
        load_network("flowers")
    path.unlink()
    with pytest.raises(WeightsError, match="is missing; 'livedream networks remove flowers'"):
        load_network("flowers")


@pytest.mark.parametrize(
    "said",
    [
        {"architecture": "resnet50"},
        {"default_objective": "nowhere"},
        {"default_objective": "eyes +"},
        {"config": {}},
        {"config": []},
        {"config": {**read_metadata(SHIPPED)["config"], "num_classes": -1}},
        {"config": {"layers": [], "num_classes": 1e9, "widths": "x", "blocks": [], "norm": 3}},
        {"classes": ["one"]},
        {"mean": "grey"},
    ],
)
def test_a_file_that_says_something_else_is_refused(made: Made, said: Mapping[str, Any]) -> None:
    file = made(said)
    with pytest.raises(WeightsError, match=r"flowers\.safetensors|weights file: must"):
        add_network(file, "flowers")
    assert "flowers" not in registry()
    if "config" in said:
        with pytest.raises(WeightsError, match="no DreamNet"):
            load_network("dreamnet", weights=file)


def test_a_file_that_claims_to_be_huge_takes_no_memory(made: Made) -> None:
    config = read_metadata(SHIPPED)["config"]
    config = {**config, "widths": [2**20, 2**20, 2**20, 2**20]}  # 64 TB
    with pytest.raises(WeightsError, match="do not match"):
        add_network(made({"config": config}), "flowers")


def test_a_file_of_nan_is_refused(made: Made) -> None:
    bias = torch.full((576,), float("nan"), dtype=torch.float16)
    file = made(**{"creatures.0.bias": bias})
    with pytest.raises(WeightsError, match=r"creatures\.0\.bias holds NaN"):
        add_network(file, "flowers")
    with pytest.raises(WeightsError, match=r"creatures\.0\.bias holds NaN"):
        load_network("dreamnet", weights=file)


def test_nothing_is_unpickled(tmp_path: Path) -> None:
    file = tmp_path / "flowers.pt"
    torch.save({}, file)
    with pytest.raises(WeightsError, match=r"must be a \.safetensors file"):
        add_network(file, "flowers")
    disguised = tmp_path / "flowers.safetensors"
    torch.save({"weight": torch.ones(1)}, disguised)
    with pytest.raises(WeightsError, match="no network to dream with"):
        add_network(disguised, "flowers")


def test_an_entry_that_is_wrong_is_told_and_hinders_no_other(made: Made, home: Path) -> None:
    add_network(made(), "flowers")
    (home / "networks" / "bad.toml").write_text("sha256 = 3")
    (home / "networks" / "dreamnet.toml").write_text("")
    found, broken = own_networks()
    assert list(found) == ["flowers"] and "sha256" in broken["bad"]
    assert "livedream's own" in broken["dreamnet"]
    assert registry()["dreamnet"].own is False
    remove_network("bad")
    assert list(own_networks()[1]) == ["dreamnet"]


@pytest.mark.parametrize("state", ["gone", "garbage", "no account of itself"])
def test_weights_that_are_damaged_hinder_no_other(
    state: str, made: Made, capsys: pytest.CaptureFixture[str]
) -> None:
    path = add_network(made(), "flowers")
    if state == "gone":
        path.unlink()
    elif state == "garbage":
        path.write_bytes(b"\xff" * 1000)
    else:
        save_file(load_file(SHIPPED), path, metadata={"livedream": "[1]"})
    names = [card.name for card in Catalogue().networks]
    assert "dreamnet" in names and "flowers" not in names
    assert main(["find", "owl"]) == 0
    said = capsys.readouterr()
    assert "dreamnet-birds" in said.out and "flowers" not in said.out
    assert "livedream: network flowers is left out: weights " in said.err
