"""Ascent: octaves, jitter, smoothing, and pictures that no network was made for."""

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from itertools import pairwise

import numpy as np
import pytest
import torch
from recorded import Stream
from torch import Tensor

from livedream.capture import open_source
from livedream.core.settings import DreamSettings
from livedream.dream.ascent import Ascent, Plan
from livedream.dream.engines.steps import equalise_bands, gaussian_blur
from livedream.dream.networks.network import Network
from livedream.dream.objectives.binding import bind
from livedream.dream.tiles import Margins
from livedream.dream.transfer import Transfers

CPU = torch.device("cpu")


def ascent(network: Network, objective: str = "strokes", **settings: object) -> Ascent:
    wanted = DreamSettings(**settings)  # type: ignore[arg-type]
    return Ascent(network, bind(objective, network), wanted, CPU, torch.float32)


def drawn(ascend: Ascent, picture: Tensor, seed: int = 0) -> Tensor:
    return ascend.addition(picture, np.random.default_rng(seed))


@pytest.fixture
def picture() -> Tensor:
    return torch.rand(1, 3, 96, 128, generator=torch.Generator().manual_seed(2))


def test_octaves_go_from_small_to_full(dreamnet: Network) -> None:
    found = ascent(dreamnet, octaves=3, octave_scale=2.0).octave_sizes(640, 480)
    assert found == [(160, 120), (320, 240), (640, 480)]


def test_octaves_too_small_for_the_network_are_left_out(dreamnet: Network) -> None:
    ascend = ascent(dreamnet, octaves=12, octave_scale=1.4)
    assert min(min(size) for size in ascend.octave_sizes(200, 100)) >= dreamnet.minimum_size
    assert ascend.octave_sizes(40, 30) == [(40, 30)]


@pytest.mark.parametrize("size", [(1, 1), (2, 3), (1, 90), (63, 65), (700, 9)])
@pytest.mark.parametrize("objective", ["creatures", "strokes - weave"])
def test_pictures_of_any_size(dreamnet: Network, size: tuple[int, int], objective: str) -> None:
    picture = torch.rand(1, 3, *size)
    ascend = ascent(dreamnet, objective, octaves=4, smoothing=3.0, laplacian=4)
    added = drawn(ascend, picture)
    assert added.shape == picture.shape and added.isfinite().all()
    assert (picture + added).min() >= -1e-6 and (picture + added).max() <= 1 + 1e-6


def test_a_network_that_needs_more_gets_more(dreamnet: Network) -> None:
    seen: list[torch.Size] = []
    ascend = ascent(
        replace(dreamnet, minimum_size=160), "weave", jitter=0, octaves=1, iterations=1,
        engine="torch",
    )  # fmt: skip
    ascend.engine.body.register_forward_pre_hook(lambda _, args: seen.append(args[0].shape))
    drawn(ascend, torch.rand(1, 3, 33, 200))
    assert seen == [torch.Size((1, 3, 160, 200))]


@pytest.mark.parametrize("jitter", [0, 16])
def test_no_frame_is_drawn_around_the_picture(dreamnet: Network, jitter: int) -> None:
    """Of clouds, which have nothing to draw along their border."""
    with open_source("synthetic:clouds?size=320x180&fps=1&seconds=1&seed=3") as source:
        sky = torch.from_numpy(next(iter(source)).rgb.copy()).permute(2, 0, 1)[None] / 255
    ascend = ascent(dreamnet, "strokes", octaves=1, iterations=8, jitter=jitter)
    added = drawn(ascend, sky)[0].abs().mean(0)
    inside = added[12:-12, 12:-12].mean()
    for border in (added[:3], added[-3:], added[:, :3], added[:, -3:]):
        assert float(border.mean() / inside) < 4  # 8 to 17 with a frame


