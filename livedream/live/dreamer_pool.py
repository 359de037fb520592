"""The networks of a live show: one is loaded in a thread while another goes on dreaming."""

import contextlib
import logging
import threading
from collections import deque
from collections.abc import Callable, Mapping
from functools import partial
from types import MappingProxyType
from typing import Final

from livedream.core.errors import LivedreamError, reason
from livedream.core.settings import DreamSettings
from livedream.core.supervisor import start_thread
from livedream.dream.ascent import Plan
from livedream.dream.dreamer import Dreamer
from livedream.dream.dreamers import DreamerPool

_log = logging.getLogger(__name__)

_MOST: Final = 3  # networks kept: the one that dreams, the one that fades out, the one before
# The network's own objective, instead of one that it does not have.
_OWN: Final[Mapping[str, str]] = MappingProxyType({"objective": "", "prompt": ""})


class LiveDreamerPool(DreamerPool):
    """Never waits, never raises for settings. Used from the dream's thread.

    make: how dreamers are made, if not as a live show's; raises LivedreamError.
    notes: what could not be had, one line each.
    """

    def __init__(
        self, first: Dreamer, make: Callable[[DreamSettings], Dreamer] | None = None
    ) -> None:
        super().__init__(first)
        self.notes: dict[str, str] = {}
        # What was asked of a network and is not dreamed: see `LiveParameters.take_back`.
        self.refused: Callable[[str, str, Mapping[str, str]], None] = lambda *refused: None
        self._make = make or partial(Dreamer, wait_for_compile=False)
        self._lately = deque([first], maxlen=2)  # who dreamed: two, while one fades out
        self._loading: set[str] = set()
        self._failed: set[str] = set()
        self._lock = threading.Lock()

    def get(self, settings: DreamSettings, plan: Plan | None = None) -> Dreamer:
        """The dreamer of these settings' network; while that is loaded, who dreamed last.

        An objective that the network does not have leaves the one before in place, with a note.
        """
        with self._lock:
            dreamer = self._ready.get(settings.network)
            if dreamer is None:
                self._begin(self._own_weights(settings))
        if dreamer is None:
            dreamer = self._lately[-1]
            own = dreamer.settings
            settings = settings.replace(
                network=own.network, objective=own.objective, prompt=own.prompt
            )
        settings = self._own_weights(settings)
        try:
            dreamer.adopt(settings, plan=plan)
            self.notes.pop("where", None)
        except LivedreamError as error:
            self._adopt_without(dreamer, settings, plan, error)
        self._lately.append(dreamer)
        return dreamer

    def _adopt_without(
        self, dreamer: Dreamer, settings: DreamSettings, plan: Plan | None, error: LivedreamError
    ) -> None:
        """All of the settings but the objective or, where it is not that, but the region, too."""
        own, dreams, kept = dreamer.settings, self._lately[-1].settings.network, _OWN
        if dreamer in self._lately:  # else what it dreamed is over
            dreams = settings.network
            kept = {"objective": own.objective, "prompt": own.prompt}
        try:
            dreamer.adopt(settings.replace(**kept), plan=plan)
            self._refuse(settings, dreams, kept, error)
        except LivedreamError as other:  # a file that it names has just gone: it may come back
            with contextlib.suppress(LivedreamError):
                dreamer.adopt(settings.replace(where=own.where, **kept), plan=plan)
            if self.notes.get("where") != reason(other):
                self.notes["where"] = reason(other)
                _log.warning("%s: dreaming as before", reason(other))

    def prepare(self, network: str, plan: Plan) -> bool:
        """`Dreamer.prepare`, of who would dream for this network now."""
        with self._lock:
            dreamer = self._ready.get(network, self._lately[-1])
        return dreamer.prepare(plan)

    @property
    def fallbacks(self) -> int:
        """How often dreams took a slower way, while what is quicker was being made."""
        with self._lock:
            return sum(dreamer.fallbacks for dreamer in self._ready.values())

    def forget_failures(self) -> None:
        """Try again what could not be had: something has been changed."""
        self._failed.clear()
        self.notes.clear()

    def _refuse(
        self, settings: DreamSettings, dreams: str, kept: Mapping[str, str], error: Exception
    ) -> None:
        self.notes["objective"] = reason(error)
        _log.warning("objective refused: %s", reason(error))
        self.refused(settings.network, dreams, kept)

    def _begin(self, settings: DreamSettings) -> None:
        name = settings.network
        if name in self._loading or name in self._failed:
            return
        self._loading.add(name)
        start_thread("network", partial(self._load, settings), restart=False, computes=True)

    def _load(self, settings: DreamSettings) -> None:
        name = settings.network
        try:
            try:
                dreamer = self._make(settings)
            except LivedreamError as error:
                # Perhaps only the objective belongs to another network.
                dreamer = self._make(settings.replace(**_OWN))
                self._refuse(settings, self._lately[-1].settings.network, _OWN, error)
            dreamer.share_state(self.first)
            with self._lock:
                self._ready[name] = dreamer
                for old in list(self._ready)[:-_MOST]:
                    if self._ready[old] not in self._lately:
                        del self._ready[old]
            self.notes.pop("network", None)
        except Exception as error:  # whatever it is, the dream goes on without it
            own = isinstance(error, LivedreamError)
            _log.warning("network %s: %s", name, reason(error), exc_info=None if own else error)
            self._failed.add(name)
            self.notes["network"] = f"{name}: {reason(error)}"
            self.refused(name, self._lately[-1].settings.network, {})
        finally:
            self._loading.discard(name)
