"""Which networks are here and what can be dreamed in them, found out without loading any.

dreamnet's files say it themselves; for the others `livedream layers NAME` is asked, in a process
of its own, once they are looked at.
"""

import logging
import subprocess
import sys
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from livedream.core.errors import NetworkError, ObjectiveError, RegionError, reason
from livedream.core.settings import DreamSettings
from livedream.core.suggest import closest
from livedream.core.supervisor import start_thread
from livedream.dream.networks.classes import find_class, no_rows
from livedream.dream.networks.file_notes import class_names, file_notes
from livedream.dream.networks.registry import (
    DEFAULT_NETWORK,
    DREAMNET,
    NetworkSpec,
    find_spec,
    in_turns,
    registry,
)
from livedream.dream.networks.words import layer_of, vocabulary
from livedream.dream.objectives.prompt import as_written, network_for, parse_prompt
from livedream.dream.objectives.text import parse_objective
from livedream.dream.objectives.value import (
    ClassesTarget,
    ClassTarget,
    GuideTarget,
    KindTarget,
    LayerTarget,
    Objective,
    Target,
    Term,
    TextTarget,
)
from livedream.dream.turns import nothing_of
from livedream.region.films import check_film, is_film
from livedream.region.wanted import check_region

_log = logging.getLogger(__name__)

_ASKED_S: Final = 120.0


@dataclass(frozen=True, slots=True)
class LayerCard:
    """note: what it shows, in words, or empty."""

    name: str
    channels: int
    note: str = ""


@dataclass(frozen=True, slots=True)
class NetworkCard:
    """mark: changes when the weights do; a name for pictures made with them."""

    name: str
    summary: str
    objective: str
    mark: str


class Catalogue:
    """Thread-safe. on_change: called when layers that were asked for are known.

    networks: those whose weights are here and whole, as they were when this was made.
    """

    def __init__(self, on_change: Callable[[], None] = lambda: None) -> None:
        self._on_change = on_change
        self._lock = threading.Lock()
        self._layers: dict[str, tuple[LayerCard, ...]] = {}
        self._asked: set[str] = set()
        self.networks = tuple(_present())

    def find(self, name: str) -> NetworkCard | None:
        """The network of that name; "" is the default one."""
        wanted = name or DEFAULT_NETWORK
        return next((card for card in self.networks if card.name == wanted), None)

    def layers(self, name: str) -> tuple[LayerCard, ...]:
        """Of a network that is here; empty while they are being found out, or for another.

        Empty, too, for one that has been removed or damaged since: a show may dream it still.
        """
        card = self.find(name)
        if card is None:
            return ()
        with self._lock:
            if card.name in self._layers or card.name in self._asked:
                return self._layers.get(card.name, ())
            spec = registry().get(card.name)
            if spec is None:  # removed since, or just being replaced
                return ()
            self._asked.add(card.name)
        if spec.builder == DREAMNET:
            return self._found(card.name, _readable_layers(spec))
        start_thread(
            "layers", lambda: self._found(card.name, _asked_layers(card.name)), restart=False
        )
        return ()

    def _found(self, name: str, layers: tuple[LayerCard, ...]) -> tuple[LayerCard, ...]:
        with self._lock:
            self._layers[name] = layers
        self._on_change()
        return layers


def _present() -> list[NetworkCard]:
    from livedream.dream.networks.weights import network_status

    here = {status.name for status in network_status() if status.present}
    cards = []
    for name, spec in registry().items():
        if name in here:
            try:
                own = own_objective(name)
            except NetworkError as error:  # damaged: a show with another needs nothing of it
                _log.warning("network %s is left out: %s", name, reason(error))
                continue
            cards.append(NetworkCard(name, spec.summary, own, (spec.sha256 or "unmarked")[:8]))
    return cards


def own_objective(network: str) -> str:
    """What a network dreams when nothing is named; "" for one that is not registered, and for two
    in turns, of which each dreams its own."""
    spec = registry().get(network or DEFAULT_NETWORK)
    if spec is None or spec.objective or spec.builder != DREAMNET:
        return spec.objective if spec else ""
    return str(file_notes(spec).notes.get("default_objective", ""))


