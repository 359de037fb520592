"""Momentum: octaves in turn, averaged along the flow, begun anew where the dream is."""

from collections.abc import Iterator, Sequence
from fractions import Fraction

import numpy as np
import pytest
import torch
from torch import Tensor

from livedream.core.frame import Frame, Motion, Picture
from livedream.core.settings import DreamSettings
from livedream.dream.ascent import Plan
from livedream.dream.dreamer import Dreamer
from livedream.dream.momentum import ahead, blend, remaining, turn
from livedream.dream.networks.network import Network
from livedream.dream.tiles import Margins
from livedream.warp.accumulated_flow import AccumulatedFlow
from livedream.warp.travel import Travel

SMALL = DreamSettings(size="144p", flow_size="180p", rise=0.0, octaves=3, precision="fp32")
RATE = 25


class SizesSeen:
    """An engine that notes the height of every octave that it climbs."""

    def __init__(self, dreamer: Dreamer) -> None:
        self._engine = dreamer.ascent.engine
        self.name, self.fallbacks = self._engine.name, self._engine.fallbacks
        self.prepare, self.gradient = self._engine.prepare, self._engine.gradient
        self.heights: list[list[int]] = []
        dreamer.ascent.engine = self

    def ascend(self, x: Tensor, shifts: Sequence[Margins], settings: DreamSettings) -> None:
        self.heights[-1].append(x.shape[2])
        self._engine.ascend(x, shifts, settings)


def moving(picture: Picture, x: float = 0.0, y: float = 0.0, *, cut: bool = False) -> Motion:
    height, width = picture.shape[:2]
    flow = np.empty((2, height, width), np.float32)
    flow[0], flow[1] = x, y
    return Motion(flow, np.ones((height, width), np.float32), cut)


def dreamed(dreamer: Dreamer, picture: Picture, count: int) -> Iterator[float]:
    """The flicker of each of so many frames that stand still."""
    start = dreamer.state.frames
    for index in range(start, start + count):
        frame = Frame(picture, index, Fraction(1, RATE), index)
        yield float(dreamer.step(frame, moving(picture)).flicker)


def momentum_of(dreamer: Dreamer) -> Tensor:
    assert dreamer.state.momentum is not None
    return dreamer.state.momentum.clone()


@pytest.fixture
def dreamer(dreamnet: Network, texture: Picture) -> Dreamer:
    """One that has dreamed a few frames."""
    made = Dreamer(SMALL, dreamnet)
    list(dreamed(made, texture, 5))
    return made


@pytest.mark.parametrize(("slow", "quick"), [(30, 60), (25, 100)])
def test_it_is_a_half_life_at_every_rate(slow: int, quick: int) -> None:
    frames = quick // slow
    assert remaining(0.1, 1 / slow) == pytest.approx(remaining(0.1, 1 / quick) ** frames)
    assert remaining(0.1, 0.1) == pytest.approx(0.5)


def test_seldom_dreams_do_not_blink_from_octave_to_octave() -> None:
    assert remaining(0.06, 0.5) == 0.5


@pytest.mark.parametrize("wanted", [[1.0], [1.0] * 2, [1.0] * 5, [1.0, 1.0, 0.7, 0.5]], ids=str)
def test_octaves_take_turns_and_weigh_what_they_are_to(wanted: list[float]) -> None:
    octaves = len(wanted)
    weights = np.zeros(octaves)
    climbed = np.zeros(octaves)
    for frame in range(30):
        which, weight = turn(frame, wanted)
        climbed[which] += 1
        # Of additions with one RMS: of several octaves, independent, each has its part of it.
        own = np.array(wanted)[which]
        weights[which] += weight * own / np.sqrt(np.square(own).sum())
    assert weights == pytest.approx(weights[0] / wanted[0] * np.array(wanted))
    shares = Plan((320, 180), octaves, 1.0, 1.4, 16, in_turn=True).shares
    assert climbed[::-1] / 30 == pytest.approx(shares)


def test_only_the_direction_of_an_addition_counts() -> None:
    draw = torch.Generator().manual_seed(1)
    before, added = (torch.randn(1, 3, 8, 9, generator=draw) for _ in range(2))
    once = blend(before.clone(), added.clone(), 0.7, 2.0)
    assert torch.allclose(once, blend(before.clone(), 50 * added, 0.7, 2.0), atol=1e-6)
    unit = added / added.square().mean().sqrt()
    assert torch.allclose(once, 0.7 * before + 0.6 * unit, atol=1e-6)
    assert torch.allclose(blend(None, added.clone(), 0.7, 2.0), unit, atol=1e-6)
    assert not blend(None, torch.zeros(1, 3, 4, 4), 0.7, 1.0).isnan().any()


def test_the_step_is_taken_ahead() -> None:
    momentum = torch.ones(1, 3, 2, 2)
    found = ahead(torch.full_like(momentum, 0.25), momentum, torch.tensor(0.1))
    assert 0.25 < found.min() <= found.max() < 0.35


