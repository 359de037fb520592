"""Guides that move: a few times a second a dream is drawn towards what there is to see then.

A film goes by the time of the frame that is dreamed, so that the same dream comes out again
wherever it is begun. In a live show the newest picture of a source counts, and a thread of its own
looks at it. What is seen goes into the parts' features in place, of which there are always as many.
"""

from collections.abc import Callable, Sequence
from fractions import Fraction
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray

from livedream.core.errors import ObjectiveError, SourceError
from livedream.core.frame import Picture
from livedream.dream.networks.network import Network
from livedream.dream.objectives.binding import BoundObjective
from livedream.dream.objectives.guides import as_many, moves, seen_in
from livedream.dream.objectives.place_terms import GuidePart
from livedream.dream.objectives.value import GuideTarget
from livedream.dream.transfer import Transfers
from livedream.region.films import Film, check_film

if TYPE_CHECKING:
    from livedream.capture.live import Captured
    from livedream.capture.live.beside import LivePictures, Look

# Heuristic: what is dreamed takes most of a second to follow, and a look takes half a dream's time.
_LOOKS_PER_S: Final = 5


class MovingGuides:
    """Those of an objective, with their features.

    network: on a CPU.  objective: as an engine has it; the features of its parts change in place.
    live: live sources, for a show; None: guides are films, and go by the dream's time.
    Raises ObjectiveError for a guide that cannot be had.
    """

    def __init__(
        self, network: Network, objective: BoundObjective, live: "LivePictures | None" = None
    ) -> None:
        text, places = objective.objective.located()
        found: dict[str, list[tuple[str, GuidePart]]] = {}
        for layer, parts in zip(objective.layers, objective.parts, strict=True):
            for part in parts:
                if not isinstance(part, GuidePart):
                    continue
                target = objective.objective.terms[part.term].target
                assert isinstance(target, GuideTarget), "it was made of one"
                if not (isinstance(target.picture, str) and moves(target.picture)):
                    continue
                try:
                    check_film(target.picture, live=live is not None)
                except SourceError as error:
                    place, why = places[part.term], f"guide: {error}"
                    raise ObjectiveError(why, text=text, position=place) from error
                found.setdefault(target.picture, []).append((layer, part))
        kind = _FilmGuide if live is None else _live_guide(live)
        self._guides = [kind(path, _looks(network, parts)) for path, parts in found.items()]
        self._parts = [[part for _, part in parts] for parts in found.values()]
        device = objective.weights.device
        self._transfers = [[Transfers(device) for _ in parts] for parts in self._parts]

    def follow(self, time_s: float, rate: Fraction | None = None) -> None:
        """Let the features be those of a moment; costs something only when there are new ones.

        rate: of numbered pictures, see `Film`.
        """
        for guide, parts, transfers in zip(self._guides, self._parts, self._transfers, strict=True):
            features = guide.at(time_s, rate)
            if features is not None:
                for one, part, transfer in zip(features, parts, transfers, strict=True):
                    transfer.put(one, part.features)


Features = list[NDArray[np.float32]]  # of each part that has this guide
Looks = Callable[[Picture], Features]


class _FilmGuide:
    """A film, by time."""

    def __init__(self, path: str, looks: Looks) -> None:
        self._path, self._looks = path, looks
        self._film: Film | None = None
        self._rate: Fraction | None = None
        self._turn: int | None = None

    def at(self, time_s: float, rate: Fraction | None) -> Features | None:
        """None where there is nothing new."""
        if self._film is None or rate != self._rate:
            self._film, self._rate, self._turn = Film(self._path, rate), rate, None
        turn = int(time_s * _LOOKS_PER_S + 1e-6)
        if turn == self._turn:
            return None
        self._turn = turn
        return self._looks(self._film.at(turn / _LOOKS_PER_S))


class _LiveGuide:
    """The newest picture there is, whatever the time."""

    def __init__(self, look: "Look[Features]") -> None:
        self._look = look
        self._given: Features | None = None

    def at(self, time_s: float, rate: Fraction | None) -> Features | None:
        """None where there is nothing new."""
        newest = self._look.newest()
        if newest is self._given:
            return None
        self._given = newest
        return newest


def _live_guide(live: "LivePictures") -> Callable[[str, Looks], _LiveGuide]:
    def made(path: str, looks: Looks) -> _LiveGuide:
        def seen(captured: "Captured") -> Features:
            return looks(captured.rgb)

        return _LiveGuide(live.look(path, seen, 1 / _LOOKS_PER_S))

    return made


def _looks(network: Network, parts: Sequence[tuple[str, GuidePart]]) -> Looks:
    """What the layers of some parts see in a picture, as the parts have it."""
    layers = tuple(dict.fromkeys(layer for layer, _ in parts))
    body = network.truncated(layers)
    wanted = [(layers.index(layer), part.features.shape[1]) for layer, part in parts]

    def seen(rgb: Picture) -> Features:
        found = seen_in(network, body, rgb)
        return [as_many(found[layer], count).numpy() for layer, count in wanted]

    return seen