def own_objective_of(settings: DreamSettings) -> Callable[[str], str]:
    """`own_objective` of the networks that a show or film by these settings may change between.

    The weights that the settings name are the first one's, and their file may say what it dreams.
    Raises WeightsError where that cannot be read.
    """
    if not settings.weights:
        return own_objective
    from livedream.dream.networks.weights import read_account

    file = read_account(Path(settings.weights))
    spec = registry().get(settings.network or file.architecture or "")
    default = file.metadata.default_objective or (spec.objective if spec else "")
    return lambda network: default if network == settings.network else own_objective(network)


def check_weights(network: str) -> None:
    """See to it that a network's weights are there, or those of two in turns: what can be
    downloaded is, now.

    Raises WeightsError where they cannot be had, NetworkError for a network that is not known.
    """
    from livedream.dream.networks.weights import locate_weights

    for name in in_turns(network or DEFAULT_NETWORK):
        locate_weights(find_spec(name))


def check_objective(
    network: str,
    text: str,
    prompt: str = "",
    *,
    live: bool = True,
    flow: str = "",
    painted: bool = False,
    own_weights: bool = False,
    files: bool = True,
    fetch: bool = True,
) -> None:
    """Refuse what a network cannot dream, without loading it; a prompt as well.

    live: whether guides and masks may be live sources.  flow, painted: see `check_region`.
    own_weights: whether the network has weights that the user named, and so layers and classes that
    only their file knows.  files: whether guides and regions are looked for, too.  fetch: see
    `check_region`.
    Whole for livedream's own networks, whose files name their layers and classes; of others only
    the grammar, guide pictures and words are checked. Raises ObjectiveError, NetworkError.
    """

    def specs(network: str) -> list[NetworkSpec | None]:
        if own_weights:
            return [None]
        return [find_spec(name) for name in in_turns(network or DEFAULT_NETWORK)]

    def check(specs: Sequence[NetworkSpec | None], objective: Objective) -> None:
        _check_terms(
            specs, objective, live=live, flow=flow, painted=painted, files=files, fetch=fetch
        )

    known = specs(network)
    if text:
        check(known, parse_objective(text))
    if prompt.strip():
        if not (network or own_weights):
            known = specs(network_for(prompt))
        with as_written(prompt):
            check(known, parse_prompt(prompt))


def objective_check(
    settings: DreamSettings, *, live: bool, fetch: bool = True
) -> Callable[[str, str, str], None]:
    """`check_objective` of network, objective and prompt, for a show or film by these settings:
    weights that they name are those of its first network."""

    def check(network: str, objective: str, prompt: str) -> None:
        own = bool(settings.weights) and network == settings.network
        check_objective(
            network, objective, prompt, live=live, flow=settings.flow, own_weights=own, fetch=fetch
        )

    return check


def _check_terms(
    specs: Sequence[NetworkSpec | None], objective: Objective, *, live: bool, flow: str,
    painted: bool, files: bool, fetch: bool,
) -> None:  # fmt: skip
    """Of two networks in turns one has to have a term."""
    text, places = objective.located()
    idle = [True] * len(specs)
    for term, place in zip(objective.terms, places, strict=True):
        try:
            guide = term.target.picture if isinstance(term.target, GuideTarget) else None
            if files and isinstance(guide, str):
                _check_guide(guide, live=live)
            lacking = [_lacks(spec, term) for spec in specs]
            if lacking[0] is not None and all(lacking):
                raise lacking[0]
            idle = [one and error is not None for one, error in zip(idle, lacking, strict=True)]
            if files and term.region is not None:
                check_region(term.region, live=live, flow=flow, painted=painted, fetch=fetch)
        except (NetworkError, RegionError) as error:
            raise ObjectiveError(str(error), text=text, position=place) from error

    for spec, nothing in zip(specs, idle, strict=True):
        if spec is not None and nothing:
            raise ObjectiveError(nothing_of(spec.name), text=text, position=places[0])


