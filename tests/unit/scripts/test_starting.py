"""A student may start from a checkpoint or from a finished network, also a sibling's."""

import json
from dataclasses import asdict, replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from train_dreamnet import student_of

from livedream.dream.networks.dreamnet import DreamNet, DreamNetConfig, LayerConfig

BIRDS = DreamNetConfig(
    layers=(LayerConfig("strokes", 1, 0, 8), LayerConfig("plumage", 3, 1, 12)),
    num_classes=5,
    widths=(4, 6, 8, 10),
    blocks=(0, 0, 1, 1),
    bottlenecks=(2, 2, 4, 4),
)
INSECTS = replace(
    BIRDS,
    layers=(LayerConfig("strokes", 1, 0, 8), LayerConfig("wings", 3, 1, 12)),
    num_classes=7,
)


@pytest.fixture
def finished(tmp_path: Path) -> Path:
    """A folded network of the birds' shape, as training leaves it."""
    torch.manual_seed(3)
    net = DreamNet(BIRDS).eval().folded()
    values = {"architecture": "dreamnet", "config": asdict(net.config)}
    path = tmp_path / "birds.safetensors"
    save_file(dict(net.state_dict()), path, {"livedream": json.dumps(values)})
    return path


def test_a_finished_network_is_gone_on_from(finished: Path) -> None:
    student = student_of(BIRDS, finished, folded=True)
    x = torch.randn(1, 3, 64, 64)
    torch.manual_seed(3)
    before = DreamNet(BIRDS).eval().folded().maps(x)
    for name, value in student.maps(x).items():
        torch.testing.assert_close(value, before[name])
    assert all(p.requires_grad for p in student.parameters())


def test_a_sibling_lends_what_stands_at_the_same_place(finished: Path) -> None:
    student = student_of(INSECTS, finished, folded=True)
    sibling = student_of(BIRDS, finished, folded=True)
    torch.testing.assert_close(student.wings[0].weight, sibling.plumage[0].weight)
    assert student.class_map.weight.shape[0] == 7


def test_a_place_of_another_width_is_left_as_drawn(finished: Path) -> None:
    wider = replace(INSECTS, layers=(INSECTS.layers[0], LayerConfig("wings", 3, 1, 16)))
    assert student_of(wider, finished, folded=True).wings[0].weight.shape[0] == 16


def test_a_checkpoint_with_batch_norm_is_folded(tmp_path: Path) -> None:
    torch.manual_seed(4)
    net = DreamNet(BIRDS).eval()
    path = tmp_path / "checkpoint.pt"
    torch.save({"student": net.state_dict(), "average": net.state_dict()}, path)
    x = torch.randn(1, 3, 64, 64)
    student = student_of(BIRDS, path, folded=True)
    torch.testing.assert_close(student(x), net(x), atol=1e-5, rtol=1e-4)
