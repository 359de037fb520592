"""Ableton Link: one tempo and one bar for all programs on a network that have it switched on."""

import asyncio
import time
from typing import Any, Final

from livedream.control.show import Show
from livedream.control.tempo import BEATS_PER_BAR
from livedream.core.errors import SettingsError
from livedream.core.health import Health
from livedream.core.supervisor import SupervisedThread, start_thread

_STEP_S: Final = 0.02  # a frame of video at 50 fps


class LinkTempo:
    """Follows the tempo of a Link session; one that is set or tapped here is set for all.

    A MIDI clock and the music take precedence, and are not passed on to the others.

    Alone it changes nothing. Raises SettingsError where aalink is not installed.
    """

    def __init__(self, show: Show) -> None:
        self._library = _aalink()
        self._show = show
        self._peers, self._ending, self._set_here = 0, False, False
        self._bpm = 0.0  # livedream's, as last shown
        self._link_bpm = 0.0
        self._joined = 0
        self._thread: SupervisedThread | None = None

    def start(self) -> None:
        self._show.tempo.on_change = self._changed_here
        self._thread = start_thread("link", self._run)

    def close(self) -> None:
        self._ending = True
        self._show.tempo.on_change = None
        if self._thread is not None:
            self._thread.close(1.0)

    def health(self) -> Health:
        others = f"{self._peers} other program{'s' * (self._peers != 1)}"
        said = f"{others} at {self._link_bpm:.1f} bpm"
        detail = said if self._peers else "nobody else has Link on"
        return Health("link", "ok", detail, self._joined)

    def _changed_here(self) -> None:
        self._set_here = True

    def _run(self) -> None:
        asyncio.run(self._follow())

    async def _follow(self) -> None:
        tempo = self._show.tempo
        link = self._library.Link(tempo.bpm)
        link.quantum, link.enabled = BEATS_PER_BAR, True
        try:
            while not self._ending:
                self._step(link, time.monotonic())
                await asyncio.sleep(_STEP_S)
        finally:
            link.enabled = False

    def _step(self, link: Any, now_s: float) -> None:
        tempo = self._show.tempo
        if self._set_here:
            self._set_here = False
            link.tempo = tempo.bpm
            link.force_beat(tempo.beats(time.monotonic()))
        peers = link.num_peers
        self._joined += max(0, peers - self._peers)
        self._peers, self._link_bpm = peers, link.tempo
        if peers and not self._set_here:
            tempo.follow("Link", link.beat, link.tempo, time.monotonic())
        if abs(tempo.bpm - self._bpm) > 0.05:
            self._bpm = tempo.bpm
            self._show.notify()


def _aalink() -> Any:
    try:
        import aalink
    except ImportError as error:
        raise SettingsError(
            'link: aalink is not installed; pip install "livedream[link]"'
        ) from error
    return aalink
