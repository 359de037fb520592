"""Where a dream may grow: a region, spread, and no colour cast."""

import cv2
import numpy as np
import pytest
import torch
from torch import Tensor

from livedream.core.device import resident
from livedream.dream.spread import shared_out, spread_gain


@pytest.fixture
def added() -> Tensor:
    return torch.randn(1, 3, 48, 64, generator=torch.Generator().manual_seed(1)) + 0.3


def test_an_addition_has_no_cast(added: Tensor) -> None:
    shaped = shared_out(added, torch.zeros_like(added), 0.0)
    assert shaped.mean((2, 3)).abs().max() < 1e-6


def test_nothing_is_added_outside_of_a_region(added: Tensor) -> None:
    plane = torch.zeros(1, 1, 48, 64)
    plane[..., 32:] = 1
    shaped = shared_out(added, torch.zeros_like(added), 0.0, plane)
    assert shaped[..., :32].abs().max() == 0
    assert shaped[..., 32:].abs().min() > 0
    assert shaped.mean((2, 3)).abs().max() < 1e-6


def test_an_empty_region_gives_nothing(added: Tensor) -> None:
    shaped = shared_out(added, torch.zeros_like(added), 0.0, torch.zeros(1, 1, 48, 64))
    assert shaped.isfinite().all() and shaped.abs().max() == 0


def test_kept_colours_leave_only_brightness(added: Tensor) -> None:
    shaped = shared_out(added, torch.zeros_like(added), 0.0, keep_colours=True)
    assert shaped.std(1).max() < 1e-6


@pytest.mark.parametrize("spread", [0.25, 0.5, 1.0])
def test_quiet_places_are_lifted(spread: float) -> None:
    carried = torch.randn(1, 3, 48, 256, generator=torch.Generator().manual_seed(2))
    carried[..., 128:] *= 4
    gain = spread_gain(carried, spread)
    ratio = float(gain[..., :64].mean() / gain[..., -64:].mean())
    assert ratio == pytest.approx(4**spread, rel=0.15)


def test_what_is_lost_in_every_frame_is_partly_made_up_for() -> None:
    """Alike additions; the right half of the picture loses twice as much of its dream a frame."""
    added = torch.randn(1, 3, 48, 256, generator=torch.Generator().manual_seed(1))
    keep = torch.full_like(added, 0.96)
    keep[..., 128:] = 0.92
    found = {}
    for spread in (0.0, 1.0):
        dream = torch.zeros_like(added)
        for _ in range(150):
            grown = shared_out(added.clone(), dream, spread)
            dream = dream * keep + grown
        found[spread] = float(dream[..., 160:].std() / dream[..., :96].std())
    assert found[0.0] == pytest.approx(0.5, abs=0.05)
    assert found[1.0] == pytest.approx(0.5**0.5, abs=0.05)


@pytest.mark.parametrize("size", [(1, 1), (2, 3), (17, 5), (500, 1), (33, 49)])
def test_pictures_of_any_size(size: tuple[int, int]) -> None:
    added = torch.randn(1, 3, *size)
    shaped = shared_out(added, torch.zeros_like(added), 1.0)
    assert shaped.shape == (1, 3, *size) and shaped.isfinite().all()


@pytest.mark.parametrize("size", [(1, 1), (16, 32), (17, 5), (49, 100), (270, 480)])
def test_cells_are_summed_as_they_are_pooled(
    size: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    carried = torch.randn(1, *size, 3).permute(0, 3, 1, 2)
    quick = spread_gain(carried, 0.7)
    monkeypatch.setattr("livedream.dream.spread.COPIED", 0)
    assert torch.allclose(quick, spread_gain(carried, 0.7), rtol=1e-4)


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_the_memory_layout_changes_nothing(added: Tensor, layout: torch.memory_format) -> None:
    carried = torch.randn_like(added)
    wanted = shared_out(added.clone(), carried, 0.5)
    found = shared_out(added.contiguous(memory_format=layout), carried, 0.5)
    assert torch.allclose(wanted, found, atol=1e-6)


def test_every_fourth_row_says_how_strong_a_cell_is() -> None:
    """Within a few hundredths of what all rows say, for motifs of some pixels."""
    draw = np.random.default_rng(4)
    smooth = cv2.GaussianBlur(draw.normal(size=(272, 480, 3)).astype(np.float32), (0, 0), 1.5)
    smooth[:, :240] *= 3
    dream = torch.from_numpy(smooth / smooth.std() / 20).permute(2, 0, 1)[None]
    cells = torch.nn.functional.avg_pool2d(dream.square().mean(1, keepdim=True), 16)
    cells = torch.nn.functional.avg_pool2d(cells, 3, 1, 1, count_include_pad=False)
    wanted = (cells / cells.mean()).clamp_min(1 / 16) ** -0.25
    found = spread_gain(dream, 0.5)[:, :1]
    middles = torch.nn.functional.avg_pool2d(found, 16)
    off = (middles / wanted - 1)[..., [n for n in range(1, 29) if n not in (13, 14, 15, 16)]]
    assert off.abs().max() < 0.06 and off.abs().mean() < 0.015


@pytest.mark.parametrize("size", [(480, 270), (131, 77)])
@pytest.mark.parametrize(("spread", "keep_colours"), [(0.7, False), (1.0, True)])
def test_on_a_device_it_spreads_alike(
    size: tuple[int, int], spread: float, keep_colours: bool
) -> None:
    generator = torch.Generator().manual_seed(6)
    shape = 1, 3, size[1], size[0]
    carried, added = (torch.randn(shape, generator=generator) / 40 for _ in range(2))
    added[..., : size[0] // 3] *= 6.0
    wanted = shared_out(added.clone(), carried, spread, keep_colours=keep_colours)
    with resident():
        found = shared_out(added.clone(), carried, spread, keep_colours=keep_colours)
    assert float((found - wanted).abs().max()) < 1e-5
