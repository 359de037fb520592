"""The ONNX Runtime engine dreams the dream of plain fp32 autograd."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from livedream.core.errors import SettingsError
from livedream.core.frame import Picture
from livedream.core.settings import DreamSettings
from livedream.dream.ascent import Ascent
from livedream.dream.engines import EngineSpec
from livedream.dream.engines.onnx import OnnxEngine
from livedream.dream.engines.onnx_session import candidates
from livedream.dream.networks.network import Network, load_network
from livedream.dream.objectives.binding import bind

pytest.importorskip("onnx", reason="the export extra is not installed")
CPU = torch.device("cpu")
Make = Callable[..., tuple[Ascent, Ascent]]


@pytest.fixture
def picture(texture: Picture) -> Tensor:
    rgb = np.ascontiguousarray(texture[:97, :133])
    return torch.from_numpy(rgb).permute(2, 0, 1)[None].float() / 255


def both(network: Network, objective: str, **settings: Any) -> tuple[Ascent, Ascent]:
    """By autograd, and by ONNX Runtime."""
    wanted = DreamSettings(engine="torch", **settings)
    plain, other = (
        Ascent(network, bind(objective, network), wanted, CPU, torch.float32) for _ in range(2)
    )
    other.engine = OnnxEngine(other._spec)
    return plain, other


def added(ascent: Ascent, picture: Tensor) -> Tensor:
    return ascent.addition(picture, np.random.default_rng(3))


def cosine(one: Tensor, other: Tensor) -> float:
    a, b = one.flatten().double(), other.flatten().double()
    return float(a @ b / (a.norm() * b.norm()))


@pytest.mark.parametrize(
    "settings",
    [{}, {"smoothing": 1.5, "octaves": 1}, {"laplacian": 3}, {"jitter": 140, "octaves": 1}],
)
def test_one_step_in_each_octave(
    dreamnet: Network, picture: Tensor, settings: dict[str, Any]
) -> None:
    plain, other = both(dreamnet, "strokes + 0.5*eyes:1-3", iterations=1, **settings)
    wanted, found = added(plain, picture), added(other, picture)
    assert cosine(wanted, found) >= 0.9999
    assert float(wanted.abs().mean()) == pytest.approx(float(found.abs().mean()), rel=1e-3)


def test_googlenet(picture: Tensor) -> None:
    plain, other = both(load_network("googlenet", random_seed=2), "inception4c", octaves=1)
    assert cosine(added(plain, picture), added(other, picture)) >= 0.9999


def test_after_ten_steps_the_layer_answers_alike(dreamnet: Network, picture: Tensor) -> None:
    plain, other = both(dreamnet, "creatures", octaves=1, iterations=10)
    before = plain.response(picture)
    wanted, found = (plain.response(picture + added(a, picture)) for a in (plain, other))
    assert wanted > 2 * before
    assert found == pytest.approx(wanted, rel=0.03)


def test_weights_and_step_size_glide_without_a_new_session(
    dreamnet: Network, picture: Tensor
) -> None:
    plain, other = both(dreamnet, "strokes + eyes", octaves=1)
    added(other, picture)
    engine = other.engine
    assert isinstance(engine, OnnxEngine)
    sessions = [step.session for step in engine._steps.values()]
    changed = DreamSettings(engine="torch", octaves=1, step_size=3.0)
    for ascent in (plain, other):
        assert ascent.adopt(changed, bind("2*strokes - 0.5*eyes", dreamnet).objective)
    assert cosine(added(plain, picture), added(other, picture)) >= 0.9999
    assert [step.session for step in engine._steps.values()] == sessions
    assert engine.provider == "CPUExecutionProvider"


def test_the_last_few_sizes_are_kept(dreamnet: Network, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("livedream.dream.engines.onnx._KEPT", 2)
    spec = EngineSpec(dreamnet, bind("strokes", dreamnet), CPU, torch.float32)
    engine = OnnxEngine(spec)
    for width in (64, 66, 64, 68):
        engine.ascend(torch.rand(1, 3, 64, width), [(0, 4, 1, 3)], DreamSettings())
    assert [shape.width for shape in engine._steps] == [64, 68]


@pytest.mark.parametrize(
    ("device", "dtype", "told"),
    [("cpu", torch.bfloat16, "--precision fp32"), ("meta", torch.float32, "cuda or cpu")],
)
def test_what_it_cannot_do_is_told(
    dreamnet: Network, device: str, dtype: torch.dtype, told: str
) -> None:
    spec = EngineSpec(dreamnet, bind("strokes", dreamnet), torch.device(device), dtype)
    with pytest.raises(SettingsError, match=told):
        OnnxEngine(spec)


def test_tensorrt_only_where_its_library_is(monkeypatch: pytest.MonkeyPatch) -> None:
    class Runtime:
        @staticmethod
        def get_available_providers() -> list[str]:
            return ["TensorrtExecutionProvider", "CUDAExecutionProvider", "CPUExecutionProvider"]

    place = "livedream.dream.engines.onnx_session"
    cuda = torch.device("cuda")
    monkeypatch.setattr(f"{place}.find_spec", lambda name: None)
    monkeypatch.setattr(f"{place}.find_library", lambda name: None)
    assert candidates(cuda, Runtime) == ["CUDAExecutionProvider"]
    monkeypatch.setattr(f"{place}.find_library", lambda name: "libnvinfer.so.10")
    assert candidates(cuda, Runtime)[0] == "TensorrtExecutionProvider"
    assert candidates(CPU, Runtime) == ["CPUExecutionProvider"]
