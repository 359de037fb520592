"""What the tests of the dream's thread share."""

import threading
from collections.abc import Iterator

import pytest
from live_stage import Stage
from waiting import PATIENCE_S


@pytest.fixture
def stage() -> Iterator[Stage]:
    stage = Stage()
    yield stage
    for _ in range(20):
        stage.dreamer.go.release()
    stage.dreaming.close(PATIENCE_S)
    assert not [thread for thread in threading.enumerate() if thread.name == "livedream-dream"]
