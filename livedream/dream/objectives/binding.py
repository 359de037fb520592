"""An objective tied to a network: which layers to compute, and the gradients to send back.

What `BoundObjective.grad_outputs` gives
    A term moves its layer in a direction: a layer or some of its channels along their own
    activations (which is plain L2), a class along the gradient of its log probability, many classes
    each along its row of the classifier, a guide towards its best matching features.  Gradients of
    plain sums would follow the loudest layer, and the most channels, whatever the weights; so every
    term's direction is brought to length 1, divided by the length of its layer's whole activation,
    and only then multiplied by its weight.  For a whole layer that is the gradient of ``weight *
    log(length)``; with variety it is that only along the activation, and longer by what raises the
    quiet channels.

Variety
    Ascending the sum of squares makes the loud louder: after some frames a few of a layer's
    hundreds of channels take it all, and one motif fills the picture.  With a variety of v a
    channel of energy e counts ``e ** -v`` of what it would: v = 1/2 ascends the sum of the
    channels' lengths, v = 1 the product of their energies, for which every motif must be somewhere.

Focus
    In an empty sky a network sees next to nothing, and a gradient that follows it draws curves.
    With a focus of f each place of a layer counts by its length to the power f: f = 0 ascends the
    sum of the squared lengths, f = 1 that of their cubes, and animals get what curves would have
    taken.  Classes and kinds have each place count by its energy in any case; guides stay as they
    are.

What a weight means
    A network without biases is homogeneous: each layer scales with the picture.  Therefore these
    gradients of two layers, carried back to the picture, have the same part along the picture
    itself, however different the layers' activations are: with equal weights they count equally
    much, give or take how sensitive they are to change of form.  The same holds for one channel
    beside all of its layer.  Below zero a term is driven away.

    Last, all are multiplied by one common factor, such that the strongest part's have a root mean
    square of 1, with focus at most 1: only the direction counts (the ascent divides by the
    picture's own gradient), and so they fit half precision.

`BoundObjective.response` is for measuring: the weighted sum of plain mean squares, as the field
reports it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import reduce

import torch
from torch import Tensor

from livedream.core.errors import NetworkError, ObjectiveError, SettingsError
from livedream.dream.networks.graph import LOGITS
from livedream.dream.networks.network import Network
from livedream.dream.objectives.guides import guide_features, moves
from livedream.dream.objectives.place_terms import REGIONS, ClassesPart, GuidePart, KindPart
from livedream.dream.objectives.placing import Window, placed
from livedream.dream.objectives.terms import (
    TINY,
    WHOLE,
    ChannelsPart,
    Dials,
    LayerPart,
    Part,
    Place,
)
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
from livedream.dream.objectives.whole_terms import ClassPart, TextPart
from livedream.dream.transfer import Transfers
from livedream.region.planes import GRID
from livedream.region.value import Region

# Per layer and part, see `Part.measure`.
Measured = tuple[tuple[Tensor, ...], ...]


@dataclass(frozen=True, eq=False)
class BoundObjective:
    """Resolved once, used at every step; nothing in it waits for the device, as a CUDA graph asks.

    layers: names for `Network.truncated`, in the order in which activations are expected.
    weights: (terms,) fp32, in the objective's order; change them in place to glide.
    variety: (1,) fp32, how far a layer's loud channels are attenuated, from 0 to 1; likewise.
    focus: (1,) fp32, how much more a place counts the more there is of its layer; likewise.
    parts: per layer what looks at it.
    regions, planes: of its terms, and where each of them is, (regions, GRID, GRID) fp32; change
    these in place too.  places: the number of a part's region by layer and part; others are
    everywhere.
    """

    objective: Objective
    layers: tuple[str, ...]
    weights: Tensor
    variety: Tensor
    focus: Tensor
    parts: tuple[tuple[Part, ...], ...]
    regions: tuple[Region, ...] = ()
    planes: Tensor = field(default_factory=lambda: torch.ones(0, GRID, GRID))
    places: Mapping[tuple[int, int], int] = field(default_factory=dict)

    @torch.no_grad()
    def measure(self, activations: tuple[Tensor, ...], share: float = 1.0) -> Measured:
        """What `grad_outputs` has to know of a whole picture; of its pieces, to be added up.

        share: how much of what says something of no place, as classes do, is the piece's own.
        """
        return tuple(
            tuple(part.measure(a.detach()) * (1.0 if a.ndim == 4 else share) for part in parts)
            for a, parts in zip(activations, self.parts, strict=True)
        )

    @torch.no_grad()
    def grad_outputs(
        self,
        activations: tuple[Tensor, ...],
        measured: Measured | None = None,
        place: Place = WHOLE,
        window: Window | None = None,
    ) -> tuple[Tensor, ...]:
        """The ascent's direction at each layer: of each activation's shape, type and device.

        To be used as ``torch.autograd.grad(activations, picture, grad_outputs=...)``.  See the
        module on what they are; all zero where every layer is silent.
        measured: of the picture that the activations are a piece of; None: they are the whole.
        place: of that piece.  window: where regions have what is seen, None: at `place`.
        """
        sums: tuple[tuple[Tensor | None, ...], ...]
        sums = measured or tuple((None,) * len(parts) for parts in self.parts)
        steered = Dials(self.weights, self.variety, self.focus)
        gradients = [
            [
                part.gradient(a.detach(), steered, s, place)
                for part, s in zip(parts, own, strict=True)
            ]
            for a, parts, own in zip(activations, self.parts, sums, strict=True)
        ]
        levels = torch.stack([gradient.level for found in gradients for gradient in found])
        loudest = levels.max()
        factor = torch.where(loudest > 0, 1 / loudest, torch.zeros_like(loudest))
        top, bottom, left, right = place
        window = window or (top, left, bottom - top, right - left)
        return tuple(
            reduce(torch.add, [
                self._placed(one.scaled(factor, activation.dtype), (layer, part), window)
                for part, one in enumerate(found)
            ])
            for layer, (activation, found) in enumerate(zip(activations, gradients, strict=True))
        )  # fmt: skip

    def _placed(self, gradient: Tensor, part: tuple[int, int], window: Window) -> Tensor:
        """Weighed by its part's region: it counts there as much as it would everywhere."""
        region = self.places.get(part)
        if region is None:
            return gradient
        height, width = gradient.shape[2:]
        return gradient * placed(self.planes[region], height, width, window).to(gradient.dtype)

    @torch.no_grad()
    def response(self, activations: tuple[Tensor, ...]) -> Tensor:
        """The objective's value, a 0-d fp32 tensor.

        The weighted sum of each term's mean square (layers and channels), log probability
        (a class), part along the classes, or match (guides: the mean product with the best feature,
        per channel).
        """
        values = [
            part.value(activation.detach(), self.weights)
            for activation, parts in zip(activations, self.parts, strict=True)
            for part in parts
        ]
        return torch.stack(values).sum()

    @property
    def dials(self) -> tuple[Tensor, ...]:
        """What may change in place: `Dials`, and what parts have (`Part.dial`)."""
        own = (part.dial for parts in self.parts for part in parts)
        return self.weights, self.variety, self.focus, *(dial for dial in own if dial is not None)

    def wander(self, position: float, seed: int) -> None:
        """Draw the classes of all regions for a moment, see `ClassesPart.follow`."""
        for parts in self.parts:
            for part in parts:
                if isinstance(part, ClassesPart):
                    part.follow(position, seed)

    def to(self, device: torch.device | str) -> BoundObjective:
        """A copy on a device, with dials of its own."""
        parts = tuple(tuple(part.to(device) for part in parts) for parts in self.parts)
        own = {name: getattr(self, name) for name in ("weights", "variety", "focus", "planes")}
        moved = {name: tensor.to(device, copy=True) for name, tensor in own.items()}
        return replace(self, **moved, parts=parts)


