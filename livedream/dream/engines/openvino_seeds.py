"""An objective's seeds as nodes of an OpenVINO graph: `BoundObjective.seeds`, written out.

Of layers and of channels, which need nothing but the activations. A class looks at the whole
picture and a guide at another one: those are left to the other engines.
"""

from collections.abc import Sequence
from typing import Any, Final

import numpy as np

from livedream.dream.objective import BoundObjective
from livedream.dream.objective_parts import SILENT_SHARE, TINY, ChannelsPart, LayerPart
from livedream.errors import SettingsError

__all__ = ["require_parts", "write_seeds"]

Node = Any
_ALL: Final = (0, 1, 2, 3)
_PLACES: Final = (0, 2, 3)


def _is_one_layer(objective: BoundObjective) -> bool:
    """Whether the seed is the activation itself: its size does not count."""
    parts = [part for found in objective.parts for part in found]
    return len(parts) == 1 and isinstance(parts[0], LayerPart)


def require_parts(objective: BoundObjective) -> None:
    """Raises SettingsError for a class or a guide."""
    for part in (part for found in objective.parts for part in found):
        if not isinstance(part, LayerPart | ChannelsPart):
            raise SettingsError(
                "engine: openvino dreams layers and channels, a class or a guide found; "
                "try --engine direct"
            )


def write_seeds(
    ops: Any, objective: BoundObjective, activations: Sequence[Node], weights: Node
) -> list[Node]:
    """One seed for each activation, (1, C, h, w), times one positive factor common to all.

    ops: an openvino opset.  weights: (terms,) float32.
    """
    if _is_one_layer(objective):
        total = _weight_of(ops, objective.parts[0][0], weights)
        return [ops.multiply(activations[0], ops.sign(total))]
    found = [
        [_slope(ops, part, activation, weights) for part in parts]
        for activation, parts in zip(activations, objective.parts, strict=True)
    ]
    levels = [level for slopes in found for _, level in slopes]
    loudest = levels[0]
    for level in levels[1:]:
        loudest = ops.maximum(loudest, level)
    factor = ops.divide(_number(ops, 1), ops.maximum(loudest, _number(ops, TINY)))
    seeds = []
    for activation, slopes in zip(activations, found, strict=True):
        gain = slopes[0][0]
        for other, _ in slopes[1:]:
            gain = ops.add(gain, other)
        seeds.append(ops.multiply(activation, ops.multiply(gain, factor)))
    return seeds


def _slope(ops: Any, part: Any, activation: Node, weights: Node) -> tuple[Node, Node]:
    """Gain, (1, C or 1, 1, 1), and level, (1, 1, 1, 1), as `objective_parts.Slope` has them."""
    count = _number(ops, float(np.prod(list(activation.get_output_shape(0)))))
    squares = ops.multiply(activation, activation)
    if isinstance(part, LayerPart):
        energy = ops.reduce_sum(squares, np.array(_ALL), True)
        gain = ops.divide(_weight_of(ops, part, weights), ops.maximum(energy, _number(ops, TINY)))
        level = ops.multiply(ops.abs(gain), ops.sqrt(ops.divide(energy, count)))
        return gain, level
    assert isinstance(part, ChannelsPart), "of `require_parts`"
    energies = ops.reduce_sum(squares, np.array(_PLACES), True)
    return _channels(ops, part, energies, weights, count)


def _channels(
    ops: Any, part: ChannelsPart, energies: Node, weights: Node, count: Node
) -> tuple[Node, Node]:
    """energies: (1, C, 1, 1)."""
    layer = ops.reduce_sum(energies, np.array(_ALL), True)
    whole: Node | None = None
    for term, mask in zip(part.terms.tolist(), part.masks, strict=True):
        where = ops.constant(mask.view(1, -1, 1, 1).numpy())
        own = ops.reduce_sum(ops.multiply(energies, where), np.array(_ALL), True)
        floor = ops.multiply(layer, _number(ops, SILENT_SHARE * float(mask.mean())))
        size = ops.multiply(ops.sqrt(ops.add(own, floor)), ops.sqrt(layer))
        weight = _picked(ops, weights, [term])
        gain = ops.multiply(ops.divide(weight, ops.maximum(size, _number(ops, TINY))), where)
        whole = gain if whole is None else ops.add(whole, gain)
    pulled = ops.multiply(ops.multiply(whole, whole), energies)
    level = ops.sqrt(ops.divide(ops.reduce_sum(pulled, np.array(_ALL), True), count))
    return whole, level


def _weight_of(ops: Any, part: Any, weights: Node) -> Node:
    return _picked(ops, weights, part.terms.tolist())


def _picked(ops: Any, weights: Node, terms: Sequence[int]) -> Node:
    """The sum of some weights, (1, 1, 1, 1)."""
    some = ops.gather(weights, np.array(list(terms)), np.int64(0))
    return ops.reshape(ops.reduce_sum(some, np.array([0]), True), np.array([1, 1, 1, 1]), False)


def _number(ops: Any, value: float) -> Node:
    return ops.constant(np.float32(value))
