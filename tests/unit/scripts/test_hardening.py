"""Hardening: what the adversary attacks, what is kept, and that it is learned."""

import io
import json
import sys
import zipfile
from pathlib import Path

import harden_dreamnet
import numpy as np
import pytest
import torch
from dreamnet_training.hardening import Hardening, HardeningSettings, Lessons, soft_labels
from dreamnet_training.robust import moved
from PIL import Image
from torch import Tensor, nn

from livedream.dream.networks.dreamnet import (
    DreamNet,
    DreamNetConfig,
    LayerConfig,
    load_dreamnet,
    read_metadata,
    save_dreamnet,
)

SMALL = DreamNetConfig(
    layers=(
        LayerConfig("strokes", 1, 0, 8),
        LayerConfig("eyes", 3, 0, 12),
        LayerConfig("things", 3, 1, 16),
    ),
    num_classes=1000,
    widths=(6, 8, 12, 16),
    blocks=(0, 0, 1, 1),
    bottlenecks=(4, 4, 6, 8),
    norm=False,
)


def small() -> DreamNet:
    torch.manual_seed(1)
    return DreamNet(SMALL)


def lessons(count: int = 48) -> Lessons:
    """Reddish ones of class 3, bluish ones of class 7."""
    random = torch.Generator().manual_seed(2)
    pictures = torch.randint(0, 160, (count, 3, 64, 64), generator=random, dtype=torch.uint8)
    classes = torch.arange(count) % 2 * 4 + 3
    pictures[classes == 3, 0] += 90
    pictures[classes == 7, 2] += 90
    return Lessons(pictures, soft_labels(pictures, classes, [], 1000))


def shown(some: Lessons) -> tuple[Tensor, Tensor]:
    return some.pictures.float() / 255, some.targets.float()


class Certain(nn.Module):
    """A teacher that always sees class 5."""

    def forward(self, rgb: Tensor) -> dict[str, Tensor]:
        verdict = torch.zeros(len(rgb), 1000, 2, 2)
        verdict[:, 5] = 100.0
        return {"logits": verdict}


def test_half_of_what_is_to_be_said_is_the_label_and_half_the_teachers() -> None:
    pictures, classes = lessons().pictures, torch.arange(48)
    alone = soft_labels(pictures, classes, [], 1000)
    assert alone.argmax(1).tolist() == classes.tolist() and alone.sum(1).unique().tolist() == [1.0]
    taught = soft_labels(pictures, classes, [Certain()], 1000)  # type: ignore[list-item]
    assert taught[7, 7] == taught[7, 5] == 0.5 and taught[5, 5] == 1.0
    assert taught.dtype == torch.float16


def test_an_adversary_stays_within_reach_and_does_harm() -> None:
    training = Hardening(small(), HardeningSettings(1))
    pictures, targets = shown(lessons(8))
    wanted = training.wanted(pictures)
    hard = moved(lambda x: training.wrong(x, targets, wanted, training.deep), pictures, 1.0, 2)
    away = (hard - pictures).flatten(1).norm(dim=1)
    assert float(away.min()) > 0.2 and float(away.max()) <= 1.0001
    with torch.no_grad():
        assert training.wrong(hard, targets, wanted) > training.wrong(pictures, targets, wanted)


def test_the_adversary_attacks_deep_layers_and_all_are_kept() -> None:
    training = Hardening(small(), HardeningSettings(1))
    assert training.deep == ["eyes", "things"]
    assert training.weights == {"strokes": 0.3, "eyes": 1.0, "things": 1.0}
    pictures, targets = shown(lessons(8))
    wanted = training.wanted(pictures)
    with torch.no_grad():
        untouched = training.wrong(pictures, targets, wanted)
        strokes, things = (training.net.get_submodule(name)[0] for name in ("strokes", "things"))
        things.weight.mul_(2)
        moved_away = training.wrong(pictures, targets, wanted)
        assert moved_away > untouched + 0.02
        strokes.weight.mul_(3)
        assert training.wrong(pictures, targets, wanted) > moved_away
        deep = training.wrong(pictures, targets, wanted, training.deep)
        strokes.weight.mul_(3)
        assert training.wrong(pictures, targets, wanted, training.deep) == deep


def test_it_learns_and_leaves_the_network_before_as_it_was() -> None:
    net = small()
    before = {key: value.clone() for key, value in net.state_dict().items()}
    training = Hardening(net, HardeningSettings(1, warm_up_steps=1, average=0.8))
    pictures, targets = shown(lessons())
    losses = [training.step(pictures, targets, distance=0.3, learning_rate=1e-2) for _ in range(60)]
    assert losses[-1] < 0.7 * losses[0]
    for key, value in training.before.state_dict().items():
        assert torch.equal(value, before[key])
    averaged = training.averaged()
    assert not torch.equal(averaged.class_map.weight, before["class_map.weight"])
    assert not torch.equal(averaged.class_map.weight, training.net.class_map.weight)


def test_the_command_line_makes_a_network_with_the_notes_of_the_one_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    random, folders = np.random.default_rng(4), ("n01443537", "n02814860")
    for archive, names in (
        ("classes.zip", [f"{folder}/{n}.png" for folder in folders for n in range(3)]),
        ("samples.zip", ["n01440764_tench.png", "n01443537_goldfish.png"]),
    ):  # fmt: skip
        with zipfile.ZipFile(tmp_path / archive, "w") as opened:
            for name in names:
                png = io.BytesIO()
                Image.fromarray(random.integers(0, 255, (70, 80, 3), np.uint8)).save(png, "png")
                opened.writestr(name, png.getvalue())
    start, output = tmp_path / "start.safetensors", tmp_path / "clear.safetensors"
    notes = {"mean": [0.5] * 3, "std": [0.2] * 3, "layers": {"eyes": "eyes"}, "licence": "MIT"}
    save_dreamnet(small(), start, notes)
    words = f"""harden_dreamnet.py --start {start} --pictures {tmp_path / "classes.zip"}
        --samples {tmp_path / "samples.zip"} --minutes 0.02 --batch 4
        --work {tmp_path / "runs" / "one"} --output {output}"""
    monkeypatch.setattr(sys, "argv", words.split())
    harden_dreamnet.main()
    made = read_metadata(output)
    assert {key: made[key] for key in notes} == notes
    assert made["config"] == read_metadata(start)["config"]
    weights = load_dreamnet(output).class_map.weight
    assert not torch.equal(weights, load_dreamnet(start).class_map.weight)
    assert torch.load(tmp_path / "runs" / "one" / "checkpoint.pt")["steps"] > 0
    for line in capsys.readouterr().out.splitlines():
        assert json.loads(line)["steps"] > 0
