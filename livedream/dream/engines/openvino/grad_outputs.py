"""`BoundObjective.grad_outputs` as nodes of an OpenVINO graph, for all parts but sentences."""

from collections.abc import Callable, Mapping, Sequence
from functools import reduce
from typing import Any, Final, NamedTuple

import numpy as np
import torch
from torch import Tensor

from livedream.dream.engines.openvino.layers import Node, lengths
from livedream.dream.objectives.binding import BoundObjective
from livedream.dream.objectives.place_terms import (
    NEAREST,
    REGIONS,
    ClassesPart,
    GuidePart,
    KindPart,
    shares,
)
from livedream.dream.objectives.terms import (
    EMPTY,
    FULL,
    QUIET,
    SILENT_SHARE,
    ChannelsPart,
    LayerPart,
    PartGradient,
)
from livedream.dream.objectives.whole_terms import CERTAIN, ClassPart

# Below it is nothing. One is divided by two of them, and that must be a number in float32.
_TINY: Final = 1e-15


class _Dials(NamedTuple):
    """As `terms.Dials`; own: `Part.dial`."""

    weights: Node
    variety: Node
    focus: Node
    own: Node | None


def write_grad_outputs(
    ops: Any,
    objective: BoundObjective,
    activations: Sequence[Node],
    dials: Sequence[Node],
    planes: Mapping[tuple[int, int], Node],
) -> list[Node]:
    """One for each activation, of its shape, times one positive factor common to all.

    ops: an openvino opset.  dials: as `BoundObjective.dials`.  planes: of `placed_layers`.
    """
    weights, variety, focus, *rest = dials
    own = iter(rest)
    found = [
        [
            KNOWN_PARTS[type(part)](
                ops, part, activation,
                _Dials(weights, variety, focus, None if part.dial is None else next(own)),
            )
            for part in parts
        ]
        for activation, parts in zip(activations, objective.parts, strict=True)
    ]  # fmt: skip
    loudest = reduce(ops.maximum, [one.level for gradients in found for one in gradients])
    factor = ops.divide(np.float32(1), ops.maximum(loudest, np.float32(_TINY)))

    def scaled(gradient: PartGradient, layer: int, part: int) -> Node:
        gain = ops.multiply(gradient.gain, factor)
        region = objective.places.get((layer, part))
        if region is not None:
            gain = ops.multiply(gain, planes[layer, region])
        return ops.multiply(gradient.direction, gain)

    return [
        reduce(ops.add, [scaled(one, layer, part) for part, one in enumerate(gradients)])
        for layer, gradients in enumerate(found)
    ]


def placed_layers(objective: BoundObjective) -> list[tuple[int, int]]:
    """Which layers, by number, are weighed by the plane of which region."""
    places = objective.places.items()
    return list(dict.fromkeys((layer, region) for (layer, _), region in places))


def _layer(ops: Any, part: LayerPart, activation: Node, dials: _Dials) -> PartGradient:
    energies = _energies(ops, activation)
    mean = _at_least(ops, ops.reduce_mean(energies, [1], True), _TINY)
    shares = ops.add(ops.divide(energies, mean), np.float32(QUIET))
    channel_weight = ops.exp(ops.negative(ops.multiply(ops.log(shares), dials.variety)))
    total = _at_least(ops, _sum(ops, ops.multiply(channel_weight, energies)), _TINY)
    scale = ops.divide(_weight(ops, dials.weights, part.terms), total)
    energy = _sum(ops, ops.multiply(ops.multiply(channel_weight, channel_weight), energies))
    direction = _focused(ops, activation, dials.focus)
    level = _level(ops, scale, energy, activation)
    return PartGradient(direction, ops.multiply(channel_weight, scale), level)


def _channels(ops: Any, part: ChannelsPart, activation: Node, dials: _Dials) -> PartGradient:
    energies = _energies(ops, activation)
    layer = _sum(ops, energies)
    gains = []
    for term, mask in zip(part.terms, part.masks, strict=True):
        where = mask.view(1, -1, 1, 1).numpy()
        own = _sum(ops, ops.multiply(energies, where))
        floor = ops.multiply(layer, np.float32(SILENT_SHARE * float(mask.mean())))
        size = ops.multiply(ops.sqrt(ops.add(own, floor)), ops.sqrt(layer))
        share = ops.divide(_weight(ops, dials.weights, term.view(1)), _at_least(ops, size, _TINY))
        gains.append(ops.multiply(share, where))
    gain = reduce(ops.add, gains)
    total = _sum(ops, ops.multiply(ops.multiply(gain, gain), energies))
    direction = _focused(ops, activation, dials.focus)
    return PartGradient(direction, gain, _root_mean(ops, total, activation))


def _class(ops: Any, part: ClassPart, scores: Node, dials: _Dials) -> PartGradient:
    """scores: (1, classes)."""
    wanted = np.zeros((1, lengths(scores)[1]), np.float32)
    wanted[0, part.number] = 1
    direction = ops.subtract(wanted, ops.softmax(scores, 1))
    energy = _sum(ops, ops.multiply(direction, direction))
    apart = ops.subtract(scores, ops.reduce_mean(scores, [1], True))
    spread = ops.sqrt(_sum(ops, ops.multiply(apart, apart)))
    size = ops.multiply(_at_least(ops, ops.sqrt(energy), CERTAIN), spread)
    weight = _weight(ops, dials.weights, torch.tensor([part.term]))
    gain = ops.divide(weight, _at_least(ops, size, _TINY))
    return PartGradient(direction, gain, _level(ops, gain, energy, direction))


