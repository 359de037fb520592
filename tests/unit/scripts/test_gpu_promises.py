"""What `gpu_check` says of its figures: what fails, and of what they are."""

import subprocess
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

import gpu_check
import gpu_measures
import pytest
import torch

CPU = torch.device("cpu")
GOOD: dict[str, Any] = {
    "tests": {"exit_code": 0}, "bench": {"exit_code": 0}, "flows": {"PyTorch, launches": 1701.0},
    "raft": "skipped", "walk": [{"repeats": True}], "engines": [{"good": True}], "pools": [],
}  # fmt: skip


@pytest.mark.parametrize(
    ("found", "said"),
    [
        ({}, []),
        ({"tests": "need CUDA", "bench": "skipped: No module named 'av'"}, []),
        ({"tests": {"exit_code": 1}}, ["tests: exit code 1"]),
        ({"bench": {"exit_code": 2}}, ["bench: exit code 2"]),
        ({"walk": {"failed": "RuntimeError"}}, ["walk: RuntimeError"]),
        (
            {"walk": [{"repeats": True}, {"repeats": False, "fps": 200}]},
            ["walk: {'repeats': False, 'fps': 200}"],
        ),
        ({"engines": [{"good": False}]}, ["engines: {'good': False}"]),
    ],
)
def test_what_was_not_as_promised_is_said(
    found: dict[str, Any], said: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert gpu_check.failures(GOOD | found) == said
    assert capsys.readouterr().out.splitlines() == [f"NOT AS PROMISED {line}" for line in said]


@pytest.mark.parametrize(
    ("stderr", "wanted"),
    [
        (
            "Traceback\nModuleNotFoundError: No module named 'av'\n",
            "skipped: ModuleNotFoundError: No module named 'av'",
        ),
        ("livedream: no\n", {"exit_code": 1, "output": "livedream: no\n"}),
    ],
)
def test_without_a_package_the_benchmark_is_skipped(
    stderr: str, wanted: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    ran = SimpleNamespace(returncode=1, stdout="", stderr=stderr)
    monkeypatch.setattr(subprocess, "run", lambda *_, **__: ran)
    assert gpu_check.bench(CPU) == wanted


def test_the_memory_is_that_of_the_dream(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever was measured before."""
    order: list[str] = []

    def noted(name: str, answer: Any = None) -> Callable[..., Any]:
        return lambda *_, **__: order.append(name) or answer

    def dreams(frames: list[Any]) -> Iterator[Any]:
        order.append("dreams")
        yield from frames

    ascent = SimpleNamespace(engine=SimpleNamespace(name="cuda"))
    dreamer = SimpleNamespace(dreams=dreams, ascent=ascent, dtype=torch.float16)
    monkeypatch.setattr(gpu_measures, "network_of", lambda name: name)
    monkeypatch.setattr(gpu_measures, "CASES", gpu_measures.CASES[-1:])
    monkeypatch.setattr(gpu_measures, "_dreamer", noted("dreamer", dreamer))
    monkeypatch.setattr(torch.cuda, "empty_cache", noted("given back"))
    monkeypatch.setattr(torch.cuda, "reset_peak_memory_stats", noted("forgotten"))
    monkeypatch.setattr(torch.cuda, "max_memory_allocated", noted("peak", 5_000_000))
    (row,) = gpu_measures.frames_per_second(torch.device("cuda"), small=True)
    assert order == ["given back", "forgotten", "dreamer", "dreams", "peak"]
    assert row["peak_memory_mb"] == 5.0
