"""What is measured of a network's dreams."""

import numpy as np
import pytest
import torch
from dreamnet_training import measures
from dreamnet_training.objectives import DreamNetObjectives
from dreamnet_training.recipes import IMAGENET_MEAN, IMAGENET_STD
from dreamnet_training.sheets import SheetSettings, dream
from dreamnet_training.teachers import LOGITS, Teacher
from torch import Tensor
from torch.nn import functional

from livedream.dream.networks.dreamnet import DreamNet, DreamNetConfig, LayerConfig

CLASSES = 5
SIZE_PX = 96


class Colours(Teacher):
    """A teacher that names class n by how much of colour n there is."""

    def __init__(self) -> None:
        torch.nn.Module.__init__(self)
        self.seen: list[Tensor] = []

    def forward(self, rgb: Tensor) -> dict[str, Tensor]:
        self.seen.append(rgb)
        means = functional.avg_pool2d(rgb, 32)
        return {LOGITS: 40 * torch.cat([means, means[:, :2] * 0.5], dim=1)}


@pytest.fixture
def objectives() -> DreamNetObjectives:
    torch.manual_seed(5)
    config = DreamNetConfig(layers=(LayerConfig("strokes", 1, 0, 8),), num_classes=CLASSES)
    return DreamNetObjectives(
        DreamNet(config).folded().requires_grad_(False), IMAGENET_MEAN, IMAGENET_STD
    )


def test_a_watched_dream_is_the_same_and_shows_every_step(objectives: DreamNetObjectives) -> None:
    settings = SheetSettings(octaves=2, iterations=3)
    picture = torch.rand(2, 3, SIZE_PX, SIZE_PX)
    ascend, shown = objectives.of_layers({"strokes": 1.0}), list[Tensor]()
    plain = dream(ascend, picture, settings, np.random.default_rng(3))
    watched = dream(ascend, picture, settings, np.random.default_rng(3), watch=shown.append)
    assert len(shown) == 6 and {tuple(s.shape) for s in shown} == {tuple(picture.shape)}
    assert torch.equal(plain, watched) and torch.equal(shown[-1], watched)
    growth = [float(s.square().mean()) for s in shown]
    assert growth == sorted(growth) and growth[0] > 0


def test_class_dreams_are_judged_after_every_step(objectives: DreamNetObjectives) -> None:
    teacher, wanted = Colours(), [3, 0, 1, 4]
    start = torch.full((4, 3, SIZE_PX, SIZE_PX), 0.5)
    found = measures.class_dreams(objectives, teacher, wanted, start, 2)
    assert found.wanted.shape == found.others.shape == (4, 4)
    for step, rgb in enumerate(list(teacher.seen)):
        logits = teacher(rgb)[LOGITS]
        cells = logits.softmax(dim=1).amax(dim=(2, 3))
        whole = logits.mean(dim=(2, 3)).softmax(dim=1)
        likely = torch.maximum(cells, whole)
        expected = likely[range(4), wanted]
        torch.testing.assert_close(found.wanted[:, step], expected)
        torch.testing.assert_close(found.others[:, step], likely[range(4), [0, 1, 4, 3]])
    assert not torch.equal(found.wanted[:, 0], found.wanted[:, -1])
