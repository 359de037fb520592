"""`BoundObjective.grad_outputs` as nodes of an OpenVINO graph: layers, channels and classes."""

from collections.abc import Sequence
from functools import reduce
from typing import Any, Final, NamedTuple

import numpy as np
import torch
from torch import Tensor

from livedream.core.errors import SettingsError
from livedream.dream.engines.openvino.layers import Node, lengths
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

_SPATIAL: Final = (0, 2, 3)


def require_known_parts(objective: BoundObjective) -> None:
    """Raises SettingsError for a guide."""
    for part in (part for found in objective.parts for part in found):
        if not isinstance(part, LayerPart | ChannelsPart | ClassPart):
            raise SettingsError("engine: openvino has no guides; try --engine torch")


def write_grad_outputs(
    ops: Any,
    objective: BoundObjective,
    activations: Sequence[Node],
    weights: Node,
    variety: Node,
) -> list[Node]:
    """One for each activation, of its shape, times one positive factor common to all.

    ops: an openvino opset.  weights: (terms,), variety: (1,), float32.
    """
    found = [
        [_gradient(ops, part, activation, weights, variety) for part in parts]
        for activation, parts in zip(activations, objective.parts, strict=True)
    ]
    loudest = reduce(ops.maximum, [one.level for gradients in found for one in gradients])
    factor = ops.divide(_scalar(ops, 1), ops.maximum(loudest, _scalar(ops, TINY)))
    return [
        reduce(
            ops.add, [ops.multiply(g.direction, ops.multiply(g.gain, factor)) for g in gradients]
        )
        for gradients in found
    ]


class _PartGradient(NamedTuple):
    """As `objectives.terms.PartGradient`: gain, one number or (1, C, 1, 1); level, one number."""

    direction: Node
    gain: Node
    level: Node


def _gradient(ops: Any, part: Any, activation: Node, weights: Node, variety: Node) -> _PartGradient:
    if isinstance(part, LayerPart):
        return _layer(ops, part, activation, weights, variety)
    if isinstance(part, ChannelsPart):
        return _channels(ops, part, activation, weights)
    assert isinstance(part, ClassPart), "of `require_known_parts`"
    return _class(ops, part, activation, weights)


def _layer(
    ops: Any, part: LayerPart, activation: Node, weights: Node, variety: Node
) -> _PartGradient:
    energies = _energies(ops, activation)
    mean = _at_least(ops, ops.reduce_mean(energies, np.array([1]), True), TINY)
    shares = ops.add(ops.divide(energies, mean), _scalar(ops, QUIET))
    channel_weight = ops.exp(ops.negative(ops.multiply(ops.log(shares), variety)))
    total = _at_least(ops, _sum(ops, ops.multiply(channel_weight, energies)), TINY)
    scale = ops.divide(_weight(ops, weights, part.terms), total)
    energy = _sum(ops, ops.multiply(ops.multiply(channel_weight, channel_weight), energies))
    return _PartGradient(
        activation, ops.multiply(channel_weight, scale), _level(ops, scale, energy, activation)
    )


def _channels(ops: Any, part: ChannelsPart, activation: Node, weights: Node) -> _PartGradient:
    energies = _energies(ops, activation)
    layer = _sum(ops, energies)
    gains = []
    for term, mask in zip(part.terms, part.masks, strict=True):
        where = ops.constant(mask.view(1, -1, 1, 1).numpy())
        own = _sum(ops, ops.multiply(energies, where))
        floor = ops.multiply(layer, _scalar(ops, SILENT_SHARE * float(mask.mean())))
        size = ops.multiply(ops.sqrt(ops.add(own, floor)), ops.sqrt(layer))
        share = ops.divide(_weight(ops, weights, term.view(1)), _at_least(ops, size, TINY))
        gains.append(ops.multiply(share, where))
    gain = reduce(ops.add, gains)
    total = _sum(ops, ops.multiply(ops.multiply(gain, gain), energies))
    level = ops.sqrt(ops.divide(total, _count(ops, activation)))
    return _PartGradient(activation, gain, level)


def _class(ops: Any, part: ClassPart, scores: Node, weights: Node) -> _PartGradient:
    """scores: (1, classes)."""
    wanted = np.zeros((1, lengths(scores)[1]), np.float32)
    wanted[0, part.number] = 1
    direction = ops.subtract(ops.constant(wanted), ops.softmax(scores, 1))
    energy = _sum(ops, ops.multiply(direction, direction))
    apart = ops.subtract(scores, ops.reduce_mean(scores, np.array([1]), True))
    spread = ops.sqrt(_sum(ops, ops.multiply(apart, apart)))
    size = ops.multiply(_at_least(ops, ops.sqrt(energy), CERTAIN), spread)
    weight = _weight(ops, weights, torch.tensor([part.term]))
    gain = ops.divide(weight, _at_least(ops, size, TINY))
    return _PartGradient(direction, gain, _level(ops, gain, energy, direction))


def _energies(ops: Any, activation: Node) -> Node:
    """Each channel's sum of squares, (1, C, 1, 1)."""
    return ops.reduce_sum(ops.multiply(activation, activation), np.array(_SPATIAL), True)


def _level(ops: Any, gain: Node, energy: Node, direction: Node) -> Node:
    return ops.multiply(ops.abs(gain), ops.sqrt(ops.divide(energy, _count(ops, direction))))


def _weight(ops: Any, weights: Node, terms: Tensor) -> Node:
    """The sum of some weights."""
    return _sum(ops, ops.gather(weights, terms.numpy(), np.int64(0)))


def _sum(ops: Any, value: Node) -> Node:
    """Over everything, 0-d."""
    return ops.reduce_sum(value, np.arange(len(lengths(value))), False)


def _count(ops: Any, value: Node) -> Node:
    return _scalar(ops, float(np.prod(lengths(value))))


def _at_least(ops: Any, value: Node, least: float) -> Node:
    return ops.maximum(value, _scalar(ops, least))


def _scalar(ops: Any, value: float) -> Node:
    return ops.constant(np.float32(value))
