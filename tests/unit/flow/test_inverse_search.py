"""The search by torch alone: known motion, both ways, any size, always the same operations."""

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from operations import Operations
from scenes import Scene, half, moved_camera, moving_square, pair_of, shrunk, textured

from livedream.core.frame import FlowField
from livedream.flow.inverse_search import InverseSearch

SEARCH = InverseSearch(torch.device("cpu"))


def both(scene: Scene) -> NDArray[np.float32]:
    return SEARCH.both(pair_of(scene.current, scene.previous)).numpy()


def shift(x: float, y: float) -> NDArray[np.float64]:
    return np.array([[0, 0, x], [0, 0, y]], np.float64)


def inside(flow: FlowField) -> FlowField:
    return flow[:, 8:-8, 8:-8]


@pytest.mark.parametrize("by", [(6.0, 0.0), (-3.0, 4.5), (0.25, -0.5), (21.0, -8.0)])
def test_a_known_shift_comes_back(by: tuple[float, float]) -> None:
    """Both ways, at half the size, in px of the whole picture."""
    there, back = both(moved_camera(shift(*by)))
    assert there.shape == back.shape == (2, 90, 160)
    for found, wanted in ((there, by), (back, (-by[0], -by[1]))):
        off = np.hypot(*(inside(found) - np.array(wanted)[:, None, None]))[:, 12:-12]
        assert np.median(off) < 0.15 and np.percentile(off, 95) < 0.5


@pytest.mark.parametrize("noise", [0.0, 4.0])
def test_a_body_moves_on_its_own(noise: float) -> None:
    scene = moving_square((8, -4))
    there, _ = both(scene.noisy(noise) if noise else scene)
    body, rest = half(shrunk(scene.body, 8)), half(shrunk(~scene.body & ~scene.hidden, 16))
    assert np.median(there[:, body], 1) == pytest.approx((-8, 4), abs=0.2)
    assert np.median(np.abs(there[:, rest])) < 0.05


def test_brightness_does_not_matter() -> None:
    """Patches are compared without their mean."""
    scene = moved_camera(shift(5.0, 2.0))
    there, _ = SEARCH.both(pair_of(scene.current, scene.previous) * 0.8 + torch.tensor(
        [0.15, 0.0])[:, None, None, None])  # fmt: skip
    assert np.median(inside(there.numpy()), (1, 2)) == pytest.approx((5.0, 2.0), abs=0.1)


def test_flat_pictures_do_not_move() -> None:
    assert SEARCH.both(torch.full((2, 3, 90, 160), 0.5)).abs().max() < 1e-5


@pytest.mark.parametrize(
    "size", [(1, 1), (1, 40), (11, 3), (16, 15), (12, 300), (28, 100), (91, 161)]
)
def test_every_size_comes_back(size: tuple[int, int]) -> None:
    found = SEARCH.both(pair_of(textured(*size, 1), textured(*size, 2)))
    assert found.shape == (2, 2, *(max(1, side // 2) for side in size))
    assert found.dtype == torch.float32 and found.isfinite().all()


def test_it_repeats_to_the_bit_and_remembers_nothing() -> None:
    scene, other = moving_square(seed=1), moving_square((-20, 10), seed=2)
    first = both(scene)
    both(other)
    assert np.array_equal(first, both(scene))


def test_the_operations_depend_on_the_size_alone() -> None:
    """So that a graph of them can be replayed for any pictures: none waits, none comes or goes."""
    flat = torch.zeros(2, 3, 90, 160)
    scene = moving_square((9, 4), size=(160, 90), side=40)
    SEARCH.both(flat)  # makes what is made once per size
    seen = []
    for pictures in (flat, pair_of(scene.current, scene.previous)):
        with Operations() as operations:
            SEARCH.both(pictures)
        seen.append(operations.found)
    assert seen[0] == seen[1] and len(seen[0]) > 100
