"""Octaves follow from the motif's size, and what is finer than 360 lines weighs less."""

from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from torch import Tensor

from livedream.control.presets import Presets
from livedream.core.defaults import STILL, ZOOM
from livedream.core.frame import Frame, Picture
from livedream.core.settings import DreamSettings
from livedream.dream.ascent import Ascent, Plan
from livedream.dream.dreamer import Dreamer
from livedream.dream.networks.network import Network
from livedream.dream.objectives.binding import bind
from livedream.dream.octaves import octaves_of, weight_of
from livedream.live.governor import ladder

CPU = torch.device("cpu")


def ascent(network: Network, **settings: object) -> Ascent:
    wanted = DreamSettings(**settings)  # type: ignore[arg-type]
    return Ascent(network, bind("strokes", network), wanted, CPU, torch.float32)


def heights(network: Network, size: tuple[int, int], **settings: object) -> list[int]:
    return [height for _, height in ascent(network, **settings).octave_sizes(*size)]


def test_small_dreams_have_two_octaves(dreamnet: Network) -> None:
    assert heights(dreamnet, (480, 270)) == [193, 270]
    assert heights(dreamnet, (640, 360)) == [257, 360]


@pytest.mark.parametrize("motif", [0.4, 0.56, 0.8])
@pytest.mark.parametrize("scale", [1.2, 1.4, 2.0])
def test_the_largest_motifs_are_the_same_part_of_every_picture(
    dreamnet: Network, motif: float, scale: float
) -> None:
    sizes = [(round(h * 16 / 9), h) for h in (540, 720, 1080, 1440, 2160, 4320)]
    found = [heights(dreamnet, size, motif=motif, octave_scale=scale) for size in sizes]
    coarsest = [own[0] for own in found]
    wanted = 257 * 0.4 / motif
    assert coarsest == pytest.approx([wanted] * len(found), rel=scale**0.13 - 1)
    ratios = [finer / coarser for own in found for coarser, finer in pairwise(own)]
    assert scale**0.7 < min(ratios) <= max(ratios) < scale**1.4


def test_the_shorter_side_counts(dreamnet: Network) -> None:
    upright, wide = (ascent(dreamnet).octave_sizes(*size) for size in ((720, 1280), (1280, 720)))
    assert upright == [(height, width) for width, height in wide]


def test_motifs_no_larger_than_the_finest_octave_s_need_no_other(dreamnet: Network) -> None:
    assert heights(dreamnet, (640, 360), motif=0.28) == [360]
    assert heights(dreamnet, (1280, 720), motif=0.28)[0] == pytest.approx(360, rel=0.05)


def test_a_network_of_small_motifs_dreams_coarser_octaves() -> None:
    settings = DreamSettings(motif=0.5, octave_scale=1.4)
    usual = Plan.at((640, 360), settings)
    small = Plan.at((640, 360), settings.replace(network="dreamnet-things"))
    assert 360 / small.octave_scale ** (small.octaves - 1) == pytest.approx(50 / 0.5, rel=0.05)
    assert 360 / usual.octave_scale ** (usual.octaves - 1) == pytest.approx(103 / 0.5, rel=0.05)
    assert Plan.at((640, 360), settings.replace(network="nosuch")) == usual


def test_a_number_of_octaves_holds_at_every_size(dreamnet: Network) -> None:
    for size in ((320, 180), (1920, 1080)):
        found = ascent(dreamnet, octaves=3, octave_scale=1.5, motif=1.0).octave_sizes(*size)
        assert [round(size[1] / height, 1) for _, height in found] == [2.2, 1.5, 1.0]


@pytest.mark.parametrize("scale", [1.05, 4.0])
@pytest.mark.parametrize("motif", [0.01, 0.31, 0.4, 2.0])
@pytest.mark.parametrize("height", [1, 270, 1100, 30000])
def test_every_plan_can_be_adopted(scale: float, motif: float, height: int) -> None:
    settings = DreamSettings(motif=motif, octave_scale=scale)
    plan = Plan.at((height, height), settings)
    held = plan.applied(settings)
    assert (held.octaves, held.octave_scale) == (plan.octaves, plan.octave_scale)


