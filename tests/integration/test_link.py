"""Ableton Link between two processes: one tempo, one bar, whoever changes it."""

import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from waiting import PATIENCE_S

from livedream.control.link import LinkTempo
from livedream.control.live_parameters import LiveParameters
from livedream.control.presets import Presets
from livedream.control.show import Show
from livedream.core.settings import DreamSettings

pytest.importorskip("aalink", reason="wants the extra link")

_PEER = """
import asyncio, sys, time
import aalink

async def main():
    link = aalink.Link(97.5)
    link.quantum, link.enabled = 4, True
    while True:
        print(link.num_peers, link.tempo, link.beat, time.monotonic(), flush=True)
        await asyncio.sleep(0.02)

asyncio.run(main())
"""


class Peer:
    """Another program with Link on, at 97.5 beats per minute."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self._process = process

    def says(
        self, true: Callable[[float, float, float, float], bool], seconds: float = PATIENCE_S
    ) -> bool:
        """Whether it comes to say so: peers, tempo, beat, and when by this machine's clock."""
        assert self._process.stdout is not None
        end_s = time.monotonic() + seconds
        while time.monotonic() < end_s:
            peers, bpm, beat, now_s = map(float, self._process.stdout.readline().split())
            if true(peers, bpm, beat, now_s):
                return True
        return False


@contextmanager
def started() -> Iterator[Peer]:
    with subprocess.Popen(
        [sys.executable, "-c", _PEER], stdout=subprocess.PIPE, text=True
    ) as process:
        yield Peer(process)
        process.kill()


@pytest.fixture
def peer() -> Iterator[Peer]:
    """On a machine where two that are not livedream find each other."""
    with started() as one, started():
        if not one.says(lambda peers, *_: peers > 0, 15.0):
            pytest.skip("no multicast on this machine: Link finds nobody")
    with started() as made:
        yield made


def test_tempo_and_bar_are_shared(peer: Peer, tmp_path: Path) -> None:
    show = Show(LiveParameters(DreamSettings()), Presets(tmp_path))
    link = LinkTempo(show)
    # Of two sessions the older one prevails, if it is older by more than half a second.
    begun: list[float] = []
    assert peer.says(lambda *said: begun.append(said[3]) or said[3] - begun[0] > 1.5)  # type: ignore[func-returns-value]
    link.start()
    try:
        assert peer.says(lambda peers, *_: peers > 0)
        tempo = show.tempo

        def in_time(_: float, bpm: float, beat: float, now_s: float) -> bool:
            # Where the other is in the bar at that moment, and where this is.
            apart = (beat - tempo.beats(now_s) + 2) % 4 - 2
            return abs(tempo.bpm - bpm) < 0.01 and abs(apart) * 60 / bpm < 0.05

        assert peer.says(in_time)
        assert tempo.bpm == pytest.approx(97.5)
        assert tempo.leader(time.monotonic()) == "Link"
        assert "1 other program at 97.5 bpm" in link.health().detail
        show.set_bpm(140.0)
        assert peer.says(lambda _, bpm, *rest: abs(bpm - 140.0) < 0.01)
        assert peer.says(in_time)
    finally:
        link.close()
