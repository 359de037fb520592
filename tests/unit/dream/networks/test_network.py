"""Loading networks: random, from files, with what files and options say."""

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from livedream.core.errors import NetworkError, SettingsError, WeightsError
from livedream.dream.networks.graph import LOGITS
from livedream.dream.networks.network import Network, load_network, network_without_weights
from livedream.dream.networks.registry import find_spec, models_folder, shipped_networks


@pytest.fixture(scope="module")
def state() -> dict[str, torch.Tensor]:
    """A small network's weights, 7 classes."""
    from torchvision.models import squeezenet1_1

    torch.manual_seed(3)
    return squeezenet1_1(weights=None, num_classes=7).state_dict()


@pytest.fixture
def file(tmp_path: Path, state: dict[str, torch.Tensor]) -> Path:
    path = tmp_path / "own.safetensors"
    save_file({name: tensor.half() for name, tensor in state.items()}, path)
    return path


def test_random_weights_are_asked_for_and_repeat(network: Network) -> None:
    again = load_network("squeezenet1_1", random_seed=0)
    other = load_network("squeezenet1_1", random_seed=1)
    picture = torch.rand(1, 3, 64, 64)
    torch.testing.assert_close(network.module(picture), again.module(picture))
    assert not torch.allclose(network.module(picture), other.module(picture))
    assert network.module(picture).std() > 1e-3
    with pytest.raises(SettingsError, match="not both"):
        load_network("vgg16", weights=Path("x"), random_seed=0)


def test_random_weights_leave_the_global_state_alone() -> None:
    torch.manual_seed(5)
    wanted = torch.rand(1)
    torch.manual_seed(5)
    load_network("squeezenet1_1", random_seed=0)
    assert torch.rand(1) == wanted


def test_a_network_is_frozen_in_evaluation_mode_and_fp32(network: Network) -> None:
    assert not network.module.training
    assert all(not part.training for part in network.module.modules())
    assert all(
        not w.requires_grad and w.dtype == torch.float32 for w in network.module.parameters()
    )
    assert network.class_count == 1000 and network.classes[1] == "goldfish"
    assert network.class_index("goldfish") == network.class_index("1") == 1


@pytest.mark.parametrize("name", [n for n, spec in shipped_networks().items() if spec.classifier])
def test_the_registry_knows_whose_classes_are_rows(name: str) -> None:
    spec = find_spec(name)
    ours = spec.builder == "dreamnet"
    network = load_network(name) if ours else network_without_weights(name)
    if spec.class_rows:
        layer, rows = network.class_rows()
        assert rows.shape == (network.class_count, network.layers[layer].channels)
    else:
        with pytest.raises(NetworkError, match=f"{name} has no layer from which its classes are"):
            network.class_rows()


def test_names_are_resolved(network: Network) -> None:
    assert network.resolve("fire8") == network.resolve("FIRE8/concat") == "features.11"
    assert network.resolve("features.11.expand3x3_activation") == "features.11.expand3x3_activation"
    with pytest.raises(NetworkError, match=r"no layer 'fire10' in squeezenet1_1; did you mean"):
        network.resolve("fire10")
    with pytest.raises(NetworkError, match="livedream layers squeezenet1_1"):
        network.resolve("zzzzzz")
    with pytest.raises(NetworkError, match="no output of a picture's shape"):
        network.resolve("classifier.3")


def test_truncated_gives_layers_in_the_order_asked_for(network: Network) -> None:
    picture = torch.rand(1, 3, 64, 96)
    deep, shallow, scores = network.truncated(["fire8", "conv1", LOGITS])(picture)
    assert (deep.shape[1], shallow.shape[1]) == (512, 64)
    torch.testing.assert_close(scores, network.module(picture))
    assert scores.shape == (1, 1000)


def test_a_file_brings_its_number_of_classes(file: Path, state: dict[str, torch.Tensor]) -> None:
    from torchvision.models import squeezenet1_1

    found = load_network("squeezenet1_1", weights=file)
    assert (found.class_count, found.classes) == (7, ())
    assert found.preprocessing == load_network("squeezenet1_1", random_seed=0).preprocessing
    plain = squeezenet1_1(weights=None, num_classes=7).eval()
    plain.load_state_dict({name: tensor.half().float() for name, tensor in state.items()})
    picture = torch.rand(1, 3, 64, 64)
    torch.testing.assert_close(found.module(picture), plain(picture))
    with pytest.raises(NetworkError, match="--labels"):
        found.class_index("goldfish")


