"""The way back: a known motion, in steps, ends where the sum of it does."""

import cv2
import numpy as np
import pytest
import torch

from livedream.core.device import resident
from livedream.core.frame import Motion, Picture
from livedream.warp.accumulated_flow import AccumulatedFlow, warp_steps
from livedream.warp.residual import carry_tensor, uploaded
from livedream.warp.travel import Travel


def moved(x: float, y: float, size: tuple[int, int] = (160, 90)) -> Motion:
    """A picture that has moved right by x and down by y px: its pixels come from the left."""
    width, height = size
    flow = np.empty((2, height, width), np.float32)
    flow[0], flow[1] = -x, -y
    return Motion(flow, np.ones((height, width), np.float32))


def steps_of(texture: Picture) -> np.ndarray:
    return np.asarray(cv2.GaussianBlur(texture.astype(np.float32) - 128, (0, 0), 2))


def test_nothing_moved_is_the_identity(texture: Picture) -> None:
    steps = steps_of(texture)
    track = AccumulatedFlow().step(None, None, 0.04).step(moved(0, 0), None, 0.04)
    found = warp_steps(steps, track, (320, 180))
    assert found is not steps
    np.testing.assert_allclose(found, steps, atol=1e-3)


def test_five_small_motions_are_one_large_one(texture: Picture) -> None:
    steps = steps_of(texture)
    track = AccumulatedFlow()
    for _ in range(5):
        track = track.step(moved(1.0, 0.5), None, 0.04)  # at half the size: 2 px and 1 px
    found = warp_steps(steps, track, (320, 180))
    np.testing.assert_allclose(found[20:-20, 30:-20], steps[15:-25, 20:-30], atol=0.05)


def test_it_is_interpolated_once_however_long_the_way(texture: Picture) -> None:
    steps = steps_of(texture)
    track = AccumulatedFlow()
    for _ in range(20):
        track = track.step(moved(0.125, 0.0), None, 0.04)
    found = warp_steps(steps, track, (320, 180))[20:-20, 30:-30]
    assert found.std() > 0.99 * steps[20:-20, 25:-35].std()


def test_what_was_not_seen_on_the_way_is_left_out(texture: Picture) -> None:
    hidden = moved(0.0, 0.0)
    hidden.visibility[:, :80] = 0.0
    track = AccumulatedFlow().step(moved(1, 0), None, 0.04).step(hidden, None, 0.04)
    found = warp_steps(steps_of(texture), track, (320, 180))
    assert np.abs(found[:, :150]).max() == 0.0
    assert np.abs(found[:, 170:]).max() > 10.0


def test_another_size_of_flow_and_of_dream_on_the_way(texture: Picture) -> None:
    steps = steps_of(texture)
    track = AccumulatedFlow().step(moved(2, 0), None, 0.04).step(moved(1, 0, (80, 45)), None, 0.04)
    found = warp_steps(steps, track, (160, 90))
    wanted = cv2.resize(np.roll(steps, 8, 1), (160, 90), interpolation=cv2.INTER_CUBIC)
    np.testing.assert_allclose(found[10:-10, 20:-10], wanted[10:-10, 20:-10], atol=1.5)


@pytest.mark.parametrize("motion", [None, moved(0.0, 0.0)])
def test_a_travel_zooms_in(texture: Picture, motion: Motion | None) -> None:
    steps = steps_of(texture)
    track = AccumulatedFlow()
    for _ in range(25):
        track = track.step(motion, Travel(zoom=1.25), 0.04)
    found = warp_steps(steps, track, (320, 180))
    matrix = Travel(zoom=1.25).matrix(320, 180, 1.0)
    wanted = cv2.warpAffine(steps, matrix, (320, 180), flags=cv2.INTER_CUBIC | cv2.WARP_INVERSE_MAP)
    error = np.abs(found - wanted)[20:-20, 20:-20].mean()
    assert error < 0.05 * np.abs(wanted).mean()


def test_a_drift_to_the_right_takes_the_view_to_the_right(texture: Picture) -> None:
    steps = steps_of(texture)
    track = AccumulatedFlow().step(None, Travel(zoom=1.0, drift=(0.1, 0.0)), 1.0)  # 32 px
    found = warp_steps(steps, track, (320, 180))
    np.testing.assert_allclose(found[:, 10:250], steps[:, 42:282], atol=0.6)


@pytest.mark.parametrize("travel", [None, Travel(zoom=0.7, rotation=10.0)])
@pytest.mark.parametrize("motion", [None, moved(1.5, -0.5)])
def test_as_a_single_motion_it_leads_where_it_led(
    texture: Picture, travel: Travel | None, motion: Motion | None
) -> None:
    if motion is not None:
        motion.visibility[:30] = 0.5
    track = AccumulatedFlow()
    for _ in range(3):
        track = track.step(motion, travel, 0.04)
    steps, single = steps_of(texture), track.motion()
    wanted = warp_steps(steps, track, (320, 180))
    if single is None:
        assert motion is None and travel is None
        return
    residual = torch.from_numpy(steps / 255).permute(2, 0, 1)[None]
    gray = torch.full((1, 3, 180, 320), 0.5)
    with resident():
        found, _ = carry_tensor(residual, None, uploaded(single, residual.device), gray, 1.0)
    gap = np.abs(255 * found[0].permute(1, 2, 0).numpy() - wanted)
    assert gap[3:-3, 3:-3].max() < 1.5 and gap.mean() < 0.05


def test_older_tracks_stay_as_they_are(texture: Picture) -> None:
    first = AccumulatedFlow().step(moved(1, 0), None, 0.04)
    before = warp_steps(steps_of(texture), first, (320, 180))
    first.step(moved(3, 3), None, 0.04)
    np.testing.assert_array_equal(warp_steps(steps_of(texture), first, (320, 180)), before)
