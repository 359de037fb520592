"""Triton's kernels against PyTorch's operations: on CUDA where there is a device, else interpreted.

The interpreter runs a kernel's programs one by one in Python, so pictures are small, and a program
does more of them than on a device.
"""

import logging
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from compiled import compiled
from hypothesis import example, given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.nn import functional as F

from livedream.core.settings import DreamSettings
from livedream.dream.engines import EngineSpec
from livedream.dream.engines.cuda import CudaEngine, Step, StepKind
from livedream.dream.engines.eager import EagerEngine
from livedream.dream.engines.fused import fused, open_kernels
from livedream.dream.engines.steps import TINY, step_along
from livedream.dream.networks.network import Network, load_network
from livedream.dream.networks.preprocessing import IMAGENET, Preprocessing
from livedream.dream.objectives.binding import bind
from livedream.dream.objectives.terms import LayerPart
from livedream.dream.tiles import mirrored

pytest.importorskip("triton", reason="Triton is not installed: it comes with PyTorch for CUDA")

from livedream.core import kernels as launching
from livedream.dream.engines import kernels
from livedream.dream.engines.kernels import layout

DEVICE = torch.device("cuda" if torch.cuda.is_available() else "cpu")
DTYPES = [torch.float32, torch.float16, torch.bfloat16]
# Side, stride, padding, ceil_mode: as googlenet, squeezenet, vgg, resnet and inception use them.
POOLS = [(3, 2, 0, True), (3, 1, 1, True), (2, 2, 0, True), (2, 2, 0, False), (3, 2, 1, False),
         (3, 2, 0, False)]  # fmt: skip


@pytest.fixture(autouse=True, scope="module")
def large_programs() -> Any:
    if DEVICE.type == "cuda":
        yield
        return
    with pytest.MonkeyPatch.context() as patch:
        for name, value in {"TILE": 1 << 16, "WIDTH": 512, "SPREAD": 2, "PARTS": 2}.items():
            patch.setattr(layout, name, value)
        yield


def random(*shape: int, dtype: torch.dtype = torch.float32, seed: int = 0) -> Tensor:
    """Channels last, on the device."""
    x = torch.randn(shape, generator=torch.Generator().manual_seed(seed))
    return x.to(DEVICE, dtype).contiguous(memory_format=torch.channels_last)


def differ(found: Tensor, wanted: Tensor) -> float:
    """By how much at most, in parts of what the type can tell apart at the largest value."""
    a, b = found.detach().float(), wanted.detach().float()
    return float((a - b).abs().max() / (b.abs().max() * torch.finfo(found.dtype).eps + 1e-30))


@settings(max_examples=12, derandomize=True)
@given(
    st.sampled_from(POOLS), st.sampled_from(DTYPES), st.integers(1, 40),
    st.tuples(st.integers(1, 2), st.integers(3, 12), st.integers(3, 12)), st.integers(0, 99),
)  # fmt: skip
# The last window would begin in the padding.
@example((2, 2, 1, True), torch.float32, 3, (1, 3, 5), 0)
def test_pools_choose_and_send_back_as_pytorch_does(
    pool: tuple[int, int, int, bool], dtype: torch.dtype, channels: int,
    size: tuple[int, int, int], seed: int,
) -> None:  # fmt: skip
    side, stride, padding, rounded_up = pool
    count, height, width = size
    # Whole numbers: many maxima are equal.
    x = (random(count, channels, height, width, seed=seed) * 1.5).round().to(dtype)
    x = x.contiguous(memory_format=torch.channels_last).requires_grad_()
    wanted = F.max_pool2d(x, side, stride, padding, ceil_mode=rounded_up)
    found = kernels.max_pool(x, side, stride, padding, rounded_up=rounded_up)
    assert torch.equal(found, wanted)
    seeds = random(*wanted.shape, dtype=dtype, seed=seed + 1)
    a, b = (torch.autograd.grad(y, x, seeds)[0] for y in (found, wanted))
    assert torch.equal(a, b) if dtype == torch.float32 else differ(a, b) <= 4


