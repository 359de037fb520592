"""On a CUDA device: the engines dream the same dream, and nothing waits or grows meanwhile.

Imports nothing but PyTorch, NumPy, OpenCV and livedream: `scripts/gpu_check` runs it anywhere.
"""

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from fractions import Fraction
from typing import Any

import cv2
import numpy as np
import pytest
import torch
from torch import Tensor

from livedream.core.frame import Frame, Motion
from livedream.core.settings import DreamSettings
from livedream.dream.ascent import Ascent
from livedream.dream.dreamer import Dreamer
from livedream.dream.engines.cuda import CudaEngine
from livedream.dream.engines.fused import open_kernels
from livedream.dream.networks.network import Network
from livedream.dream.objectives.binding import bind
from livedream.dream.transfer import Transfers
from livedream.flow import open_search
from livedream.flow.device_estimator import DeviceEstimator
from livedream.flow.inverse_search import InverseSearch
from livedream.flow.on_device import compare

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no CUDA device"),
]
CUDA = torch.device("cuda")
OBJECTIVE = "creatures + 0.5*eyes"


def ascent(network: Network, engine: str, dtype: torch.dtype, **more: Any) -> Ascent:
    settings = DreamSettings(engine=engine, **more)
    return Ascent(network, bind(OBJECTIVE, network), settings, CUDA, dtype)


def added(ascend: Ascent, picture: Tensor, seed: int = 0) -> Tensor:
    return ascend.addition(picture, np.random.default_rng(seed))


@pytest.fixture
def picture() -> Tensor:
    return torch.rand(1, 3, 270, 480, generator=torch.Generator().manual_seed(2)).to(CUDA)


@contextmanager
def nothing_waits() -> Iterator[None]:
    torch.cuda.set_sync_debug_mode("error")
    try:
        yield
    finally:
        torch.cuda.set_sync_debug_mode("default")


def asked_for() -> int:
    """How many pieces of memory so far."""
    return int(torch.cuda.memory_stats()["allocation.all.allocated"])


def engine_of(ascend: Ascent) -> CudaEngine:
    assert isinstance(ascend.engine, CudaEngine)
    return ascend.engine


@pytest.mark.parametrize(("dtype", "least"), [(torch.float32, 0.9999), (torch.float16, 0.99)])
def test_a_captured_step_is_autograd_s(
    dreamnet: Network, picture: Tensor, dtype: torch.dtype, least: float
) -> None:
    plain = ascent(dreamnet, "torch", torch.float32, octaves=1, iterations=1)
    other = ascent(dreamnet, "cuda", dtype, octaves=1, iterations=1)
    for seed in range(3):
        wanted, found = (added(a, picture, seed).flatten().double() for a in (plain, other))
        assert float(wanted @ found / (wanted.norm() * found.norm())) >= least
    assert len(engine_of(other).captured) == 1


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16])
def test_after_ten_steps_the_layer_answers_alike(
    dreamnet: Network, picture: Tensor, dtype: torch.dtype
) -> None:
    plain = ascent(dreamnet, "torch", torch.float32, octaves=1, iterations=10)
    other = ascent(dreamnet, "cuda", dtype, octaves=1, iterations=10)
    added(other, picture)
    wanted, found = (plain.response(picture + added(a, picture)) for a in (plain, other))
    assert found == pytest.approx(wanted, rel=0.03)


def test_kernels_of_ours_run_and_dream_the_same(dreamnet: Network, picture: Tensor) -> None:
    pytest.importorskip("triton")
    assert open_kernels(CUDA) is not None
    spec = ascent(dreamnet, "cuda", torch.float32).spec
    for more in ({"laplacian": 0}, {"laplacian": 2}, {"laplacian": 0, "smoothing": 1.0}):
        settings = DreamSettings(engine="cuda", **more)
        found = [picture.clone(), picture.clone(), picture.clone()]
        for x, kernels in zip(found, (False, True, True), strict=True):
            engine = CudaEngine(spec, kernels=kernels)
            for _ in range(2):
                engine.ascend(x, [(3, 13, 5, 11)] * 2, settings)
        assert float((found[0] - found[1]).abs().mean()) < 1e-3
        assert torch.equal(found[1], found[2])  # no atomics: again, the same


def test_parameters_glide_without_a_new_capture(dreamnet: Network, picture: Tensor) -> None:
    plain, other = (ascent(dreamnet, name, torch.float32) for name in ("torch", "cuda"))
    for seed in range(2):
        added(other, picture, seed)
    kinds = engine_of(other).captured
    assert len(kinds) == 2
    turned = bind("0.3*creatures - eyes", dreamnet).objective
    for ascend in (plain, other):
        settings = DreamSettings(
            engine=ascend.engine.name, step_size=4.0, iterations=3, variety=0.9
        )
        assert ascend.adopt(settings, turned)
    wanted, found = (added(ascend, picture, 5).flatten().double() for ascend in (plain, other))
    assert float(wanted @ found / (wanted.norm() * found.norm())) >= 0.99
    assert float(found.norm()) == pytest.approx(float(wanted.norm()), rel=0.03)
    assert engine_of(other).captured == kinds


