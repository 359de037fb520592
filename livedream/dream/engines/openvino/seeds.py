"""An objective's seeds as nodes of an OpenVINO graph: `BoundObjective.seeds`, written out.

Of layers, channels and classes. A guide is left to the other engines.
"""

from collections.abc import Sequence
from functools import reduce
from typing import Any, Final, NamedTuple

import numpy as np
import torch
from torch import Tensor

from livedream.core.errors import SettingsError
from livedream.dream.engines.openvino.convolutions import Node, lengths
from livedream.dream.objectives.binding import BoundObjective
from livedream.dream.objectives.terms import (
    CERTAIN,
    QUIET,
    SILENT_SHARE,
    TINY,
    ChannelsPart,
    ClassPart,
    LayerPart,
)

__all__ = ["require_parts", "write_seeds"]

_PLACES: Final = (0, 2, 3)


def require_parts(objective: BoundObjective) -> None:
    """Raises SettingsError for a guide."""
    for part in (part for found in objective.parts for part in found):
        if not isinstance(part, LayerPart | ChannelsPart | ClassPart):
            raise SettingsError("engine: openvino has no guides; try --engine direct")


def write_seeds(
    ops: Any,
    objective: BoundObjective,
    activations: Sequence[Node],
    weights: Node,
    variety: Node,
) -> list[Node]:
    """One seed for each activation, of its shape, times one positive factor common to all.

    ops: an openvino opset.  weights: (terms,), variety: (1,), float32.
    """
    found = [
        [_slope(ops, part, activation, weights, variety) for part in parts]
        for activation, parts in zip(activations, objective.parts, strict=True)
    ]
    loudest = reduce(ops.maximum, [slope.level for slopes in found for slope in slopes])
    factor = ops.divide(_number(ops, 1), ops.maximum(loudest, _number(ops, TINY)))
    return [
        reduce(ops.add, [ops.multiply(s.direction, ops.multiply(s.gain, factor)) for s in slopes])
        for slopes in found
    ]


class _Slope(NamedTuple):
    """As `objective_parts.Slope`: gain, one number or (1, C, 1, 1); level, one number."""

    direction: Node
    gain: Node
    level: Node


def _slope(ops: Any, part: Any, activation: Node, weights: Node, variety: Node) -> _Slope:
    if isinstance(part, LayerPart):
        return _layer(ops, part, activation, weights, variety)
    if isinstance(part, ChannelsPart):
        return _channels(ops, part, activation, weights)
    assert isinstance(part, ClassPart), "of `require_parts`"
    return _class(ops, part, activation, weights)


def _layer(ops: Any, part: LayerPart, activation: Node, weights: Node, variety: Node) -> _Slope:
    energies = _energies(ops, activation)
    mean = _above(ops, ops.reduce_mean(energies, np.array([1]), True), TINY)
    shares = ops.add(ops.divide(energies, mean), _number(ops, QUIET))
    bend = ops.exp(ops.negative(ops.multiply(ops.log(shares), variety)))
    pulled = _above(ops, _sum(ops, ops.multiply(bend, energies)), TINY)
    scale = ops.divide(_weight(ops, weights, part.terms), pulled)
    energy = _sum(ops, ops.multiply(ops.multiply(bend, bend), energies))
    return _Slope(activation, ops.multiply(bend, scale), _level(ops, scale, energy, activation))


def _channels(ops: Any, part: ChannelsPart, activation: Node, weights: Node) -> _Slope:
    energies = _energies(ops, activation)
    layer = _sum(ops, energies)
    gains = []
    for term, mask in zip(part.terms, part.masks, strict=True):
        where = ops.constant(mask.view(1, -1, 1, 1).numpy())
        own = _sum(ops, ops.multiply(energies, where))
        floor = ops.multiply(layer, _number(ops, SILENT_SHARE * float(mask.mean())))
        size = ops.multiply(ops.sqrt(ops.add(own, floor)), ops.sqrt(layer))
        pull = ops.divide(_weight(ops, weights, term.view(1)), _above(ops, size, TINY))
        gains.append(ops.multiply(pull, where))
    gain = reduce(ops.add, gains)
    pulled = _sum(ops, ops.multiply(ops.multiply(gain, gain), energies))
    level = ops.sqrt(ops.divide(pulled, _count(ops, activation)))
    return _Slope(activation, gain, level)


def _class(ops: Any, part: ClassPart, scores: Node, weights: Node) -> _Slope:
    """scores: (1, classes)."""
    wanted = np.zeros((1, lengths(scores)[1]), np.float32)
    wanted[0, part.number] = 1
    direction = ops.subtract(ops.constant(wanted), ops.softmax(scores, 1))
    energy = _sum(ops, ops.multiply(direction, direction))
    apart = ops.subtract(scores, ops.reduce_mean(scores, np.array([1]), True))
    spread = ops.sqrt(_sum(ops, ops.multiply(apart, apart)))
    size = ops.multiply(_above(ops, ops.sqrt(energy), CERTAIN), spread)
    weight = _weight(ops, weights, torch.tensor([part.term]))
    gain = ops.divide(weight, _above(ops, size, TINY))
    return _Slope(direction, gain, _level(ops, gain, energy, direction))


def _energies(ops: Any, activation: Node) -> Node:
    """Each channel's sum of squares, (1, C, 1, 1)."""
    return ops.reduce_sum(ops.multiply(activation, activation), np.array(_PLACES), True)


def _level(ops: Any, gain: Node, energy: Node, direction: Node) -> Node:
    return ops.multiply(ops.abs(gain), ops.sqrt(ops.divide(energy, _count(ops, direction))))


def _weight(ops: Any, weights: Node, terms: Tensor) -> Node:
    """The sum of some weights."""
    return _sum(ops, ops.gather(weights, terms.numpy(), np.int64(0)))


def _sum(ops: Any, value: Node) -> Node:
    """Over everything, 0-d."""
    return ops.reduce_sum(value, np.arange(len(lengths(value))), False)


def _count(ops: Any, value: Node) -> Node:
    return _number(ops, float(np.prod(lengths(value))))


def _above(ops: Any, value: Node, least: float) -> Node:
    return ops.maximum(value, _number(ops, least))


def _number(ops: Any, value: float) -> Node:
    return ops.constant(np.float32(value))