def _lacks(spec: NetworkSpec | None, term: Term) -> NetworkError | None:
    """Why a network cannot dream a term; None: it can, or only its file knows."""
    if spec is None:
        return None
    try:
        if not spec.class_rows and _needs_rows(term):
            raise no_rows(spec.name)
        _check_target(spec, term.target)
    except NetworkError as error:
        return error
    return None


def _check_guide(path: str, *, live: bool) -> None:
    try:
        if is_film(path):
            check_film(path, live=live)
        elif not Path(path).is_file():
            raise NetworkError(f"guide: there is no picture {path!r}")
    except OSError as error:  # SourceError, or a name that no file can have
        raise NetworkError(f"guide: {reason(error)}") from error


def _needs_rows(term: Term) -> bool:
    """Whether it is dreamed by its classes' rows; a class without a region is by its logit."""
    target = term.target
    placed = isinstance(target, ClassTarget) and term.region is not None
    return placed or isinstance(target, KindTarget | ClassesTarget)


def _check_target(spec: NetworkSpec, target: Target) -> None:
    if isinstance(target, KindTarget):
        classes = class_names(spec)
        layers = [card.name for card in described_layers(spec) if card.note]
        unknown = layer_of(target.word, classes, layers) is None
        if unknown and (classes or spec.builder == DREAMNET):
            vocabulary(classes).find(target.word, layers)
        return
    if isinstance(target, TextTarget):
        if spec.builder != "clip":
            raise NetworkError(f"{spec.name} reads no sentences; try --network clip, or kind:WORD")
        return
    if spec.builder != DREAMNET:
        return
    said = file_notes(spec)
    if isinstance(target, ClassTarget):
        classes = class_names(spec)
        try:
            find_class(classes, len(classes), target.label)
        except NetworkError as error:
            raise NetworkError(f"{spec.name}: {error}") from error
        return
    if isinstance(target, ClassesTarget):
        count = int(said.notes["config"]["num_classes"])
        if target.numbers and target.numbers[-1] >= count:
            wrong = f"no class {target.numbers[-1]}; this network has classes 0 to {count - 1}"
            raise NetworkError(f"{spec.name}: {wrong}")
        return
    name = target.layer.lower()
    described = {layer.name.lower(): layer for layer in _dreamnet_layers(spec)}
    if name not in described and name not in said.inner:
        hint = closest(name, described) or f"there are {', '.join(described)}"
        raise NetworkError(f"no layer {target.layer!r} in {spec.name}; {hint}")
    channels = target.channels if isinstance(target, LayerTarget) else ()
    if channels and name in described and channels[-1] >= (count := described[name].channels):
        raise NetworkError(f"no channel {channels[-1]}; {name} has channels 0 to {count - 1}")


def described_layers(spec: NetworkSpec) -> tuple[LayerCard, ...]:
    """The layers of which a network's own file says what they show; others say nothing."""
    return _dreamnet_layers(spec) if spec.builder == DREAMNET else ()


def _readable_layers(spec: NetworkSpec) -> tuple[LayerCard, ...]:
    """`_dreamnet_layers`; none, and a warning, where its file is gone or damaged."""
    try:
        return _dreamnet_layers(spec)
    except NetworkError as error:
        _log.warning("network %s: its layers are unknown: %s", spec.name, reason(error))
        return ()


def _dreamnet_layers(spec: NetworkSpec) -> tuple[LayerCard, ...]:
    """From the file's own account of itself."""
    said = file_notes(spec).notes
    notes = dict(said.get("layers", {}))
    return tuple(
        LayerCard(str(one["name"]), int(one["channels"]), str(notes.get(one["name"], "")))
        for one in said.get("config", {}).get("layers", ())
    )


def _asked_layers(name: str) -> tuple[LayerCard, ...]:
    """As `livedream layers NAME` prints them when piped: a line of tabs for each."""
    try:
        found = subprocess.run(
            [sys.executable, "-m", "livedream", "layers", name],
            capture_output=True, text=True, timeout=_ASKED_S, check=True,
        )  # fmt: skip
    except (OSError, subprocess.SubprocessError):
        return ()
    rows = [line.split("\t") for line in found.stdout.splitlines()[1:]]
    return tuple(LayerCard(row[0], int(row[1]), row[-1]) for row in rows if len(row) >= 6)
