"""The motion by torch alone, up to the door of a device: tensors in, tensors out, nothing read."""

import numpy as np
import pytest
import torch
from operations import Operations
from scenes import half, moving_square, noisy, pair_of, rounded, shrunk, textured

from livedream.core.frame import DeviceMotion, Picture
from livedream.flow.inverse_search import InverseSearch
from livedream.flow.on_device import compare

SEARCH = InverseSearch(torch.device("cpu"))


def moved(current: Picture, previous: Picture) -> DeviceMotion:
    return compare(SEARCH, pair_of(current, previous))


@pytest.mark.parametrize("noise", [0.0, 4.0])
@pytest.mark.parametrize("camera", [(0, 0), (5, 3), (-7, 2)])
def test_a_square_before_a_wall(camera: tuple[int, int], noise: float) -> None:
    """What it reveals is found; the square keeps its visibility and its motion."""
    scene = moving_square((9, 0), camera)
    lit = scene.noisy(noise) if noise else scene
    found = moved(lit.current, lit.previous)
    flow, seen = found.flow.numpy(), found.visibility.numpy()
    assert not found.cut and flow.dtype == seen.dtype == np.float32
    body, rest = half(shrunk(scene.body, 4)), half(shrunk(~scene.hidden & ~scene.body, 6))
    assert seen[half(shrunk(scene.hidden, 1))].mean() < 0.15
    assert seen[body].mean() > 0.85 and seen[rest].mean() > 0.97
    off = np.hypot(*(flow - scene.flow[:, ::2, ::2] / 2))
    assert np.median(off[body]) < 0.2 and np.median(off[rest]) < 0.1


@pytest.mark.parametrize("noise", [0.0, 1.0, 2.0, 8.0])
def test_a_still_camera_stands_still(noise: float) -> None:
    """Exactly, on flat places, where an estimator would follow the noise."""
    wall = np.full((180, 320, 3), 140, np.uint8)
    wall[:, :160] = textured(180, 160)
    draw = np.random.default_rng(3)
    found = moved(noisy(wall, noise, draw), noisy(wall, noise, draw))
    assert not found.cut
    assert (found.flow[:, :, 90:] == 0.0).float().mean() > 0.999
    assert found.visibility[:, 90:].mean() > 0.999


def test_a_cut_is_a_tensor_and_nothing_is_visible() -> None:
    found = moved(textured(180, 320, 1), textured(180, 320, 2))
    assert found.cut.dtype == torch.bool and found.cut.shape == ()
    assert found.cut and not found.visibility.any()


def test_noise_on_a_flat_picture_is_no_cut() -> None:
    wall, draw = np.full((180, 320, 3), 120, np.uint8), np.random.default_rng(3)
    assert not moved(noisy(wall, 5.0, draw), noisy(wall, 5.0, draw)).cut


@pytest.mark.parametrize(("first", "second", "cut"), [(90, 100, False), (90, 150, True)])
def test_two_flat_grays(first: int, second: int, cut: bool) -> None:
    found = moved(*(np.full((180, 320, 3), value, np.uint8) for value in (second, first)))
    assert bool(found.cut) == cut and found.visibility.mean() == (0.0 if cut else 1.0)


@pytest.mark.parametrize(("gain", "offset"), [(1.0, 40.0), (1.4, 0.0), (0.5, 110.0)])
def test_a_flash_hides_nothing(gain: float, offset: float) -> None:
    scene = moving_square((9, 0))
    found = moved(rounded(scene.current * gain + offset), scene.previous)
    assert not found.cut and found.visibility.mean() > 0.9
    assert found.visibility.numpy()[half(shrunk(scene.hidden, 1))].mean() < 0.4


@pytest.mark.parametrize("size", [(1, 1), (1, 40), (7, 70), (16, 15), (45, 81)])
@pytest.mark.parametrize("still", [False, True])
def test_every_size_comes_back(size: tuple[int, int], still: bool) -> None:
    found = moved(textured(*size, 1), textured(*size, 1 if still else 2))
    wanted = tuple(max(1, side // 2) for side in size)
    assert found.flow.shape == (2, *wanted) and found.visibility.shape == wanted
    assert found.flow.isfinite().all()
    assert found.visibility.min() >= 0.0 and found.visibility.max() <= 1.0
    assert not (still and found.cut)


def test_the_operations_depend_on_the_size_alone() -> None:
    """A cut, a flash, a moving camera or nothing at all: no branch, no look at the device."""
    scene = moving_square((9, 0), (5, 3))
    pairs = [
        pair_of(textured(180, 320, 1), textured(180, 320, 2)),
        pair_of(scene.current, scene.previous),
        pair_of(rounded(scene.current * 1.4), scene.previous),
        torch.zeros(2, 3, 180, 320),
    ]
    compare(SEARCH, pairs[0])  # makes what is made once per size
    seen = []
    for pair in pairs:
        with Operations() as operations:
            compare(SEARCH, pair)
        seen.append(operations.found)
    assert all(found == seen[0] for found in seen)


def test_nothing_comes_from_the_host_on_the_way() -> None:
    """On torch's device without memory, where no number can be read and copies would be seen."""
    device = torch.device("meta")
    search, pictures = InverseSearch(device), torch.empty(2, 3, 91, 160, device=device)
    compare(search, pictures)  # makes what is made once per size
    with Operations(device):
        found = compare(search, pictures)
    assert found.flow.shape == (2, 45, 80) and found.visibility.shape == (45, 80)
    assert found.cut.shape == ()
