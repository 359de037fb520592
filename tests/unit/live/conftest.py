"""What the tests of the dream's thread share."""

import threading
from collections.abc import Iterator

import pytest
from live_stage import Stage


@pytest.fixture
def stage() -> Iterator[Stage]:
    stage = Stage()
    yield stage
    for _ in range(20):
        stage.dreamer.go.release()
    stage.dreaming.close(5.0)
    assert not [thread for thread in threading.enumerate() if thread.name == "livedream-dream"]