def test_a_captured_step_neither_waits_nor_allocates(dreamnet: Network, picture: Tensor) -> None:
    ascend = ascent(dreamnet, "cuda", torch.float16, octaves=1)
    for seed in range(3):
        added(ascend, picture, seed)
    settings, shifts = DreamSettings(engine="cuda"), [(3, 13, 5, 11)] * 4
    x = picture.clone()
    before = asked_for()
    with nothing_waits():
        ascend.engine.ascend(x, shifts, settings)
    assert asked_for() == before


def test_copies_arrive_whole_while_others_are_under_way() -> None:
    copies, draw = Transfers(CUDA), np.random.default_rng(0)
    pictures = [draw.integers(0, 256, (270, 480, 3), np.uint8) for _ in range(6)]
    there = [copies.to_device(picture) for picture in pictures]
    back = [copies.to_host(tensor + 1) for tensor in there[:2]]
    for picture, found in zip(pictures[:2], back, strict=True):
        assert (found == (picture + 1)).all()
    for picture, tensor in zip(pictures, there, strict=True):
        assert (tensor.cpu().numpy() == picture).all()


@pytest.mark.parametrize("kernels", [False, True])
def test_a_motion_found_in_a_graph_is_the_cpu_s_and_repeats(kernels: bool) -> None:
    draw = np.random.default_rng(3)
    blocks = draw.integers(0, 256, (60, 100, 3), np.uint8).repeat(8, 0).repeat(8, 1)
    wall = np.asarray(cv2.GaussianBlur(blocks, (0, 0), 3.0), np.uint8)
    pairs = [(wall[40:400, 50 + at : 690 + at], wall[36:396, 45:685]) for at in (0, 3)]
    search = open_search(CUDA, kernels=kernels)
    assert (search.kernels is not None) == kernels
    there, here = (DeviceEstimator(one) for one in (search, InverseSearch(torch.device("cpu"))))
    for current, previous in pairs:
        found, again = (there.motion(current, previous) for _ in range(2))
        assert np.array_equal(found.flow, again.flow)
        assert np.array_equal(found.visibility, again.visibility)
        wanted = here.motion(current, previous)
        assert found.cut == wanted.cut
        assert np.abs(found.flow - wanted.flow).mean() < 0.02
        assert np.abs(found.visibility - wanted.visibility).mean() < 0.01


@pytest.mark.parametrize("kernels", [False, True])
def test_comparing_on_the_device_waits_for_nothing(kernels: bool) -> None:
    pictures = torch.rand(2, 3, 360, 640, generator=torch.Generator().manual_seed(1)).to(CUDA)
    search = open_search(CUDA, kernels=kernels)
    with torch.inference_mode():
        compare(search, pictures)
        with nothing_waits():
            compare(search, pictures)


def test_a_walk_neither_waits_nor_allocates_nor_differs_from_run_to_run(dreamnet: Network) -> None:
    draw = np.random.default_rng(3)
    wide = cv2.GaussianBlur(draw.normal(128, 90, (360, 704, 3)).astype(np.float32), (0, 0), 3)
    pictures = [wide[:, 2 * n : 2 * n + 640].clip(0, 255).astype(np.uint8) for n in range(30)]
    frames = [Frame(rgb, n, Fraction(1, 25), n, 1) for n, rgb in enumerate(pictures)]
    moved = np.zeros((2, 90, 160), np.float32)
    moved[0] = 0.5
    motion = Motion(moved, np.ones((90, 160), np.float32))
    runs = []
    for device in ("cuda", "cuda", "cpu"):
        dreamer = Dreamer(DreamSettings(size="270p", device=device, network="dreamnet"), dreamnet)
        dreams = []
        for frame in frames:
            # The first frames of a kind are launched one by one, then recorded.
            recorded = frame.index >= 9
            before = asked_for()
            with nothing_waits() if recorded else nullcontext():
                arrived = dreamer.begin(frame, motion if frame.index else None)
            assert asked_for() == before or not recorded or device == "cpu"
            dreams.append(arrived())
            if recorded and device == "cuda":
                assert 0.0 < (dreams[-1].took_s or 0.0) < 1.0
        runs.append(dreams)
    for one, other, plain in zip(*runs, strict=True):
        assert (one.frame.rgb == other.frame.rgb).all() and one.level == other.level
        assert one.level == pytest.approx(plain.level, rel=0.01)
    answers = [np.mean([dream.flicker for dream in dreams[-10:]]) for dreams in runs]
    assert answers[0] == pytest.approx(answers[2], rel=0.1)
