"""What the tests of the dream's thread share."""

import threading
from collections.abc import Iterator

import pytest
from live_stage import Stage
from waiting import PATIENCE_S


@pytest.fixture
def stage() -> Iterator[Stage]:
    before = set(threading.enumerate())
    stage = Stage()
    yield stage
    for _ in range(20):
        stage.dreamer.go.release()
    stage.dreaming.close(PATIENCE_S)
    left = {thread.name for thread in set(threading.enumerate()) - before}
    assert "livedream-dream" not in left
