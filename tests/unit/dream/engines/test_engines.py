"""OpenVINO's graph against autograd, when it is compiled, and how an engine is chosen."""

import subprocess
import sys
import threading
from collections.abc import Callable

import cv2
import numpy as np
import pytest
import torch
from installed import OPENVINO, with_openvino
from torch import Tensor, fx, nn
from torch.nn import functional as F
from waiting import PATIENCE_S, until

from livedream.core.errors import SettingsError
from livedream.core.frame import Picture
from livedream.core.settings import ENGINES, DreamSettings
from livedream.dream.ascent import Ascent
from livedream.dream.engines import Engine, EngineSpec, open_engine
from livedream.dream.engines.eager import EagerEngine
from livedream.dream.engines.openvino.engine import OpenVinoEngine, openvino_core
from livedream.dream.engines.openvino.graph import GradientGraph
from livedream.dream.networks.network import Network
from livedream.dream.networks.preprocessing import Preprocessing
from livedream.dream.objectives.binding import BoundObjective, bind
from livedream.dream.objectives.terms import LayerPart
from livedream.dream.objectives.value import guide, layer

CPU = torch.device("cpu")


class Branches(nn.Module):
    """A first convolution, and what is to be tested behind it."""

    def __init__(self, *parts: nn.Module, joined: Callable[[Tensor, Tensor], Tensor] | None = None):
        super().__init__()
        self.first = nn.Conv2d(3, 8, 3, padding=1)
        self.act = nn.SiLU()
        self.parts = nn.Sequential(*parts)
        self.joined = joined

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        begun = self.act(self.first(x))
        found = self.parts(begun)
        return begun, found if self.joined is None else self.joined(begun, found)


def conv(kernel: int, stride: int = 1, padding: int = 0, **more: int) -> nn.Conv2d:
    return nn.Conv2d(8, 8, kernel, stride, padding, **more)


CASES = {
    "1x1": Branches(conv(1)),
    "3x3": Branches(conv(3, 1, 1)),
    "more padding than kernel": Branches(conv(3, 1, 4)),
    "4x4, stride 2": Branches(conv(4, 2, 1)),
    "7x7, stride 2": Branches(conv(7, 2, 3)),
    "5x5, stride 3": Branches(conv(5, 3, 0)),
    "3x3, stride 2": Branches(conv(3, 2, 0)),
    "1x1, stride 2": Branches(conv(1, 2)),
    "depthwise": Branches(conv(3, 1, 1, groups=8)),
    "grouped, stride 2": Branches(conv(4, 2, 1, groups=2)),
    "dilated": Branches(conv(3, 1, 2, dilation=2)),
    "ReLU": Branches(conv(1), nn.ReLU()),
    "ReLU6": Branches(conv(1), nn.ReLU6()),
    "maximal pool": Branches(nn.MaxPool2d(3, 2, ceil_mode=True), conv(1)),
    "2x2 pool": Branches(conv(1), nn.ReLU(), nn.MaxPool2d(2)),
    "3x3 pool, stride 1": Branches(nn.MaxPool2d(3, 1, 1)),
    "3x3 pool of equal values": Branches(nn.ReLU6(), nn.ReLU(), nn.MaxPool2d(3, 2, 1)),
    "1x1 pool, stride 2": Branches(nn.MaxPool2d(1, 2)),
    "sum": Branches(conv(1), joined=lambda a, b: a + b),
    "sum with itself": Branches(conv(1), joined=lambda a, b: b + b),
    "sum, then ReLU": Branches(conv(1), joined=lambda a, b: F.relu(a + b)),
    "ReLU of what is read elsewhere": Branches(conv(1), joined=lambda a, b: F.relu(b) + b),
    "side by side": Branches(conv(1), joined=lambda a, b: torch.cat([b, a, b], 1)),
}


@pytest.mark.parametrize(
    "part",
    [
        nn.Tanh(), nn.Conv2d(8, 8, 3, padding="same"), nn.AdaptiveAvgPool2d(2),
        nn.MaxPool2d(2, dilation=2), nn.AvgPool2d(2),
    ],
)  # fmt: skip
def test_what_openvino_does_not_know_it_refuses(part: nn.Module) -> None:
    network = fx.symbolic_trace(Branches(part)).requires_grad_(False)
    with pytest.raises(SettingsError, match="--engine torch"):
        GradientGraph(network, two_layers(), Preprocessing((0.0, 0.0, 0.0)))


