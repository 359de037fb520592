"""The step as an ONNX graph, run by ONNX Runtime, against PyTorch's autograd."""

from collections.abc import Sequence
from dataclasses import fields, replace
from functools import cache
from typing import Any, Protocol

import numpy as np
import pytest
import torch
from gradients import cosine
from numpy.typing import NDArray
from torch import Tensor, nn

from livedream.core.device import resident
from livedream.core.errors import NetworkError
from livedream.core.settings import DreamSettings
from livedream.dream.engines import EngineSpec
from livedream.dream.engines.eager import EagerEngine
from livedream.dream.engines.onnx_export.step import StepShape, build_step
from livedream.dream.networks.network import Network, load_network
from livedream.dream.objectives.binding import bind

pytest.importorskip("onnxscript", reason="the export extra is not installed")


class Step(Protocol):
    """A step's update of a picture by a session."""

    def __call__(
        self, x: Tensor, step_size: float, shift: tuple[int, int], weights: Tensor,
        *, variety: float = 0.0, focus: float = 0.0,
    ) -> Tensor: ...  # fmt: skip


REACH = 12
BANDS = DreamSettings().laplacian

# Odd sizes: halved, they leave a row for `output_padding` and for windows that end outside.
CASES = [
    ("dreamnet", "strokes", (97, 66)),
    *(
        pytest.param(*case, marks=pytest.mark.slow)
        for case in (
            ("dreamnet", "eyes + 0.5*creatures:1-4 - 0.2*weave", (88, 71)),
            ("dreamnet", "class:3", (80, 64)),
            ("dreamnet", "kind:dog - 0.5*kind:owl + 0.2*kind:mosaic", (88, 71)),
            ("squeezenet1_0", "features.12", (101, 66)),
            ("inception_v3", "Mixed_5d", (110, 97)),
        )
    ),
]


@cache
def spec_of(name: str, objective: str) -> EngineSpec:
    network = load_network(name, random_seed=None if name == "dreamnet" else 3)
    return EngineSpec(network, bind(objective, network), torch.device("cpu"), torch.float32)


def exported(spec: EngineSpec, shape: StepShape) -> Step:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    session = onnxruntime.InferenceSession(
        build_step(spec, shape).SerializeToString(), options, providers=["CPUExecutionProvider"]
    )

    def step(
        x: Tensor, step_size: float, shift: tuple[int, int], weights: Tensor,
        *, variety: float = 0.0, focus: float = 0.0,
    ) -> Tensor:  # fmt: skip
        feed: dict[str, NDArray[Any]] = {
            "picture": x.numpy(),
            "step_size": np.array([step_size], np.float32),
            "shift": np.array(shift),
            "weights": weights.numpy(),
            "variety": np.array([variety], np.float32),
            "focus": np.array([focus], np.float32),
        }
        (found,) = session.run(["dreamed"], feed)
        return torch.from_numpy(found)

    return step


def by_autograd(
    spec: EngineSpec, x: Tensor, settings: DreamSettings, shift: tuple[int, int]
) -> Tensor:
    dreamed = x.clone()
    left, top = shift
    with resident():  # PyTorch's own resizing, as in the graph, and not OpenCV's
        EagerEngine(spec).ascend(dreamed, [(left, REACH - left, top, REACH - top)], settings)
    return dreamed


def alike(x: Tensor, found: Tensor, wanted: Tensor) -> None:
    """One step's update is the same but for rounding.

    Where rounding decides which of two near equal values a pooling takes, or on which side of zero
    a rectifier is, a whole receptive field differs a little: hence the median and the cosine.
    """
    a, b = (found - x).flatten().double(), (wanted - x).flatten().double()
    assert float(a @ b / (a.norm() * b.norm())) > 0.9999
    differences = (a - b).abs() * 255
    assert float(differences.median()) < 1e-2  # 8-bit steps; a step's mean is near 1.5


