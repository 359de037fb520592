"""The camera's motion: found among bodies, exact where it stands still, given where it explains."""

import numpy as np
import pytest
from numpy.typing import NDArray
from scenes import Scene, half, moved_camera, moving_square, noisy, rounded, shrunk, textured

from livedream.core.frame import FlowField
from livedream.flow import camera_motion as camera
from livedream.flow import flow_halved, gray
from livedream.flow.camera_motion import SteadyFlow, blend_camera_motion, camera_motion
from livedream.warp.remap import positions, remap

Affine = NDArray[np.float64]
PAN = np.array([[0, 0, 4.5], [0, 0, -2.25]], np.float64)
ZOOM = np.array([[0.03, 0, -4.8], [0, 0.03, -2.7]], np.float64)  # about the middle
TURN = np.array([[0.0, -0.02, 1.8], [0.02, 0.0, -3.2]], np.float64)


def wandering(shape: tuple[int, ...], px: float, seed: int = 5) -> FlowField:
    """An estimator that is unsure: smooth errors of about `px`."""
    error = textured(shape[0], shape[1], seed).astype(np.float32)[..., :2] - 128
    return np.ascontiguousarray((error / 45 * px).transpose(2, 0, 1))


def steady(scene: Scene, flow: FlowField) -> SteadyFlow:
    now, before = gray(scene.current), gray(scene.previous)
    return blend_camera_motion(flow_halved(flow), now, before, remap(before, *positions(flow)))


@pytest.mark.parametrize(
    "affine", [PAN, ZOOM, TURN, PAN + ZOOM], ids=["pan", "zoom", "turn", "both"]
)
def test_the_camera_is_found_among_bodies(affine: Affine) -> None:
    """A fifth of the picture goes its own way."""
    scene = moved_camera(affine)
    flow = scene.flow + wandering((180, 320), 0.1)
    flow[:, 40:130, 60:190] += np.array([9.0, -6.0], np.float32)[:, None, None]
    found = camera_motion(flow_halved(flow), gray(scene.current))
    assert found is not None
    places = np.array([[0, 0, 1], [319, 0, 1], [0, 179, 1], [319, 179, 1]]).T
    assert np.abs((found - affine) @ places).max() < 0.4


def test_noise_is_no_structure_to_follow() -> None:
    """It has corners; but hardly any two of them go the same way."""
    wall = noisy(np.full((180, 320, 3), 128, np.uint8), 25, np.random.default_rng(0))
    assert camera_motion(flow_halved(wandering((180, 320), 3.0)), gray(wall)) is None
    assert camera_motion(flow_halved(wandering((180, 320), 0.1) + 3.0), gray(wall)) is not None


def test_a_still_camera_is_preferred_to_a_large_body() -> None:
    """Half of the picture moves: what does not is the wall."""
    flow = np.zeros((2, 180, 320), np.float32)
    flow[0, :, :150] = 7.0
    found = camera_motion(flow_halved(flow), gray(textured(180, 320)))
    assert found is not None and np.abs(found @ (160, 90, 1)).max() < 0.2


@pytest.mark.parametrize("size", [(180, 320), (1, 1), (1, 90), (20, 20)])
def test_without_structure_there_is_no_camera(size: tuple[int, int]) -> None:
    flat = np.full(size, 128, np.uint8)
    assert camera_motion(flow_halved(np.ones((2, *size), np.float32)), flat) is None
    found = blend_camera_motion(flow_halved(np.ones((2, *size), np.float32)), flat, flat, flat)
    assert found.trust.min() == 1.0 and not found.flow.any()


@pytest.mark.parametrize("noise", [0.0, 2.0, 8.0])
def test_a_still_camera_gives_exactly_zero_on_flat_places(noise: float) -> None:
    wall = textured(180, 320)
    wall[:, 160:] = 200
    scene = Scene(
        wall, wall, np.zeros((2, 180, 320), np.float32), *[np.zeros((180, 320), bool)] * 2
    )
    flow = wandering((180, 320), 1.5)
    flow[:, :, :160] *= 0.02
    found = steady(scene.noisy(noise), flow)
    assert (found.flow[:, :, 90:] == 0.0).mean() > 0.999 and found.trust[:, 90:].mean() > 0.999


def test_a_pan_reaches_the_flat_places_too() -> None:
    """The sky goes with the houses, wherever the estimator thinks that it goes."""
    scene = moved_camera(PAN)
    for picture in (scene.current, scene.previous):
        picture[:90] = 200
    flow = scene.flow.copy()
    flow[:, :90] = wandering((90, 320), 2.0)
    found = steady(scene, flow)
    sky = found.flow[:, 2:40, 8:-8]
    assert np.abs(sky - np.array([2.25, -1.125])[:, None, None]).max() < 0.1


@pytest.mark.parametrize("noise", [0.0, 4.0])
def test_a_slow_pan_is_not_held_for_stillness(noise: float) -> None:
    scene = moved_camera(np.array([[0, 0, 0.3], [0, 0, 0.0]], np.float64)).noisy(noise)
    found = steady(scene, scene.flow)
    assert np.median(found.flow[0]) == pytest.approx(0.15, abs=0.02)


@pytest.mark.parametrize("affine", [PAN, ZOOM, TURN], ids=["pan", "zoom", "turn"])
def test_half_a_picture_lies_between_its_pixels(affine: Affine) -> None:
    """Its flow is the mean of four pixels', halved: pixel i lies at 2 i + 0.5."""
    wanted = flow_halved(moved_camera(affine).flow) * 0.5
    assert camera.affine_flow(affine, 90, 160) == pytest.approx(wanted, abs=1e-4)


@pytest.mark.parametrize("flat", [False, True])
@pytest.mark.parametrize("pan", [(0, 0), (-4, 2)])
def test_a_body_keeps_its_own_motion(flat: bool, pan: tuple[int, int]) -> None:
    """Its flat inside too, as far as its textured edge is near."""
    scene = moving_square((9, 0), pan, side=44, flat=flat)
    found = steady(scene, scene.flow)
    body = half(shrunk(scene.body, 2))
    assert np.hypot(found.flow[0] + 4.5, found.flow[1])[body].mean() < 0.3
    rest = half(shrunk(~scene.body & ~scene.hidden, 12))
    wanted = np.array(pan)[:, None] * -0.5
    assert np.abs(found.flow[:, rest] - wanted).max() < 0.05


def test_the_error_is_that_of_what_is_carried() -> None:
    """Of the camera's motion where it is trusted, of the flow elsewhere."""
    scene = moving_square((12, 0))
    good = steady(scene, scene.flow)
    assert good.error[half(shrunk(scene.body, 6))].max() < 1.0
    assert good.error[half(shrunk(scene.hidden, 2))].mean() > 15.0
    wrong = steady(scene, np.zeros_like(scene.flow))
    assert wrong.error[half(shrunk(scene.body, 6))].mean() > 15.0


def test_light_is_not_its_business() -> None:
    """It compares as given: equally bright pictures are asked for."""
    wall = textured(90, 160)
    brighter = rounded(wall + 40.0)
    found = blend_camera_motion(
        np.zeros((2, 45, 80), np.float32), gray(brighter), gray(wall), gray(wall)
    )
    assert np.median(found.error) == pytest.approx(40, abs=1)