def test_what_an_int32_cannot_count_is_pytorch_s(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(layout, "MOST", 100)
    monkeypatch.setattr(launching, "launch", lambda *_, **__: pytest.fail("a kernel was started"))
    x, residual = random(1, 3, 6, 6), random(1, 3, 6, 6, seed=1)
    wanted = F.max_pool2d(x, 3, 2, ceil_mode=True)
    assert torch.equal(kernels.max_pool(x, 3, 2, 0, rounded_up=True), wanted)
    (found,) = kernels.activate(x, torch.ones(3, device=DEVICE), residual, silu=False)
    assert torch.equal(found, F.relu(x + 1 + residual))


def test_a_pool_passes_on_what_is_no_number() -> None:
    x = random(1, 3, 6, 6)
    x[0, 1, 2, 3], x[0, 2] = float("nan"), float("-inf")
    found = kernels.max_pool(x, 3, 1, 1, rounded_up=True)
    assert torch.equal(found.isnan(), F.max_pool2d(x, 3, 1, 1).isnan()) and found.isnan().any()
    assert (found[0, 2] == float("-inf")).all()


@pytest.mark.parametrize("channels_last", [True, False])
def test_slices_and_other_layouts_are_read_right(channels_last: bool) -> None:
    whole, seeds = random(2, 50, 7, 6), random(2, 60, 7, 6, seed=1)
    x = whole[:, 10:30].detach().requires_grad_()
    if not channels_last:
        x, seeds = x.detach().contiguous().requires_grad_(), seeds.contiguous()
    for ours, theirs in (
        (kernels.max_pool(x, 3, 1, 1, rounded_up=False), F.max_pool2d(x, 3, 1, 1)),
        (kernels.activate(x, torch.zeros(20, device=DEVICE), x, silu=True)[0], F.silu(x + x)),
    ):
        assert torch.allclose(ours, theirs, atol=1e-6)
        a, b = (torch.autograd.grad(y, x, seeds[:, 5:25])[0] for y in (ours, theirs))
        assert torch.allclose(a, b, atol=1e-6)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("silu", [True, False])
@pytest.mark.parametrize("with_residual", [True, False])
def test_bias_residual_and_activation(dtype: torch.dtype, silu: bool, with_residual: bool) -> None:
    x, residual = (random(2, 20, 6, 7, dtype=dtype, seed=s).requires_grad_() for s in (0, 1))
    bias = random(1, 20, 1, 1, dtype=dtype, seed=2).flatten()
    z = x.float() + bias.float()[:, None, None] + (residual.float() if with_residual else 0)
    wanted = F.silu(z) if silu else F.relu(z)
    (found,) = kernels.activate(x, bias, residual if with_residual else None, silu=silu)
    assert found.dtype == dtype and differ(found, wanted) <= 2
    inputs = (x, residual) if with_residual else (x,)
    seeds = random(*found.shape, dtype=dtype, seed=3)
    a = torch.autograd.grad(found, inputs, seeds)
    b = torch.autograd.grad(wanted, inputs, seeds.float())
    assert all(differ(own, other) <= 2 for own, other in zip(a, b, strict=True))


@pytest.mark.parametrize("most", [layout.MOST, 0])
def test_a_result_in_pieces_and_one_that_two_look_at(
    most: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(layout, "MOST", most)  # 0: as what an int32 cannot count
    x, bias = random(2, 24, 5, 6).requires_grad_(), torch.ones(24, device=DEVICE)
    wanted = F.silu(x + 1)
    for spans in (((0, 10), (10, 12), (12, 24)), ((0, 20), (20, 24)), ((0, 24), (0, 24))):
        found = kernels.activate(x, bias, silu=True, spans=spans)
        pieces = [wanted[:, begin:end] for begin, end in spans]
        for one, other in zip(found, pieces, strict=True):
            assert torch.allclose(one, other, atol=1e-6)
            assert not most or one.is_contiguous(memory_format=torch.channels_last)
        seeds = [random(*piece.shape, seed=n) for n, piece in enumerate(pieces)]
        (a,), (b,) = (torch.autograd.grad(y, x, seeds, retain_graph=True) for y in (found, pieces))
        assert torch.allclose(a, b, atol=1e-5)


@pytest.mark.parametrize(
    ("text", "variety", "gain"),
    [("creatures", 0.0, 1.0), ("2*creatures", 0.7, 30.0), ("creatures - 0.2*creatures", 0.3, 0.0)],
)
def test_a_layer_s_seed_is_the_objective_s(
    dreamnet: Network, text: str, variety: float, gain: float
) -> None:
    objective = bind(text, dreamnet, DEVICE)
    objective.variety.fill_(variety)
    objective.focus.fill_(2 * variety)
    activation = random(1, 40, 9, 11).relu() * gain
    activation[:, 3] = 0
    (wanted,) = objective.grad_outputs((activation,))
    ((part,),) = objective.parts
    assert isinstance(part, LayerPart)
    dials = objective.weights, part.terms, objective.variety, objective.focus
    found = kernels.layer_seed(activation, *dials)
    assert torch.allclose(found, wanted, rtol=1e-5, atol=1e-7)
    assert bool(found.any()) == (gain > 0)


@pytest.mark.parametrize("margins", [(3, 13, 5, 11), (40, 0, 0, 70), (0, 0, 0, 0)])
@pytest.mark.parametrize("bgr", [True, False])
def test_what_the_network_sees_and_the_step_s_end(
    margins: tuple[int, int, int, int], bgr: bool
) -> None:
    preprocessing = Preprocessing(IMAGENET.mean, IMAGENET.std, "BGR" if bgr else "RGB")
    left, right, top, bottom = margins
    picture = torch.rand(1, 3, 20, 31, device=DEVICE)
    before = torch.tensor([top, left], device=DEVICE)
    size = 20 + top + bottom, 31 + left + right
    constants = preprocessing.constants(DEVICE, torch.float32)
    found = kernels.see(picture, before, size, constants, torch.float32, flipped=bgr)
    seen = mirrored(picture, margins).requires_grad_()
    wanted = preprocessing.normalise(seen)
    assert torch.allclose(found, wanted, atol=1e-6)

    gradient = random(1, 3, *size)
    (own,) = torch.autograd.grad(wanted, seen, gradient)
    stepped, scale = picture.clone(), torch.tensor(8 / 255, device=DEVICE)
    kernels.climb(stepped, gradient, before, constants[1], scale, TINY, flipped=bgr)
    step_along(
        picture,
        own[:, :, top : top + 20, left : left + 31],
        DreamSettings(step_size=8.0, laplacian=0),
    )
    assert torch.allclose(stepped, picture, atol=1e-6) and float(picture.max()) == 1.0


def uncaptured(step: Step) -> Step:
    return step


@pytest.mark.parametrize(
    ("name", "objective", "more"),
    [
        ("dreamnet", "creatures", {"laplacian": 0}),
        ("dreamnet", "creatures.0 + creatures:3 - eyes", {"smoothing": 1.0}),
        ("dreamnet, BGR", "creatures", {"laplacian": 2}),
        pytest.param("googlenet", "inception4c", {"laplacian": 0}, marks=pytest.mark.slow),
    ],
)
def test_whole_steps_with_and_without_kernels(
    name: str, objective: str, more: dict[str, Any]
) -> None:
    name, _, order = name.partition(", ")
    network = load_network(name, random_seed=0 if name == "googlenet" else None)
    if order:
        wants = replace(network.preprocessing, channel_order=order)
        network = replace(network, preprocessing=wants)
    spec = EngineSpec(network, bind(objective, network, DEVICE), DEVICE, torch.float32)
    spec.objective.focus.fill_(1.0)
    picture = torch.rand(1, 3, 40, 48, generator=torch.Generator().manual_seed(1)).to(DEVICE)
    plain, engine = EagerEngine(spec), CudaEngine(spec, uncaptured, kernels=True)
    shifts, own = [(8, 10, 11, 16)], DreamSettings(**more)
    wanted = picture.clone()
    plain.ascend(wanted, shifts, own)
    for captured in (0, 1):  # the second time the whole step is fused
        found = picture.clone()
        engine.ascend(found, shifts, own)
        assert len(engine.captured) == captured
        assert float((found - wanted).abs().max()) < 1e-5 < float((wanted - picture).abs().max())


def test_a_picture_may_lie_in_memory_as_it_likes(dreamnet: Network) -> None:
    spec = EngineSpec(dreamnet, bind("strokes", dreamnet, DEVICE), DEVICE, torch.float32)
    engine = CudaEngine(spec, uncaptured, kernels=True)
    pictures = [torch.rand(1, 3, 16, 20, generator=torch.Generator().manual_seed(1)).to(DEVICE)]
    pictures.append(pictures[0].contiguous(memory_format=torch.channels_last))
    step = engine.step_of(StepKind.of(pictures[0], (8, 40, 11, 37), DreamSettings(laplacian=0)))
    for picture in pictures:
        step.step(picture, torch.tensor([11, 8], device=DEVICE), torch.tensor(0.01, device=DEVICE))
    assert torch.equal(*pictures)


def test_what_is_dreamed_before_its_activation_is_left(dreamnet: Network) -> None:
    layers = ["creatures.0", "creatures"]
    body = fused(dreamnet.truncated(layers), kernels)
    kinds = [type(module).__name__ for module in body.modules()]
    assert kinds.count("FusedConvolution") == 28 == kinds.count("Conv2d") - 1
    assert kinds.count("ReLU") == 1
    kinds = [type(module) for module in fused(dreamnet.truncated(["creatures"]), kernels).modules()]
    assert not {nn.ReLU, nn.SiLU} & set(kinds)


@pytest.mark.parametrize("how", ["missing", "broken", "wrong"])
def test_without_triton_steps_are_autograd_s(
    dreamnet: Network, how: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(*_: object, **__: object) -> Tensor:
        raise RuntimeError("Failed to find C compiler.\nmore lines")

    if how == "missing":
        monkeypatch.setitem(sys.modules, "triton", None)
    elif how == "broken":
        monkeypatch.setattr(kernels, "activate", broken)
    else:
        monkeypatch.setattr(kernels, "max_pool", lambda x, *_, **__: x)
    open_kernels.cache_clear()
    spec = EngineSpec(dreamnet, bind("creatures", dreamnet, DEVICE), DEVICE, torch.float32)
    with caplog.at_level(logging.INFO, "livedream"):
        engines = EagerEngine(spec), *(CudaEngine(spec, uncaptured, kernels=True) for _ in "ab")
    open_kernels.cache_clear()
    told = [entry.getMessage() for entry in caplog.records]
    assert len(told) == 1 and "PyTorch's own kernels" in told[0] and "\n" not in told[0]
    seen = torch.rand(1, 3, 64, 64, device=DEVICE)
    found = [engine.gradient(seen) for engine in engines]
    assert torch.equal(found[0], found[1]) and np.isfinite(float(found[0].sum()))


CALLS = """
from livedream.dream.engines import kernels
def back(y, x): torch.autograd.grad(y, x, [torch.zeros_like(a) for a in y])
x = torch.zeros(1, 40, 8, 8, dtype=torch.half).to(memory_format=torch.channels_last)
x.requires_grad_()
back([kernels.max_pool(x, 3, 2, 1, rounded_up=True)], x)
for silu, residual in ((True, x), (False, None)):
    spans = ((0, 16), (16, 24), (24, 40))
    back(kernels.activate(x, x[0, :, 0, 0], residual, silu=silu, spans=spans), x)
one, pair = torch.zeros(1), torch.zeros(2, dtype=torch.long)
kernels.layer_seed(x, one, pair[:1], one, one)
picture, gain = torch.zeros(1, 3, 8, 8), torch.zeros(1, 3, 1, 1)
seen = kernels.see(picture, pair, (9, 9), (gain, gain), torch.half, flipped=True)
kernels.climb(picture, seen, pair, gain, one[0], 1e-12, flipped=True)
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="Triton brings its assembler on Linux")
def test_every_kernel_compiles_for_a_card(tmp_path: Path) -> None:
    assert len(compiled(CALLS, tmp_path)) == 11
