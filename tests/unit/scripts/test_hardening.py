"""Hardening: what the adversary attacks, what is kept, and that it is learned."""

import io
import json
import sys
import zipfile
from dataclasses import replace
from pathlib import Path

import harden_dreamnet
import numpy as np
import pytest
import torch
from dreamnet_training.hardening import (
    Hardening,
    HardeningSettings,
    Lessons,
    recognised,
    soft_labels,
)
from dreamnet_training.pictures import load_pictures
from dreamnet_training.robust import Progress
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
        LayerConfig("mosaic", 3, 1, 8),
        LayerConfig("eyes", 3, 2, 12),
        LayerConfig("things", 3, 3, 16),
    ),
    num_classes=1000,
    widths=(6, 8, 12, 16),
    blocks=(0, 0, 1, 3),
    bottlenecks=(4, 4, 6, 8),
    norm=False,
)


DREAMNET = Path(__file__).parents[3] / "models" / "dreamnet.safetensors"


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
    assert taught.dtype == torch.float16 and taught.sum(1).unique().tolist() == [1.0]


def test_an_adversary_stays_within_reach_and_does_harm() -> None:
    training = Hardening(small(), HardeningSettings(1))
    pictures, targets = shown(lessons(8))
    wanted = training.wanted(pictures)
    hard = training.moved(pictures, targets, wanted, 1.0, 2)
    away = (hard - pictures).flatten(1).norm(dim=1)
    assert float(away.min()) > 0.2 and float(away.max()) <= 1.0001
    with torch.no_grad():
        assert training.wrong(hard, targets, wanted) > training.wrong(pictures, targets, wanted)


def test_the_adversary_attacks_deep_layers_and_all_are_kept() -> None:
    training = Hardening(small(), HardeningSettings(1))
    assert training.deep == ["eyes", "things"]
    assert training.weights == {"strokes": 0.3, "mosaic": 0.5, "eyes": 1.0, "things": 1.0}
    pictures, targets = shown(lessons(8))
    wanted = training.wanted(pictures)
    with torch.no_grad():
        untouched = training.wrong(pictures, targets, wanted)
        strokes, things = (training.net.get_submodule(name)[0] for name in ("strokes", "things"))
        mosaic = training.net.get_submodule("mosaic")[0]
        things.weight.mul_(2)
        moved_away = training.wrong(pictures, targets, wanted)
        assert moved_away > untouched + 0.02
        strokes.weight.mul_(3)
        assert training.wrong(pictures, targets, wanted) > moved_away
        deep = training.wrong(pictures, targets, wanted, training.deep)
        strokes.weight.mul_(3)
        mosaic.weight.mul_(3)
        assert training.wrong(pictures, targets, wanted, training.deep) == deep


def test_dreamnet_s_layers_weigh_as_when_it_was_hardened() -> None:
    training = Hardening(load_dreamnet(DREAMNET), HardeningSettings(1))
    assert training.deep == ["eyes", "fur", "faces", "beasts", "creatures"]
    less = {name: weight for name, weight in training.weights.items() if weight < 1}
    assert less == {"strokes": 0.3, "weave": 0.3, "mosaic": 0.5}


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


def test_it_learns_less_wrong_things_about_moved_pictures() -> None:
    training = Hardening(small(), HardeningSettings(1, warm_up_steps=1, average=0.8))
    pictures, targets = shown(lessons())
    wanted = training.wanted(pictures)
    losses = []
    for _ in range(2):
        hard = training.moved(pictures, targets, wanted, 0.5, 4)
        with torch.no_grad():
            losses.append(float(training.wrong(hard, targets, wanted)))
        for _ in range(30):
            training.step(pictures, targets, distance=0.5, learning_rate=1e-2)
    assert losses[1] < 0.8 * losses[0]
    net = training.net
    plain, attacked = recognised(training, lessons())
    assert plain > 0.9 and attacked <= plain and training.net is net


def test_a_network_between_is_the_mean_of_both() -> None:
    training = Hardening(small(), HardeningSettings(1, warm_up_steps=1, average=0.5))
    pictures, targets = shown(lessons(8))
    for _ in range(5):
        training.step(pictures, targets, distance=0.3, learning_rate=1e-2)
    before, half, after = (training.averaged(share).state_dict() for share in (0, 0.5, 1))
    for key, value in training.before.state_dict().items():
        assert torch.equal(before[key], value)
        assert torch.equal(after[key], training.average[key])
        assert torch.allclose(half[key], (value + after[key]) / 2, atol=1e-6)
    assert not torch.equal(before["class_map.weight"], after["class_map.weight"])