def check_still(objective: Objective, what: str) -> None:
    """Raise SettingsError for regions and for guides that move, which `what` has no use for.

    Nobody sets their planes and features there: they would be everywhere and nothing.
    """
    for term in objective.terms:
        if term.region is not None:
            wrong = f"{what} has no regions; leave out @{term.region}"
            raise SettingsError(f"{wrong} (got {objective})")
        if isinstance(term.target, GuideTarget) and moves(term.target.picture):
            wrong = f"{what} has no guides that move; give a picture, not {term.target.picture}"
            raise SettingsError(f"{wrong} (got {objective})")


def bind(
    objective: Objective | str, network: Network, device: torch.device | str = "cpu"
) -> BoundObjective:
    """Find an objective's layers, channels, classes and guides in a network.

    Raises ObjectiveError pointing at what the network does not have, or at a guide picture that
    cannot be read.
    """
    if isinstance(objective, str):
        objective = parse_objective(objective)
    text, places = objective.located()
    regions = tuple(dict.fromkeys(t.region for t in objective.terms if t.region is not None))
    number_of: dict[Region | None, int | None] = {None: None}
    number_of |= {region: number for number, region in enumerate(regions)}
    # By layer, in the order in which the objective names them; with the number of each's region.
    found: dict[str, list[tuple[Part, int | None]]] = {}
    whole: dict[tuple[str, int | None], list[int]] = {}
    masks: dict[tuple[str, int | None], dict[int, Tensor]] = {}
    for index, (term, place) in enumerate(zip(objective.terms, places, strict=True)):
        region = number_of[term.region]
        try:
            target = _meant(network, term.target)
            if not isinstance(target, LayerTarget):
                name, part = _part(network, index, replace(term, target=target))
                found.setdefault(name, []).append((part, region))
                continue
            name = network.resolve(target.layer)
            found.setdefault(name, [])
            if target.channels:
                mask = _mask(network, name, target.channels)
                masks.setdefault((name, region), {})[index] = mask
            else:
                whole.setdefault((name, region), []).append(index)
        except NetworkError as error:
            raise ObjectiveError(str(error), text=text, position=place) from error
    for (name, region), terms in whole.items():
        found[name].append((LayerPart(torch.tensor(terms)), region))
    for (name, region), own in masks.items():
        channels = ChannelsPart(torch.tensor(list(own)), torch.stack(list(own.values())))
        found[name].append((channels, region))
    weights = torch.tensor([term.weight for term in objective.terms], dtype=torch.float32)
    bound = BoundObjective(
        objective=objective,
        layers=tuple(found),
        weights=weights,
        variety=torch.zeros(1),
        focus=torch.zeros(1),
        parts=tuple(tuple(part for part, _ in parts) for parts in found.values()),
        regions=regions,
        planes=torch.ones(len(regions), GRID, GRID),
        places={
            (layer, number): region
            for layer, parts in enumerate(found.values())
            for number, (_, region) in enumerate(parts)
            if region is not None
        },
    )
    return bound.to(device)


