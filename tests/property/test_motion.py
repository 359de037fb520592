"""What holds for any motion: its size, its range, its truth, and that a run may stop anywhere."""

import numpy as np
import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from scenes import half, moved_camera, moving_square, noisy, shrunk, textured

from livedream.core.frame import Motion, Picture
from livedream.flow import FlowEstimator
from livedream.flow.classic import DisFlow, FarnebackFlow
from livedream.flow.motion import MotionEstimator, compare
from livedream.warp.residual import warp

FEW = settings(max_examples=20)
SEEDS = st.integers(0, 10_000)
SIDES = st.integers(1, 70)
FLOWS: list[FlowEstimator] = [DisFlow(), DisFlow("dis-fast"), FarnebackFlow()]


def anything(height: int, width: int, seed: int) -> Picture:
    """Texture, flat colour or noise, whatever the seed says."""
    draw = np.random.default_rng(seed)
    kind = draw.integers(3)
    if kind == 0:
        return textured(height, width, seed, contrast=float(draw.uniform(0, 60)))
    ground = np.full((height, width, 3), draw.integers(256), np.uint8)
    return ground if kind == 1 else noisy(ground, float(draw.uniform(0, 60)), draw)


def check(motion: Motion, height: int, width: int) -> None:
    """Half the size."""
    height, width = max(1, height // 2), max(1, width // 2)
    assert motion.flow.shape == (2, height, width) and motion.visibility.shape == (height, width)
    assert motion.flow.dtype == motion.visibility.dtype == np.float32
    assert np.isfinite(motion.flow).all()
    assert motion.visibility.min() >= 0.0 and motion.visibility.max() <= 1.0


@FEW
@given(height=SIDES, width=SIDES, seed=SEEDS)
@pytest.mark.parametrize("flow", FLOWS, ids=lambda flow: type(flow).__name__)
def test_visibility_is_a_share_at_any_size(
    flow: FlowEstimator, height: int, width: int, seed: int
) -> None:
    current, previous = anything(height, width, seed), anything(height, width, seed + 1)
    check(compare(flow, current, previous), height, width)
    still = compare(flow, current, current)
    check(still, height, width)
    assert not still.cut


@FEW
@given(height=SIDES, width=SIDES, seed=SEEDS)
def test_zero_flow_is_the_identity(height: int, width: int, seed: int) -> None:
    """To the bit, and of one pixel too, as `--flow none` gives it."""
    residual = torch.randn(1, 3, height, width, generator=torch.Generator().manual_seed(seed))
    for size in ((height, width), (1, 1), (max(1, height // 2), max(1, width // 2))):
        assert torch.equal(warp(residual, np.zeros((2, *size), np.float32)), residual)


@FEW
@given(height=SIDES, width=SIDES, x=st.integers(-80, 80), y=st.integers(-80, 80), seed=SEEDS)
def test_a_whole_pixel_warp_loses_nothing_and_invents_nothing(
    height: int, width: int, x: int, y: int, seed: int
) -> None:
    residual = torch.randn(1, 3, height, width, generator=torch.Generator().manual_seed(seed))
    flow = np.empty((2, height, width), np.float32)
    flow[0], flow[1] = x, y
    found, wanted = warp(residual, flow), torch.zeros_like(residual)
    if abs(x) < width and abs(y) < height:
        to = slice(max(0, -y), height - max(0, y)), slice(max(0, -x), width - max(0, x))
        start = slice(max(0, y), height - max(0, -y)), slice(max(0, x), width - max(0, -x))
        wanted[..., to[0], to[1]] = residual[..., start[0], start[1]]
    assert torch.allclose(found, wanted, atol=1e-5)


@FEW
@given(x=st.floats(-10, 10), y=st.floats(-10, 10), noise=st.sampled_from([0, 3]), seed=SEEDS)
def test_a_known_shift_comes_back(x: float, y: float, noise: int, seed: int) -> None:
    """Of the camera, to a twentieth of a pixel (a tenth of one of the frame's)."""
    scene = moved_camera(np.array([[0, 0, x], [0, 0, y]]), size=(200, 140), seed=seed)
    scene = scene.noisy(noise) if noise else scene
    found = compare(DisFlow(), scene.current, scene.previous)
    assert not found.cut
    middle = found.flow[:, 12:-12, 12:-12]
    assert np.abs(np.median(middle, (1, 2)) - (x / 2, y / 2)).max() < 0.06
    assert found.visibility[12:-12, 12:-12].mean() > 0.97


@FEW
@given(
    step=st.tuples(st.integers(-8, 8), st.integers(-8, 8)),
    camera=st.tuples(st.integers(-4, 4), st.integers(-4, 4)),
    seed=SEEDS,
)
def test_a_body_keeps_its_dream_and_what_it_reveals_does_not(
    step: tuple[int, int], camera: tuple[int, int], seed: int
) -> None:
    """As far as DIS follows it: by about 12 px against the background, at this size."""
    assume(np.hypot(step[0] - camera[0], step[1] - camera[1]) <= 11)
    scene = moving_square(step, camera, size=(240, 160), seed=seed)
    found = compare(DisFlow(), scene.current, scene.previous)
    assert not found.cut
    assert found.visibility[half(shrunk(scene.body, 10))].mean() > 0.7
    # Its border is soft, and what is half in doubt is carried whole: in strips a few pixels
    # wide up to half of it, in most a tenth.
    revealed = half(shrunk(scene.hidden, 2))
    if revealed.sum() > 60:
        assert found.visibility[revealed].mean() < 0.5


@FEW
@given(stop=st.integers(1, 5), seed=SEEDS, size=st.sampled_from(["source", "40p"]))
def test_a_run_continued_anywhere_gives_the_same_motion(stop: int, seed: int, size: str) -> None:
    """Bit by bit: it is told the last frame, nothing else."""
    pictures = [anything(60, 90, seed + index // 2) for index in range(6)]
    whole = MotionEstimator(DisFlow(), size)
    wanted = [whole.step(picture) for picture in pictures]
    rest = MotionEstimator(DisFlow(), size)
    rest.remember(pictures[stop - 1])
    for picture, motion in zip(pictures[stop:], wanted[stop:], strict=True):
        found = rest.step(picture)
        assert found is not None and motion is not None and found.cut == motion.cut
        assert np.array_equal(found.flow, motion.flow)
        assert np.array_equal(found.visibility, motion.visibility)
