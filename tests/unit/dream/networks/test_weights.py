"""Weights files: read, refused in one line, found, checked, fetched."""

import gc
import hashlib
import json
import socket
from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from livedream.core.downloads import file_sha256
from livedream.core.errors import WeightsError
from livedream.dream.networks.preprocessing import IMAGENET
from livedream.dream.networks.registry import find_spec, registry
from livedream.dream.networks.weights import (
    locate_weights,
    network_status,
    read_weights,
    weights_origin,
)

TENSORS = {"a.weight": torch.arange(6.0).view(2, 3), "a.bias": torch.zeros(2)}


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    return tmp_path / "torch" / "hub" / "checkpoints"


@pytest.fixture
def collected() -> Iterator[None]:
    """torch 2.9's download leaves the connection to the garbage collector, which warns."""
    yield
    gc.collect()


def test_safetensors_with_metadata(tmp_path: Path) -> None:
    path = tmp_path / "w.safetensors"
    told = json.dumps({"architecture": "vgg16", "classes": ["x"]})
    save_file(TENSORS, path, metadata={"preprocess": "imagenet", "livedream": told})
    found = read_weights(path)
    assert found.tensors.keys() == TENSORS.keys()
    assert found.metadata.preprocessing == IMAGENET and found.metadata.classes == ("x",)
    assert found.architecture == "vgg16"


def test_a_layout_in_words_names_the_architecture(tmp_path: Path) -> None:
    path = tmp_path / "w.safetensors"
    save_file(TENSORS, path, metadata={"layout": "torchvision mobilenet_v2, 7 classes"})
    assert read_weights(path).architecture == "mobilenet_v2"
    save_file(TENSORS, path)
    assert read_weights(path).architecture is None


@pytest.mark.parametrize(
    "metadata",
    [
        {"livedream": "{"},
        {"livedream": "[1, 2]"},
        {"livedream": '{"mean": 3, "std": 4}'},
        {"livedream": '{"mean": [1, 2], "std": [4]}'},
        {"livedream": '{"mean": [1, 2, 3], "std": [4]}'},
        {"livedream": '{"classes": 3}'},
        {"livedream": '{"layers": [1]}'},
        {"preprocess": "as usual"},
    ],
)
def test_metadata_that_make_no_sense_are_told(tmp_path: Path, metadata: dict[str, str]) -> None:
    path = tmp_path / "w.safetensors"
    save_file(TENSORS, path, metadata=metadata)
    with pytest.raises(WeightsError, match="metadata are invalid"):
        read_weights(path)


@pytest.mark.parametrize("zipped", [True, False])
@pytest.mark.parametrize("wrapper", [None, "state_dict", "model"])
def test_state_dicts_of_every_age(tmp_path: Path, zipped: bool, wrapper: str | None) -> None:
    path = tmp_path / "w.pth.tar"
    state = OrderedDict((f"module.{name}", tensor) for name, tensor in TENSORS.items())
    held = {wrapper: state, "epoch": 3, "arch": "resnet50"} if wrapper else state
    torch.save(held, path, _use_new_zipfile_serialization=zipped)
    found = read_weights(path)
    assert found.tensors.keys() == TENSORS.keys()
    torch.testing.assert_close(found.tensors["a.weight"], TENSORS["a.weight"])


def test_files_that_are_no_weights_get_one_line(tmp_path: Path) -> None:
    text = tmp_path / "text.pth"
    text.write_text("hello")
    damaged = tmp_path / "damaged.safetensors"
    save_file(TENSORS, damaged)
    damaged.write_bytes(damaged.read_bytes()[:40])
    empty = tmp_path / "empty.pth"
    empty.touch()
    whole = tmp_path / "whole.pth"
    torch.save(torch.nn.Conv2d(1, 1, 1), whole)
    number = tmp_path / "number.pth"
    torch.save(3, number)
    nothing = tmp_path / "nothing.pth"
    torch.save({"epoch": 3}, nothing)
    cut = tmp_path / "cut.pth"
    torch.save(TENSORS, cut)
    cut.write_bytes(cut.read_bytes()[:500])
    for path in (text, damaged, empty, whole, number, nothing, cut, tmp_path / "no.pth", tmp_path):
        with pytest.raises(WeightsError) as caught:
            read_weights(path)
        assert str(path) in str(caught.value)
        assert "\n" not in str(caught.value)


