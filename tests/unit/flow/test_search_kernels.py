"""The search's kernels against its operations by torch: on CUDA where there is a device, else
interpreted, where pictures are small and a program does more of them.
"""

import logging
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from compiled import compiled
from scenes import moving_square
from torch import Tensor

from livedream.flow import open_search
from livedream.flow.inverse_search import InverseSearch

pytest.importorskip("triton", reason="Triton is not installed: it comes with PyTorch for CUDA")

from livedream.flow import search_kernels

DEVICE = torch.device("cuda" if torch.cuda.is_available() else "cpu")
PLAIN, SEARCH = InverseSearch(DEVICE), InverseSearch(DEVICE, search_kernels)


@pytest.fixture(autouse=True, scope="module")
def large_programs() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        if DEVICE.type == "cpu":
            patch.setattr(search_kernels, "PATCHES", 64)
            patch.setattr(search_kernels, "PIXELS", 1024)
        yield


def pictures(width: int, height: int, step: tuple[int, int] = (5, -3), seed: int = 0) -> Tensor:
    scene = moving_square(step, size=(width, height), side=24, seed=seed)
    both = np.stack([scene.noisy(2.0).current, scene.previous])
    return torch.from_numpy(both).to(DEVICE).permute(0, 3, 1, 2) / 255.0


def apart(found: Tensor, pair: Tensor) -> float:
    """By how much the flows of a pair differ from those by torch, px, at most."""
    return float((found - PLAIN.both(pair)).abs().max())


@pytest.mark.parametrize(("size", "step"), [((64, 40), (5, -3)), ((61, 43), (-8, 6))])
def test_they_find_the_same(size: tuple[int, int], step: tuple[int, int]) -> None:
    pair = pictures(*size, step)
    assert apart(SEARCH.both(pair), pair) < 0.01
    assert PLAIN.both(pair).abs().max() > 2.0


@pytest.mark.parametrize("size", [(1, 1), (3, 41)])
def test_every_size_comes_back(size: tuple[int, int]) -> None:
    pair = torch.rand(2, 3, *size, generator=torch.Generator().manual_seed(3)).to(DEVICE)
    found = SEARCH.both(pair)
    assert found.shape == (2, 2, *(max(1, side // 2) for side in size))
    assert found.isfinite().all() and apart(found, pair) < 0.01


def test_flat_pictures_do_not_move() -> None:
    assert SEARCH.both(torch.full((2, 3, 40, 60), 0.5, device=DEVICE)).abs().max() < 1e-5


def test_they_repeat_to_the_bit_and_remember_nothing() -> None:
    pair, other = pictures(48, 32), pictures(48, 32, (-9, 4), seed=2)
    first = SEARCH.both(pair)
    SEARCH.both(other)
    assert torch.equal(first, SEARCH.both(pair))


def test_they_are_asked_for_and_tried(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, "livedream"):
        assert open_search(DEVICE, kernels=True).kernels is search_kernels
        assert open_search(DEVICE, kernels=False).kernels is None
        assert open_search(torch.device("cpu")).kernels is None
    assert not caplog.records


@pytest.mark.parametrize("how", ["missing", "broken", "wrong"])
def test_without_triton_the_search_is_pytorch_s(
    how: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(*_: object) -> Tensor:
        raise RuntimeError("Failed to find C compiler.\nmore lines")

    if how == "missing":
        monkeypatch.setitem(sys.modules, "triton", None)
    elif how == "broken":
        monkeypatch.setattr(search_kernels, "searched", broken)
    else:
        monkeypatch.setattr(search_kernels, "refined", lambda _, flow: 2 * flow)
    with caplog.at_level(logging.INFO, "livedream"):
        search = open_search(DEVICE, kernels=True)
    told = [entry.getMessage() for entry in caplog.records]
    assert len(told) == 1 and "PyTorch's own kernels" in told[0] and "\n" not in told[0]
    pair = pictures(64, 40)
    assert search.kernels is None and torch.equal(search.both(pair), PLAIN.both(pair))


CALLS = """
from livedream.flow import search_kernels
pair = torch.zeros(2, 1, 40, 60)
flow = search_kernels.searched(pair, torch.zeros(2, 2, 40, 60))
search_kernels.refined(pair, flow)
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="Triton brings its assembler on Linux")
def test_every_kernel_compiles_for_a_card(tmp_path: Path) -> None:
    names = {"_search", "_gather", "_warp", "_constrain", "_weigh", "_sweep"}
    assert compiled(CALLS, tmp_path) == names
