"""The quick version of scripts/control_fuzz.py."""

import runpy
from pathlib import Path

import pytest

pytest.importorskip("mido", reason="needs livedream[midi]")


@pytest.mark.parametrize("seed", [1, 2])
def test_random_messages_crash_nothing_and_leave_every_parameter_in_range(
    seed: int, tmp_path: Path
) -> None:
    script = Path(__file__).resolve().parents[2] / "scripts" / "control_fuzz.py"
    fuzz = runpy.run_path(str(script))["run"](2000, seed, tmp_path)
    assert fuzz.sent == 2000
    assert fuzz.osc.messages > 100
    assert fuzz.osc.faults > 50
    assert fuzz.osc.refused > 50
    assert fuzz.midi.messages > 100