def test_nothing_but_tensors_is_unpickled(tmp_path: Path) -> None:
    class Trap:
        def __reduce__(self) -> tuple[object, ...]:
            return (Path.touch, (tmp_path / "sprung",))

    torch.save({"a": Trap()}, tmp_path / "trap.pth")
    with pytest.raises(WeightsError, match="plain tensors"):
        read_weights(tmp_path / "trap.pth")
    assert not (tmp_path / "sprung").exists()


def test_a_download_that_fails_says_the_same(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*args: object, **kwargs: object) -> None:
        raise OSError("no route to host")

    monkeypatch.setattr(torch.hub, "download_url_to_file", refuse)
    with pytest.raises(WeightsError, match=r"no route to host.*googlenet-1378be20\.pth") as caught:
        locate_weights(find_spec("googlenet"))
    assert "SHA-256 begins with 1378be20" in str(caught.value) and str(cache) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_server_that_sends_nothing_is_given_up(
    cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    waited_s: list[float | None] = []
    monkeypatch.setattr(
        torch.hub,
        "download_url_to_file",
        lambda *_, **__: waited_s.append(socket.getdefaulttimeout()),
    )
    with pytest.raises(FileNotFoundError):  # nothing was downloaded
        locate_weights(find_spec("googlenet"))
    assert waited_s == [30.0] and socket.getdefaulttimeout() is None


@pytest.mark.filterwarnings("ignore::ResourceWarning")
@pytest.mark.usefixtures("collected")
def test_a_download_is_checked_and_kept(tmp_path: Path, cache: Path) -> None:
    """Through torch.hub's own code, from a file's address instead of the network's."""
    body = b"some weights"
    digest = hashlib.sha256(body).hexdigest()
    source = tmp_path / f"net-{digest[:8]}.pth"
    source.write_bytes(body)
    spec = replace(
        find_spec("resnet50-places365"), url=source.as_uri(), sha256=digest[:8], weights=""
    )
    path = locate_weights(spec)
    assert path == cache / source.name and path.read_bytes() == body
    wrong = replace(spec, sha256="00000000")
    with pytest.raises(WeightsError, match="damaged or another file"):
        locate_weights(wrong)
    path.unlink()
    with pytest.raises(WeightsError, match="invalid hash"):
        locate_weights(wrong)
    assert not list(cache.iterdir())


@pytest.mark.filterwarnings("ignore::ResourceWarning")
@pytest.mark.usefixtures("collected")
def test_what_has_no_checksum_is_fetched_on_request_only(tmp_path: Path) -> None:
    source = tmp_path / "net.pth.tar"
    source.write_bytes(b"x")
    spec = replace(find_spec("resnet50-places365"), url=source.as_uri())
    with pytest.raises(WeightsError, match="--unverified"):
        locate_weights(spec)
    assert locate_weights(spec, allow_unverified=True).is_file()
    assert locate_weights(spec).is_file()


def test_a_damaged_file_in_the_cache_is_found_out(cache: Path) -> None:
    path = weights_origin(find_spec("squeezenet1_1")).path
    path.parent.mkdir(parents=True)
    path.write_bytes(b"half a download")
    with pytest.raises(WeightsError, match=r"must be b8a52dc0 \(got \w+\); delete it"):
        locate_weights(find_spec("squeezenet1_1"))


def test_an_embedded_file_is_checked(tmp_path: Path) -> None:
    spec = replace(find_spec("dreamnet"), sha256="f" * 64)
    with pytest.raises(WeightsError, match=r"damaged|missing"):
        locate_weights(spec)
    absent = replace(spec, file="no-such.safetensors")
    with pytest.raises(WeightsError, match="reinstall"):
        locate_weights(absent)


def test_the_listing_has_all_and_fetches_nothing(cache: Path) -> None:
    found = {status.name: status for status in network_status()}
    assert found.keys() == registry().keys()
    assert not found["vgg16"].present and found["vgg16"].size_bytes is None
    assert found["vgg16"].origin.sha256 == "397923af"
    assert not cache.exists()


def test_the_checksum_is_sha256(tmp_path: Path) -> None:
    path = tmp_path / "f"
    path.write_bytes(b"abc")
    assert file_sha256(path) == hashlib.sha256(b"abc").hexdigest()
