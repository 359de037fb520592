"""Visibility: Ruder's equation to the figure, and what looks unlike is not trusted."""

import numpy as np
import pytest
from scenes import Scene, half, moving_square, shrunk, textured

from livedream.core.frame import FlowField
from livedream.flow import flow_halved, gray
from livedream.flow.camera_motion import SteadyFlow, blend_camera_motion
from livedream.flow.occlusion import agreement, visibility
from livedream.warp.remap import positions, remap


def constant(x: float, y: float, height: int = 24, width: int = 40) -> FlowField:
    flow = np.empty((2, height, width), np.float32)
    flow[0], flow[1] = x, y
    return flow


def carried(
    flow: FlowField, *, error: float = 0.0, trust: float = 0.0, height: int = 24, width: int = 40
) -> SteadyFlow:
    plane = np.ones((height, width), np.float32)
    return SteadyFlow(0.5 * flow, plane * trust, plane * error)


@pytest.mark.parametrize(
    ("gap", "wanted"),
    [
        (0.0, 1.0),
        (0.7, 1.0),
        (0.71, 1.0),  # 0.5041 < 0.01 * 0.5041 + 0.5
        (1.0, 2 - 1 / 0.51),  # half way down: the square is 1.96 times the bound
        (0.85, 2 - 0.7225 / 0.507225),
        (1.02, 0.0),
        (30.0, 0.0),
    ],
)
def test_equation_five(gap: float, wanted: float) -> None:
    """|f + b|^2 against 0.01 (|f|^2 + |b|^2) + 0.5, falling to nothing at twice the bound."""
    found = agreement(constant(0, 0), constant(gap, 0))
    assert found == pytest.approx(np.full((24, 40), wanted), abs=1e-3)
    assert agreement(constant(0, 0), constant(0, -gap)) == pytest.approx(found)


def test_large_motion_may_miss_by_more() -> None:
    there = constant(20, 0)
    assert agreement(there, constant(-22, 0)).min() == 1.0  # 4 < 0.01 (400 + 484) + 0.5
    assert agreement(there, constant(-14, 0)).max() == 0.0  # 36 > 2 (0.01 (400 + 196) + 0.5)


def test_the_way_back_is_read_where_the_flow_points() -> None:
    """In px of the whole picture, on halves: a flow of 16 px reads 8 pixels further on."""
    back = constant(0, 0)
    back[0, :, 20:] = -16
    found = agreement(constant(16, 0), back)
    assert (found[:, 12:32] == 1).all() and (found[:, :12] == 0).all()


def test_what_agrees_and_looks_alike_is_seen() -> None:
    flow = constant(4, -2)
    seen = visibility(flow, -flow, carried(flow, error=5.0))
    assert seen.shape == (24, 40) and seen.dtype == np.float32
    assert seen[2:, :-4] == pytest.approx(1.0)


def test_beyond_the_border_nothing_is_seen() -> None:
    """By more than half a pixel: 2 pixels of the half on the right, 1 above."""
    flow = constant(4, -2)
    seen = visibility(flow, -flow, carried(flow))
    assert (seen[:, -2:] == 0).all() and (seen[0] == 0).all()
    assert (seen[1:, :-2] > 0.9).all()


def spot(value: float, ground: float = 1.0) -> SteadyFlow:
    """A place of another error than the rest of the picture."""
    flow = constant(0, 0)
    found = carried(flow, error=ground)
    found.error[8:16, 10:20] = value
    return found


@pytest.mark.parametrize(("error", "wanted"), [(19.5, 1.0), (23.75, 0.5), (28.1, 0.0)])
def test_what_looks_unlike_is_not_trusted(error: float, wanted: float) -> None:
    zero = constant(0, 0)
    seen = visibility(zero, zero, spot(error))
    assert seen[10:14, 13:17] == pytest.approx(np.full((4, 4), wanted), abs=1e-3)
    assert seen[0, 0] == pytest.approx(1.0)


def test_a_noisy_picture_may_differ_more() -> None:
    """What all of it is off by is noise, from two steps on."""
    zero = constant(0, 0)
    assert visibility(zero, zero, spot(28.0))[12, 15] == pytest.approx(0.0, abs=1e-3)
    assert visibility(zero, zero, spot(28.0, ground=2.0))[12, 15] == pytest.approx(0.0, abs=1e-3)
    assert visibility(zero, zero, spot(28.0, ground=10.5))[12, 15] == pytest.approx(1.0, abs=1e-3)


def test_the_camera_s_motion_needs_no_way_back() -> None:
    """On flat places the estimator contradicts itself; what the camera explains is seen."""
    zero, wrong = constant(0, 0), constant(9, 9)
    for trust in (0.0, 0.25, 0.5, 1.0):
        seen = visibility(zero, wrong, carried(zero, trust=trust))
        assert seen == pytest.approx(np.full((24, 40), min(1.0, 2 * trust)), abs=1e-3)


def test_the_camera_s_motion_too_must_look_alike() -> None:
    zero, wrong = constant(0, 0), constant(9, 9)
    found = spot(16.0)
    found.trust[:] = 1.0
    assert visibility(zero, wrong, found)[12, 15] == pytest.approx(1.0, abs=1e-3)  # 1.5 x 11
    found = spot(42.5)
    found.trust[:] = 1.0
    assert visibility(zero, wrong, found)[12, 15] == pytest.approx(0.0, abs=1e-3)  # 1.5 x 28


def test_the_border_of_what_is_hidden_is_eroded_and_soft() -> None:
    zero = constant(0, 0)
    seen = visibility(zero, zero, spot(99.0))
    assert 0.0 < seen[12, 9] < 0.6  # a pixel beside it is mixed from both sides
    assert seen[12, 9] < seen[12, 8] and seen[12, 5] == pytest.approx(1.0, abs=1e-3)


@pytest.mark.parametrize("camera", [(0, 0), (5, 3), (-7, 2)])
def test_with_the_true_flow_what_is_revealed_is_found(camera: tuple[int, int]) -> None:
    """Both ways as they are: only the comparison of pictures tells what is hidden."""
    scene = moving_square((14, -6), camera)
    back: Scene = moving_square((-14, 6), (-camera[0], -camera[1]))
    now, before = gray(scene.current), gray(scene.previous)
    flow = flow_halved(scene.flow)
    found = blend_camera_motion(flow, now, before, remap(before, *positions(scene.flow)))
    seen = visibility(flow, flow_halved(back.flow), found)
    assert seen[half(shrunk(scene.hidden, 1))].mean() < 0.1
    assert seen[half(shrunk(scene.body, 4))].mean() > 0.95
    assert seen[half(shrunk(~scene.hidden & ~scene.body, 4))].mean() > 0.95


@pytest.mark.parametrize("size", [(1, 1), (1, 9), (2, 3), (7, 5)])
def test_the_smallest_pictures(size: tuple[int, int]) -> None:
    picture = gray(textured(*size))
    zero = flow_halved(np.zeros((2, *size), np.float32))
    seen = visibility(zero, zero, blend_camera_motion(zero, picture, picture, picture))
    assert seen.shape == (max(1, size[0] // 2), max(1, size[1] // 2))
    assert seen == pytest.approx(np.ones_like(seen))
