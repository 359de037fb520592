"""The CUDA engine: what is captured, when, and what may change afterwards.

A CUDA graph replays fixed operations on fixed memory; `tests.recorded` stands in for it.
"""

import logging
import weakref
from typing import Any

import numpy as np
import pytest
import torch
from recorded import Step, Traced, Untraced
from torch import Tensor

from livedream.core.device import resident
from livedream.core.errors import SettingsError
from livedream.core.settings import DreamSettings
from livedream.dream.ascent import Ascent
from livedream.dream.engines import EngineSpec
from livedream.dream.engines.cuda import CapturedStep, CudaEngine, StepKind
from livedream.dream.networks.network import Network
from livedream.dream.objectives.binding import bind

CPU = torch.device("cpu")


class Broken:
    def __call__(self, step: Step) -> Step:
        step()
        raise RuntimeError("operation not permitted when stream is capturing\nmore\nlines")


def both(network: Network, capture: Any, **more: Any) -> tuple[Ascent, Ascent, CudaEngine]:
    settings = DreamSettings(
        engine="torch", **{"objective": "strokes + weave", "octaves": 1, **more}
    )
    plain, other = (
        Ascent(network, bind(settings.objective, network), settings, CPU, torch.float32)
        for _ in range(2)
    )
    engine = CudaEngine(other.spec, capture)
    other.engine = engine
    return plain, other, engine


def alike(plain: Ascent, other: Ascent, picture: Tensor, seed: int = 0) -> bool:
    with resident():  # as on CUDA, no OpenCV
        wanted, found = (a.addition(picture, np.random.default_rng(seed)) for a in (plain, other))
    return bool(torch.allclose(wanted, found, atol=1e-5)) and float(wanted.abs().max()) > 0.01


@pytest.fixture
def picture() -> Tensor:
    return torch.rand(1, 3, 70, 92, generator=torch.Generator().manual_seed(2))


def test_the_second_time_a_size_is_captured(dreamnet: Network, picture: Tensor) -> None:
    capture = Traced()
    plain, other, engine = both(dreamnet, capture)
    for seed, captured in enumerate([0, 1, 1, 1]):
        assert alike(plain, other, picture, seed)
        assert capture.captured == captured == len(engine.captured)


@pytest.mark.parametrize(
    ("capture", "more"),
    [(Traced, {"smoothing": 1.5}), (Traced, {"jitter": 0}), (Traced, {"laplacian": 0})],
)
def test_whatever_the_settings_the_dream_is_the_same(
    dreamnet: Network, picture: Tensor, capture: Any, more: dict[str, Any]
) -> None:
    plain, other, engine = both(dreamnet, capture(), **more)
    assert all(alike(plain, other, picture, seed) for seed in range(3))
    assert engine.captured


def test_step_size_shift_and_weights_change_without_a_new_capture(
    dreamnet: Network, picture: Tensor
) -> None:
    capture = Traced()
    plain, other, _ = both(dreamnet, capture)
    for seed in range(2):
        assert alike(plain, other, picture, seed)
    changed = DreamSettings(engine="torch", octaves=1, step_size=4.0, iterations=3)
    wanted = bind("2*strokes - 0.5*weave", dreamnet).objective
    assert all(ascent.adopt(changed, wanted) for ascent in (plain, other))
    assert alike(plain, other, picture, 9)
    assert capture.captured == 1


def test_another_size_margin_or_smoothing_is_another_capture(
    dreamnet: Network, picture: Tensor
) -> None:
    capture = Untraced()
    plain, other, _ = both(dreamnet, capture)
    changes: list[dict[str, Any]] = [{}, {"jitter": 5}, {"smoothing": 1.0}, {"laplacian": 1}]
    for count, change in enumerate(changes, 1):
        settings = DreamSettings(engine="torch", octaves=1, **change)
        assert all(ascent.adopt(settings) for ascent in (plain, other))
        for seed in range(2):
            assert alike(plain, other, picture, seed)
        assert capture.captured == count
    for _ in range(2):
        assert alike(plain, other, picture[..., 2:, :])
    assert capture.captured == len(changes) + 1


def test_a_glide_through_sizes_captures_nothing(dreamnet: Network, picture: Tensor) -> None:
    capture = Untraced()
    _, other, _ = both(dreamnet, capture, iterations=1)
    for width in range(64, 74):
        other.addition(picture[..., :width], np.random.default_rng(0))
    assert capture.captured == 0


def test_the_longest_unused_makes_room(
    dreamnet: Network, picture: Tensor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("livedream.dream.engines.cuda.KEPT", 2)
    _, other, engine = both(dreamnet, Untraced(), iterations=1)
    for width in (70, 70, 80, 80, 70, 90, 90):
        other.addition(picture[..., :width], np.random.default_rng(0))
    assert [kind.width for kind in engine.captured] == [70, 90]


def test_a_step_that_is_given_up_is_gone_at_once() -> None:
    """And its memory with it: a search for cycles comes when it comes."""
    kind = StepKind.of_size((92, 70), (3, 13, 5, 11), DreamSettings())
    step = CapturedStep(kind, CPU, torch.tanh)
    gone = weakref.ref(step)
    del step
    assert gone() is None


def test_what_cannot_be_captured_is_taken_step_by_step(
    dreamnet: Network, picture: Tensor, caplog: pytest.LogCaptureFixture
) -> None:
    plain, other, engine = both(dreamnet, Broken())
    with caplog.at_level(logging.WARNING, "livedream"):
        assert all(alike(plain, other, picture, seed) for seed in range(4))
    told = [entry.getMessage() for entry in caplog.records if entry.name.startswith("livedream")]
    assert len(told) == 1 and "stream is capturing" in told[0] and "\n" not in told[0]
    assert engine.captured == []


def test_without_cuda_it_is_not_to_be_had(dreamnet: Network) -> None:
    spec = EngineSpec(dreamnet, bind("strokes", dreamnet), CPU, torch.float32)
    with pytest.raises(SettingsError, match="got device cpu"):
        CudaEngine(spec)
