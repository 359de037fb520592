"""RAFT: any size, the same flow twice, and one line where its weights cannot be had."""

import hashlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from operations import Operations

from livedream.core.errors import FlowError, SettingsError, ShapeError
from livedream.core.frame import Picture
from livedream.flow import raft
from livedream.flow.raft import RaftFlow


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    return tmp_path / "torch" / "hub" / "checkpoints"


@pytest.fixture(scope="module")
def small() -> RaftFlow:
    return RaftFlow("raft-small", "cpu", random_seed=0)


def noise(height: int, width: int, seed: int) -> Picture:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)


@pytest.mark.parametrize(("height", "width"), [(17, 300), (1, 1), (128, 136)])
def test_every_size_comes_back(small: RaftFlow, height: int, width: int) -> None:
    found = small.estimate(noise(height, width, 1), noise(height, width, 2))
    assert found.shape == (2, height, width) and found.dtype == np.float32
    assert found.flags.c_contiguous and np.isfinite(found).all()


def test_the_large_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(raft, "UPDATES", 1)
    found = RaftFlow("raft-large", "cpu", random_seed=0).estimate(noise(9, 9, 1), noise(9, 9, 2))
    assert found.shape == (2, 9, 9) and np.isfinite(found).all()


def test_the_same_flow_twice_and_from_one_seed(small: RaftFlow) -> None:
    pair = noise(40, 60, 1), noise(40, 60, 2)
    before = torch.random.get_rng_state()
    again, other = (RaftFlow("raft-small", "cpu", random_seed=seed) for seed in (0, 1))
    assert torch.equal(torch.random.get_rng_state(), before)
    found = small.estimate(*pair)
    np.testing.assert_array_equal(found, small.estimate(*pair))
    np.testing.assert_array_equal(found, again.estimate(*pair))
    assert not np.array_equal(found, other.estimate(*pair))


def test_what_the_network_is_given(monkeypatch: pytest.MonkeyPatch) -> None:
    """Current first, in [-1, 1], padded with its border; the last flow is taken and cropped."""
    given: list[torch.Tensor] = []

    class Network(torch.nn.Module):
        def forward(self, first: torch.Tensor, second: torch.Tensor, **_: Any) -> Any:
            given.extend((first, second))
            x = torch.arange(first.shape[3]).expand(first.shape[2:])
            y = torch.arange(first.shape[2])[:, None].expand(first.shape[2:])
            return [torch.zeros(1, 2, *x.shape), torch.stack([x, y])[None].float()]

    monkeypatch.setattr(raft, "untrained", lambda name, seed: Network())
    small = RaftFlow("raft-small", "cpu", random_seed=0)
    current, previous = noise(17, 300, 1), np.full((17, 300, 3), 255, np.uint8)
    found = small.estimate(current, previous)
    assert [tuple(tensor.shape) for tensor in given] == [(1, 3, 128, 304)] * 2
    scaled = current.transpose(2, 0, 1) / 127.5 - 1.0
    np.testing.assert_allclose(given[0][0, :, :17, :300], scaled, atol=1e-6)
    np.testing.assert_allclose(
        given[0][0, :, 17:, :300], np.repeat(scaled[:, -1:], 111, axis=1), atol=1e-6
    )
    assert (given[1] == 1.0).all()
    np.testing.assert_array_equal(found, np.mgrid[0:17, 0:300][::-1].astype(np.float32))


def test_both_ways_in_one_batch(small: RaftFlow) -> None:
    """Tensors in and out, at half the size; what estimate finds for either way."""
    one, other = noise(60, 90, 1), noise(60, 90, 2)
    pair = torch.from_numpy(np.stack([one, other])).permute(0, 3, 1, 2) / 255.0
    with torch.inference_mode():
        found = small.both(pair)
    assert found.shape == (2, 2, 30, 45) and found.dtype == torch.float32
    for way, pictures in zip(found.numpy(), ((one, other), (other, one)), strict=True):
        whole = small.estimate(*pictures)
        means = whole.reshape(2, 30, 2, 45, 2).mean((2, 4))
        np.testing.assert_allclose(way, means, atol=1e-3)
    assert not np.allclose(found[0], found[1], atol=0.01)


def test_nothing_comes_from_the_host_on_the_way(monkeypatch: pytest.MonkeyPatch) -> None:
    """On torch's device without memory, where no number can be read and copies would be seen."""
    monkeypatch.setattr(raft, "choose_device", lambda name: torch.device("meta"))
    monkeypatch.setattr(raft, "UPDATES", 2)
    network = RaftFlow("raft-small", "meta", random_seed=0)
    pictures = torch.empty(2, 3, 128, 136, device="meta")
    network.both(pictures)
    with torch.inference_mode(), Operations(torch.device("meta")):
        assert network.both(pictures).shape == (2, 2, 64, 68)


def test_pictures_of_two_sizes(small: RaftFlow) -> None:
    with pytest.raises(ShapeError, match="must be of one size"):
        small.estimate(noise(20, 20, 1), noise(20, 21, 1))


@pytest.mark.parametrize(
    ("name", "file"),
    [
        ("raft-small", "raft_small_C_T_V2-01064c6d.pth"),
        ("raft-large", "raft_large_C_T_SKHT_V2-ff5fadd5.pth"),
    ],
)
def test_without_a_network_one_line_says_what_to_put_where(
    name: str, file: str, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*args: object, **kwargs: object) -> None:
        raise OSError("no route to host")

    monkeypatch.setattr(torch.hub, "download_url_to_file", refuse)
    with pytest.raises(FlowError, match="no route to host") as caught:
        RaftFlow(name, "cpu")
    digits = file.rpartition("-")[2].removesuffix(".pth")
    for part in (file, f"SHA-256 begins with {digits}", str(cache), "--flow dis"):
        assert part in str(caught.value)
    assert "\n" not in str(caught.value)


def test_weights_in_the_cache_are_checked_and_used(
    small: RaftFlow, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = cache / "raft_small_C_T_V2-01064c6d.pth"
    cache.mkdir(parents=True)
    torch.save(raft.untrained("raft-small", 0).state_dict(), path)
    with pytest.raises(FlowError, match=r"damaged or another file.*must be 01064c6d"):
        RaftFlow("raft-small", "cpu")
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    held = raft.cached(path.as_uri(), digest)
    monkeypatch.setattr(raft, "cached", lambda url: held)
    pair = noise(16, 16, 1), noise(16, 16, 2)
    found = RaftFlow("raft-small", "cpu").estimate(*pair)
    np.testing.assert_array_equal(found, small.estimate(*pair))


def test_names_and_devices_that_are_not_there() -> None:
    with pytest.raises(FlowError, match="one of raft-small, raft-large"):
        RaftFlow("raft-huge", "cpu", random_seed=0)
    with pytest.raises(SettingsError, match="'tpu' is not available here"):
        RaftFlow("raft-small", "tpu", random_seed=0)