def test_options_win_over_the_file(file: Path, tmp_path: Path) -> None:
    labels = tmp_path / "labels.txt"
    labels.write_text("a\nb\nc\nd\ne\nf\ng\n")
    found = load_network("squeezenet1_1", weights=file, labels=labels, preprocess="BGR, 0..255")
    assert found.class_index("C") == 2
    assert found.preprocessing.channel_order == "BGR"
    labels.write_text("a\nb\n")
    with pytest.raises(WeightsError, match=r"must have 7 class names \(got 2\)"):
        load_network("squeezenet1_1", weights=file, labels=labels)


def test_a_file_may_say_everything_itself(tmp_path: Path, state: dict[str, torch.Tensor]) -> None:
    told = {
        "architecture": "squeezenet1_1",
        "preprocess": "BGR, 0..255, minus (104,117,123)",
        "classes": list("abcdefg"),
        "default_objective": "fire6",
        "licence": "CC0",
        "layers": {"features.9": "ripples"},
    }
    path = tmp_path / "own.safetensors"
    save_file(state, path, metadata={"livedream": json.dumps(told)})
    found = load_network(weights=path)
    assert (found.name, found.licence, found.default_objective) == ("squeezenet1_1", "CC0", "fire6")
    assert found.class_index("g") == 6 and found.preprocessing.scale == 255
    assert found.notes == {"features.9": "ripples"}
    told["classes"] = ["a"]
    save_file(state, path, metadata={"livedream": json.dumps(told)})
    with pytest.raises(WeightsError, match=r"must have 7 class names \(got 1\)"):
        load_network(weights=path)


def test_a_wrong_file_is_told_in_one_line(
    file: Path, tmp_path: Path, state: dict[str, torch.Tensor]
) -> None:
    with pytest.raises(WeightsError, match="name one"):
        load_network(weights=file)
    with pytest.raises(WeightsError, match=r"not those of resnet50: must be 3.*got 52"):
        load_network("resnet50", weights=file)
    # Of SqueezeNet 1.0, which has the same names but other shapes in one place.
    with pytest.raises(WeightsError, match=r"not those of squeezenet1_0"):
        load_network("squeezenet1_0", weights=file)
    with pytest.raises(WeightsError, match="no DreamNet"):
        load_network("dreamnet", weights=file)
    broken = dict(state)
    broken["features.0.bias"] = torch.full((64,), float("nan"))
    save_file(broken, tmp_path / "nan.safetensors")
    with pytest.raises(WeightsError, match=r"features\.0\.bias holds NaN"):
        load_network("squeezenet1_1", weights=tmp_path / "nan.safetensors")


def test_pickled_weights_of_dreamnet_are_refused_in_one_line(tmp_path: Path) -> None:
    """torch reads them, but they do not say how the network is built."""
    torch.save({"a": torch.zeros(3)}, tmp_path / "own.pth")
    with pytest.raises(WeightsError, match=r"own\.pth.*must be a \.safetensors file") as told:
        load_network("dreamnet", weights=tmp_path / "own.pth")
    assert "\n" not in str(told.value)


def test_old_files_without_counters_and_with_training_heads_load(tmp_path: Path) -> None:
    from torchvision.models import googlenet

    torch.manual_seed(0)
    plain = googlenet(weights=None, num_classes=5, aux_logits=True, init_weights=False).eval()
    state = {
        f"module.{name}": tensor
        for name, tensor in plain.state_dict().items()
        if not name.endswith("num_batches_tracked")
    }
    torch.save({"state_dict": state, "epoch": 9}, tmp_path / "own.pth.tar")
    found = load_network("googlenet", weights=tmp_path / "own.pth.tar")
    picture = torch.rand(1, 3, 64, 64)
    torch.testing.assert_close(found.module(picture), plain(picture), atol=1e-5, rtol=1e-4)
    assert not [name for name, _ in found.module.named_modules() if "aux" in name]


def test_dreamnet() -> None:
    if not (models_folder() / find_spec("dreamnet").file).is_file():
        pytest.skip("dreamnet.safetensors is not among the models yet")
    found = load_network()
    assert found.name == "dreamnet"
    assert found.notes.keys() <= found.layers.keys()
    picture = torch.rand(1, 3, found.minimum_size, found.minimum_size + 9)
    layers = [*found.notes, LOGITS]
    *activations, scores = found.truncated(layers)(found.preprocessing.normalise(picture))
    assert scores.shape == (1, found.class_count)
    for name, activation in zip(found.notes, activations, strict=True):
        assert activation.shape[1] == found.layers[name].channels
    assert load_network("dreamnet", random_seed=0).layers.keys() == found.layers.keys()
