"""The operations of the direct engine against autograd, and how an engine is chosen."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, fx, nn
from torch.nn import functional as F

from livedream.dream.ascent import Ascent
from livedream.dream.engines import Aim
from livedream.dream.engines.opening import open_engine
from livedream.dream.engines.schedule import Schedule
from livedream.dream.networks import Network
from livedream.dream.objective import bind
from livedream.errors import SettingsError
from livedream.settings import ENGINES, DreamSettings

CPU = torch.device("cpu")


class Behind(nn.Module):
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
    "1x1": Behind(conv(1)),
    "3x3": Behind(conv(3, 1, 1)),
    "more padding than kernel": Behind(conv(3, 1, 4)),
    "4x4, stride 2": Behind(conv(4, 2, 1)),
    "7x7, stride 2": Behind(conv(7, 2, 3)),
    "5x5, stride 3": Behind(conv(5, 3, 0)),
    "3x3, stride 2": Behind(conv(3, 2, 0)),
    "1x1, stride 2": Behind(conv(1, 2)),
    "depthwise": Behind(conv(3, 1, 1, groups=8)),
    "grouped, stride 2": Behind(conv(4, 2, 1, groups=2)),
    "dilated": Behind(conv(3, 1, 2, dilation=2)),
    "ReLU": Behind(conv(1), nn.ReLU()),
    "ReLU6": Behind(conv(1), nn.ReLU6()),
    "maximal pool": Behind(nn.MaxPool2d(3, 2, ceil_mode=True), conv(1)),
    "average pool": Behind(nn.AvgPool2d(3, 2, 1, count_include_pad=False)),
    "sum": Behind(conv(1), joined=lambda a, b: a + b),
    "sum with itself": Behind(conv(1), joined=lambda a, b: b + b),
    "sum, then ReLU": Behind(conv(1), joined=lambda a, b: F.relu(a + b)),
    "ReLU of what is read elsewhere": Behind(conv(1), joined=lambda a, b: F.relu(b) + b),
    "side by side": Behind(conv(1), joined=lambda a, b: torch.cat([b, a, b], 1)),
    "mean": Behind(conv(1), joined=lambda a, b: b.mean((2, 3))),
}


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("size", [(19, 26), (16, 16)])
@pytest.mark.parametrize("case", CASES)
def test_a_schedule_is_autograd(case: str, size: tuple[int, int], dtype: torch.dtype) -> None:
    network = fx.symbolic_trace(CASES[case]).requires_grad_(False)
    draw = torch.Generator().manual_seed(0)
    x = torch.randn(1, 3, *size, generator=draw, dtype=dtype)
    gain = torch.tensor([0.5, 2.0, 3.0], dtype=dtype).view(3, 1, 1)
    picture = x.clone().requires_grad_()
    wanted = network.to(dtype)(picture * gain)
    seeds = [torch.randn(a.shape, generator=draw, dtype=dtype) for a in wanted]
    (slope,) = torch.autograd.grad(wanted, picture, seeds)
    schedule = Schedule(network, dtype, gain)
    with torch.no_grad():
        laid = (x * gain).contiguous(memory_format=torch.channels_last)
        for _ in range(2):  # nothing of a run is left over for the next one
            found = schedule.forward(laid)
            back = schedule.backward(seeds)
    for one, other in zip(found, wanted, strict=True):
        torch.testing.assert_close(one, other.detach())
    torch.testing.assert_close(back, slope)


@pytest.mark.parametrize(
    "part", [nn.Tanh(), nn.Conv2d(8, 8, 3, padding="same"), nn.AdaptiveAvgPool2d(2)]
)
def test_what_a_schedule_does_not_know_it_refuses(part: nn.Module) -> None:
    network = fx.symbolic_trace(Behind(part)).requires_grad_(False)
    with pytest.raises(SettingsError, match="--engine torch"):
        Schedule(network, torch.float32)


def test_auto_falls_back_to_autograd(dreamnet: Network, monkeypatch: pytest.MonkeyPatch) -> None:
    aim = Aim(dreamnet, bind("strokes", dreamnet), CPU, torch.float32)
    assert open_engine("auto", aim).name == "direct"

    def refuse(*_: object) -> None:
        raise SettingsError("not today")

    monkeypatch.setattr("livedream.dream.engines.direct.Schedule", refuse)
    assert open_engine("auto", aim).name == "torch"
    with pytest.raises(SettingsError, match="not today"):
        open_engine("direct", aim)


def test_every_declared_engine_opens_or_says_why(dreamnet: Network) -> None:
    aim = Aim(dreamnet, bind("strokes", dreamnet), CPU, torch.float32)
    for name in ENGINES[1:]:
        try:
            assert open_engine(name, aim).name == name
        except SettingsError as error:
            assert name in str(error)


@pytest.mark.parametrize("engine", ["torch", "direct"])
def test_weights_of_the_objective_change_in_place(dreamnet: Network, engine: str) -> None:
    picture = torch.rand(1, 3, 80, 96, generator=torch.Generator().manual_seed(0))

    def climb(objective: str) -> Ascent:
        settings = DreamSettings(engine=engine)
        return Ascent(dreamnet, bind(objective, dreamnet), settings, CPU, torch.float32)

    gliding, wanted = climb("eyes + strokes"), climb("0.1*eyes - 2*strokes")
    before = gliding.engine.gradient(picture)
    assert gliding.adopt(DreamSettings(engine=engine), wanted._aim.objective.objective)
    torch.testing.assert_close(gliding.engine.gradient(picture), wanted.engine.gradient(picture))
    assert not torch.allclose(before, gliding.engine.gradient(picture))
    assert not gliding.adopt(DreamSettings(engine=engine), bind("fur", dreamnet).objective)