def test_auto_falls_back_to_autograd(dreamnet: Network, monkeypatch: pytest.MonkeyPatch) -> None:
    spec = EngineSpec(dreamnet, bind("strokes", dreamnet), CPU, torch.float32)
    monkeypatch.setitem(sys.modules, "openvino", None)
    openvino_core.cache_clear()
    assert open_engine("auto", spec).name == "torch"
    with pytest.raises(SettingsError, match="pip install openvino"):
        open_engine("openvino", spec)


@pytest.mark.parametrize("name", ["direct", "onnx"])
def test_an_engine_that_was_removed_says_so(name: str) -> None:
    with pytest.raises(SettingsError, match=f"{name} was removed; use one of auto"):
        DreamSettings.from_json(f'{{"engine": "{name}"}}')


def two_layers() -> BoundObjective:
    """Both ends of a `Branches`, pulled at unequally."""
    parts = tuple((LayerPart(torch.tensor([term])),) for term in (0, 1))
    weights = torch.tensor([0.3, 1.0])
    objective, layers = 0.3 * layer("first") + layer("last"), ("first", "last")
    variety, focus = torch.tensor([0.7]), torch.tensor([0.8])
    return BoundObjective(objective, layers, weights, variety, focus, parts)


@with_openvino
@pytest.mark.parametrize("size", [(19, 26), (16, 16)])
@pytest.mark.parametrize("case", CASES)
def test_openvinos_graph_is_autograd(case: str, size: tuple[int, int]) -> None:
    network = fx.symbolic_trace(CASES[case]).requires_grad_(False).float()
    draw = torch.Generator().manual_seed(0)
    picture = torch.rand(1, 3, *size, generator=draw).requires_grad_()
    preprocessing = Preprocessing(mean=(-0.2, 0.1, 0.0), std=(2.0, 0.5, 0.3), channel_order="BGR")
    wanted = network(preprocessing.normalise(picture))
    objective = two_layers()
    (gradient,) = torch.autograd.grad(wanted, picture, objective.grad_outputs(wanted))
    model = GradientGraph(network, objective, preprocessing).model(size[1], size[0])
    compiled = openvino_core().compile_model(model, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    laid = picture.detach().permute(0, 2, 3, 1).contiguous().numpy()
    (found,) = compiled([laid, *(dial.numpy() for dial in objective.dials)]).values()
    back = torch.from_numpy(found.copy()).permute(0, 3, 1, 2)
    torch.testing.assert_close(back / back.norm(), gradient / gradient.norm(), rtol=1e-3, atol=1e-5)


@with_openvino
def test_openvinos_guide_is_autograds_and_may_move(dreamnet: Network, texture: Picture) -> None:
    first = np.random.default_rng(1).integers(0, 256, (90, 60, 3), np.uint8)
    cv2.GaussianBlur(first, (0, 0), 3, dst=first)
    second = texture[:90, :60]
    objective = guide("eyes", first) - 0.4 * layer("strokes") + guide("strokes", first)
    x = torch.rand(1, 3, 70, 85, generator=torch.Generator().manual_seed(0))
    spec = EngineSpec(dreamnet, bind(objective, dreamnet), CPU, torch.float32)
    engines = EagerEngine(spec), open_engine("openvino", spec)
    other = bind(guide("eyes", second) + guide("strokes", second), dreamnet)
    gradients = []
    for features in (spec.objective.dials[3:], other.dials[3:]):
        for part, found in zip(spec.objective.dials[3:], features, strict=True):
            part.copy_(found)
        plain, quick = (engine.gradient(x) for engine in engines)
        plain, quick = plain / plain.norm(), quick / quick.norm()
        assert float((plain * quick).sum()) > 0.9999
        gradients.append(quick)
    assert float((gradients[0] * gradients[1]).sum()) < 0.99, "it does not move"
    assert open_engine("auto", spec).name == "openvino"


@with_openvino
def test_a_guide_that_shows_nothing_yet_draws_nothing(dreamnet: Network) -> None:
    """As a second camera's before its first picture: no number is divided by none."""
    black = np.zeros((90, 60, 3), np.uint8)
    spec = EngineSpec(dreamnet, bind(guide("eyes", black), dreamnet), CPU, torch.float32)
    spec.objective.dials[3].zero_()
    x = torch.rand(1, 3, 70, 85, generator=torch.Generator().manual_seed(0))
    for engine in (EagerEngine(spec), open_engine("openvino", spec)):
        assert not engine.gradient(x).any()


@with_openvino
@pytest.mark.parametrize("objective", ["eyes", "eyes - 0.5*strokes"])
def test_openvinos_tiles_fit_together(dreamnet: Network, objective: str) -> None:
    """Of a tile the factor is that of the whole picture, as for every engine."""
    spec = EngineSpec(dreamnet, bind(objective, dreamnet), CPU, torch.float32)
    draw = torch.Generator().manual_seed(2)
    bright, dark = (torch.rand(1, 3, 96, 96, generator=draw) * level for level in (1.0, 0.3))
    plain = EagerEngine(spec)
    measured = spec.objective.measure(plain.activations(dark))
    sizes = []
    for engine in (plain, OpenVinoEngine(spec)):
        first, second = (float(engine.gradient(x, measured).norm()) for x in (bright, dark))
        sizes.append(first / second)
    assert sizes[0] == pytest.approx(sizes[1], rel=1e-3)


@with_openvino
def test_openvino_gives_the_same_bits_again(dreamnet: Network) -> None:
    x = torch.rand(1, 3, 150, 170, generator=torch.Generator().manual_seed(0))
    spec = EngineSpec(dreamnet, bind("creatures", dreamnet), CPU, torch.bfloat16)
    first, second = (OpenVinoEngine(spec).gradient(x).numpy() for _ in range(2))
    assert np.array_equal(first, second)


class SlowCore:
    """Compiles as often as it is let go on."""

    def __init__(self) -> None:
        self.go = threading.Semaphore(0)
        self.asked = 0

    def compile_model(self, *args: object) -> object:
        self.asked += 1
        assert self.go.acquire(timeout=PATIENCE_S)
        return openvino_core().compile_model(*args)


@pytest.fixture
def live_engine(dreamnet: Network) -> OpenVinoEngine:
    spec = EngineSpec(
        dreamnet, bind("strokes", dreamnet), CPU, torch.float32, wait_for_compile=False
    )
    return OpenVinoEngine(spec)


@with_openvino
def test_a_live_show_does_not_wait_for_a_graph(
    dreamnet: Network, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Autograd stands in until it is there; then it is as if one had waited."""
    objective = bind("creatures", dreamnet)
    engine = OpenVinoEngine(
        EngineSpec(dreamnet, objective, CPU, torch.float32, wait_for_compile=False)
    )
    core = SlowCore()
    monkeypatch.setattr(engine, "core", core)
    start = torch.rand(1, 3, 80, 96, generator=torch.Generator().manual_seed(1))
    settings, shifts = DreamSettings(), [(1, 15, 2, 14)] * 2

    def climbed(by: Engine) -> torch.Tensor:
        x = start.clone()
        by.ascend(x, shifts, settings)
        return x

    first = climbed(engine), climbed(engine)
    assert engine.fallbacks == 2 and len(engine.compiling) == 1
    core.go.release()
    until(lambda: not engine.compiling)
    later = climbed(engine)
    assert engine.fallbacks == 2
    waited = climbed(OpenVinoEngine(EngineSpec(dreamnet, objective, CPU, torch.float32)))
    assert torch.equal(later, waited)
    for x in first:
        assert torch.equal(x, first[0])
        torch.testing.assert_close(x, waited, atol=1e-3, rtol=0)


@with_openvino
def test_a_size_is_prepared_when_all_of_its_graphs_are_there(
    live_engine: OpenVinoEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    core, sizes = SlowCore(), [(64, 68), (72, 76)]
    monkeypatch.setattr(live_engine, "core", core)
    assert not live_engine.prepare(sizes)
    core.go.release()
    until(lambda: len(live_engine.graphs) == 1)
    assert not live_engine.prepare(sizes)
    assert live_engine.prepare(sizes[:1])
    core.go.release()
    until(lambda: live_engine.prepare(sizes))
    for width, height in sizes:
        live_engine.ascend(torch.rand(1, 3, height, width), [(0, 0, 0, 0)], DreamSettings())
    assert live_engine.fallbacks == 0
    assert core.asked == 2  # none was made twice


@with_openvino
def test_a_graph_that_fails_is_not_waited_for(
    live_engine: OpenVinoEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Refusing:
        def compile_model(self, *_: object) -> object:
            raise RuntimeError("not today")

    monkeypatch.setattr(live_engine, "core", Refusing())
    until(lambda: live_engine.prepare([(64, 64), (72, 72)]))
    live_engine.ascend(torch.rand(1, 3, 64, 64), [(0, 0, 0, 0)], DreamSettings())
    assert live_engine.fallbacks == 1 and not live_engine.compiling


@with_openvino
def test_who_waits_anyway_finds_everything_prepared(dreamnet: Network) -> None:
    engine = OpenVinoEngine(EngineSpec(dreamnet, bind("strokes", dreamnet), CPU, torch.float32))
    assert engine.prepare([(64, 64)]) and not engine.compiling


@with_openvino
def test_what_is_dreamed_stays_until_what_is_awaited_is_there(
    live_engine: OpenVinoEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("livedream.dream.engines.openvino.engine.LEAST_KEPT", 2)
    monkeypatch.setattr("livedream.dream.engines.openvino.engine.KEPT_PX", 2 * 64 * 64)
    first, second, third = ([(s, s), (s + 4, s + 4)] for s in (64, 72, 80))
    until(lambda: live_engine.prepare(first))
    assert not live_engine.prepare(second)
    until(lambda: not live_engine.compiling)
    assert set(live_engine.graphs) == {*first, *second}
    assert live_engine.prepare(second)
    until(lambda: live_engine.prepare(third))
    assert set(live_engine.graphs) == {*second, *third}


@with_openvino
def test_a_program_that_ends_while_a_graph_is_made_ends_well() -> None:
    code = """
import threading, torch
from livedream.dream.engines import EngineSpec
from livedream.dream.engines.openvino.engine import OpenVinoEngine
from livedream.dream.networks.network import load_network
from livedream.dream.objectives.binding import bind

network = load_network()
objective = bind("strokes", network)
spec = EngineSpec(network, objective, torch.device("cpu"), torch.float32, wait_for_compile=False)
engine = OpenVinoEngine(spec)
begun = threading.Thread(target=engine.prepare, args=([(480, 270), (320, 180)],), daemon=True)
begun.start()  # as a live show's dream, a daemon: what it starts would be one as well
begun.join()
assert engine.compiling
"""
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr
    assert "Traceback" not in ran.stderr


@with_openvino
def test_graphs_are_let_go_again(dreamnet: Network, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("livedream.dream.engines.openvino.engine.LEAST_KEPT", 2)
    monkeypatch.setattr("livedream.dream.engines.openvino.engine.KEPT_PX", 3 * 64 * 64)
    engine = OpenVinoEngine(EngineSpec(dreamnet, bind("strokes", dreamnet), CPU, torch.float32))
    for side in (64, 68, 72, 64, 76, 80):
        engine.gradient(torch.rand(1, 3, side, side))
    assert list(engine.graphs) == [(76, 76), (80, 80)]


@pytest.mark.parametrize("name", ENGINES[1:])
def test_every_declared_engine_opens_or_says_why(dreamnet: Network, name: str) -> None:
    spec = EngineSpec(dreamnet, bind("strokes", dreamnet), CPU, torch.float32)
    if name == "cuda" or (name == "openvino" and not OPENVINO):
        with pytest.raises(SettingsError, match=name):
            open_engine(name, spec)
    else:
        assert open_engine(name, spec).name == name


@pytest.mark.parametrize("engine", ["torch", pytest.param("openvino", marks=with_openvino)])
def test_weights_of_the_objective_change_in_place(dreamnet: Network, engine: str) -> None:
    picture = torch.rand(1, 3, 80, 96, generator=torch.Generator().manual_seed(0))

    def ascend(objective: str) -> Ascent:
        settings = DreamSettings(engine=engine)
        return Ascent(dreamnet, bind(objective, dreamnet), settings, CPU, torch.float32)

    gliding, wanted = ascend("eyes + strokes"), ascend("0.1*eyes - 2*strokes")
    before = gliding.engine.gradient(picture)
    assert gliding.adopt(
        DreamSettings(engine=engine), bind("0.1*eyes - 2*strokes", dreamnet).objective
    )
    torch.testing.assert_close(gliding.engine.gradient(picture), wanted.engine.gradient(picture))
    assert not torch.allclose(before, gliding.engine.gradient(picture))
    assert not gliding.adopt(DreamSettings(engine=engine), bind("fur", dreamnet).objective)
