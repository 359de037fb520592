"""Tiles: a picture covered once, a gradient like the whole picture's, no seam."""

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from livedream.core.settings import DreamSettings
from livedream.dream.ascent import Ascent
from livedream.dream.networks.network import Network
from livedream.dream.objectives.binding import bind
from livedream.dream.tiles import ALIGNMENT_PX, MARGIN_PX, lay_tiles, mirrored

CPU = torch.device("cpu")
NO_MARGINS = (0, 0, 0, 0)


def ascent(network: Network, objective: str, **settings: object) -> Ascent:
    wanted = DreamSettings(octaves=1, iterations=1, **settings)  # type: ignore[arg-type]
    return Ascent(network, bind(objective, network), wanted, CPU, torch.float32)


@pytest.fixture(scope="module")
def picture() -> Tensor:
    """(1, 3, 448, 640) with something to see at every scale."""
    draw = torch.Generator().manual_seed(4)
    layers = [
        F.interpolate(torch.rand(1, 3, 448 // s, 640 // s, generator=draw), (448, 640))
        for s in (4, 16, 64)
    ]
    return torch.stack(layers).mean(0)


@pytest.mark.parametrize("margins", [NO_MARGINS, (5, 11, 16, 0), (500, 12, 0, 512)])
@pytest.mark.parametrize("side", [128, 200, 1024])
@pytest.mark.parametrize("size", [(640, 448), (1000, 130), (129, 1), (3000, 2111)])
def test_tiles_cover_a_picture_once(
    size: tuple[int, int], side: int, margins: tuple[int, int, int, int]
) -> None:
    (width, height), (left, right, top, bottom) = size, margins
    for seed in range(5):
        covered = torch.zeros(height, width)
        for tile in lay_tiles(width, height, side, margins, np.random.default_rng(seed)):
            covered[slice(*tile.rows), slice(*tile.columns)] += 1
            for core, seen, first, last in (
                (tile.rows, tile.seen_rows, -top, height + bottom),
                (tile.columns, tile.seen_columns, -left, width + right),
            ):
                assert first <= seen[0] <= max(first, core[0] - MARGIN_PX)
                assert min(last, core[1] + MARGIN_PX) <= seen[1] <= last
                assert (seen[0] - first) % ALIGNMENT_PX == 0
                assert seen[1] - seen[0] <= side + 2 * MARGIN_PX
        assert (covered == 1).all()


def test_what_the_network_sees_has_few_sizes() -> None:
    """Kernels are compiled for a size, and memory kept for it."""
    found = set()
    for seed in range(10):
        for tile in lay_tiles(4000, 3000, 1024, (3, 13, 7, 9), np.random.default_rng(seed)):
            (top, bottom), (left, right) = tile.seen_rows, tile.seen_columns
            found.add((bottom - top, right - left))
    assert len(found) <= 4


def test_cuts_lie_elsewhere_each_time() -> None:
    draw = np.random.default_rng(0)
    found = {lay_tiles(4000, 3000, 1024, NO_MARGINS, draw)[0].rows for _ in range(20)}
    assert len(found) > 5


def test_a_piece_goes_back_where_it_came_from(picture: Tensor) -> None:
    whole = torch.zeros_like(picture)
    for tile in lay_tiles(640, 448, 200, (7, 3, 2, 9), np.random.default_rng(1)):
        tile.put(tile.seen(picture), whole)
    assert torch.equal(whole, picture)


def test_mirrored_is_reflect_and_goes_on() -> None:
    x = torch.arange(12.0).view(1, 1, 3, 4)
    assert torch.equal(mirrored(x, (1, 2, 2, 1)), F.pad(x, (1, 2, 2, 1), mode="reflect"))
    far = mirrored(x, (5, 9, 4, 0))
    assert far.shape == (1, 1, 7, 18)
    assert torch.equal(far[..., 4:, 5:9], x)
    assert far[0, 0, 4].tolist() == [1, 2, 3, 2, 1, 0, 1, 2, 3, 2, 1, 0, 1, 2, 3, 2, 1, 0]
    assert torch.equal(mirrored(torch.ones(1, 3, 1, 1), (9, 9, 9, 9)), torch.ones(1, 3, 19, 19))


@pytest.mark.parametrize("margins", [NO_MARGINS, (5, 11, 7, 9)])
def test_what_tiles_say_adds_up_to_what_the_picture_says(
    dreamnet: Network, picture: Tensor, margins: tuple[int, int, int, int]
) -> None:
    bound = bind("creatures + class:5", dreamnet)
    body = dreamnet.truncated(bound.layers)
    normal = dreamnet.preprocessing.normalise
    (whole,), (scores,) = bound.measure(body(normal(mirrored(picture, margins))))
    for seed in range(3):
        tiles = lay_tiles(640, 448, 160, margins, np.random.default_rng(seed))
        assert len(tiles) > 4
        energies, told = torch.zeros_like(whole), torch.zeros_like(scores)
        for tile in tiles:
            seen = body(normal(tile.seen(picture)))
            own = tuple(tile.cells(activation, 640, 448) for activation in seen)
            (piece,), (some,) = bound.measure(own, tile.share(640, 448))
            energies, told = energies + piece, told + some
        torch.testing.assert_close(energies, whole, rtol=1e-3, atol=1e-3)
        areas = [np.diff(t.seen_rows)[0] * np.diff(t.seen_columns)[0] for t in tiles]
        height, width = 448 + sum(margins[2:]), 640 + sum(margins[:2])
        # As many tiles as the picture has room for, if none overlapped another.
        assert float(told[-1]) == pytest.approx(height * width / np.mean(areas), rel=0.02)


# Terms, and by variety channels, are weighed against each other in the picture as it lies on the
# network's grid at first: hence the more for those. One term's own weight makes no difference.
@pytest.mark.parametrize(
    ("objective", "most"),
    [
        ("creatures", 0.1),
        ("eyes:3,17", 0.01),
        ("creatures - 0.5*mosaic + 2*strokes:1", 0.1),
        ("eyes + class:5", 0.1),
        ("classes", 0.06),
        ("creatures + 5*classes:0-397", 0.1),
    ],
)
def test_tiles_give_the_gradient_of_the_whole(
    dreamnet: Network, picture: Tensor, objective: str, most: float
) -> None:
    whole, tiled = (
        ascent(dreamnet, objective, tile=side).addition(picture, np.random.default_rng(3))
        for side in (1024, 160)
    )
    assert float((whole - tiled).abs().mean() / whole.abs().mean()) < most


def test_no_seam_shows(dreamnet: Network, picture: Tensor) -> None:
    """A step's energy across the cuts is that of elsewhere."""
    ascend = ascent(dreamnet, "creatures", tile=160, jitter=0)
    draw = np.random.default_rng(3)
    added = ascend.addition(picture, draw)
    whole = ascent(dreamnet, "creatures", jitter=0).addition(picture, np.random.default_rng(3))
    cuts = np.random.default_rng(3).spawn(1)[0]
    lay_tiles(640, 448, 160, NO_MARGINS, cuts)  # what is measured, then what is climbed
    tiles = lay_tiles(640, 448, 160, NO_MARGINS, cuts)
    columns = sorted({tile.columns[0] for tile in tiles} - {0})
    rows = sorted({tile.rows[0] for tile in tiles} - {0})
    assert columns and rows
    for axis, places in ((3, columns), (2, rows)):
        energies = [x.diff(dim=axis).square().mean((0, 1, 5 - axis)) for x in (added, whole)]
        across = [energy[[place - 1 for place in places]].mean() for energy in energies]
        assert float(across[0] / across[1]) == pytest.approx(1, abs=0.02)


def test_tiles_repeat_to_the_bit(dreamnet: Network, picture: Tensor) -> None:
    ascend = ascent(dreamnet, "strokes", tile=224)
    first, second = (ascend.addition(picture, np.random.default_rng(5)) for _ in range(2))
    assert torch.equal(first, second)


def test_a_tile_has_a_least_size() -> None:
    with pytest.raises(ValueError, match="tile: must be a whole number from 128"):
        DreamSettings(tile=100)


def test_variety_sees_in_tiles_what_becomes_loud(dreamnet: Network, picture: Tensor) -> None:
    found, part = [], picture[:, :, :288, :384]
    for side in (1024, 160):
        settings = DreamSettings(octaves=1, iterations=10, tile=side, variety=0.5)
        ascend = Ascent(dreamnet, bind("creatures", dreamnet), settings, CPU, torch.float32)
        found.append(ascend.addition(part, np.random.default_rng(3)).flatten())
    assert float(F.cosine_similarity(found[0], found[1], dim=0)) > 0.9
