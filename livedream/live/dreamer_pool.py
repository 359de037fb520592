"""The dreamers: one for each network in play, made in a thread while another goes on dreaming."""

import threading
from collections.abc import Callable
from functools import partial
from typing import Final, Protocol

from torch import Tensor

from livedream.core.errors import LivedreamError
from livedream.core.frame import Picture
from livedream.core.settings import DreamSettings
from livedream.dream.dreamer import Dreamer, DreamState
from livedream.dream.level import LevelledDream

__all__ = ["DreamerPool", "LiveDreamer"]

_MOST: Final = 3  # networks kept: the one that dreams, the one that fades out, the one before


class LiveDreamer(Protocol):
    """What live dreaming asks of `livedream.dream.dreamer.Dreamer`."""

    state: DreamState

    @property
    def settings(self) -> DreamSettings: ...

    @property
    def fallbacks(self) -> int: ...

    def prepare(self, settings: DreamSettings, width: int, height: int) -> bool: ...

    def adopt(self, settings: DreamSettings) -> None: ...

    def picture(self, rgb: Picture) -> Tensor: ...

    def grow(self, picture: Tensor, carried: Tensor) -> LevelledDream: ...


class DreamerPool:
    """Dreamers by network, with one state among them. Used from the dream's thread.

    first: the one that is ready.  make: how others are made, if not as a live show's `Dreamer`;
    raises LivedreamError.
    """

    def __init__(
        self,
        first: LiveDreamer,
        make: Callable[[DreamSettings], LiveDreamer] | None = None,
    ) -> None:
        self.notes: dict[str, str] = {}
        self._make = make or partial(Dreamer, wait_for_compile=False)
        self._state = first.state
        self._last = first
        self._ready: dict[str, LiveDreamer] = {first.settings.network: first}
        self._loading: set[str] = set()
        self._failed: set[str] = set()
        self._lock = threading.Lock()

    def ready(self, settings: DreamSettings) -> LiveDreamer | None:
        """The dreamer of these settings' network, adopting them; None while it is being made.

        An objective that the network does not have leaves the one before in place, with a note.
        """
        with self._lock:
            dreamer = self._ready.get(settings.network)
            if dreamer is None:
                self._begin(settings)
                return None
        self._take(dreamer, settings)
        self._last = dreamer
        return dreamer

    def last(self, settings: DreamSettings) -> LiveDreamer:
        """Who dreamed last, with these settings as far as they are not about the network."""
        own = self._last.settings
        self._take(self._last, settings.replace(network=own.network, objective=own.objective))
        return self._last

    def prepare(self, settings: DreamSettings, width: int, height: int) -> bool:
        """`Dreamer.prepare`, of who would dream by these settings now."""
        with self._lock:
            dreamer = self._ready.get(settings.network, self._last)
        return dreamer.prepare(settings, width, height)

    @property
    def fallbacks(self) -> int:
        """How often dreams took a slower way, while what is quicker was being made."""
        with self._lock:
            return sum(dreamer.fallbacks for dreamer in self._ready.values())

    def forget_failures(self) -> None:
        """Try again what could not be had; told when somebody has changed something."""
        self._failed.clear()

    def _take(self, dreamer: LiveDreamer, settings: DreamSettings) -> None:
        try:
            dreamer.adopt(settings)
            self.notes.pop("objective", None)
        except LivedreamError as error:
            self.notes["objective"] = " ".join(str(error).split())
            dreamer.adopt(settings.replace(objective=dreamer.settings.objective))

    def _begin(self, settings: DreamSettings) -> None:
        name = settings.network
        if name in self._loading or name in self._failed:
            return
        self._loading.add(name)
        threading.Thread(
            target=self._load, args=(settings,), name="livedream-network", daemon=True
        ).start()

    def _load(self, settings: DreamSettings) -> None:
        name = settings.network
        try:
            try:
                dreamer = self._make(settings)
            except LivedreamError:
                # Perhaps only the objective belongs to another network.
                dreamer = self._make(settings.replace(objective=""))
            dreamer.state = self._state
            with self._lock:
                self._ready[name] = dreamer
                for old in list(self._ready)[:-_MOST]:
                    if self._ready[old] is not self._last:
                        del self._ready[old]
            self.notes.pop("network", None)
        except Exception as error:  # whatever it is, the dream goes on without it
            self._failed.add(name)
            self.notes["network"] = f"{name}: {' '.join(str(error).split())}"
        finally:
            self._loading.discard(name)
