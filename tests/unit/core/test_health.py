"""Status: plain values for JSON."""

import json
from dataclasses import asdict

import pytest

from livedream.core.health import Health, Status, StatusBoard


def test_a_status_is_plain_json() -> None:
    parameters = StatusBoard()
    assert parameters.latest().source.state == "starting"
    parameters.publish(Status(fps=25.0, stages_ms={"flow": 4.0}, outputs=(Health("udp", "ok"),)))
    found = json.loads(json.dumps(asdict(parameters.latest())))
    assert found["fps"] == 25.0
    assert found["outputs"][0]["name"] == "udp"
    assert found["stages_ms"] == {"flow": 4.0}


def test_an_unknown_state_is_a_mistake() -> None:
    with pytest.raises(ValueError, match="state"):
        Health("camera", "broken")