def test_a_glide_meets_few_sizes() -> None:
    glide = [DreamSettings(motif=motif) for motif in np.linspace(0.4, 0.8, 100).tolist()]
    assert len({octaves_of(settings, (1280, 720)) for settings in glide}) < 12


def test_presets_stills_and_zooms_have_the_octaves_that_they_were_made_with(tmp_path: Path) -> None:
    presets = {preset.name: preset.values for preset in Presets(tmp_path)}
    assert not [name for name, values in presets.items() if "octaves" in values]
    made = {"engraving": (1, 1.4), "ink": (3, 1.4), "wings": (3, 1.5), "neon": (3, 1.6),
            "menagerie": (4, 1.5)}  # fmt: skip
    for name, wanted in made.items():
        own = {key: presets[name][key] for key in ("motif", "octave_scale") if key in presets[name]}
        assert octaves_of(DreamSettings(**own), (640, 360)) == pytest.approx(wanted)
    assert octaves_of(STILL, (1920, 1080)) == pytest.approx((6, 1.4))
    assert octaves_of(ZOOM, (640, 360)) == pytest.approx((4, 1.4))


def test_up_to_360_lines_all_weigh_the_same_and_finer_ones_ever_less() -> None:
    assert [weight_of((2 * side, side)) for side in (64, 257, 360)] == [1.0] * 3
    assert weight_of((270, 480)) == 1.0  # by the shorter side
    weights = [weight_of((2 * side, side)) for side in (361, 504, 706, 988, 2160)]
    assert weights == sorted(weights, reverse=True) and 0.2 < weights[-1] < weights[0] < 1.0


@pytest.mark.parametrize("octaves", [slice(None), slice(None, -1), slice(-1, None)], ids=str)
def test_what_is_climbed_weighs_so(dreamnet: Network, octaves: slice) -> None:
    climbing = ascent(dreamnet)
    picture = torch.full((1, 3, 720, 720), 0.5)
    weights = [weight_of(size) for size in climbing.octave_sizes(720, 720)][octaves]

    def ascend(x: Tensor) -> None:
        x.add_(0.01)

    added = climbing.climb(picture, octaves, ascend)
    assert added.mean() == pytest.approx(0.01 * sum(weights) / weights[-1], rel=1e-3)


def test_the_governor_keeps_the_motifs_a_part_of_the_picture(dreamnet: Network) -> None:
    rungs = ladder(DreamSettings(size="1080p"), 1920, 1080)
    coarsest = [plan.size[1] * plan.octave_scale ** (1 - plan.octaves) for plan in rungs]
    large = [at for at, plan in zip(coarsest, rungs, strict=True) if plan.size[1] > 360]
    assert len(large) > 5 and large == pytest.approx([257] * len(large), rel=0.05)
    assert {plan.octaves for plan in rungs[len(large) :]} == {2}  # in turn, cheaper than one


def coarse_energy(network: Network, picture: Picture, height: int, **settings: object) -> float:
    """Mean square of what a dream adds, coarser than a tenth of the height, after a while."""
    start = cv2.resize(picture, (height, height), interpolation=cv2.INTER_CUBIC)
    wanted = DreamSettings(
        size="source", rise=0.0, precision="fp32", device="cpu", **settings  # type: ignore[arg-type]
    )  # fmt: skip
    dreamer = Dreamer(wanted, network)
    for index in range(8):
        dreamer.step(Frame(start, index, Fraction(1, 25), index))
    assert dreamer.state.residual is not None
    luma = dreamer.state.residual[0].mean(0).numpy()
    spectrum = np.abs(np.fft.rfft2(luma - luma.mean()) / luma.size) ** 2
    down, across = np.fft.fftfreq(height) * height, np.fft.rfftfreq(height) * height
    return float(spectrum[np.hypot(down[:, None], across) < 10].sum())


def test_a_large_dream_has_the_large_forms_of_a_small_one(
    dreamnet: Network, texture: Picture
) -> None:
    """Within 4 dB, where a fixed number of octaves loses most of them."""
    square = texture[:, :180]
    small = coarse_energy(dreamnet, square, 160, motif=0.9)
    large = coarse_energy(dreamnet, square, 640, motif=0.9)
    assert 0.4 < large / small < 2.5
    assert coarse_energy(dreamnet, square, 640, octaves=2) < 0.35 * small