def added_up(one: Measured, other: Measured) -> Measured:
    """What `BoundObjective.measure` says of two pieces together."""
    return tuple(
        tuple(a + b for a, b in zip(first, second, strict=True))
        for first, second in zip(one, other, strict=True)
    )


def _meant(network: Network, target: Target) -> Target:
    """What a word is to this network: a sentence, a layer that has its name, else a kind."""
    if not isinstance(target, KindTarget):
        return target
    if network.encode_text is not None:
        return TextTarget(target.word)  # it knows no classes, but words
    layer = network.layer_of(target.word)
    return target if layer is None else LayerTarget(layer)


def _part(network: Network, number: int, term: Term) -> tuple[str, Part]:
    """What a term looks at and how, unless that is a layer; number: of the term."""
    target = term.target
    part: Part
    match target:
        case ClassTarget() if term.region is None:
            name, part = LOGITS, ClassPart(number, network.class_index(target.label))
        case ClassTarget():  # its logit has no place; the layer that it is read from does
            name, part = _classes(network, number, (network.class_index(target.label),))
        case ClassesTarget():
            name, part = _classes(network, number, target.numbers)
        case KindTarget():
            name, directions = _directions(network)
            part = KindPart(number, directions[list(network.kind(target.word))])
        case TextTarget():
            name, part = LOGITS, TextPart(number, _encoded(network, target.sentence, term.region))
        case GuideTarget():
            name = network.resolve(target.layer)
            part = GuidePart(number, guide_features(network, name, target.picture))
        case _:
            raise AssertionError(f"{target} is of a layer")
    return name, part


def _mask(network: Network, name: str, numbers: tuple[int, ...]) -> Tensor:
    count = network.layers[name].channels
    if numbers[-1] >= count:
        raise NetworkError(f"no channel {numbers[-1]}; {name} has channels 0 to {count - 1}")
    mask = torch.zeros(count)
    mask[list(numbers)] = 1
    return mask


def _classes(network: Network, term: int, numbers: tuple[int, ...]) -> tuple[str, ClassesPart]:
    """The layer that the classes are read from, and the part that looks at it."""
    name, directions = _directions(network)
    if numbers and numbers[-1] >= len(directions):
        last = len(directions) - 1
        raise NetworkError(f"no class {numbers[-1]}; this network has classes 0 to {last}")
    own = directions[list(numbers)] if numbers else directions
    regions = torch.zeros(own.shape[1], *REGIONS)
    part = ClassesPart(term, own.numpy(), regions, Transfers(regions.device))
    part.follow(0.0, 0)
    return name, part


def _encoded(network: Network, sentence: str, region: Region | None) -> Tensor:
    if network.encode_text is None:
        raise NetworkError(f"{network.name} reads no sentences; try --network clip, or kind:WORD")
    if region is not None:
        raise NetworkError("a sentence is of the whole picture; say where with --where")
    return network.encode_text(sentence)


def _directions(network: Network) -> tuple[str, Tensor]:
    """The layer that the classes are read from, and each class's row, (classes, C), of length 1,
    without what all have in common."""
    name, rows = network.class_rows()
    apart = rows - rows.mean(0)
    return name, apart / apart.norm(dim=1, keepdim=True).clamp_min(TINY)
