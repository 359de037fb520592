"""Recipes: which layers a network gets, where they sit and which teacher's layer each one learns.

A recipe is a value; ``load_recipe`` also reads one from a JSON file of the same fields, so that a
network of your own needs no change to the code.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from livedream.dream.networks.dreamnet import DreamNetConfig, LayerConfig
from livedream.dream.networks.preprocessing import IMAGENET

IMAGENET_MEAN, IMAGENET_STD = IMAGENET.mean, IMAGENET.std


@dataclass(frozen=True)
class RecipeLayer:
    """A dreamable layer: where it sits in the student, what it learns, what an artist sees in it.

    ``teacher`` counts the teachers in the order in which they are given; ``channels`` is that of
    ``teacher_layer``. balance: how far its loud channels are turned down in the end, 0 to 1.
    """

    name: str
    stage: int
    block: int
    channels: int
    teacher: int
    teacher_layer: str
    description: str
    balance: float = 0.0


@dataclass(frozen=True)
class Recipe:
    """A network to distil. ``teachers`` says in words which networks the run expects."""

    name: str
    teachers: tuple[str, ...]
    layers: tuple[RecipeLayer, ...]
    default_objective: str

    def config(self, num_classes: int) -> DreamNetConfig:
        """The student's shape."""
        return DreamNetConfig(
            layers=tuple(
                LayerConfig(layer.name, layer.stage, layer.block, layer.channels)
                for layer in self.layers
            ),
            num_classes=num_classes,
        )


DREAMNET = Recipe(
    name="dreamnet",
    teachers=("squeezenet1_0, ImageNet", "mobilenet_v2, ImageNet"),
    layers=(
        RecipeLayer("strokes", 1, 0, 128, 0, "features.4", "dabs and short strokes", 0.4),
        RecipeLayer("weave", 2, 1, 192, 1, "features.5.conv.0", "stripes and woven lines", 0.5),
        RecipeLayer("mosaic", 3, 1, 384, 1, "features.9.conv.0", "tiles, plaids, ribs", 0.3),
        RecipeLayer("eyes", 3, 2, 512, 0, "features.10", "eyes, set in rings"),
        RecipeLayer("fur", 3, 4, 576, 1, "features.12.conv.0", "furry bodies, tails, eyes", 0.3),
        RecipeLayer("faces", 3, 5, 576, 1, "features.13.conv.0", "muzzles, faces, heads on legs"),
        RecipeLayer("beasts", 3, 6, 512, 0, "features.12", "faces with many eyes, in fur"),
        RecipeLayer(
            "creatures", 3, 6, 576, 1, "features.14.conv.0", "whole creatures, heads on legs", 0.12
        ),
    ),
    default_objective="faces+creatures+5*classes:0-397",
)

BIRDS = Recipe(
    name="dreamnet-birds",
    teachers=("mobilenet_v2, iNaturalist birds",),
    layers=(
        RecipeLayer("strokes", 1, 0, 144, 0, "features.3.conv.0", "short brush strokes"),
        RecipeLayer(
            "weave", 2, 1, 192, 0, "features.5.conv.0", "crossing lines, dashes, eyes", 0.4
        ),
        RecipeLayer("down", 3, 1, 384, 0, "features.9.conv.0", "rings of down, first eyes"),
        RecipeLayer("plumage", 3, 3, 576, 0, "features.12.conv.0", "feathers, large heads"),
        RecipeLayer("eyes", 3, 5, 576, 0, "features.13.conv.0", "eyes and heads"),
        RecipeLayer("creatures", 3, 6, 576, 0, "features.14.conv.0", "whole birds"),
    ),
    default_objective="eyes+creatures",
)

INSECTS = Recipe(
    name="dreamnet-insects",
    teachers=("mobilenet_v2, iNaturalist insects",),
    layers=(
        RecipeLayer("strokes", 1, 0, 144, 0, "features.3.conv.0", "short brush strokes"),
        RecipeLayer("weave", 2, 1, 192, 0, "features.5.conv.0", "curved lines, woven", 0.5),
        RecipeLayer("veins", 3, 1, 384, 0, "features.9.conv.0", "slanting veins, dotted", 0.5),
        RecipeLayer("wings", 3, 3, 576, 0, "features.12.conv.0", "spotted wings, thin limbs", 0.2),
        RecipeLayer("segments", 3, 5, 576, 0, "features.13.conv.0", "checkered bodies, hairs"),
        RecipeLayer("creatures", 3, 6, 576, 0, "features.14.conv.0", "many legs, compound eyes"),
    ),
    default_objective="segments+creatures",
)

RECIPES = {recipe.name: recipe for recipe in (DREAMNET, BIRDS, INSECTS)}


def load_recipe(name: str) -> Recipe:
    """A built-in recipe by name, or one from a JSON file. Raises ValueError for neither."""
    if name in RECIPES:
        return RECIPES[name]
    path = Path(name)
    if not path.is_file():
        raise ValueError(f"{name}: no such recipe or file; built in: {', '.join(RECIPES)}")
    values = json.loads(path.read_text())
    return Recipe(
        name=values["name"],
        teachers=tuple(values["teachers"]),
        layers=tuple(RecipeLayer(**layer) for layer in values["layers"]),
        default_objective=values["default_objective"],
    )
