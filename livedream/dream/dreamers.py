"""Several networks that dream one dream: in turn, and two while one gives way to the other."""

from livedream.core.settings import DreamSettings
from livedream.dream.ascent import Plan
from livedream.dream.dreamer import Dreamer


class DreamerPool:
    """The networks in play: a dreamer for each, with one state among them.

    first: the dreamer of the first network.  Another is loaded when its settings first come; the
    user's own weights are the first one's alone.
    """

    def __init__(self, first: Dreamer) -> None:
        self.first = first
        self._first_network = first.settings.network
        self._ready: dict[str, Dreamer] = {self._first_network: first}

    def get(self, settings: DreamSettings, plan: Plan | None = None) -> Dreamer:
        """The dreamer of these settings' network, which adopts them. Raises what it raises."""
        settings = self._own_weights(settings)
        dreamer = self._ready.get(settings.network)
        if dreamer is None:
            dreamer = self._ready[settings.network] = Dreamer(settings)
            dreamer.share_state(self.first)
        dreamer.adopt(settings, plan=plan)
        return dreamer

    def _own_weights(self, settings: DreamSettings) -> DreamSettings:
        own = settings.weights or settings.preprocess or settings.labels
        if not own or settings.network == self._first_network:
            return settings
        return settings.replace(weights="", preprocess="", labels="")