@pytest.mark.parametrize("size", [(128, 96), (33, 200), (300, 180)])
@pytest.mark.parametrize("jitter", [0, 16, 300])
def test_what_is_prepared_is_what_is_climbed(
    dreamnet: Network, size: tuple[int, int], jitter: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every octave with its margins, but for those that are cut into tiles."""
    asked: list[tuple[int, int]] = []
    seen: list[tuple[int, int]] = []

    class Engine:
        def prepare(self, sizes: Sequence[tuple[int, int]]) -> bool:
            asked.extend(sizes)
            return False

        def ascend(self, x: Tensor, shifts: Sequence[Margins], settings: DreamSettings) -> None:
            left, right, top, bottom = shifts[0]
            seen.append((x.shape[3] + left + right, x.shape[2] + top + bottom))

        def gradient(self, x: Tensor, *tile: object) -> Tensor:
            return torch.zeros_like(x)

    ascend = ascent(dreamnet, octaves=1, tile=128)
    monkeypatch.setattr(ascend, "engine", Engine())
    wanted = DreamSettings(octaves=3, jitter=jitter, octave_scale=1.5, iterations=2, tile=128)
    assert not ascend.prepare(Plan((size[0], size[1]), 3, 2.0, 1.5, jitter))
    assert ascend.adopt(wanted)
    drawn(ascend, torch.rand(1, 3, size[1], size[0]))
    assert asked == seen


@pytest.mark.parametrize("brightness", [0.0, 0.5, 1.0])
def test_flat_pictures_give_something_finite(dreamnet: Network, brightness: float) -> None:
    added = drawn(ascent(dreamnet), torch.full((1, 3, 80, 80), brightness))
    assert added.isfinite().all()
    assert added.abs().max() > 0


def test_jitter_may_be_larger_than_the_picture(dreamnet: Network) -> None:
    added = drawn(ascent(dreamnet, jitter=300), torch.rand(1, 3, 70, 66))
    assert added.isfinite().all() and added.abs().max() > 0


def test_each_step_is_jittered_anew(dreamnet: Network, picture: Tensor) -> None:
    seen: list[Tensor] = []
    ascend = ascent(dreamnet, octaves=1, iterations=4, engine="torch")
    ascend.engine.body.register_forward_pre_hook(
        lambda _, args: seen.append(args[0].detach().clone())
    )
    drawn(ascend, picture)
    assert len(seen) == 4
    # A place of the picture lies elsewhere in each: the same corner shows something else.
    corners = [x[0, :, :8, :8] for x in seen]
    differences = [float((a - b).abs().mean()) for a, b in pairwise(corners)]
    assert min(differences) > 0.05


def test_weights_that_glide_go_up_as_frames_do(
    dreamnet: Network, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Through buffers that stay: no dream waits for a copy of the moment."""
    stream = Stream()
    monkeypatch.setattr("livedream.dream.ascent.Transfers", partial(Transfers, stream=stream))
    ascend = ascent(dreamnet, "strokes + weave")
    for weight in (0.1, 0.2, 0.3, 0.4):
        wanted = bind(f"{weight:g}*strokes - weave", dreamnet).objective
        assert ascend.adopt(DreamSettings(), wanted)
        assert torch.equal(ascend.spec.objective.weights, torch.tensor([weight, -1.0]))
    assert stream.buffers == 2


def test_smoothing_takes_the_fine_part_out(dreamnet: Network, picture: Tensor) -> None:
    def roughness(sigma: float) -> float:
        ascend = ascent(dreamnet, octaves=1, iterations=1, smoothing=sigma, laplacian=0)
        added = drawn(ascend, picture * 0.5 + 0.25)
        return float(added.diff(dim=3).square().mean() / added.square().mean())

    rough = [roughness(sigma) for sigma in (0.0, 1.0, 4.0)]
    assert rough[0] > 3 * rough[1] > 9 * rough[2]


def test_a_blur_keeps_flat_and_keeps_sums() -> None:
    flat = torch.full((1, 3, 20, 31), 0.7)
    assert gaussian_blur(flat, 3.0).sub(0.7).abs().max() < 1e-6
    point = torch.zeros(1, 1, 41, 41)
    point[..., 20, 20] = 1
    blurred = gaussian_blur(point, 2.0)
    assert float(blurred.sum()) == pytest.approx(1, abs=1e-5)
    spread = (blurred[0, 0].sum(0) * (torch.arange(41.0) - 20) ** 2).sum().sqrt()
    assert float(spread) == pytest.approx(2.0, rel=0.03)


def test_the_laplacian_brings_bands_to_one_level() -> None:
    draw = torch.Generator().manual_seed(0)
    fine = torch.randn(1, 3, 128, 128, generator=draw)
    coarse = gaussian_blur(torch.randn(1, 3, 128, 128, generator=draw), 8.0)
    gradient = 0.1 * fine + coarse / coarse.std()
    before, after = (spectrum(x) for x in (gradient, equalise_bands(gradient, 4)))
    assert before[0] / before[1] < 0.02
    assert 0.1 < after[0] / after[1] < 10


def spectrum(x: Tensor) -> list[float]:
    """Mean squares: what a blur of 1 px takes away, and what one of 6 px leaves."""
    fine, coarse = x - gaussian_blur(x, 1.0), gaussian_blur(x, 6.0)
    return [float(part.square().mean()) for part in (fine, coarse)]
