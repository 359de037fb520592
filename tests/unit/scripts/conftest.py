"""The scripts are no package: their folder is put on the path while they are tested."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

SCRIPTS = str(Path(__file__).resolve().parents[3] / "scripts")
if SCRIPTS not in sys.path:
    sys.path.insert(0, SCRIPTS)


@pytest.fixture(autouse=True)
def denormals() -> Iterator[None]:
    """Training flushes them to zero, for the whole thread: not for the tests that follow."""
    yield
    torch.set_flush_denormal(False)