def test_the_first_frame_climbs_all_octaves_and_so_does_one_after_a_cut(
    dreamnet: Network, texture: Picture
) -> None:
    dreamer = Dreamer(SMALL, dreamnet)
    seen = SizesSeen(dreamer)
    for index in range(8):
        seen.heights.append([])
        frame = Frame(texture, index, Fraction(1, RATE), index)
        dreamer.step(frame, moving(texture, cut=index == 4))
    full, coarse, finest = [73, 103, 144], [73, 103], [144]
    assert seen.heights == [full, finest, finest, coarse, full, finest, coarse, finest]


def test_without_momentum_every_frame_climbs_all_octaves(
    dreamnet: Network, texture: Picture
) -> None:
    dreamer = Dreamer(SMALL.replace(momentum=0.0), dreamnet)
    seen = SizesSeen(dreamer)
    for _ in range(4):
        seen.heights.append([])
        list(dreamed(dreamer, texture, 1))
    assert seen.heights == [[73, 103, 144]] * 4
    assert dreamer.state.momentum is None


def test_it_is_steadier_than_frames_on_their_own(dreamnet: Network, texture: Picture) -> None:
    """What changes from frame to frame keeps its direction, by less than half of the steps."""
    unrest = {}
    for momentum in (0.0, 0.06):
        dreamer = Dreamer(SMALL.replace(momentum=momentum), dreamnet)
        residuals = []
        for _ in dreamed(dreamer, texture, 24):
            assert dreamer.state.residual is not None
            residuals.append(dreamer.state.residual.clone())
        changes = torch.cat(residuals[12:]).diff(dim=0)
        unrest[momentum] = float(changes.diff(dim=0).abs().mean() / changes.abs().mean())
    assert unrest[0.06] < 0.7 * unrest[0.0]


def test_it_moves_with_the_picture(dreamer: Dreamer, texture: Picture) -> None:
    before = momentum_of(dreamer)
    motion = moving(texture, -5.0, 5.0)  # px of a picture a quarter larger
    motion.visibility[:, -30:] = 0.0
    dreamer.carry(dreamer.picture(texture), motion, 1.0)
    after = momentum_of(dreamer)
    assert torch.allclose(after[..., :-4, 4:-28], before[..., 4:, :-32], atol=1e-4)
    assert after[..., -20:].abs().max() == 0.0


def test_it_follows_an_accumulated_flow_to_another_size(dreamer: Dreamer) -> None:
    before = momentum_of(dreamer)
    height, width = before.shape[2:]
    flow = np.zeros((height, width, 2), np.float32)
    flow[..., 0] = -4.0
    dreamer.follow(AccumulatedFlow(flow), (width, height))
    assert torch.allclose(momentum_of(dreamer)[..., 8:], before[..., 4:-4], atol=1e-5)
    dreamer.follow(AccumulatedFlow(), (width // 2, height // 2))
    assert momentum_of(dreamer).shape == (1, 3, height // 2, width // 2)


def test_it_travels_and_is_resized_with_the_dream(dreamer: Dreamer) -> None:
    before = momentum_of(dreamer)
    dreamer.travel(Travel(zoom=1.0, drift=(4 * RATE / before.shape[3], 0.0)), 1 / RATE)
    moved = momentum_of(dreamer)
    assert torch.allclose(moved[..., 8:-8], before[..., 12:-4], atol=1e-4)
    dreamer.resize(np.zeros((60, 100, 3), np.uint8))
    assert momentum_of(dreamer).shape == (1, 3, 60, 100)


def test_it_is_part_of_a_checkpoint(dreamer: Dreamer, dreamnet: Network, texture: Picture) -> None:
    other = Dreamer(SMALL, dreamnet)
    other.restore(dreamer.state.arrays())
    ones, others = (list(dreamed(who, texture, 4)) for who in (dreamer, other))
    assert ones == others
    assert torch.equal(momentum_of(dreamer), momentum_of(other))


@pytest.mark.parametrize("share", [0.0, 0.25, 1.0])
def test_it_is_crossfaded_with_the_dreams(
    dreamer: Dreamer, dreamnet: Network, texture: Picture, share: float
) -> None:
    """Two of one network: what either would have made alone, by their share."""
    fading = Dreamer(SMALL.replace(objective="eyes"), dreamnet)
    state = dreamer.state.arrays()
    picture = dreamer.picture(texture)
    carried = dreamer.carry(picture, moving(texture), dreamer.advance(1 / RATE)).clone()

    def alone(who: Dreamer) -> Tensor:
        who.restore(state)
        who.advance(1 / RATE)
        who.grow(picture, carried.clone())
        return momentum_of(who)

    old, new = alone(fading), alone(dreamer)
    dreamer.restore(state)
    dreamer.advance(1 / RATE)
    fading.share_state(dreamer)
    dreamer.grow_both(picture, carried, fading, share)
    assert torch.allclose(momentum_of(dreamer), torch.lerp(old, new, share), atol=1e-4)
