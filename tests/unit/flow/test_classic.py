"""DIS and Farneback: known shifts, both directions, any size, no memory."""

from itertools import combinations

import numpy as np
import pytest
from scenes import half, moved_camera, moving_square, shrunk, textured

from livedream.core.errors import FlowError
from livedream.core.frame import FlowField
from livedream.flow import FlowEstimator, flow_halved, gray, open_flow
from livedream.flow.classic import DisFlow, FarnebackFlow

NAMES = ("dis", "dis-fast", "dis-ultrafast", "farneback")


def shift(x: float, y: float) -> np.ndarray:  # type: ignore[type-arg]
    return np.array([[0, 0, x], [0, 0, y]], np.float64)


def inside(flow: FlowField) -> FlowField:
    return flow[:, 16:-16, 16:-16]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("by", [(6.0, 0.0), (-3.0, 4.5), (0.25, -0.5)])
def test_a_known_shift_comes_back(name: str, by: tuple[float, float]) -> None:
    """From the current frame to the previous one: where the camera went, not the picture."""
    scene = moved_camera(shift(*by))
    found = inside(open_flow(name, device="cpu").estimate(scene.current, scene.previous))
    off = np.hypot(*(found - inside(scene.flow)))
    assert np.median(off) < 0.2 and np.percentile(off, 95) < 0.5


@pytest.mark.parametrize("name", NAMES)
def test_a_body_moves_on_its_own(name: str) -> None:
    scene = moving_square((8, -4))
    found = open_flow(name, device="cpu").estimate(scene.current, scene.previous)
    body, rest = shrunk(scene.body, 8), shrunk(~scene.body & ~scene.hidden, 16)
    assert np.median(found[:, body], 1) == pytest.approx((-8, 4), abs=0.2)
    assert np.median(np.abs(found[:, rest])) < 0.05


@pytest.mark.parametrize("name", ["dis", "dis-fast", "dis-ultrafast"])
def test_both_is_there_and_back(name: str) -> None:
    scene = moved_camera(shift(-3.0, 2.0))
    flow = open_flow(name, device="cpu")
    assert isinstance(flow, DisFlow)
    there, back = flow.both(gray(scene.current), gray(scene.previous))
    assert there.shape == back.shape == (2, 90, 160)
    assert np.median(inside(back), (1, 2)) == pytest.approx((3.0, -2.0), abs=0.1)
    assert np.percentile(np.hypot(*inside(there + back)), 95) < 0.3


@pytest.mark.parametrize("name", ["dis", "dis-fast", "dis-ultrafast"])
def test_both_is_as_near_to_the_truth_as_the_preset(name: str) -> None:
    """With less work, and from pictures at half their size."""
    flow = DisFlow(name)
    errors = []
    for scene in (
        moving_square((8, -4)).noisy(3),
        moving_square((-14, 6), (4, 2), seed=3),
        moved_camera(shift(-6.0, 2.5)).noisy(2),
    ):
        truth, seen = flow_halved(scene.flow), half(shrunk(~scene.hidden, 4))
        there, _ = flow.both(gray(scene.current), gray(scene.previous))
        whole = flow_halved(flow.estimate(scene.current, scene.previous))
        off = [np.hypot(*(found - truth))[seen] for found in (there, whole)]
        errors.append([[np.median(one), one.mean()] for one in off])
    ours, presets = np.mean(errors, 0)
    assert ours[0] < 1.05 * presets[0] + 0.002  # and around the body's edge, where both are off:
    assert ours[1] < 1.35 * presets[1] + 0.002


def test_the_way_back_is_cheaper_only_where_it_was_measured() -> None:
    scene = moving_square().noisy(3)
    now, before = gray(scene.current), gray(scene.previous)
    for name, alike in (("dis-fast", True), ("dis-ultrafast", True), ("dis", False)):
        flow = DisFlow(name)
        back = flow.both(now, before)[1]
        assert np.array_equal(back, flow.both(before, now)[0]) == alike


def test_the_presets_are_three() -> None:
    """Each name another one; the default is the medium."""
    scene = moving_square().noisy(3)
    found = [
        open_flow(name, device="cpu").estimate(scene.current, scene.previous) for name in NAMES
    ]
    for one, other in combinations(found, 2):
        assert not np.array_equal(one, other)
    assert np.array_equal(found[0], DisFlow().estimate(scene.current, scene.previous))


@pytest.mark.parametrize("flow", [DisFlow(), FarnebackFlow()])
def test_nothing_is_remembered(flow: FlowEstimator) -> None:
    """A stopped render goes on with the same flow: it depends on the two frames alone."""
    scene, other = moving_square(seed=1), moving_square((-20, 10), seed=2)
    first = flow.estimate(scene.current, scene.previous)
    flow.estimate(other.current, other.previous)
    assert np.array_equal(first, flow.estimate(scene.current, scene.previous))


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("size", [(1, 1), (1, 40), (11, 3), (16, 15), (12, 300), (28, 100)])
def test_every_size_comes_back(name: str, size: tuple[int, int]) -> None:
    flow = open_flow(name, device="cpu")
    for found in (
        flow.estimate(textured(*size, 1), textured(*size, 2)),
        flow.estimate(textured(*size, 2), textured(*size, 1)),
    ):
        assert found.shape == (2, *size) and found.dtype == np.float32
        assert found.flags.c_contiguous and np.isfinite(found).all()
    if isinstance(flow, DisFlow):
        for found in flow.both(gray(textured(*size, 1)), gray(textured(*size, 2))):
            assert found.shape == (2, *(max(1, side // 2) for side in size))
            assert found.dtype == np.float32 and np.isfinite(found).all()


def test_small_pictures_change_nothing_for_large_ones() -> None:
    """OpenCV's DIS would keep the scales it chooses for a small picture."""
    flow, scene = DisFlow("dis-fast"), moving_square()
    now, before = gray(scene.current), gray(scene.previous)
    first = flow.both(now, before)
    for height, width in ((28, 100), (64, 64), (1, 1)):
        flow.both(gray(textured(height, width, 1)), gray(textured(height, width, 2)))
    for found, wanted in zip(flow.both(now, before), first, strict=True):
        assert np.array_equal(found, wanted)


def test_small_pictures_still_find_a_shift() -> None:
    """Padding continues the border, so that the flow is that of the picture, not of its frame."""
    scene = moved_camera(shift(1.0, 0.0), size=(60, 10))
    found = DisFlow().estimate(scene.current, scene.previous)
    assert np.median(found[0, :, 8:-8]) == pytest.approx(1.0, abs=0.2)


def test_colour_does_not_stop_it() -> None:
    """The gray of RGB, in this order: red counts a third of it, blue a tenth."""
    scene = moving_square()
    found = [DisFlow().estimate(scene.current, scene.previous)]
    red = [np.zeros_like(picture) for picture in (scene.current, scene.previous)]
    for picture, source in zip(red, (scene.current, scene.previous), strict=True):
        picture[..., 0] = source[..., 0]
    found.append(DisFlow().estimate(*red))
    body = shrunk(scene.body, 8)
    assert [np.median(f[0, body]) for f in found] == pytest.approx([-9, -9], abs=0.2)


def test_an_unknown_preset_is_refused_in_one_line() -> None:
    with pytest.raises(FlowError, match=r"dis, dis-fast, dis-ultrafast \(got dis-slow\)") as told:
        DisFlow("dis-slow")
    assert "\n" not in str(told.value)
