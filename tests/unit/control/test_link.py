"""Link up to the library's door: whatever others in a session do, the tempo stays one."""

import math
import sys
import threading
import time
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from waiting import PATIENCE_S, until

from livedream.control.link import LinkTempo
from livedream.control.live_parameters import LiveParameters
from livedream.control.presets import Presets
from livedream.control.show import Show
from livedream.core.settings import DreamSettings
from livedream.core.supervisor import Supervisor

# (beats per minute, beat, others) of a session, one after another.
FLAPPING = [(bpm, 0.5 * number, 1) for number, bpm in enumerate((20.0, 299.0) * 20)]
JUMPING = [(120.0, beat, 2) for beat in (0.0, 1e300, -4.0, math.nan, math.inf, 3.0, 1e12)]
ABSURD = [
    (bpm, 1.0, others) for bpm in (999.0, 0.0, math.nan, -5.0) for others in (1, 10**9, 0, -1)
]


class Session:
    """As much of aalink as is asked for; what it says changes each time it is asked for others."""

    def __init__(self, said: list[tuple[float, float, int]]) -> None:
        self._said, self.over = said, threading.Event()
        self.tempo = self.beat = 0.0
        self.quantum, self.enabled = 0, False

    def __call__(self, bpm: float) -> "Session":
        return self

    @property
    def num_peers(self) -> int:
        if not self._said:
            self.over.set()
            return 0
        self.tempo, self.beat, others = self._said.pop(0)
        return others

    def force_beat(self, beat: float) -> None:
        assert math.isfinite(beat)


@pytest.mark.parametrize("said", [FLAPPING, JUMPING, ABSURD])
def test_the_tempo_stays_in_range(
    said: list[tuple[float, float, int]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    session, library = Session(list(said)), ModuleType("aalink")
    library.Link = session  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "aalink", library)
    monkeypatch.setattr("livedream.control.link._STEP_S", 0.0)
    show = Show(LiveParameters(DreamSettings()), Presets(tmp_path))
    seen: list[Any] = []
    follow = show.tempo.follow

    def followed(leader: str, beats: float, bpm: float, now_s: float) -> bool:
        taken = follow(leader, beats, bpm, now_s)
        seen.append((show.tempo.bpm, show.tempo.beats(now_s)))
        return taken

    monkeypatch.setattr(show.tempo, "follow", followed)
    supervisor = Supervisor()
    with supervisor.current():
        link = LinkTempo(show)
        link.start()
    assert session.over.wait(PATIENCE_S)
    link.close()
    assert all(20 <= bpm <= 300 and abs(beats) <= 2e9 for bpm, beats in seen) and seen
    assert not supervisor.notes() and "nan" not in link.health().detail


def test_a_midi_clock_comes_first_and_the_health_says_what_the_others_have(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    library = ModuleType("aalink")
    library.Link = Session([(124.0, 0.0, 1)] * 100_000)  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "aalink", library)
    show = Show(LiveParameters(DreamSettings()), Presets(tmp_path))
    assert show.tempo.follow("Link", 0.0, 124.0, time.monotonic())
    leads_until_s = time.monotonic() + PATIENCE_S
    assert show.tempo.follow("MIDI clock", 0.0, 90.0, leads_until_s, rank=2)
    with Supervisor().current():
        link = LinkTempo(show)
        link.start()
    until(lambda: link.health().detail == "1 other program at 124.0 bpm")
    link.close()
    assert show.tempo.bpm == 90.0