@pytest.mark.parametrize(("name", "objective", "size"), CASES)
def test_a_step_equals_autograd_s(name: str, objective: str, size: tuple[int, int]) -> None:
    spec = spec_of(name, objective)
    step = exported(spec, StepShape(*size, (REACH, REACH), laplacian=BANDS))
    x = 0.1 + 0.8 * torch.rand(1, 3, *size[::-1], generator=torch.Generator().manual_seed(1))
    for shift in ((0, 0), (5, REACH)):
        wanted = by_autograd(spec, x, DreamSettings(), shift)
        alike(x, step(x, 1.5, shift, spec.objective.weights), wanted)


BOTH, SHAPE = "strokes + eyes", StepShape(70, 66, (REACH, REACH), laplacian=BANDS)


@pytest.fixture(scope="module")
def both() -> Step:
    return exported(spec_of("dreamnet", BOTH), SHAPE)


def test_step_size_weights_variety_and_focus_are_inputs(both: Step) -> None:
    spec = spec_of("dreamnet", BOTH)
    x = 0.1 + 0.8 * torch.rand(1, 3, 66, 70, generator=torch.Generator().manual_seed(2))
    other = EngineSpec(
        spec.network, bind("2*strokes - 0.3*eyes", spec.network), spec.device, spec.dtype
    )
    other.objective.variety.fill_(0.7)
    other.objective.focus.fill_(1.0)
    wanted = by_autograd(other, x, DreamSettings(step_size=4.0), (3, 4))
    alike(x, both(x, 4.0, (3, 4), torch.tensor([2.0, -0.3]), variety=0.7, focus=1.0), wanted)
    own = torch.tensor([2.0, -0.3])
    for weights, variety, focus in ((torch.ones(2), 0.7, 1.0), (own, 0.0, 1.0), (own, 0.7, 0.0)):
        with pytest.raises(AssertionError):
            alike(x, both(x, 4.0, (3, 4), weights, variety=variety, focus=focus), wanted)


def test_smoothing_and_guides_are_in_the_graph() -> None:
    from pathlib import Path

    picture = Path(__file__).resolve().parents[2] / "docs" / "stills" / "zoom.jpg"
    spec = spec_of("dreamnet", f'guide(strokes, "{picture}")')
    step = exported(spec, StepShape(81, 66, (REACH, REACH), smoothing=1.5, laplacian=0))
    x = 0.1 + 0.8 * torch.rand(1, 3, 66, 81, generator=torch.Generator().manual_seed(4))
    wanted = by_autograd(spec, x, DreamSettings(smoothing=1.5, laplacian=0), (2, 9))
    alike(x, step(x, 1.5, (2, 9), spec.objective.weights), wanted)


def test_a_flat_picture_gives_something_finite(both: Step) -> None:
    for brightness in (0.0, 0.5, 1.0):
        found = both(torch.full((1, 3, 66, 70), brightness), 1.5, (3, 4), torch.ones(2))
        assert found.isfinite().all() and found.min() >= 0 and found.max() <= 1


def test_a_step_in_half_precision_dreams_alike(both: Step) -> None:
    spec = spec_of("dreamnet", BOTH)
    half = EngineSpec(spec.network, spec.objective, spec.device, torch.float16)
    x = 0.1 + 0.8 * torch.rand(1, 3, 66, 70, generator=torch.Generator().manual_seed(5))
    wanted, found = (
        step(x, 1.5, (3, 4), torch.ones(2)) - x for step in (both, exported(half, SHAPE))
    )
    assert cosine(wanted, found) > 0.99


class Strange(Network):
    """Its layers come out through a function that no ONNX operator computes."""

    def truncated(self, layers: Sequence[str]) -> nn.Module:
        body = super().truncated(layers)

        class Body(nn.Module):
            def forward(self, x: Tensor) -> tuple[Tensor, ...]:
                return tuple(torch.lgamma(a + 2) for a in body(x))

        return Body()


def test_an_operator_that_onnx_lacks_is_one_line() -> None:
    spec = spec_of("dreamnet", "strokes")
    strange = Strange(**{f.name: getattr(spec.network, f.name) for f in fields(Network)})
    with pytest.raises(NetworkError, match=r"^the ONNX graph: .*lgamma.*; try another layer$"):
        build_step(replace(spec, network=strange), SHAPE)
