"""A DreamNet's objectives for a batch of pictures, and sheets of its layers from noise and clouds.

The library's `Ascent` dreams one picture; training judges many at once, in one backward pass.

Convention
    As in ``sheets``: pictures are float RGB ``(N, 3, H, W)`` in [0, 1].
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torchvision.models.feature_extraction import create_feature_extractor

from livedream.core.settings import DreamSettings
from livedream.dream.networks.dreamnet import DreamNet
from livedream.learn.album import clouds

from .dreaming import varied
from .sheets import BatchObjective, long_dream, save_sheet

VARIETY: float = DreamSettings().variety
"""Of dreams as the library makes them unless told otherwise."""


class DreamNetObjectives:
    """A DreamNet with its normalisation; gives the objectives of its layers and classes."""

    def __init__(self, net: DreamNet, mean: Sequence[float], std: Sequence[float]) -> None:
        self.net = net
        self.mean = torch.tensor(tuple(mean))[None, :, None, None]
        self.std = torch.tensor(tuple(std))[None, :, None, None]

    def normalised(self, rgb: Tensor) -> Tensor:
        """The network's input."""
        return ((rgb - self.mean) / self.std).contiguous(memory_format=torch.channels_last)

    def of_layers(self, weights: Mapping[str, float], variety: float = 0.0) -> BatchObjective:
        """Half the mean squares of these layers, weighted; variety: as in the library."""
        extract = create_feature_extractor(self.net, {name: name for name in weights})

        def objective(x: Tensor) -> tuple[list[Tensor], list[Tensor]]:
            with torch.autocast("cpu", torch.bfloat16):
                maps = extract(self.normalised(x))
            values = [maps[name] for name in weights]
            varieties = np.full(len(x), variety)
            grad_outputs = []
            for value, weight in zip(values, weights.values(), strict=True):
                scale = 1e5 * weight / value[0].numel()
                channel_weight = varied(value.detach(), varieties) * scale
                grad_outputs.append((value.detach() * channel_weight).to(value.dtype))
            return values, grad_outputs

        return objective

    def of_classes(self, classes: Sequence[int]) -> BatchObjective:
        """One class per picture: the log probability of the class map's mean, as the library's
        ``class:`` objectives ascend it."""
        extract = create_feature_extractor(self.net, {"class_map": "class_map"})

        def objective(x: Tensor) -> tuple[list[Tensor], list[Tensor]]:
            with torch.autocast("cpu", torch.bfloat16):
                value = extract(self.normalised(x))["class_map"]
            grad_output = -value.detach().float().mean(dim=(2, 3)).softmax(dim=1)
            grad_output[torch.arange(len(classes)), torch.tensor(classes)] += 1
            return [value], [grad_output[:, :, None, None].expand_as(value).to(value.dtype)]

        return objective


def draw_layers(
    objectives: DreamNetObjectives,
    path: Path,
    *,
    size_px: tuple[int, int] = (176, 208),
    frames: int = 15,
) -> None:
    """Every layer after ``frames`` frames of video, from two clouds and from noise, as one PNG.

    With the library's own variety.

    Nothing in it comes from a photograph.
    """
    generator = np.random.default_rng(7)
    grounds = [clouds(1, *size_px, generator) for _ in range(2)]
    noise = generator.normal(0.5, 0.08, (1, 3, *size_px)).clip(0, 1)
    grounds.append(torch.from_numpy(noise).float())
    names = [layer.name for layer in objectives.net.config.layers]
    rows = []
    for ground in grounds:
        residuals = [
            long_dream(objectives.of_layers({name: 1.0}, VARIETY), ground, generator, frames=frames)
            for name in names
        ]
        rows.append([(ground + residual).clamp(0, 1) for residual in residuals])
    save_sheet(path, rows, names)