@pytest.mark.parametrize("sampled", [False, True])
def test_each_picture_comes_once_before_any_comes_again(
    sampled: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each picture is known by the class that it has alone; batches are not mixed."""
    every = torch.arange(6)
    one = Lessons(lessons(6).pictures, soft_labels(lessons(6).pictures, every, [], 1000))
    more = Lessons(one.pictures, soft_labels(one.pictures, every + 10, [], 1000))
    settings = HardeningSettings(60, batch=3, samples=2, size_px=64, mixed=0)
    training = Hardening(small(), settings)
    classes: list[int] = []

    def step(pictures: Tensor, targets: Tensor, **_: float) -> float:
        assert pictures.shape == (5 if sampled else 3, 3, 64, 64)
        classes.extend(targets.argmax(1).tolist())
        training.steps += 1
        if training.steps == 6:
            raise KeyboardInterrupt  # as if somebody had stopped it
        return 0.0

    def seen(_: Progress) -> None:
        pass

    monkeypatch.setattr(training, "step", step)
    with pytest.raises(KeyboardInterrupt):
        training.run(one, more if sampled else None, np.random.default_rng(0), seen)
    assert sorted(c for c in classes if c < 10) == sorted([*range(6)] * 3)
    assert sorted(c for c in classes if c >= 10) == sorted([*range(10, 16)] * 2 * sampled)


def archive_of(path: Path, names: list[str]) -> Path:
    """Random pictures in a zip file."""
    random = np.random.default_rng(4)
    with zipfile.ZipFile(path, "w") as opened:
        for name in names:
            png = io.BytesIO()
            Image.fromarray(random.integers(0, 255, (70, 80, 3), np.uint8)).save(png, "png")
            opened.writestr(name, png.getvalue())
    return path


def test_classes_are_read_from_folders_and_from_names(tmp_path: Path) -> None:
    names = ["n01443537/0.png", "n01440764/1.png", "val/2.png", "n01443537_goldfish.png"]
    pictures = load_pictures(archive_of(tmp_path / "a.zip", names), tmp_path)
    found = harden_dreamnet.from_folders([pictures], 64)
    assert found.pictures.shape == (2, 3, 64, 64) and sorted(found.classes.tolist()) == [0, 1]
    found = harden_dreamnet.from_names(pictures, 32)
    assert found.pictures.shape == (1, 3, 32, 32) and found.classes.tolist() == [1]
    nameless = load_pictures(archive_of(tmp_path / "b.zip", ["val/0.png"]), tmp_path)
    with pytest.raises(SystemExit, match="no folder is named by a WordNet number"):
        harden_dreamnet.from_folders([nameless], 64)
    with pytest.raises(SystemExit, match="no file's name begins with a WordNet number"):
        harden_dreamnet.from_names(nameless, 64)


def test_a_network_of_other_classes_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    start = tmp_path / "start.safetensors"
    save_dreamnet(DreamNet(replace(SMALL, num_classes=964)), start, {})
    words = f"""harden_dreamnet.py --start {start} --pictures {tmp_path / "none.zip"}
        --work {tmp_path / "runs" / "one"} --output {tmp_path / "made.safetensors"}"""
    monkeypatch.setattr(sys, "argv", words.split())
    with pytest.raises(SystemExit, match=r"1000 classes is wanted \(found 964\)"):
        harden_dreamnet.main()


def test_the_command_line_makes_a_network_with_the_notes_of_the_one_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    folders = ("n01443537", "n02814860")
    classes = [f"{folder}/{n}.png" for folder in folders for n in range(5)]
    archive_of(tmp_path / "classes.zip", classes)
    archive_of(tmp_path / "samples.zip", ["n01440764_tench.png", "n01443537_goldfish.png"])
    start, output = tmp_path / "start.safetensors", tmp_path / "hard.safetensors"
    notes = {"mean": [0.5] * 3, "std": [0.2] * 3, "layers": {"eyes": "eyes"}, "licence": "MIT"}
    save_dreamnet(small(), start, notes)
    words = f"""harden_dreamnet.py --start {start} --pictures {tmp_path / "classes.zip"}
        --samples {tmp_path / "samples.zip"} --minutes 0.02 --batch 4 --size 64
        --work {tmp_path / "runs" / "one"} --output {output}"""
    monkeypatch.setattr(sys, "argv", words.split())
    harden_dreamnet.main()
    made = read_metadata(output)
    assert {key: made[key] for key in notes} == notes
    assert made["config"] == read_metadata(start)["config"]
    weights = load_dreamnet(output).class_map.weight
    assert not torch.equal(weights, load_dreamnet(start).class_map.weight)
    assert torch.load(tmp_path / "runs" / "one" / "checkpoint.pt")["steps"] > 0
    *told, last = (json.loads(line) for line in capsys.readouterr().out.splitlines())
    assert all(progress["steps"] > 0 for progress in told)
    assert sorted(last) == ["recognised", "recognised when attacked"]
