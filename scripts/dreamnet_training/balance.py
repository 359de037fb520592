"""Balance a trained network's layers, so that no motif drowns the others.

A dream climbs the sum of squares, so the channels that answer a dream loudest decide it: of the
576 channels of a layer that has learned faces, ten may carry a third of the response, and every
dream is an eye. The dreamable layers are rectified projections, so a channel's gain can be changed
without changing what it sees. Here the loud channels are turned down to the mean, dream after
dream.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch
from torch import Tensor, nn

from .objectives import DreamNetObjectives
from .sheets import long_dream

ROUNDS = 3
FRAMES = 5


def effective_channels(mean_squares: Tensor) -> float:
    """How many equal channels would carry this response: the participation ratio."""
    return float(mean_squares.sum().square() / mean_squares.square().sum())


def balance_layers(
    objectives: DreamNetObjectives,
    pictures: Tensor,
    exponents: Mapping[str, float],
    generator: np.random.Generator,
) -> dict[str, tuple[float, float]]:
    """Turns down, in place, the channels whose mean square in dreams is above their layer's mean.

    pictures: (N, 3, H, W) in [0, 1] to dream from. exponents: per layer, 1 brings a loud channel
    down to the mean, 0 leaves it. Returns the effective channels of each layer before and after.
    """
    result: dict[str, tuple[float, float]] = {}
    for name, exponent in exponents.items():
        projection = objectives.net.get_submodule(f"{name}.0")
        assert isinstance(projection, nn.Conv2d) and projection.bias is not None
        found: list[float] = []
        for _ in range(ROUNDS):
            objective = objectives.of_layers({name: 1.0})
            residual = long_dream(objective, pictures, generator, frames=FRAMES)
            with torch.no_grad():
                value = objective((pictures + residual).clamp(0, 1))[0][0].float()
                loudness = value.square().mean(dim=(0, 2, 3))
                mean = float(loudness.mean())
                gain = (mean / loudness.clamp(min=mean)) ** (exponent / 2)
                projection.weight.mul_(gain[:, None, None, None])
                projection.bias.mul_(gain)
            found.append(round(effective_channels(loudness), 1))
        result[name] = (found[0], found[-1])
    return result
