"""The registry's data: complete, consistent, true to the files that are there."""

import re

import pytest

from livedream.core.downloads import file_sha256
from livedream.core.errors import NetworkError
from livedream.dream.networks.preprocessing import Preprocessing
from livedream.dream.networks.registry import find_spec, models_folder, registry
from livedream.dream.objectives.text import parse_objective

ASKED_FOR = {
    "googlenet",
    "inception_v3",
    "vgg16",
    "vgg19",
    "resnet50",
    "squeezenet1_0",
    "squeezenet1_1",
    "mobilenet_v2",
    "mobilenet_v3_large",
    "efficientnet_b0",
    "dreamnet",
}


def test_every_network_asked_for_is_there() -> None:
    assert set(registry()) >= ASKED_FOR


@pytest.mark.parametrize("name", registry())
def test_an_entry_is_complete(name: str) -> None:
    spec = find_spec(name)
    assert spec.summary and spec.licence and spec.size_mb > 0 and spec.minimum_size >= 32
    assert sum(bool(source) for source in (spec.file, spec.url)) == 1
    if not spec.file:
        Preprocessing.parse(spec.preprocess)
        parse_objective(spec.objective)
        assert spec.classifier or spec.builder == "clip"


@pytest.mark.parametrize("name", [name for name, spec in registry().items() if spec.file])
def test_an_embedded_file_has_the_checksum_that_the_registry_states(name: str) -> None:
    spec = find_spec(name)
    path = models_folder() / spec.file
    if not path.is_file():
        pytest.skip(f"{path.name} is not among the models yet")
    if spec.sha256 is None:
        pytest.skip(f"the registry states no checksum of {path.name} yet")
    assert spec.sha256 == file_sha256(path), "write the new checksum into models/registry.toml"
    assert spec.size_mb == pytest.approx(path.stat().st_size / 1e6, abs=0.06)


def test_sizes_and_addresses_are_those_that_torchvision_states() -> None:
    from torchvision.models import get_weight

    for spec in registry().values():
        if spec.weights:
            stated = get_weight(spec.weights)
            assert spec.url == stated.url
            mebibytes = stated.meta["_file_size"]
            assert spec.size_mb == pytest.approx(mebibytes * 2**20 / 1e6, abs=0.1), spec.name


def test_rules_for_aliases_are_spelled_out() -> None:
    aliases = find_spec("googlenet").aliases
    assert aliases["inception_4c/output"] == aliases["mixed4c"] == "inception4c"
    assert not [alias for alias in aliases if "{" in alias or "{" in aliases[alias]]
    assert find_spec("vgg16").aliases["relu4_3"] == "features.22"
    assert find_spec("vgg19").aliases["relu4_3"] == "features.24"


def test_an_unknown_network_is_met_with_the_nearest() -> None:
    with pytest.raises(NetworkError, match=re.escape("no network 'googelnet'; did you mean goog")):
        find_spec("googelnet")
    with pytest.raises(NetworkError, match="livedream networks"):
        find_spec("zzz")
