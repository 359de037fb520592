"""Two networks that dream one dream in turns: which of them dreams what."""

from collections.abc import Sequence

from livedream.core.errors import ObjectiveError
from livedream.core.settings import DreamSettings
from livedream.dream.networks.network import Network
from livedream.dream.objectives.binding import bind
from livedream.dream.objectives.prompt import as_written, dreamed
from livedream.dream.objectives.text import parse_objective
from livedream.dream.objectives.value import Objective


def nothing_of(network: str) -> str:
    """What is wrong where a network has no term of an objective."""
    return f"{network} has nothing of it to dream in its turn"


class Turns:
    """networks: who take turns."""

    def __init__(self, networks: Sequence[Network]) -> None:
        self.networks = tuple(networks)
        # Of the last objective: its targets, and the numbers of each network's terms.
        self._targets: list[object] = []
        self._members: list[list[int]] = []

    def settings(self, settings: DreamSettings) -> list[DreamSettings]:
        """What each dreams by: those terms that it has; its own objective where none is named.

        Cheap as long as only weights change.  Raises ObjectiveError pointing at a term that no
        network has, and where one of them has none.
        """
        text = dreamed(settings.prompt, settings.objective, "")
        if not text:
            return [settings.replace(network=network.name) for network in self.networks]
        objective = parse_objective(text)
        targets: list[object] = [(term.target, term.region) for term in objective.terms]
        if targets != self._targets:
            with as_written(settings.prompt):
                self._members = self._found(objective)
            self._targets = targets
        parts = (
            Objective(tuple(objective.terms[index] for index in members))
            for members in self._members
        )
        return [
            settings.replace(network=network.name, objective=str(part), prompt="")
            for network, part in zip(self.networks, parts, strict=True)
        ]

    def _found(self, objective: Objective) -> list[list[int]]:
        members: list[list[int]] = [[] for _ in self.networks]
        text, places = objective.located()
        for index, (term, place) in enumerate(zip(objective.terms, places, strict=True)):
            lacking = []
            for network, own in zip(self.networks, members, strict=True):
                try:
                    bind(Objective((term,)), network)
                    own.append(index)
                except ObjectiveError as error:
                    lacking.append(error)
            if len(lacking) == len(self.networks):
                raise ObjectiveError(lacking[0].message, text=text, position=place) from lacking[0]
        for network, own in zip(self.networks, members, strict=True):
            if not own:
                raise ObjectiveError(nothing_of(network.name), text=text, position=places[0])
        return members
