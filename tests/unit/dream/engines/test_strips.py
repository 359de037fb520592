"""Bands cover a picture once, and dream as the whole does."""

from collections.abc import Iterator

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from livedream.capture.synthetic import open_synthetic
from livedream.core.settings import DreamSettings
from livedream.dream.ascent import Ascent
from livedream.dream.device import choose_dtype
from livedream.dream.engines.direct import DirectEngine
from livedream.dream.engines.strips import MARGIN_PX, crew, lay_bands, share_of
from livedream.dream.networks.network import Network, load_network
from livedream.dream.objectives.binding import bind

CPU = torch.device("cpu")


@pytest.fixture
def threads() -> Iterator[int]:
    """More threads than one, whatever the machine has."""
    before = torch.get_num_threads()
    torch.set_num_threads(3)
    yield 3
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def picture() -> Tensor:
    rgb = next(iter(open_synthetic("synthetic:clouds?size=450x203"))).rgb
    return torch.from_numpy(rgb.copy()).permute(2, 0, 1)[None].float() / 255


@given(st.integers(1, 3000), st.integers(1, 3000), st.integers(1, 64))
def test_bands_cover_a_picture_once_and_see_enough(width: int, height: int, threads: int) -> None:
    bands = lay_bands(width, height, threads)
    length = max(width, height)
    assert 1 <= len(bands) <= threads
    assert [band.own[0] for band in bands] == [0, *(band.own[1] for band in bands[:-1])]
    assert bands[-1].own[1] == length
    for band in bands:
        assert band.axis == (3 if width >= height else 2)
        assert band.seen == (max(0, band.own[0] - MARGIN_PX), min(length, band.own[1] + MARGIN_PX))
        assert band.seen[0] % 32 == 0  # cells of the band are cells of the picture
        assert len(bands) == 1 or band.own[1] - band.own[0] >= 64


def test_small_pictures_are_one_threads_and_large_ones_everybodys() -> None:
    assert share_of(187, 112, 1, 2) == 1
    assert share_of(496, 286, 2, 2) == 1
    assert share_of(1000, 600, 1, 2) == 2  # of one band, where the whole counts
    assert share_of(1936, 1096, 2, 16) == 8
    assert share_of(1936, 1096, 15, 16) == 1


def test_a_crew_has_its_own_threads_and_leaves_the_others_theirs(threads: int) -> None:
    two = crew(2, 1, threads)
    assert two.each(lambda _: torch.get_num_threads(), [0, 1]) == [1, 1]
    assert not any(two.each(lambda _: torch.is_grad_enabled(), [0, 1]))
    assert torch.get_num_threads() == threads
    assert crew(2, 1, threads) is two
    with pytest.raises(ZeroDivisionError):
        two.each(lambda x: 1 / x, [1, 0])


@pytest.mark.skipif(
    choose_dtype("auto", CPU) is not torch.bfloat16, reason="this CPU is not made for bf16"
)
@pytest.mark.parametrize("turned", [False, True])
@pytest.mark.parametrize("objective", ["creatures", "eyes:1,5,9 - 0.5*strokes + 0.2*creatures"])
def test_bands_dream_as_plain_autograd(
    dreamnet: Network, picture: Tensor, objective: str, turned: bool, threads: int
) -> None:
    seen = picture.transpose(2, 3) if turned else picture
    settings = DreamSettings(engine="direct", octaves=1, iterations=3)
    bound = bind(objective, dreamnet)
    quick = Ascent(dreamnet, bound, settings, CPU, torch.bfloat16)
    assert isinstance(quick.engine, DirectEngine)
    alone = settings.replace(engine="torch")
    plain, half = (Ascent(dreamnet, bound, alone, CPU, t) for t in (torch.float32, torch.bfloat16))
    cut = quick.engine.gradient(seen)
    torch.set_num_threads(1)
    # 0.9995 with the weights that ship; 0.995 where what answers the cuts was counted as well.
    assert _cosine(cut, quick.engine.gradient(seen)) > 0.999
    torch.set_num_threads(threads)
    # What engines have to keep. bf16 alone leaves 0.9986.
    assert _cosine(cut, plain.engine.gradient(seen)) > 0.99
    # Steps part further what bf16 has parted: they are compared with plain ones in bf16.
    found, wanted = (one.addition(seen, np.random.default_rng(3)) for one in (quick, half))
    assert _cosine(found, wanted) > 0.995
    again = quick.addition(seen, np.random.default_rng(3))
    torch.testing.assert_close(again, found, rtol=0, atol=0)
    assert len(quick.engine._schedules) == 3  # it did cut


@pytest.mark.skipif(
    choose_dtype("auto", CPU) is not torch.bfloat16, reason="this CPU is not made for bf16"
)
@pytest.mark.parametrize(
    ("name", "loss"),
    [("squeezenet1_0", 0.002), ("googlenet", 0.005), ("vgg16", 0.002), ("mobilenet_v2", 0.05)],
)
def test_torchvisions_networks_lose_little_by_it(
    name: str, loss: float, picture: Tensor, threads: int
) -> None:
    network = load_network(name, random_seed=1)
    bound = bind(network.default_objective, network)
    engines = [
        Ascent(network, bound, DreamSettings(engine="direct"), CPU, dtype).engine
        for dtype in (torch.float32, torch.bfloat16)
    ]
    wanted, cut = (engine.gradient(picture) for engine in engines)
    torch.set_num_threads(1)
    whole = engines[1].gradient(picture)
    # Random weights dream noise, which half precision follows badly by itself (0.77 to 0.93).
    assert _cosine(cut, wanted) > _cosine(whole, wanted) - loss


@pytest.mark.parametrize(("objective", "precision"), [("creatures", "fp32"), ("class:3", "bf16")])
def test_where_the_whole_counts_nothing_is_cut(
    dreamnet: Network, picture: Tensor, objective: str, precision: str, threads: int
) -> None:
    settings = DreamSettings(engine="direct")
    dtype = {"fp32": torch.float32, "bf16": torch.bfloat16}[precision]
    ascent = Ascent(dreamnet, bind(objective, dreamnet), settings, CPU, dtype)
    ascent.engine.gradient(picture)
    assert isinstance(ascent.engine, DirectEngine)
    assert len(ascent.engine._schedules) == 1


def _cosine(one: Tensor, other: Tensor) -> float:
    pair = one.double().flatten(), other.double().flatten()
    return float(torch.nn.functional.cosine_similarity(*pair, 0))