def _classes(ops: Any, part: ClassesPart, activation: Node, dials: _Dials) -> PartGradient:
    """Its dial: (C, rows, columns)."""
    height, width = lengths(activation)[2:]
    rows = shares(height, REGIONS[0], 0.0, 1.0)[None].numpy()
    columns = shares(width, REGIONS[1], 0.0, 1.0).T[None].contiguous().numpy()
    direction = ops.matmul(ops.matmul(rows, dials.own, False, False), columns, False, False)
    energies = _place_energies(ops, activation)
    squares = _sum(ops, ops.multiply(energies, energies))
    size = ops.multiply(ops.sqrt(squares), ops.sqrt(_sum(ops, energies)))
    weight = _weight(ops, dials.weights, torch.tensor([part.term]))
    gain = ops.divide(weight, _at_least(ops, size, _TINY))
    direction = ops.multiply(ops.unsqueeze(direction, np.int64(0)), energies)
    return PartGradient(direction, gain, _level(ops, gain, squares, activation))


def _kind(ops: Any, part: KindPart, activation: Node, dials: _Dials) -> PartGradient:
    shape = lengths(activation)
    rows, flat = part.rows.numpy(), [1, shape[1], shape[2] * shape[3]]
    energies = _place_energies(ops, activation)
    length = ops.sqrt(_at_least(ops, energies, _TINY))
    unit = ops.reshape(ops.divide(activation, length), np.array(flat), False)
    scores = ops.multiply(ops.matmul(rows[None], unit, False, False), np.float32(NEAREST))
    along = ops.matmul(rows.T[None].copy(), ops.softmax(scores, 1), False, False)
    direction = ops.multiply(ops.reshape(along, np.array(list(shape)), False), energies)
    squares = _sum(ops, ops.multiply(energies, energies))
    size = ops.multiply(ops.sqrt(squares), ops.sqrt(_sum(ops, energies)))
    weight = _weight(ops, dials.weights, torch.tensor([part.term]))
    gain = ops.divide(weight, _at_least(ops, size, _TINY))
    return PartGradient(direction, gain, _level(ops, gain, squares, activation))


def _guide(ops: Any, part: GuidePart, activation: Node, dials: _Dials) -> PartGradient:
    """Its dial: the guide's features, (C, Q)."""
    shape = lengths(activation)
    flat = ops.reshape(activation, np.array([1, shape[1], shape[2] * shape[3]]), False)
    scores = ops.matmul(dials.own, flat, True, False)
    (_, nearest) = ops.topk(scores, np.int64(1), 1, "max", "none").outputs()
    places = ops.reshape(nearest, np.array([shape[2] * shape[3]]), False)
    best = ops.gather(dials.own, places, np.int64(1))
    best = ops.reshape(best, np.array(list(shape)), False)
    energy = _sum(ops, ops.multiply(best, best))
    own = _sum(ops, ops.multiply(activation, activation))
    size = ops.multiply(ops.sqrt(energy), ops.sqrt(own))
    weight = _weight(ops, dials.weights, torch.tensor([part.term]))
    gain = ops.divide(weight, _at_least(ops, size, _TINY))
    return PartGradient(best, gain, _level(ops, gain, energy, activation))


def _focused(ops: Any, activation: Node, focus: Node) -> Node:
    """The activation times `terms.focus_weights` of it."""
    energies = _place_energies(ops, activation)
    mean = _at_least(ops, ops.reduce_mean(energies, [2, 3], True), _TINY)
    shares = ops.clamp(ops.divide(energies, mean), EMPTY, FULL)
    power = ops.multiply(focus, np.float32(0.5))
    return ops.multiply(activation, ops.exp(ops.multiply(ops.log(shares), power)))


def _energies(ops: Any, activation: Node) -> Node:
    """Each channel's sum of squares, (1, C, 1, 1)."""
    return ops.reduce_sum(ops.multiply(activation, activation), [0, 2, 3], True)


def _place_energies(ops: Any, activation: Node) -> Node:
    """Each place's sum of squares, (1, 1, h, w)."""
    return ops.reduce_sum(ops.multiply(activation, activation), [1], True)


def _level(ops: Any, gain: Node, energy: Node, direction: Node) -> Node:
    return ops.multiply(ops.abs(gain), _root_mean(ops, energy, direction))


def _root_mean(ops: Any, energy: Node, of: Node) -> Node:
    return ops.sqrt(ops.divide(energy, np.float32(np.prod(lengths(of)))))


def _weight(ops: Any, weights: Node, terms: Tensor) -> Node:
    """The sum of some weights."""
    return _sum(ops, ops.gather(weights, terms.numpy(), np.int64(0)))


def _sum(ops: Any, value: Node) -> Node:
    """Over everything, 0-d."""
    return ops.reduce_sum(value, list(range(len(lengths(value)))), False)


def _at_least(ops: Any, value: Node, least: float) -> Node:
    return ops.maximum(value, np.float32(least))


KNOWN_PARTS: Final[dict[type, Callable[..., PartGradient]]] = {
    LayerPart: _layer,
    ChannelsPart: _channels,
    ClassPart: _class,
    ClassesPart: _classes,
    KindPart: _kind,
    GuidePart: _guide,
}
"""What writes each; guides have none."""
