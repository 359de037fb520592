"""Stages and the whole walk, as `gpu_check` measures them: by a dreamer that dreams nothing."""

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import gpu_stages
import pytest
import torch
from gpu_measures import frames_of

from livedream.core.frame import Frame, Picture

CPU = torch.device("cpu")


class Looked:
    """A picture that counts how often somebody looks at it."""

    def __init__(self, number: int, counts: list[int]) -> None:
        self._number, self._counts = number, counts

    def tobytes(self) -> bytes:
        self._counts[-1] += 1
        return bytes([self._number % 256])


def test_the_rate_is_of_frames_that_nobody_looks_at_all_of_one_kind(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    looks: list[int] = []
    given: list[tuple[Picture, Any]] = []

    class Idle:
        """A dreamer."""

        def __init__(self, settings: object, network: object) -> None:
            looks.append(0)
            given.clear()

        def begin(self, frame: Frame, motion: Any) -> Callable[[], Any]:
            given.append((frame.rgb, motion))
            shown = SimpleNamespace(rgb=Looked(frame.index, looks))
            return lambda: SimpleNamespace(frame=shown, level=14.0)

    class Estimator:
        """A motion is what it is between."""

        def __init__(self, flow: object, size: str) -> None:
            self._before: Picture | None = None

        def step(self, rgb: Picture) -> tuple[int, int] | None:
            before, self._before = self._before, rgb
            return None if before is None else (id(before), id(rgb))

    monkeypatch.setattr(gpu_stages, "Dreamer", Idle)
    monkeypatch.setattr(gpu_stages, "MotionEstimator", Estimator)
    monkeypatch.setattr(gpu_stages, "network_of", lambda name: name)
    monkeypatch.setattr(gpu_stages, "CASES", gpu_stages.CASES[-1:])
    monkeypatch.setattr(gpu_stages, "frames_of", lambda w, h, count: frames_of(w, h, 130))
    (row,) = gpu_stages.resident_walk(CPU, small=True)
    assert row["repeats"] and row["fps"] > 0 and row["level"] == 14.0
    assert looks == [130, 130, 0]
    (_, first), *rest = given
    assert first is None and len(rest) == 129
    for (before, _), (rgb, motion) in zip(given, rest, strict=False):
        assert motion == (id(before), id(rgb))


def test_raft_runs_as_the_product_has_it() -> None:
    """On the pictures as they are: casting all of it to half precision breaks its positions."""
    pytest.importorskip("torchvision")
    pictures = torch.rand(2, 3, 96, 160, generator=torch.Generator().manual_seed(0))
    found = gpu_stages.raft_on(pictures)()
    assert found.shape == (2, 2, 48, 80) and found.isfinite().all()
    assert gpu_stages.raft(CPU, small=True) == "skipped"
