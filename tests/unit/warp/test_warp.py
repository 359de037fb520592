"""The warp: exact by whole pixels, sharp between them, nothing from outside, at any flow size."""

from collections.abc import Callable
from functools import partial

import numpy as np
import pytest
import torch
from torch import Tensor

from livedream.core.device import resident
from livedream.core.errors import ShapeError
from livedream.core.frame import FlowField
from livedream.warp.residual import fit_flow, warp

Warp = Callable[[Tensor, FlowField], Tensor]


def on_device(given: Tensor, flow: FlowField) -> Tensor:
    with resident():
        return warp(given, flow)


def mirrored_on_device(given: Tensor, flow: FlowField) -> Tensor:
    with resident():
        return warp(given, flow, mirrored=True)


BOTH = pytest.mark.parametrize("run", [warp, on_device], ids=["cpu", "gpu"])


def residual(height: int = 24, width: int = 36, channels: int = 3) -> Tensor:
    return torch.randn(1, channels, height, width, generator=torch.Generator().manual_seed(1))


def constant(x: float, y: float, height: int = 24, width: int = 36) -> FlowField:
    flow = np.empty((2, height, width), np.float32)
    flow[0], flow[1] = x, y
    return flow


@BOTH
def test_no_motion_is_the_identity(run: Warp) -> None:
    given = residual()
    assert torch.allclose(run(given, constant(0, 0)), given, atol=1e-5)


@BOTH
@pytest.mark.parametrize(("x", "y"), [(5, 0), (-5, 0), (0, 3), (0, -3), (7, -4)])
def test_whole_pixels_are_fetched_from_where_the_flow_points(run: Warp, x: int, y: int) -> None:
    given = residual()
    found = run(given, constant(x, y))
    rows, columns = torch.arange(24) + y, torch.arange(36) + x
    inside = ((rows >= 0) & (rows < 24))[:, None] & ((columns >= 0) & (columns < 36))
    wanted = given[0][:, rows.clip(0, 23)][:, :, columns.clip(0, 35)] * inside
    assert torch.allclose(found[0], wanted, atol=1e-5)
    assert found[0][:, ~inside].abs().max() < 1e-5


@pytest.mark.parametrize(
    "run", [partial(warp, mirrored=True), mirrored_on_device], ids=["cpu", "gpu"]
)
def test_mirrored_what_comes_from_outside_is_the_picture(run: Warp) -> None:
    given = residual()
    found = run(given, constant(-10.0, 7.0))[0]
    wanted = np.pad(given[0].numpy(), ((0, 0), (0, 7), (10, 0)), mode="reflect")[:, 7:, :36]
    assert np.allclose(found.numpy(), wanted, atol=1e-4)


@BOTH
def test_far_outside_is_nothing(run: Warp) -> None:
    for far in (40.0, 1e4, -1e6):
        assert not run(residual(), constant(far, far)).any()


def test_half_the_picture_may_move() -> None:
    """The flow is each pixel's own."""
    given, flow = residual(), constant(0, 0)
    flow[0, :, 18:] = -6
    found = warp(given, flow)
    assert torch.equal(found[..., :18], given[..., :18])
    assert torch.allclose(found[..., 18:], given[..., 12:30], atol=1e-6)


def test_a_second_of_half_pixels_keeps_the_detail() -> None:
    """What 25 linear fetches would leave of it is next to nothing."""
    wave = torch.sin(torch.arange(200.0) * 2 * torch.pi / 8).expand(1, 3, 60, 200).contiguous()
    carried = wave
    for step in range(24):
        carried = warp(carried, constant(0.5 if step % 2 else -0.5, 0, 60, 200))
    middle = carried[..., 20:-20, 60:-60]
    assert 0.75 * wave.std() < middle.std() <= wave.std()
    linear = torch.cos(torch.tensor(torch.pi / 8)) ** 24
    assert linear < 0.2


@BOTH
@pytest.mark.parametrize("shift", [(0.5, 0.5), (0.5, 0.0), (0.3, 0.7), (0.1, 0.0)])
def test_no_frequency_grows(run: Warp, shift: tuple[float, float]) -> None:
    """Or a pattern of that size would burn in, one or two percent with every frame."""
    draw = np.random.default_rng(5)
    noise = torch.from_numpy(draw.normal(size=(1, 3, 96, 128)).astype(np.float32))
    window = torch.hann_window(96)[:, None] * torch.hann_window(128)
    carried, before = noise, torch.fft.rfft2(noise * window).abs()
    for step in range(40):
        sign = 1 if step % 2 else -1
        carried = run(carried, constant(sign * shift[0], sign * shift[1], 96, 128))
    after = torch.fft.rfft2(carried * window).abs()
    # By rings of frequency: single ones mix with their neighbours at the border.
    fy, fx = torch.fft.fftfreq(96)[:, None], torch.fft.rfftfreq(128)
    ring = (torch.hypot(fy, fx) * 40).long()
    for number in range(1, 20):
        inside = ring == number
        assert after[..., inside].norm() < 1.02 * before[..., inside].norm(), number


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_any_number_of_channels(channels: int) -> None:
    given = residual(channels=channels)
    found = warp(given, constant(3, 1))
    assert found.shape == given.shape and torch.allclose(found[..., :-1, :-3], given[..., 1:, 3:])


@pytest.mark.parametrize("size", [(1, 1), (1, 9), (7, 1), (2, 2)])
@BOTH
def test_the_smallest_residuals(run: Warp, size: tuple[int, int]) -> None:
    given = residual(*size)
    assert torch.allclose(run(given, constant(0, 0, *size)), given, atol=1e-5)
    assert run(given, constant(0.3, -0.4, *size)).isfinite().all()


def test_what_is_given_stays_as_it_is() -> None:
    given, flow = residual(), constant(2.5, -1.5)
    kept, kept_flow = given.clone(), flow.copy()
    warp(given, flow).zero_()
    assert torch.equal(given, kept) and np.array_equal(flow, kept_flow)


def test_a_small_flow_is_scaled_to_the_residual() -> None:
    """Two pixels of a flow at half the width are four, at a third of the height six."""
    given = residual(24, 36)
    found = warp(given, constant(2, -2, 8, 18))
    assert torch.allclose(found[..., 6:, :-4], given[..., :-6, 4:], atol=1e-5)


def test_fitting_leaves_a_flow_of_the_right_size_alone() -> None:
    flow = constant(1, 2)
    assert fit_flow(flow, 36, 24) is flow


def test_fitting_is_linear_between_pixels() -> None:
    flow = np.zeros((2, 1, 2), np.float32)
    flow[0, 0], flow[1, 0] = (0, 4), (8, 8)
    found = fit_flow(flow, 4, 2)
    assert found.dtype == np.float32 and found.shape == (2, 2, 4)
    assert found[0].tolist() == [[0, 2, 6, 8]] * 2  # at -0.25, 0.25, 0.75, 1.25; twice as wide
    assert found[1].tolist() == [[16.0] * 4] * 2


@pytest.mark.parametrize("shape", [(24, 36), (3, 24, 36), (1, 2, 24, 36)])
def test_a_flow_of_another_shape_is_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(ShapeError, match=r"must be \(2, h, w\)"):
        warp(residual(), np.zeros(shape, np.float32))


@pytest.mark.parametrize("shape", [(3, 24, 36), (2, 3, 24, 36)])
def test_a_residual_of_another_shape_is_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(ShapeError, match=r"must be \(1, C, H, W\)"):
        warp(torch.zeros(shape), constant(0, 0))


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_a_gpu_agrees() -> None:
    given, flow = residual(), constant(1.25, -2.5)
    found = warp(given.cuda(), flow).cpu()
    assert torch.allclose(found, on_device(given, flow), atol=1e-4)
